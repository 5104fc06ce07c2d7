"""What a scenario says of streams, queues and asynchronous invocation. docs/emulator.md has every field."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from emulator.errors import ScenarioError
from emulator.fields import Fields
from emulator.sources import AsyncConfig, Filter, SqsConfig, StreamConfig, any_of

KINESIS: Final = "kinesis"
DYNAMODB: Final = "dynamodb"
SQS: Final = "sqs"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_DESTINATION: Final = re.compile(r"(sqs|lambda|sns|s3|events):[A-Za-z0-9_.-]{1,255}")
_DEAD_LETTERS: Final = re.compile(r"(sqs|sns):[A-Za-z0-9_.-]{1,255}")
_LONG_S: Final = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class PauseConfig:
    """A time in which an event source mapping is disabled, counted from the emulator's start."""

    start_s: float
    for_s: float


@dataclass(frozen=True, slots=True)
class MappingConfig:
    """What all event source mappings have."""

    function: str | None
    """None: a queue that nobody reads, such as one of dead letters."""
    enabled: bool
    reports_failures: bool
    """``ReportBatchItemFailures``: what the function answers may name those that failed."""
    pauses: tuple[PauseConfig, ...]
    accepts: Filter | None
    """None: no filter."""


@dataclass(frozen=True, slots=True)
class StreamSourceConfig:
    """A stream and the mapping that reads it."""

    kind: str
    """``kinesis`` or ``dynamodb``."""
    mapping: MappingConfig
    stream: StreamConfig


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """A queue and the mapping that reads it."""

    mapping: MappingConfig
    queue: SqsConfig
    dead_letter_queue: str | None
    """The name of another queue of the scenario."""

    @property
    def kind(self) -> str:
        """As scenarios call it."""
        return SQS


SourceConfig = StreamSourceConfig | QueueConfig


@dataclass(frozen=True, slots=True)
class AsynchronousConfig:
    """Asynchronous invocation, by function; those that are not named have Lambda's defaults."""

    functions: Mapping[str, AsyncConfig] = field(default_factory=dict)

    def of(self, function: str) -> AsyncConfig:
        """A function's."""
        return self.functions.get(function) or AsyncConfig()


@dataclass(frozen=True, slots=True)
class SourcesConfig:
    """All of it."""

    sources: Mapping[str, SourceConfig] = field(default_factory=dict)
    asynchronous: AsynchronousConfig = field(default_factory=AsynchronousConfig)


def parse(
    sources: Mapping[str, Fields], asynchronous: Mapping[str, Fields], functions: Collection[str]
) -> SourcesConfig:
    """Check the sections ``sources`` and ``asynchronous``. Raises ScenarioError, which names the field."""
    queues = {name for name, fields in sources.items() if fields.anything("kind", None) == SQS}
    return SourcesConfig(
        {name: _source(name, fields, functions, queues) for name, fields in sources.items()},
        AsynchronousConfig({name: _asynchronous(name, fields, functions) for name, fields in asynchronous.items()}),
    )


def _source(name: str, fields: Fields, functions: Collection[str], queues: Collection[str]) -> SourceConfig:
    if not _NAME.fullmatch(name):
        raise ScenarioError(f"{fields.path('')[:-1]}: a source's name is 1 to 80 letters, digits, -, _ and .")
    kind = fields.choice("kind", (KINESIS, DYNAMODB, SQS))
    mapping = MappingConfig(
        function=_function(fields, functions, is_needed=kind != SQS),
        enabled=fields.truth("enabled", default=True),
        reports_failures=fields.truth("report_batch_item_failures", default=False),
        pauses=tuple(_pause(item) for item in fields.items("pauses")),
        accepts=_filter(fields),
    )
    source = _queue(fields, mapping, queues) if kind == SQS else _stream(fields, kind, mapping)
    fields.finish()
    return source


def _function(fields: Fields, functions: Collection[str], *, is_needed: bool) -> str | None:
    if not is_needed and fields.anything("function", None) is None:
        return None
    return fields.choice("function", tuple(functions))


def _filter(fields: Fields) -> Filter | None:
    patterns = fields.anything("filters", [])
    if not isinstance(patterns, list):
        raise ScenarioError(f"{fields.path('filters')}: must be a list of patterns, not {patterns!r}")
    try:
        return any_of(patterns) if patterns else None
    except ValueError as error:
        raise ScenarioError(f"{fields.path('filters')}: {error}") from error


def _pause(fields: Fields) -> PauseConfig:
    pause = PauseConfig(fields.number("start_s", 0, _LONG_S), fields.number("for_s", 0, _LONG_S))
    fields.finish()
    return pause


def _stream(fields: Fields, kind: str, mapping: MappingConfig) -> StreamSourceConfig:
    longest_s = 86_400.0 if kind == DYNAMODB else _LONG_S
    stream = StreamConfig(
        shards=fields.integer("shards", 1, 10_000, 1),
        batch_size=fields.integer("batch_size", 1, 10_000, 100),
        batching_window_s=fields.number("batching_window_s", 0, 300, 0),
        parallelization_factor=fields.integer("parallelization_factor", 1, 10, 1),
        bisect_on_error=fields.truth("bisect_on_error", default=False),
        max_retries=fields.integer("max_retries", -1, 10_000, -1),
        max_record_age_s=fields.number("max_record_age_s", -1, 604_800, -1),
        on_failure_destination=_destination(fields, "on_failure", _DESTINATION),
        retention_s=fields.number("retention_s", 0.1, longest_s, 86_400),
    )
    return StreamSourceConfig(kind, mapping, stream)


def _queue(fields: Fields, mapping: MappingConfig, queues: Collection[str]) -> QueueConfig:
    dead_letters = fields.anything("dead_letter_queue", None) is not None
    window_s = fields.number("batching_window_s", 0, 300, 0)
    queue = SqsConfig(
        visibility_timeout_s=fields.number("visibility_timeout_s", 0, 43_200, 30),
        retention_s=fields.number("retention_s", 1, 1_209_600, 345_600),
        max_receive_count=fields.optional_integer("max_receive_count", 1, 1000),
        batch_size=fields.integer("batch_size", 1, 10_000 if window_s else 10, 10),
        batching_window_s=window_s,
        maximum_concurrency=fields.optional_integer("maximum_concurrency", 2, 1000),
    )
    config = QueueConfig(
        mapping, queue, fields.choice("dead_letter_queue", tuple(sorted(queues))) if dead_letters else None
    )
    if dead_letters != (queue.max_receive_count is not None):
        raise ScenarioError(f"{fields.path('dead_letter_queue')}: goes with max_receive_count, and neither without it")
    return config


def _asynchronous(name: str, fields: Fields, functions: Collection[str]) -> AsyncConfig:
    if name not in functions:
        raise ScenarioError(f"{fields.path('')[:-1]}: is no function; accepted are {', '.join(functions)}")
    delays_s = fields.anything("error_delays_s", [60, 120])
    if not isinstance(delays_s, list) or not delays_s or not all(_is_delay(one) for one in delays_s):
        raise ScenarioError(f"{fields.path('error_delays_s')}: must be a list of seconds, not {delays_s!r}")
    config = AsyncConfig(
        max_retries=fields.integer("max_retries", 0, 2, 2),
        max_event_age_s=fields.number("max_event_age_s", 0.1, 21_600, 21_600),
        error_delays_s=tuple(float(one) for one in delays_s),
        dead_letter_queue=_destination(fields, "dead_letter_queue", _DEAD_LETTERS),
        on_success=_destination(fields, "on_success", _DESTINATION),
        on_failure=_destination(fields, "on_failure", _DESTINATION),
    )
    fields.finish()
    return config


def _is_delay(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONG_S


def _destination(fields: Fields, name: str, form: re.Pattern[str]) -> str | None:
    if fields.anything(name, None) is None:
        return None
    text = fields.text(name)
    if not form.fullmatch(text):
        kinds = form.pattern[1 : form.pattern.index(")")].replace("|", ":NAME, ")
        raise ScenarioError(f"{fields.path(name)}: must be one of {kinds}:NAME, not {text!r}")
    return text
