"""The dashboard: ``streamlit run dashboard/app.py``."""

import sys
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

# `streamlit run` puts this folder on the path, not the one above it, in which the packages are.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from dashboard.pages import PAGES  # noqa: E402 - the path comes first
from dashboard.server import TellBase  # noqa: E402 - likewise
from dashboard.ui.page import failed  # noqa: E402 - likewise

app = st.App(
    "main.py",
    middleware=[Middleware(TellBase, url_paths=[page.url_path for page in PAGES])],
    on_script_error=failed,
)
