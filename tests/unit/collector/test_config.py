"""Settings: defaults, flags before environment, and one clear line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config import SETTINGS, StoreUrl, argument_parser, from_environ, with_default_command
from collector.errors import SetupError

DOCS = Path(__file__).parents[3] / "docs" / "collector.md"


def test_defaults() -> None:
    config = from_environ({})
    here = Path("lambdascope-data").absolute()
    assert (config.host, config.grpc_port, config.http_port, config.sql_port) == ("127.0.0.1", 4317, 4318, 8123)
    assert config.store == StoreUrl(f"chdb://{here}/store")
    assert config.store.path == here / "store"
    assert config.spool == here / "spool"


def test_a_flag_wins_over_the_environment() -> None:
    environ = {"LAMBDASCOPE_COLLECTOR_HTTP_PORT": "1", "LAMBDASCOPE_COLLECTOR_GRPC_PORT": "2"}
    config = from_environ(environ, {"http_port": "3"})
    assert (config.http_port, config.grpc_port) == (3, 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("grpc_port", "65536"),
        ("grpc_port", "-1"),
        ("grpc_port", "٤"),
        ("http_port", ""),
        ("host", "a b"),
        ("max_request_bytes", "0"),
        ("max_request_bytes", "4 parsecs"),
        ("linger_ms", "0"),
        ("drain_s", "soon"),
        ("sql_threads", "0"),
        ("data", ""),
    ],
)
def test_a_wrong_value_is_named(name: str, text: str) -> None:
    variable = f"LAMBDASCOPE_COLLECTOR_{name.upper()}"
    with pytest.raises(SetupError, match=variable) as raised:
        from_environ({variable: text})
    assert repr(text) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "clickhouse",
        "chdb://relative/path",
        "chdb:",
        "chdb:///",
        "http://",
        "tcp://host:9000",
        "tcp://user:secret@host:9000",
        "tcp://user:sec/secret@host:9000",
        "http://h:port/",
        "chdb:///x?a=1",
    ],
)
def test_a_wrong_store_is_refused_without_its_password(text: str) -> None:
    with pytest.raises(SetupError, match=r"--store: '.*' is not chdb:///folder") as raised:
        from_environ({}, {"store": text})
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://u:secret@h:8123/d", "http://u:***@h:8123/d"),
        ("https://u:s%40cret@h/d", "https://u:***@h/d"),
        ("http://u@h", "http://u@h"),
        ("http://h:1", "http://h:1"),
        ("http://[::1]:9", "http://[::1]:9"),
        ("https://u:secret@[fe80::1]/d", "https://u:***@[fe80::1]/d"),
        ("chdb:///a/b", "chdb:///a/b"),
    ],
)
def test_passwords_are_never_shown(text: str, shown: str) -> None:
    store = from_environ({}, {"store": text}).store
    assert store.shown == shown
    assert repr(store) == str(store) == f"StoreUrl({shown!r})"


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("64MiB", 64 << 20), ("10 GiB", None), ("2k", 2048), ("3GB", 3 << 30)]
)
def test_sizes(text: str, size: int | None) -> None:
    if size is None:
        with pytest.raises(SetupError):
            from_environ({}, {"segment_bytes": text})
    else:
        assert from_environ({}, {"segment_bytes": text}).segment_bytes == size


def test_the_command_line_has_a_flag_for_every_setting() -> None:
    parsed = argument_parser().parse_args(with_default_command([]))
    assert {setting.name for setting in SETTINGS} <= set(vars(parsed))
    assert parsed.command == "serve"
    assert argument_parser().parse_args(["migrate", "--print"]).print_only


@pytest.mark.parametrize("arguments", [["--help"], ["serve", "--help"], ["migrate", "--help"]])
def test_help_shows_every_setting(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        argument_parser().parse_args(with_default_command(arguments))
    shown = " ".join(capsys.readouterr().out.split())
    for setting in SETTINGS:
        assert f"{setting.flag} VALUE" in shown
        assert setting.help in shown
        assert f"[{setting.variable}{setting.default and f', default {setting.default}'}]" in shown


def test_every_setting_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for setting in SETTINGS:
        row = f"| `{setting.flag}` | `{setting.variable}` | {setting.default or 'see meaning'} | {setting.help} |"
        assert row in text, f"docs/collector.md lacks: {row}"
