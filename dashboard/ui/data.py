"""Queries with a cache in front. Frames live for seconds, the connection for as long as it works."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Final

import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from dashboard import sql
from dashboard.config import Config, from_environ
from dashboard.errors import QueryError, UnreachableError
from dashboard.sql import Params, QueryRows, SqlSource, Value

CACHE_FOR: Final = timedelta(seconds=15)
"""As long as the step in which live ranges move: an older frame is never asked for again."""


def config() -> Config:
    """The settings of this process.

    Raises:
        ConfigError: a variable has no usable value.
    """
    return from_environ(os.environ)


def query(name: str, params: Params) -> pd.DataFrame:
    """The rows of one panel, at most :data:`CACHE_FOR` old.

    Args:
        name: a file of queries/, without its suffix.
        params: every parameter that the file names; further ones are left out.

    Raises:
        QueryError: there is no result.
    """
    text = sql.statement(name)
    used = {key: value for key, value in params.items() if f"{{{key}:" in text}
    return run(text, tuple(sorted(used.items())))


def ahead(name: str, params: Params) -> None:
    """Start :func:`query` in the background. Whoever asks for the same meanwhile waits for this one's result."""
    context = get_script_run_ctx()

    def fetch() -> None:
        add_script_run_ctx(ctx=context)
        with suppress(QueryError):
            query(name, params)

    _workers().submit(fetch)


@st.cache_resource(show_spinner=False)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=4, thread_name_prefix="query")


def run(text: str, params: tuple[tuple[str, Value], ...] = ()) -> pd.DataFrame:
    """The rows of a statement, cached likewise.

    Raises:
        QueryError: there is no result.
    """
    return _cached(config().sql.shown, text, params)


@st.cache_data(ttl=CACHE_FOR, max_entries=500, show_spinner=False)
def _cached(shown_endpoint: str, text: str, params: tuple[tuple[str, Value], ...]) -> pd.DataFrame:
    del shown_endpoint  # only part of the key: another endpoint, another result
    try:
        return source().frame(text, dict(params))
    except UnreachableError:
        _connected.clear()
        raise


def ask(text: str, max_rows: int) -> QueryRows:
    """The rows of a statement that somebody typed.

    Raises:
        QueryError: there is no result.
    """
    return source().ask(text, max_rows)


def source() -> SqlSource:
    """The connection to the endpoint, shared by all viewers.

    Raises:
        QueryError: nobody answers, or not to us.
    """
    return _connected(config())


@st.cache_resource(show_spinner=False)
def _connected(settings: Config) -> SqlSource:
    return sql.connect(settings)
