"""The dashboard: ``streamlit run dashboard/app.py``."""

import os
import sys
from pathlib import Path

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
from dashboard.server import Gate, TellBase  # noqa: E402 - likewise
from dashboard.ui import data  # noqa: E402 - likewise
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


access = settings().access
app = st.App(
    "main.py",
    middleware=[
        Middleware(Gate, access=access),
        Middleware(TellBase, url_paths=[page.url_path for page in PAGES]),
    ],
    secrets={"auth": {**access.oidc.secrets()}} if access.oidc else None,
    on_script_error=failed,
)
