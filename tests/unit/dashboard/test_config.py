"""The settings: good and bad values, and no password anywhere."""

import pytest

from dashboard.config import AHEAD_PERCENT, SETTINGS, SQL_URL, SqlEndpoint, from_environ
from dashboard.errors import ConfigError, DashboardError


def endpoint(url: str) -> SqlEndpoint:
    return from_environ({SQL_URL.env: url}).sql


def test_an_empty_environment_means_the_collector_on_this_machine():
    config = from_environ({})
    assert SqlEndpoint("http", "127.0.0.1", 8123) == config.sql
    assert config.sql_timeout_s == 20


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://ch:8124", SqlEndpoint("http", "ch", 8124)),
        ("http://ch", SqlEndpoint("http", "ch", 8123)),
        ("https://ch", SqlEndpoint("https", "ch", 8443)),
        ("https://ch/", SqlEndpoint("https", "ch", 8443)),
        ("http://me:p%40ss@ch/lambda", SqlEndpoint("http", "ch", 8123, "me", "p@ss", "lambda")),
        ("http://[::1]:8123", SqlEndpoint("http", "::1", 8123)),
        ("", SqlEndpoint("http", "127.0.0.1", 8123)),
    ],
)
def test_urls(url, expected):
    assert endpoint(url) == expected


@pytest.mark.parametrize("url", ["ch:8123", "clickhouse://ch", "http://", "http://ch:port", "http://ch:99999", "ünï"])
def test_a_bad_url_names_the_variable(url):
    with pytest.raises(ConfigError, match=SQL_URL.env):
        endpoint(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://me:hunter2@ch",
        "http://me:hunter2@ch:port",
        "http://me:hunter2#x@ch",
        "http://me:hunter2/x@ch",
        "http://me:hunter2?x@ch",
    ],
)
def test_a_bad_url_is_told_without_its_password(url):
    with pytest.raises(DashboardError) as raised:
        endpoint(url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_bad_timeout_names_variable_and_value(text):
    with pytest.raises(ConfigError, match=f"LAMBDASCOPE_SQL_TIMEOUT_S='{text}'"):
        from_environ({"LAMBDASCOPE_SQL_TIMEOUT_S": text})


@pytest.mark.parametrize("text", ["-1", "101", "much", "nan"])
def test_a_bad_share_of_the_time_names_variable_and_value(text):
    with pytest.raises(ConfigError, match=f"{AHEAD_PERCENT.env}='{text}'"):
        from_environ({AHEAD_PERCENT.env: text})


def test_a_share_of_the_time_is_said_in_per_cent():
    assert from_environ({AHEAD_PERCENT.env: "0"}).ahead_share == 0
    assert from_environ({AHEAD_PERCENT.env: "2.5"}).ahead_share == 0.025
    assert from_environ({}).ahead_share == float(AHEAD_PERCENT.default) / 100


def test_what_is_shown_has_the_user_and_no_password():
    one = endpoint("https://me:hunter2@ch:9000/lambda")
    assert one.shown == "https://me@ch:9000/lambda"
    assert "hunter2" not in repr(one)
    assert "hunter2" not in repr(from_environ({SQL_URL.env: "http://me:hunter2@ch"}))


def test_every_setting_has_a_prefix_and_a_help():
    for setting in SETTINGS:
        assert setting.env.startswith("LAMBDASCOPE_")
        assert setting.help.endswith((".", "]"))
