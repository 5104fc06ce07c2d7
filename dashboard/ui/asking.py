"""What a drawing of a page asks, and what is made of the answers. No widgets here: it is asked ahead of viewers too."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar, cast

import pandas as pd

from dashboard.answers import Answer
from dashboard.charts.frames import ACCOUNT, Coverage, coverage
from dashboard.filters import Choices, Filters
from dashboard.plans import Ask, Asks
from dashboard.questions import question
from dashboard.sql import Value, filter_params, statement_name
from dashboard.timeaxis import STEPS_S, Window
from dashboard.ui import data

T = TypeVar("T")


@dataclass(slots=True)
class Asking:
    """Who asks: about which time, with which choices."""

    choices: Choices
    window: Window
    guess: bool = field(default=False, kw_only=True)
    """Nobody waits for the answers yet."""
    named: dict[int, tuple[Hashable, pd.DataFrame]] = field(default_factory=dict, kw_only=True)
    """By its identity each frame that was asked for, with what tells it from others."""

    @property
    def filters(self) -> Filters:
        """The choices that hold on every page."""
        return self.choices.filters

    def query(self, name: str, **more: Value) -> pd.DataFrame:
        """The rows of a panel for the chosen window and filters, of a long one from the rollups where they know them.

        Raises:
            QueryError: there is no result. :meth:`panel` shows it.
        """
        return self._answer(name, statement_name(name, self.window, more), more)

    def known(self, ask: Ask) -> pd.DataFrame | None:
        """What :meth:`query` would answer at once of a question that says the same of each function, about the chosen
        ones; None where it would ask.
        """
        answer = self._known(statement_name(ask.name, self.window, ask.more), ask.more)
        if answer is None:
            return None
        rows = answer.value
        return rows if rows.empty else rows[rows["FunctionName"].isin(self.filters.functions)]

    def one_by_one(self, name: str, **more: Value) -> pd.DataFrame:
        """The rows of just this statement. Of a long window it reads the newest invocations alone: see :meth:`since`.

        Raises:
            QueryError: there is no result. :meth:`panel` shows it.
        """
        return self._answer(name, name, more)

    def together(self, name: str, **more: Value) -> pd.DataFrame:
        """The rows of a panel about the chosen functions, where figures of several together are among them.

        Raises:
            QueryError: there is no result. :meth:`panel` shows it.
        """
        return self._asked(statement_name(name, self.window, more), self.filters, more)

    def _answer(self, name: str, statement: str, more: Mapping[str, Value]) -> pd.DataFrame:
        """What is said of each function by itself is asked about all, and the rows of the chosen ones are taken."""
        chosen, known = self.filters.functions, question(name)
        if not chosen or not known.of_each or (known.of_largest and self._known(statement, more) is None):
            return self._asked(statement, self.filters, more)
        every = self._asked(statement, replace(self.filters, functions=()), more)
        if every.empty:
            return every
        rows = every[every["FunctionName"].isin([*chosen, ACCOUNT])]
        if known.leaves_out(every) and not set(chosen) <= set(rows["FunctionName"]):
            return self._asked(statement, self.filters, more)
        return self._know(rows.reset_index(drop=True), (self._name(every), chosen))

    def _known(self, name: str, more: Mapping[str, Value]) -> Answer[pd.DataFrame] | None:
        """What is known of all functions."""
        params = {**filter_params(replace(self.filters, functions=()), question(name).read(self.window)), **more}
        return data.known(name, params, data.keep_s(self.window), guess=self.guess)

    def _asked(self, name: str, filters: Filters, more: Mapping[str, Value]) -> pd.DataFrame:
        params = {**filter_params(filters, question(name).read(self.window)), **more}
        return self._own(data.query(name, params, data.keep_s(self.window), guess=self.guess))

    def parts(self, name: str) -> list[pd.DataFrame]:
        """The rows of a panel for each part of the window, in order: of what takes long to find, about the chosen
        functions. It is found for all of them, so that to choose others takes no time.

        Raises:
            QueryError: there is no result. :meth:`panel` shows it.
        """
        found = [self._of_part(name, part) for part in question(name).parts(self.window)]
        chosen = self.filters.functions
        if not chosen:
            return found
        return [
            rows if rows.empty else self._know(rows[rows["FunctionName"].isin(chosen)], (self._name(rows), chosen))
            for rows in found
        ]

    def made(self, make: Callable[..., T], *of: Any) -> T:
        """What this function makes of these, or made of them before: to shape what a page draws takes the processor as
        long as all else that is done for it, and is the same for all who look at the same.

        Args:
            make: a pure function that is named in a module.
            of: its arguments: frames of this drawing's, lists of them, the window, and what can be hashed.
        """
        names = [self._name(one) for one in of]
        if None in names:
            return make(*of)
        key = (make.__module__, make.__qualname__, *names)
        answer = data.made(key, data.keep_s(self.window), lambda: make(*of))
        value: Any = answer.value
        if isinstance(value, tuple):
            return cast("T", tuple(data.own(one) if isinstance(one, pd.DataFrame) else one for one in value))
        if isinstance(value, pd.DataFrame):
            return cast("T", self._know(data.own(value), ("made", answer.number)))
        return answer.value

    def _own(self, answer: Answer[pd.DataFrame]) -> pd.DataFrame:
        return self._know(data.own(answer.value), ("asked", answer.number))

    def _know(self, frame: pd.DataFrame, name: Hashable) -> pd.DataFrame:
        self.named[id(frame)] = (name, frame)
        return frame

    def _name(self, one: Any) -> Hashable | None:
        """What tells one argument of :meth:`made` from all others; None where nothing does."""
        if isinstance(one, pd.DataFrame):
            return self.named.get(id(one), (None, one))[0]
        if isinstance(one, list):
            names = tuple(self._name(part) for part in one)
            return None if None in names else names
        return ("window", one.look) if isinstance(one, Window) else (one,)

    def _of_part(self, name: str, part: Window) -> pd.DataFrame:
        params = filter_params(replace(self.filters, functions=()), part)
        if part.over and question(name).of_causes and waiting(params, guess=self.guess):
            return self._own(data.query(name, params, guess=self.guess))
        keep_s = None if part.over else data.keep_s(self.window)
        return self._own(data.query(name, params, keep_s, guess=self.guess))

    def answer(self, ask: Ask) -> pd.DataFrame:
        """The rows of a question that is not asked by parts.

        Raises:
            QueryError: there is no result.
        """
        return self.one_by_one(ask.name, **ask.more) if ask.one_by_one else self.query(ask.name, **ask.more)

    def questions(self, asks: Asks) -> Iterator[Callable[[], pd.DataFrame]]:
        """What is asked, one after the other: each is called before the next is drawn, which may depend on it."""
        for ask in asks:
            if ask.unless is not None and self.known(ask.unless) is not None:
                continue
            if ask.by_parts:
                yield from (partial(self._of_part, ask.name, part) for part in question(ask.name).parts(self.window))
                continue
            answered: list[pd.DataFrame] = []
            yield partial(self._into, answered, ask)
            if ask.then is not None and answered:
                yield from self.questions(ask.then(answered[0], self.window))

    def _into(self, answered: list[pd.DataFrame], ask: Ask) -> pd.DataFrame:
        answered.append(self.answer(ask))
        return answered[0]

    def coverage(self) -> Coverage | None:
        """From when until when there is data in the window, of any function."""
        return coverage(self.query("coverage"))


def waiting(params: Mapping[str, Value], *, guess: bool = False) -> int:
    """How many hours and days of causes the collector's jobs have yet to make: that none is left is believed for longer
    than how many are.
    """
    for keep_s in (data.SETTLED_S, STEPS_S[0]):
        blocks = int(data.query("causes_waiting", params, keep_s, guess=guess).value["Waiting"].sum())
        if not blocks:
            break
    return blocks
