"""Sign in and out, where LAMBDASCOPE_AUTH asks for it."""

from __future__ import annotations

import streamlit as st

from dashboard.access import Access, Identity, identity_of
from dashboard.errors import ConfigError
from dashboard.ui import data


def admitted() -> bool:
    """Whether the viewer may see anything. Draws the way in where not yet."""
    access = _access()
    if access.oidc is None:
        return True
    who = _person()
    if who is None:
        _sign_in()
        return False
    if not access.allow.allows(who):
        _turned_away(who)
        return False
    return True


def who() -> None:
    """In the menu: as whom the viewer is signed in, and the way out."""
    person = _person() if _access().oidc is not None else None
    if person is None:
        return
    st.caption(person.email or "Signed in")
    st.button("Sign out", on_click=st.logout, icon=":material/logout:", type="tertiary", key="sign-out")


def _access() -> Access:
    try:
        return data.config().access
    except ConfigError:
        # Every query reads the same settings: nothing can be shown but what is wrong with them.
        return Access()


def _person() -> Identity | None:
    return identity_of(dict(st.user.to_dict())) if st.user.is_logged_in else None


def _sign_in() -> None:
    st.markdown("# Lambdascope")
    st.write("Sign in to see your functions.")
    st.button("Sign in", on_click=st.login, icon=":material/login:", type="primary", key="sign-in")


def _turned_away(who: Identity) -> None:
    st.markdown("# Lambdascope")
    name = who.email or "This account"
    unverified = "" if who.verified else " Its provider says that nobody has verified the address."
    st.error(
        f"{name} is not on the list of people who may look.{unverified} Ask whoever runs this dashboard to add it to "
        "LAMBDASCOPE_AUTH_ALLOW.",
        icon=":material/block:",
    )
    st.button("Sign in as somebody else", on_click=st.logout, icon=":material/logout:", key="sign-out")
