"""Facts as OTLP: the spans of docs/span-model.md, as the extension sends them. Pure.

What repeats is encoded once: the resource of a sandbox, the attributes that all spans of a phase share. What remains
of a span is ids, times and a few figures. ``opentelemetry-proto`` is the judge in the tests.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from typing import Final

from emulator.fleet.facts import Fact, Init, Invocation, SandboxFacts, Shutdown, UnwaitedInit
from emulator.fleet.profiles import Profile
from emulator.metrics.protobuf import integer, key_value, nested, string, text_value, varint
from semconv import attributes as a
from semconv import phases

SCOPE: Final = "lambdascope"
DISTRO_VERSION: Final = "0.1.0"
_BYTES_PER_MB: Final = 1024 * 1024
_HOST_ARCH: Final = {"x86_64": "amd64", "arm64": "arm64"}
_SCOPE: Final = nested(1, string(1, SCOPE) + string(2, DISTRO_VERSION))
_TIMES: Final = struct.Struct("<BQBQ")
_DOUBLE: Final = struct.Struct("<d")
_KIND_INTERNAL: Final = 1
_SERVER: Final = integer(6, 2)
_OK: Final = nested(15, integer(3, 1))
_UNSET: Final = nested(15, b"")
_SUCCESS: Final = "success"


def _text(key: str, value: str) -> bytes:
    return key_value(9, key, text_value(value))


@lru_cache(maxsize=65_536)
def _int(key: str, value: int) -> bytes:
    """Cached: most figures repeat. Not for times, of which each is new."""
    return key_value(9, key, integer(3, value))


def _bool(key: str, *, value: bool) -> bytes:
    return key_value(9, key, integer(2, value))


def _phase(phase: str, source: str = "telemetry") -> bytes:
    return _text(a.PHASE, phase) + _text(a.PHASE_SOURCE, source)


_PROC: Final = frozenset({phases.EXTENSION_INIT, phases.RUNTIME_AND_FUNCTION_INIT})
_PHASE: Final = {phase: _phase(phase, "proc" if phase in _PROC else "telemetry") for phase in phases.ALL}
_NAME: Final = {phase: string(5, phase) + integer(6, _KIND_INTERNAL) for phase in phases.ALL}
_ATTEMPT: Final = tuple(_int(a.ATTEMPT, number) for number in range(16))
_REQUEST_HEAD: Final = _text(a.FAAS_INVOCATION_ID, "0" * 36)[:-36]
"""Request ids have 36 characters, so that all but those is the same."""
_BUSY_START_HEAD: Final = key_value(9, a.BUSY_START_UNIX_NANO, integer(3, 1 << 56))[:-9]
"""Nanoseconds since the epoch take nine bytes as a varint, until 2262."""
_COLD: Final = {
    (cold, proactive): _bool(a.FAAS_COLDSTART, value=cold) + _bool(a.PROACTIVE_INIT, value=proactive)
    for cold in (False, True)
    for proactive in (False, True)
}


def _double_head(key: str) -> bytes:
    return key_value(9, key, b"\x21" + bytes(8))[:-8]


_DURATION_HEAD: Final = _double_head(a.DURATION_MS)
_INIT_DURATION_HEAD: Final = _double_head(a.INIT_DURATION_MS)
_RESTORE_DURATION_HEAD: Final = _double_head(a.RESTORE_DURATION_MS)


def _digest(text: str, size: int) -> bytes:
    digest = sha256(text.encode()).digest()
    while not any(digest[:size]):  # the one value that is not a valid id
        digest = sha256(digest).digest()
    return digest[:size]


@lru_cache(maxsize=1024)
def _outcome(status: str, error_type: str | None) -> bytes:
    """lambda.status, and error.type where there is one."""
    return _text(a.STATUS, status) + (b"" if error_type is None else _text(a.ERROR_TYPE, error_type))


@lru_cache(maxsize=1024)
def _status(status: str, error_type: str | None) -> bytes:
    if status == _SUCCESS:
        return _OK
    return nested(15, string(2, error_type or status) + integer(3, 2))


def span(head: bytes, name_and_kind: bytes, start_us: int, end_us: int, rest: bytes) -> bytes:
    """A span as field 2 of ScopeSpans. ``head`` has the ids, ``rest`` attributes and status."""
    times = _TIMES.pack(0x39, start_us * 1000, 0x41, max(start_us, end_us) * 1000)
    length = len(head) + len(name_and_kind) + 18 + len(rest)
    return b"".join((b"\x12", varint(length), head, name_and_kind, times, rest))


class SpanEncoder:
    """Makes spans and resources of one account and region."""

    def __init__(self, account_id: str, region: str) -> None:
        self._account_id = account_id
        self._region = region
        self._functions: dict[str, tuple[bytes, dict[str, bytes]]] = {}
        self._resources: dict[tuple[str, str], bytes] = {}

    def resource(self, sandbox: SandboxFacts) -> bytes:
        """The Resource of a sandbox, as field 1 of ResourceSpans."""
        key = (sandbox.profile.name, sandbox.version)
        shared = self._resources.get(key)
        if shared is None:
            shared = self._resources[key] = self._shared_attributes(sandbox.profile, sandbox.version)
        return nested(1, shared + key_value(1, a.FAAS_INSTANCE, text_value(sandbox.instance_id)))

    def _shared_attributes(self, profile: Profile, version: str) -> bytes:
        """What the resources of all sandboxes of a version have."""
        texts = {
            a.SERVICE_NAME: profile.name,
            a.CLOUD_PROVIDER: "aws",
            a.CLOUD_PLATFORM: "aws_lambda",
            a.CLOUD_REGION: self._region,
            a.CLOUD_ACCOUNT_ID: self._account_id,
            a.CLOUD_RESOURCE_ID: self._arn(profile.name, version),
            a.FAAS_NAME: profile.name,
            a.FAAS_VERSION: version,
            a.HOST_ARCH: _HOST_ARCH[profile.architecture],
            a.TELEMETRY_DISTRO_NAME: SCOPE,
            a.TELEMETRY_DISTRO_VERSION: DISTRO_VERSION,
        }
        attributes = b"".join(key_value(1, key, text_value(value)) for key, value in texts.items())
        return attributes + key_value(1, a.FAAS_MAX_MEMORY, integer(3, profile.memory_mb * _BYTES_PER_MB))

    def spans(self, fact: Fact) -> Iterator[bytes]:
        """The spans of a fact; a throttled request has none."""
        match fact:
            case Invocation():
                yield from self._invocation(fact)
            case UnwaitedInit():
                yield from self._unwaited_init(fact)
            case Shutdown():
                yield self._shutdown(fact)

    def _arn(self, name: str, qualifier: str | None) -> str:
        arn = f"arn:aws:lambda:{self._region}:{self._account_id}:function:{name}"
        return arn if qualifier is None else f"{arn}:{qualifier}"

    def _of_function(self, sandbox: SandboxFacts) -> tuple[bytes, dict[str, bytes]]:
        """Name and kind of a function's invoke span, and the attributes that depend on the type of init."""
        profile = sandbox.profile
        known = self._functions.get(profile.name)
        if known is None:
            arn = _text(a.INVOKED_ARN, self._arn(profile.name, profile.alias))
            runtime = _text(a.RUNTIME_VERSION, profile.runtime_version)
            by_type = {
                init_type: _PHASE[phases.INVOKE] + arn + runtime + _text(a.INITIALIZATION_TYPE, init_type)
                for init_type in ("on-demand", "provisioned-concurrency", "snap-start")
            }
            known = self._functions[profile.name] = (string(5, profile.name) + _SERVER, by_type)
        return known

    def _invocation(self, fact: Invocation) -> Iterator[bytes]:
        request_id, attempt, start_us = fact.request_id, fact.attempt, fact.start_us
        base = f"{request_id}/{fact.sandbox.instance_id}/{attempt}/"
        trace = b"\x0a\x10" + _digest(request_id, 16) + b"\x12\x08"
        invoke_id = _digest(base + phases.INVOKE, 8)
        child = b"\x22\x08" + invoke_id
        number = _ATTEMPT[attempt] if attempt < len(_ATTEMPT) else _int(a.ATTEMPT, attempt)
        request = _REQUEST_HEAD + request_id.encode() + number
        outcome, status = _outcome(fact.status, fact.error_type), _status(fact.status, fact.error_type)
        name_and_kind, by_type = self._of_function(fact.sandbox)
        end_us = start_us + fact.runtime_us
        rest = b"".join(
            (
                by_type[fact.init_type],
                request,
                _COLD[fact.init is not None, fact.proactive],
                outcome,
                _BUSY_START_HEAD,
                varint(fact.busy_start_us * 1000),
                _int(a.PRODUCED_BYTES, fact.produced_bytes) if fact.latency_us else b"",
                status,
            )
        )
        yield span(trace + invoke_id, name_and_kind, start_us, end_us, rest)
        if fact.latency_us:
            at_us = start_us
            for phase, part_us in (
                (phases.RESPONSE_LATENCY, fact.latency_us),
                (phases.RESPONSE_DURATION, fact.response_us),
                (phases.RUNTIME_OVERHEAD, fact.overhead_us),
            ):
                head = trace + _digest(base + phase, 8) + child
                yield span(
                    head, _NAME[phase], at_us, at_us + part_us, _PHASE[phase] + request + _UNSET
                )  # fmt: skip
                at_us += part_us
        head = trace + _digest(base + phases.POST_RUNTIME, 8) + child
        rest = b"".join((_PHASE[phases.POST_RUNTIME], request, outcome, _figures(fact), status))
        yield span(head, _NAME[phases.POST_RUNTIME], end_us, fact.end_us, rest)
        if fact.init is not None:
            yield from _init_spans(fact.sandbox, fact.init, fact.init_type, trace, base, child, request)

    def _unwaited_init(self, fact: UnwaitedInit) -> Iterator[bytes]:
        base = f"{fact.sandbox.instance_id}/"
        trace = b"\x0a\x10" + _digest(base + phases.INIT, 16) + b"\x12\x08"
        yield from _init_spans(fact.sandbox, fact.init, fact.init_type, trace, base, b"", b"")

    def _shutdown(self, fact: Shutdown) -> bytes:
        key = f"{fact.sandbox.instance_id}/{phases.SHUTDOWN}"
        head = b"\x0a\x10" + _digest(key, 16) + b"\x12\x08" + _digest(key, 8)
        good = fact.reason == "spindown"
        rest = _PHASE[phases.SHUTDOWN] + _text(a.SHUTDOWN_REASON, fact.reason)
        rest += _OK if good else _status(fact.reason, fact.reason)
        name = _NAME[phases.SHUTDOWN]
        return span(head, name, fact.at_us, fact.at_us + fact.duration_us, rest)


def _figures(fact: Invocation) -> bytes:
    """The report's figures."""
    figures = [
        _DURATION_HEAD + _DOUBLE.pack(fact.duration_us / 1000),
        _int(a.BILLED_DURATION_MS, fact.billed_ms),
        _int(a.MEMORY_SIZE_MB, fact.sandbox.profile.memory_mb),
        _int(a.MAX_MEMORY_USED_MB, fact.max_memory_used_mb),
    ]
    if fact.init is not None and fact.init.restore:
        figures.append(_RESTORE_DURATION_HEAD + _DOUBLE.pack(fact.init.duration_us / 1000))
        figures.append(_int(a.BILLED_RESTORE_DURATION_MS, -(-fact.init.duration_us // 1000)))
    elif fact.init is not None:
        figures.append(_INIT_DURATION_HEAD + _DOUBLE.pack(fact.init.duration_us / 1000))
    return b"".join(figures)


def _init_spans(
    sandbox: SandboxFacts, init: Init, init_type: str, trace: bytes, base: str, parent: bytes, request: bytes
) -> Iterator[bytes]:
    """An init with its two parts, or a restore, which has none."""
    phase = phases.RESTORE if init.restore else phases.INIT
    span_id = _digest(base + phase, 8)
    attributes = b"".join(
        (
            _PHASE[phase],
            request,
            _text(a.INITIALIZATION_TYPE, init_type),
            _text(a.INIT_PHASE, "snap-start" if init.restore else "init"),
            _text(a.RUNTIME_VERSION, sandbox.profile.runtime_version),
            _text(a.STATUS, _SUCCESS),
            _OK,
        )
    )
    yield span(trace + span_id + parent, _NAME[phase], init.start_us, init.end_us, attributes)
    if init.restore:
        return
    border_us = init.start_us + init.extension_us
    for part, start_us, end_us in (
        (phases.EXTENSION_INIT, init.start_us, border_us),
        (phases.RUNTIME_AND_FUNCTION_INIT, border_us, init.end_us),
    ):
        head = trace + _digest(base + part, 8) + b"\x22\x08" + span_id
        yield span(head, _NAME[part], start_us, end_us, _PHASE[part] + request + _UNSET)


class TraceRequest:
    """An ExportTraceServiceRequest that is being gathered: the spans of several sandboxes, each under its resource."""

    def __init__(self, encoder: SpanEncoder) -> None:
        self.spans = 0
        self._encoder = encoder
        self._by_sandbox: dict[SandboxFacts, list[bytes]] = {}

    def add(self, sandbox: SandboxFacts, encoded: list[bytes]) -> None:
        """Add spans of a sandbox."""
        self.spans += len(encoded)
        known = self._by_sandbox.get(sandbox)
        if known is None:
            self._by_sandbox[sandbox] = encoded
        else:
            known += encoded

    def encode(self) -> bytes:
        """The request's bytes."""
        parts = []
        for sandbox, encoded in self._by_sandbox.items():
            scope_spans = _SCOPE + b"".join(encoded)
            parts.append(nested(1, self._encoder.resource(sandbox) + nested(2, scope_spans)))
        return b"".join(parts)
