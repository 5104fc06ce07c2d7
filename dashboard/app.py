"""The dashboard: ``streamlit run dashboard/app.py``."""

import gc
import os
import sys
from pathlib import Path
from typing import Final

import streamlit as st
from starlette.middleware import Middleware

# `streamlit run` puts this folder on the path, not the one above it, in which the packages are.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from dashboard.access import check_address  # noqa: E402 - the path comes first
from dashboard.config import Config  # noqa: E402 - likewise
from dashboard.errors import ConfigError  # noqa: E402 - likewise
from dashboard.pages import PAGES  # noqa: E402 - likewise
from dashboard.server import Arrivals, Gate, Modules, TellBase  # noqa: E402 - likewise
from dashboard.ui import data, navigation, news  # noqa: E402, F401 - likewise; the first viewer need not wait for them
from dashboard.ui.page import failed  # noqa: E402 - likewise


def settings() -> Config:
    """The settings. What would leave the dashboard open, or nobody able to sign in, ends the process with a line."""
    try:
        config = data.config()
        check_address(config.access, st.get_option("server.address"))
    except ConfigError as error:
        print(f"dashboard: {error}", file=sys.stderr, flush=True)
        # Streamlit imports this in a server that survives SystemExit.
        os._exit(2)
    return config


TRUSTED: Final = "FORWARDED_ALLOW_IPS"
"""Uvicorn's setting: from whom it believes X-Forwarded-For that somebody else is asking. By default from loopback."""


def believe_nobody() -> None:
    """Start this process anew with a server that tells who is really connected, where it does not yet.

    The gate lets in whom the proxy names, and knows the proxy by its address. Behind one on this machine every request
    would seem to come from elsewhere, and whoever reaches this port from here could say to be the proxy. The server has
    read its setting when it imports this module, so it is too late to change it in place.
    """
    if data.exported(TRUSTED, ""):
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))  # the port is bound already, by a socket that would live on
        os.execv(sys.executable, sys.orig_argv)  # noqa: S606 - the same program with the same arguments


access = settings().access
if access.proxy is not None:
    believe_nobody()
app = st.App(
    "main.py",
    middleware=[
        Middleware(Gate, access=access),
        Middleware(Arrivals, seen=lambda: data.traffic().seen(), drawn=data.drawn),
        Middleware(Modules),
        Middleware(TellBase, url_paths=[page.url_path for page in PAGES]),
    ],
    secrets={"auth": {**access.oidc.secrets()}} if access.oidc else None,
    on_script_error=failed,
)

# Streamlit collects garbage after every run. What is loaded by now stays as long as the process: to look through its
# hundred thousand objects each time took the processor 80 ms, for which no other viewer was answered.
gc.collect()
gc.freeze()
