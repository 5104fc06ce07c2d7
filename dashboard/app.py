"""The dashboard: ``streamlit run dashboard/app.py``."""

import sys
from pathlib import Path

import streamlit as st

# `streamlit run` puts this folder on the path, not the one above it, in which the packages are.
ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from dashboard.ui.navigation import main  # noqa: E402 - the path comes first

st.set_page_config(
    page_title="Lambdascope", page_icon=":material/troubleshoot:", layout="wide", initial_sidebar_state=220
)
main()
