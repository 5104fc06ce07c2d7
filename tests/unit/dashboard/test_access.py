"""Who may look: the list, the proxy, the address, the settings."""

import pytest

from dashboard.access import Access, AllowList, Identity, Proxy, check_address, identity_of
from dashboard.config import from_environ
from dashboard.errors import ConfigError

OIDC = {
    "LAMBDASCOPE_AUTH": "oidc",
    "LAMBDASCOPE_AUTH_ALLOW": "ann@example.com",
    "LAMBDASCOPE_OIDC_METADATA_URL": "https://id.example.com/.well-known/openid-configuration",
    "LAMBDASCOPE_OIDC_CLIENT_ID": "dashboard",
    "LAMBDASCOPE_OIDC_CLIENT_SECRET": "hunter2",
    "LAMBDASCOPE_OIDC_COOKIE_SECRET": "0123456789abcdef0123456789abcdef",
    "LAMBDASCOPE_OIDC_REDIRECT_URI": "https://scope.example.com/oauth2callback",
}


@pytest.mark.parametrize(
    ("entries", "who", "allowed"),
    [
        (("ann@example.com",), Identity("ann@example.com"), True),
        (("ann@example.com",), Identity("Ann@Example.com"), True),
        (("ann@example.com",), Identity("ann@example.com", verified=False), False),
        (("ann@example.com",), Identity("joann@example.com"), False),
        (("@example.com",), Identity("bob@example.com"), True),
        (("@example.com",), Identity("bob@sub.example.com"), False),
        (("@example.com",), Identity("bob@example.com.evil.net"), False),
        (("@example.com",), Identity("bob@example.com@evil.net"), False),
        (("group:oncall",), Identity("", groups=("oncall",)), True),
        (("group:oncall",), Identity("oncall@example.com"), False),
        (("group:oncall",), Identity("group:oncall"), True),
        (("*",), Identity(""), True),
        ((), Identity("ann@example.com"), False),
        (("ann@example.com",), Identity(""), False),
    ],
)
def test_the_list(entries, who, allowed):
    assert AllowList(entries).allows(who) is allowed


@pytest.mark.parametrize(
    ("claims", "who"),
    [
        ({"email": "a@b.c", "email_verified": True}, Identity("a@b.c")),
        ({"email": "a@b.c", "email_verified": False}, Identity("a@b.c", verified=False)),
        ({"email": "a@b.c", "email_verified": "false"}, Identity("a@b.c", verified=False)),
        ({"email": "a@b.c"}, Identity("a@b.c")),
        ({"sub": "7", "groups": ["x", "y"]}, Identity("", groups=("x", "y"))),
        ({"sub": "7", "groups": "x"}, Identity("")),
    ],
)
def test_what_a_token_says(claims, who):
    assert identity_of(claims) == who


@pytest.mark.parametrize(
    ("peer", "speaks"),
    [("10.1.2.3", True), ("10.2.0.1", False), ("::ffff:10.1.0.1", True), ("unix:", False), ("", False)],
)
def test_the_proxy_is_known_by_its_address(peer, speaks):
    assert Proxy("X-Forwarded-Email", ("10.1.0.0/16",)).speaks_from(peer) is speaks


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_no_login(address):
    check_address(Access(), address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.1", "scope.example.com", "", None])
def test_elsewhere_somebody_must_ask(address):
    with pytest.raises(ConfigError, match="LAMBDASCOPE_AUTH"):
        check_address(Access(), address)
    check_address(Access("none"), address)


def test_the_settings_of_a_login_are_read_and_not_shown():
    access = from_environ(OIDC).access
    assert access.oidc is not None
    assert access.oidc.secrets()["client_secret"] == "hunter2"
    assert access.allow.allows(Identity("ann@example.com"))
    assert "hunter2" not in repr(access)
    assert OIDC["LAMBDASCOPE_OIDC_COOKIE_SECRET"] not in repr(access)


@pytest.mark.parametrize("missing", [name for name in OIDC if name != "LAMBDASCOPE_AUTH"])
def test_what_a_login_lacks_is_named(missing):
    with pytest.raises(ConfigError, match=missing) as raised:
        from_environ({**OIDC, missing: ""})
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"LAMBDASCOPE_AUTH": "saml"}, "LAMBDASCOPE_AUTH='saml' is none of loopback, oidc, proxy, none"),
        ({"LAMBDASCOPE_AUTH": "proxy"}, "needs LAMBDASCOPE_AUTH_ALLOW"),
        ({**OIDC, "LAMBDASCOPE_OIDC_COOKIE_SECRET": "short"}, "has 5 characters and needs 32"),
        (
            {
                "LAMBDASCOPE_AUTH": "proxy",
                "LAMBDASCOPE_AUTH_ALLOW": "*",
                "LAMBDASCOPE_AUTH_PROXY_ADDRESSES": "10.0.0.1/8",
            },
            "LAMBDASCOPE_AUTH_PROXY_ADDRESSES: 10.0.0.1/8 has host bits set",
        ),
    ],
)
def test_bad_settings_are_named(environ, said):
    with pytest.raises(ConfigError, match=said):
        from_environ(environ)
