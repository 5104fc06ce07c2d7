"""The three ways in: nobody asks and only loopback is served, a proxy says who is there, an OpenID Connect login."""

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page as Tab
from playwright.sync_api import expect

from dashboard.pages import page
from deploy.local.browser import browser, open_page
from tests.support.collector import ROOT
from tests.support.dashboard import Seeded, dashboard_command, dashboard_environ, free_port, running_dashboard
from tests.support.oidc import CLIENT_ID, CLIENT_SECRET, Provider, running_provider

pytestmark = pytest.mark.browser

TIMEOUT_S = 30


def test_it_does_not_start_where_others_could_reach_it_and_nobody_asks():
    run = subprocess.run(
        dashboard_command(free_port(), "0.0.0.0"),
        cwd=ROOT,
        env=dashboard_environ({}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert "dashboard: --server.address=0.0.0.0 would show everything" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.fixture(scope="module")
def behind_a_proxy(seeded: Seeded) -> Iterator[str]:
    settings = {"LAMBDASCOPE_AUTH": "proxy", "LAMBDASCOPE_AUTH_ALLOW": "ann@example.com"}
    with running_dashboard(seeded.sql_url, settings) as url:
        yield url


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({}, "the header X-Forwarded-Email is missing"),
        ({"X-Forwarded-Email": "eve@example.com"}, "eve@example.com is not on the list"),
    ],
)
def test_without_the_word_of_the_proxy_there_is_403(behind_a_proxy, headers, said):
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(urllib.request.Request(behind_a_proxy, headers=headers), timeout=TIMEOUT_S)
    assert raised.value.code == 403
    assert said in raised.value.read().decode()


def status(url: str, headers: dict[str, str]) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_proxy_on_this_machine_may_say_for_whom_it_asks(behind_a_proxy):
    headers = {"X-Forwarded-Email": "ann@example.com", "X-Forwarded-For": "203.0.113.9"}
    assert status(behind_a_proxy, headers) == 200


def test_who_only_says_to_be_the_proxy_gets_403(seeded):
    settings = {
        "LAMBDASCOPE_AUTH": "proxy",
        "LAMBDASCOPE_AUTH_ALLOW": "*",
        "LAMBDASCOPE_AUTH_PROXY_ADDRESSES": "10.0.0.0/8",
    }
    named = {"X-Forwarded-Email": "ann@example.com"}
    with running_dashboard(seeded.sql_url, settings) as url:
        for said in ("10.0.0.5", "10.0.0.5:4711", "203.0.113.9, 10.0.0.5"):
            assert status(url, {**named, "X-Forwarded-For": said}) == 403, said
        assert status(url, {**named, "Forwarded": "for=10.0.0.5", "X-Real-IP": "10.0.0.5"}) == 403


def test_who_is_on_the_list_sees_the_pages(behind_a_proxy, seeded):
    with browser() as context:
        context.set_extra_http_headers({"X-Forwarded-Email": "ann@example.com"})
        report = open_page(context.new_page(), behind_a_proxy, page("fleet"), query=list(seeded.query.items()))
    assert report.ready
    assert report.problems == []


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as one:
        yield one


@pytest.fixture(scope="module")
def with_login(seeded: Seeded, provider: Provider) -> Iterator[str]:
    port = free_port()
    settings = {
        "LAMBDASCOPE_AUTH": "oidc",
        "LAMBDASCOPE_AUTH_ALLOW": "@example.com",
        "LAMBDASCOPE_OIDC_METADATA_URL": provider.metadata_url,
        "LAMBDASCOPE_OIDC_CLIENT_ID": CLIENT_ID,
        "LAMBDASCOPE_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        "LAMBDASCOPE_OIDC_COOKIE_SECRET": "a-cookie-secret-of-the-test-0123456789",
        "LAMBDASCOPE_OIDC_REDIRECT_URI": f"http://127.0.0.1:{port}/oauth2callback",
    }
    with running_dashboard(seeded.sql_url, settings, port=port) as url:
        yield url


@pytest.fixture
def tab() -> Iterator[Tab]:
    with browser() as context:
        one = context.new_page()
        one.set_default_timeout(TIMEOUT_S * 1000)
        yield one


def test_a_login_shows_the_pages_and_ends(tab, with_login, provider):
    provider.claims = {"sub": "1", "email": "ann@example.com", "email_verified": True}
    tab.goto(with_login)
    expect(tab.get_by_text("Sign in to see your functions.")).to_be_visible(timeout=TIMEOUT_S * 1000)
    expect(tab.get_by_role("link", name="Concurrency")).to_have_count(0)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_role("link", name="Concurrency")).to_be_visible(timeout=TIMEOUT_S * 1000)
    expect(tab.get_by_text("ann@example.com")).to_be_visible()
    tab.get_by_role("button", name="Sign out").click()
    expect(tab.get_by_text("Sign in to see your functions.")).to_be_visible(timeout=TIMEOUT_S * 1000)


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"sub": "2", "email": "eve@example.net"}, "eve@example.net is not on the list"),
        ({"sub": "3", "email": "ann@example.com", "email_verified": False}, "nobody has verified the address"),
    ],
)
def test_who_is_not_on_the_list_is_told_so_and_sees_nothing(tab, with_login, provider, claims, said):
    provider.claims = claims
    tab.goto(with_login)
    tab.get_by_role("button", name="Sign in").click()
    expect(tab.get_by_test_id("stAlert")).to_contain_text(said, timeout=TIMEOUT_S * 1000)
    expect(tab.get_by_role("link", name="Concurrency")).to_have_count(0)
