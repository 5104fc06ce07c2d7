"""Garbage is looked for between what viewers wait for."""

import threading
import tomllib
import weakref
from pathlib import Path

from dashboard.config import AHEAD_PERCENT
from dashboard.garbage import EVERY_S, Garbage
from dashboard.ui import data

CONFIG = Path(__file__).parents[3] / "dashboard" / ".streamlit" / "config.toml"


def test_it_is_looked_for_where_nobody_waits_and_not_too_often():
    now = [10.0]
    collected: list[float] = []
    garbage = Garbage(lambda: now[0], lambda: collected.append(now[0]))
    for at in (10.0, 10.5, 10 + EVERY_S - 0.01, 10 + EVERY_S, 11 + EVERY_S, 10 + 3 * EVERY_S):
        now[0] = at
        garbage.idle()
    assert collected == [10.0, 10 + EVERY_S, 10 + 3 * EVERY_S]


def test_what_goes_round_in_a_circle_is_freed():
    class Kept:
        itself: object = None

    one = Kept()
    one.itself = one
    freed: list[int] = []
    weakref.finalize(one, freed.append, 1)
    del one
    Garbage().idle()
    assert freed == [1]


def test_it_is_looked_for_where_a_browser_says_that_it_has_drawn(monkeypatch):
    monkeypatch.setenv(AHEAD_PERCENT.env, "0")
    looked = threading.Event()
    monkeypatch.setattr(data, "_garbage", lambda: Garbage(collect=looked.set))
    data.drawn()
    assert looked.wait(10)


def test_streamlit_does_not_look_for_it_while_somebody_waits():
    assert tomllib.loads(CONFIG.read_text(encoding="utf-8"))["runner"]["postScriptGC"] is False
