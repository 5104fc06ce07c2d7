"""Between a page that is drawn and what is asked ahead for whoever looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pandas as pd
import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard.config import AHEAD_PERCENT
from dashboard.guesses import Look, guesses
from dashboard.plans import PLANS
from dashboard.text import plural, seconds
from dashboard.ui import data
from dashboard.ui.asking import Asking

if TYPE_CHECKING:
    from dashboard.ui.page import Run

ATTENDED_S: Final = 300.0
"""So long after the last choice that somebody made they are taken to be there. For a page that refreshes by itself in a
tab that nobody looks at nothing is asked ahead.
"""
AGAIN: Final = 8
"""So many of the guesses are made again when a page refreshes by itself."""
VIEWER: Final = "_viewer"
SHOWN: Final = "_shown"


@contextmanager
def drawing(run: Run) -> Iterator[None]:
    """Around a drawing: meanwhile nothing is asked ahead, and afterwards what this viewer is likely to look at next."""
    lookahead = data.lookahead()
    viewer = st.session_state.setdefault(VIEWER, uuid4().hex)
    if lookahead is not None:
        lookahead.dismiss(viewer)
    with data.traffic().waiting():
        yield
    if lookahead is None:
        return
    since_s = _since_s(run)
    if since_s > ATTENDED_S:
        return
    if not since_s:
        data.traffic().draws()
    most = AGAIN if since_s else None
    looks = guesses(run.name, run.choices, run.leads)[:most]
    lookahead.expect(viewer, [partial(questions, look) for look in looks], partial(_connected, _session()))


def _since_s(run: Run) -> float:
    """For how many seconds this page has been shown with these choices; 0 where it has not been before."""
    shown, now = (run.name, dict(run.choices.query)), time.monotonic()
    before, since = st.session_state.get(SHOWN, (None, now))
    if shown != before:
        since = now
    st.session_state[SHOWN] = (shown, since)
    return float(now - since)


def _session() -> str:
    context = get_script_run_ctx()
    return "" if context is None else context.session_id


def _connected(session: str) -> bool:
    """Whether a browser still shows what this session draws."""
    return runtime.exists() and runtime.get_instance().is_active_session(session)


def questions(look: Look) -> Iterator[Callable[[], pd.DataFrame]]:
    """What the page asks when somebody looks at it now."""
    plan = PLANS[look.page]
    window = plan.window(look.choices.filters, datetime.now(UTC))
    return Asking(look.choices, window, guess=True).questions(plan.asks(look.choices, window))


def said() -> str:
    """What has been asked ahead since the dashboard was started, in a sentence."""
    lookahead = data.lookahead()
    if lookahead is None:
        return f"This dashboard asks nothing ahead of its viewers: {AHEAD_PERCENT.env} is 0."
    answers = data.answers()
    return (
        f"Ahead of its viewers this dashboard has asked {plural(answers.guesses, 'question')} in "
        f"{seconds(lookahead.spent_s)} ({AHEAD_PERCENT.env} limits that); {answers.guessed_right:,} of the answers "
        f"were then looked at. Viewers waited for {plural(answers.asked, 'other answer')}."
    )
