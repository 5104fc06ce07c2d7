"""Queries with a cache in front. Frames live for seconds, the connection for as long as it works."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from datetime import timedelta
from typing import Any, Final, TypeVar, cast

import pandas as pd
import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from dashboard import sql
from dashboard.answers import Answer, Answers, nbytes
from dashboard.config import Config, from_environ
from dashboard.errors import QueryError, UnreachableError
from dashboard.garbage import Garbage
from dashboard.lookahead import Budget, Lookahead, Traffic
from dashboard.sql import Params, QueryRows, SqlSource, Value
from dashboard.timeaxis import STEPS_S, Window, step_for

T = TypeVar("T")

SETTLED_S: Final = 300
"""Results about a time that is over are kept for so long: only what comes late changes them."""
KEPT: Final = timedelta(hours=1)
"""How long what took long to find is kept, once its time is over for good; so is all of a range that is."""
MOST_KEPT: Final = 500
MOST_BYTES: Final = 64 * 1024 * 1024
"""Of results, and again of what is made of them for charts. One is of a few kilobytes mostly, and of two megabytes
where a week of hundreds of functions is looked at.
"""
AT_ONCE: Final = 3
"""Queries of all viewers that run ahead at the same time: more of them on two processors only wait for one another, and
each has so long.
"""

GUESSING: Final = {"max_threads": "1", "os_threads_nice_value_query": "19"}
"""Settings of what nobody waits for: it leaves a processor to others, and stands back for them on the other one."""


def config() -> Config:
    """The settings of this process.

    Raises:
        ConfigError: a variable has no usable value.
    """
    return from_environ(os.environ)


def exported(name: str, value: str) -> bool:
    """Set a variable for what this process starts; whether it was something else."""
    before, os.environ[name] = os.environ.get(name), value
    return before != value


def keep_s(window: Window) -> int:
    """For how many seconds a result about this time may be shown.

    As long as the step in which a live range moves, which asks for another time then; longer where the time is over,
    and longest where even late data is not likely.
    """
    if window.over:
        return int(KEPT.total_seconds())
    return max(SETTLED_S, step_for(window.span_s)) if window.settled else step_for(window.span_s)


def query(name: str, params: Params, keep: int | None = STEPS_S[0], *, guess: bool = False) -> Answer[pd.DataFrame]:
    """The rows of one panel.

    Args:
        name: a file of queries/, without its suffix.
        params: every parameter that the file names; further ones are left out.
        keep: how old they may be, in seconds; None where their time is over for good, and they may be as old as
            :data:`KEPT`.
        guess: nobody waits for them yet.

    Raises:
        QueryError: there is no result.
    """
    text, bound = _bound(name, params)
    keep_s = KEPT.total_seconds() if keep is None else keep
    return answers().get(_key(text, bound, keep), keep_s, lambda: _frame(text, bound, guess=guess), guess=guess)


def known(name: str, params: Params, keep: int | None, *, guess: bool = False) -> Answer[pd.DataFrame] | None:
    """What :func:`query` would answer at once; None where it would ask."""
    return answers().known(_key(*_bound(name, params), keep), guess=guess)


def _key(text: str, bound: tuple[tuple[str, Value], ...], keep: int | None) -> Hashable:
    # A time that goes on is asked about anew in its next slot, in which all viewers share the answer again.
    slot = () if keep is None else (int(time.monotonic() // keep),)
    return (config().sql.shown, text, bound, *slot)


def ahead(ask: Callable[[], pd.DataFrame]) -> None:
    """Ask in the background. Whoever asks for the same meanwhile waits for this one's result."""
    context = get_script_run_ctx()

    def fetch() -> None:
        add_script_run_ctx(ctx=context)
        with suppress(QueryError):
            ask()

    _workers().submit(fetch)


@st.cache_resource(show_spinner=False)
def traffic() -> Traffic:
    """Whether any viewer waits for something."""
    return Traffic()


def drawn() -> None:
    """A browser has drawn what it was sent: what its viewer looks at next may be asked from now on."""
    traffic().drawn()
    _workers().submit(_idle)
    one = lookahead()
    if one is not None:
        one.wake()


def _idle() -> None:
    if traffic().quiet_s():
        _garbage().idle()


@st.cache_resource(show_spinner=False)
def _garbage() -> Garbage:
    return Garbage()


def lookahead() -> Lookahead | None:
    """Who asks what viewers are likely to look at next; None where that is switched off."""
    share = config().ahead_share
    return _lookahead(share) if share else None


@st.cache_resource(show_spinner=False)
def _lookahead(share: float) -> Lookahead:
    one = Lookahead(traffic(), Budget(share))
    threading.Thread(target=one.work, name="lookahead", daemon=True).start()
    return one


@st.cache_resource(show_spinner=False)
def answers() -> Answers[pd.DataFrame]:
    """What was asked, for all viewers."""
    return Answers(MOST_KEPT, MOST_BYTES, nbytes)


@st.cache_resource(show_spinner=False)
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="query")


def made(key: Hashable, keep: int, make: Callable[[], T]) -> Answer[T]:
    """What is made of results, for so many seconds: as long as those are the results that are shown.

    Args:
        key: of what it is made; it names the results by their numbers.
        keep: how long somebody may ask for it again.
        make: makes it.
    """
    return cast("Answer[T]", _made().get(key, keep, make))


def own(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame that is shared, as one's own: pandas copies it in earnest where somebody writes to it. A week of hundreds
    of functions is some megabytes, which to unpack at every change of a filter took longer than to draw them.
    """
    return frame.copy(deep=False)


@st.cache_resource(show_spinner=False)
def _made() -> Answers[Any]:
    return Answers(MOST_KEPT, MOST_BYTES, nbytes)


def _bound(name: str, params: Params) -> tuple[str, tuple[tuple[str, Value], ...]]:
    """A statement with those of the parameters that it names, in an order that makes equal ones equal."""
    text = sql.statement(name)
    return text, tuple(sorted((key, value) for key, value in params.items() if f"{{{key}:" in text))


def _frame(text: str, params: tuple[tuple[str, Value], ...], *, guess: bool) -> pd.DataFrame:
    try:
        with nullcontext() if guess else traffic().waiting():
            return source().frame(text, dict(params), GUESSING if guess else None)
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
