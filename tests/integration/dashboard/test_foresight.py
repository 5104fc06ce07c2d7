"""What is asked ahead is what the page asks then; no page asks anything that its plan does not name."""

from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.answers import Answers, nbytes
from dashboard.config import AHEAD_PERCENT, SQL_URL
from dashboard.guesses import Look, guesses, look
from dashboard.pages import PAGES, page
from dashboard.ui import data, foresight
from tests.integration.dashboard.test_app import MAIN, TIMEOUT_S, sentinel

ATTEMPTS = 3
"""A time that has just become one of which no late data is likely is asked about in another way."""


@pytest.fixture
def draw(seeded, monkeypatch):
    monkeypatch.setenv(SQL_URL.env, seeded.sql_url)
    monkeypatch.setenv(AHEAD_PERCENT.env, "0")
    # Nothing is kept yet, whatever this process has looked at before; and no time passes: answers are kept for seconds.
    kept = Answers(data.MOST_KEPT, data.MOST_BYTES, nbytes, clock=lambda: 0.0)
    monkeypatch.setattr(data, "answers", lambda: kept)
    monkeypatch.setattr(data, "time", SimpleNamespace(monotonic=lambda: 0.0))

    def drawn(one: Look) -> AppTest:
        at = AppTest.from_file(str(MAIN), default_timeout=TIMEOUT_S)
        at.query_params.update({name: list(values) for name, values in one.choices.query.items()})
        at.switch_page(page(one.page).file)
        return at.run()

    return drawn


def choices(seeded, name):
    cold = next(one for one in seeded.fleet.invocations if one.cold)
    more = {"function": {"function": ["pdf-render"]}, "invocation": {"request": [cold.request_id]}}
    return {**{key: [value] for key, value in seeded.query.items()}, **more.get(name, {})}


def asked_in_earnest(one, draw):
    """How many questions a viewer of a page had to wait for, after it was asked ahead; the fewest of some attempts."""
    fewest = None
    for _ in range(ATTEMPTS):
        draw(look("sql", {}))  # the bar of filters asks for the names of functions, whatever is shown
        for question in foresight.questions(one):
            question()
        before = data.answers().asked
        assert sentinel(draw(one))["errors"] == "0"
        asked = data.answers().asked - before
        fewest = asked if fewest is None else min(asked, fewest)
        if not fewest:
            break
    return fewest


@pytest.mark.parametrize("name", [one.name for one in PAGES if one.name != "sql"])
def test_nobody_waits_for_what_was_asked_ahead(seeded, draw, name):
    one = look(name, choices(seeded, name))
    assert asked_in_earnest(one, draw) == 0
    assert data.answers().guesses > 0
    assert data.answers().guessed_right > 0


def test_the_first_guesses_of_the_fleet_are_answered_before_somebody_looks(seeded, draw):
    here = look("fleet", choices(seeded, "fleet"))
    for one in guesses(here.page, here.choices, [])[:4]:
        assert asked_in_earnest(one, draw) == 0


def test_the_ingest_page_says_what_was_asked_ahead_and_when_nothing_is(seeded, draw):
    at = draw(look("ingest", choices(seeded, "ingest")))
    assert f"This dashboard asks nothing ahead of its viewers: {AHEAD_PERCENT.env} is 0." in [
        one.value for one in at.caption
    ]
