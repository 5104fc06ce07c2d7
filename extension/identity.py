"""Who a sandbox is: what is known of it from the start, and its id, which is settled late and once."""

from __future__ import annotations

import posix

from extension.span_builder import SpanBuilder, SpanStyle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from extension.attempts import Attempt
    from extension.inits import Inits
    from extension.records import InitStart
    from extension.state import Remembered

    class Memory(Protocol):
        """What keeps the life of a sandbox for a process that may come after this one."""

        def settled(self, instance_id: str, exporter: str, life: int, *, given: bool) -> None:
            """The sandbox has its id, and what depends on it; `given` says whether from the platform."""

        def began(self, attempt: Attempt) -> None:
            """An attempt began, or more is known of it."""

        def ended(self, attempt: Attempt, end_ns: int) -> None:
            """The span of an attempt was made."""

        def forget(self) -> None:
            """What was remembered is of another sandbox."""


_SUPPRESSED = "invoke"
"""The phase of an init that follows a reset."""
_FIRST_UNKNOWN_LIFE = 1_000_000
"""From here on lives are numbered where nobody knows how many there were before."""


class Sandbox:
    """What the environment and the registration say of the sandbox.

    Attributes:
        function_name: empty where it is not known.
        initialization_type: AWS_LAMBDA_INITIALIZATION_TYPE; None where it is not set.
        registered_ns: when our registration was answered.
        draw_instance_id: makes an id where the platform gives none. Called at most once, and late: clones of a
            SnapStart snapshot would share what was drawn before it.
        find_instance_id: the id that its surroundings know it by; empty for none. Called at most once, as late.
        style: how its spans are to be.
    """

    __slots__ = (
        "draw_instance_id",
        "find_instance_id",
        "function_name",
        "initialization_type",
        "registered_ns",
        "style",
    )

    def __init__(
        self,
        function_name: str,
        initialization_type: str | None,
        registered_ns: int,
        draw_instance_id: Callable[[], str],
        style: SpanStyle | None = None,
        find_instance_id: Callable[[], str] = str,
    ) -> None:
        self.style = style or SpanStyle()
        self.function_name = function_name
        self.initialization_type = initialization_type
        self.registered_ns = registered_ns
        self.draw_instance_id = draw_instance_id
        self.find_instance_id = find_instance_id


class NoMemory:
    """Keeps nothing."""

    __slots__ = ()

    def settled(self, instance_id: str, exporter: str, life: int, *, given: bool) -> None:
        """Nothing is kept."""

    def began(self, attempt: Attempt) -> None:
        """Nothing is kept."""

    def ended(self, attempt: Attempt, end_ns: int) -> None:
        """Nothing is kept."""

    def forget(self) -> None:
        """Nothing was kept."""


class Identity:
    """The id of a sandbox, and the builder of the spans that carry it.

    Attributes:
        exporter: under which name batches are numbered, once the id is settled. It is the sandbox's id, but for a
            process after a reset that finds no journal: it numbers from 1 again, which must not be taken for repeats.
    """

    __slots__ = ("_builder", "_inits", "_life", "_memory", "_recalled_id", "_sandbox", "exporter")

    def __init__(self, sandbox: Sandbox, memory: Memory, inits: Inits) -> None:
        """`inits`: what the sandbox has gone through; it grows."""
        self._sandbox = sandbox
        self._inits = inits
        self._memory = memory
        self._life = 1
        self._recalled_id: str | None = None
        self._builder: SpanBuilder | None = None
        self.exporter = ""

    @property
    def builder(self) -> SpanBuilder:
        """Makes this sandbox's spans. To ask for it settles the id.

        That is the one that the platform has given, else its log stream, else one is drawn.
        """
        if self._builder is None:
            found = self._sandbox.find_instance_id()
            if found and _is_token(found):
                self._life_from(self._inits.has_begun)
                self._settle(found, given=False)
            else:
                self._settle(self._sandbox.draw_instance_id(), given=False)
            assert self._builder is not None
        return self._builder

    def recall(self, remembered: Remembered) -> None:
        """Take over from the process before this one."""
        self._life = remembered.lives + 1
        if remembered.instance_id is not None:
            self._builder = self._builder_for(remembered.instance_id)
            self._recalled_id = remembered.instance_id if remembered.instance_given else None
            self.exporter = remembered.exporter

    def is_of_another(self, record: InitStart) -> bool:
        """Whether this record says that what was recalled is of a sandbox with which this one shares its /tmp."""
        given = _given_id(record)
        return given is not None and self._recalled_id not in {None, given}

    def forget(self) -> None:
        """Begin as a sandbox of which nothing was remembered."""
        self._builder = self._recalled_id = None
        self._life = 1

    def settle(self, record: InitStart) -> None:
        """Take the platform's id for the sandbox, if it gives one before ours was needed."""
        given = _given_id(record)
        if given is not None and self._builder is None:
            self._life_from(record.phase != _SUPPRESSED)
            self._settle(given, record.function_name, given=True)

    def _life_from(self, began: bool) -> None:  # noqa: FBT001 - the one thing that it is about
        """With an id that lasts: without a journal, a sandbox whose beginning was not told may have had others."""
        if self._life == 1 and not began:
            self._life = _FIRST_UNKNOWN_LIFE + int.from_bytes(posix.urandom(4), "big")

    def _settle(self, instance_id: str, function_name: str | None = None, *, given: bool) -> None:
        self._builder = self._builder_for(instance_id, function_name)
        self.exporter = instance_id if self._life < _FIRST_UNKNOWN_LIFE else f"{instance_id}/{self._life}"
        self._memory.settled(instance_id, self.exporter, self._life, given=given)

    def _builder_for(self, instance_id: str, name: str | None = None) -> SpanBuilder:
        """`name`: of the function, where the environment does not say."""
        function_name = self._sandbox.function_name or name or ""
        return SpanBuilder(function_name, instance_id, self._sandbox.style, self._life, self._inits)


def _given_id(record: InitStart) -> str | None:
    """The id that the platform gives; "$LATEST" is what some platforms say for want of one."""
    given = record.instance_id
    return given if given is not None and not given.startswith("$") and _is_token(given) else None


def _is_token(text: str) -> bool:
    """Whether it can stand in a header: the id goes into one."""
    return text.isascii() and text.isprintable() and " " not in text
