"""Fleet mode's OTLP, held to docs/span-model.md, with opentelemetry-proto as the judge."""

from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from emulator.fleet.facts import Invocation, Shutdown, UnwaitedInit
from semconv import attributes as a
from semconv import phases
from tests.support.fleet import decoded, digest, facts_of, fleet_of, history, one_function, requests_of, values


@pytest.fixture(scope="module")
def fleet():
    return fleet_of({"days": 0.06, "functions": 60, "requests_per_s": 5, "limits": {"idle_timeout_s": 120}})


@pytest.fixture(scope="module")
def facts(fleet):
    return facts_of(history(fleet))


@pytest.fixture(scope="module")
def spans(fleet, facts):
    return list(decoded(requests_of(fleet, facts)))


def of_phase(spans, phase: str) -> list[tuple[dict[str, Any], Span, dict[str, Any]]]:
    return [one for one in spans if one[2][a.PHASE] == phase]


def test_every_phase_is_there_that_needs_no_probe(spans):
    seen = {given[a.PHASE] for _, _, given in spans}
    assert seen == set(phases.ALL) - {phases.RUNTIME_INIT, phases.FUNCTION_INIT}


def test_the_resource_is_the_sandboxs(fleet, spans):
    profiles = {profile.name: profile for profile in fleet.profiles}
    for resource, _, _ in spans:
        profile = profiles[resource[a.FAAS_NAME]]
        version = resource[a.FAAS_VERSION]
        assert resource == {
            a.SERVICE_NAME: profile.name,
            a.CLOUD_PROVIDER: "aws",
            a.CLOUD_PLATFORM: "aws_lambda",
            a.CLOUD_REGION: "eu-west-1",
            a.CLOUD_ACCOUNT_ID: "123456789012",
            a.CLOUD_RESOURCE_ID: f"arn:aws:lambda:eu-west-1:123456789012:function:{profile.name}:{version}",
            a.FAAS_NAME: profile.name,
            a.FAAS_VERSION: version,
            a.FAAS_INSTANCE: resource[a.FAAS_INSTANCE],
            a.FAAS_MAX_MEMORY: profile.memory_mb * 1024 * 1024,
            a.HOST_ARCH: {"x86_64": "amd64", "arm64": "arm64"}[profile.architecture],
            a.TELEMETRY_DISTRO_NAME: "lambdascope",
            a.TELEMETRY_DISTRO_VERSION: "0.1.0",
        }


def test_ids_are_derived_by_the_documented_rule(spans):
    for resource, span, given in spans:
        instance, phase = resource[a.FAAS_INSTANCE], given[a.PHASE]
        if a.FAAS_INVOCATION_ID in given:
            request = given[a.FAAS_INVOCATION_ID]
            base = f"{request}/{instance}/{given[a.ATTEMPT]}"
            assert span.trace_id == digest(request, 16)
            assert span.span_id == digest(f"{base}/{phase}", 8)
            parent = {phases.INVOKE: b"", **dict.fromkeys(
                (phases.EXTENSION_INIT, phases.RUNTIME_AND_FUNCTION_INIT), digest(f"{base}/{phases.INIT}", 8)
            )}.get(phase, digest(f"{base}/{phases.INVOKE}", 8))  # fmt: skip
        else:
            whole = phases.SHUTDOWN if phase == phases.SHUTDOWN else phases.INIT
            assert span.trace_id == digest(f"{instance}/{whole}", 16)
            assert span.span_id == digest(f"{instance}/{phase}", 8)
            parent = b"" if phase == whole else digest(f"{instance}/{phases.INIT}", 8)
        assert span.parent_span_id == parent


def test_span_ids_are_unique_within_their_trace(spans):
    ids = [(span.trace_id, span.span_id) for _, span, _ in spans]
    assert len(set(ids)) == len(ids)


def test_children_lie_within_or_beside_their_invocation(spans):
    invokes = {span.span_id: span for _, span, _ in of_phase(spans, phases.INVOKE)}
    for phase in (phases.RESPONSE_LATENCY, phases.RESPONSE_DURATION, phases.RUNTIME_OVERHEAD):
        for _, span, _ in of_phase(spans, phase):
            invoke = invokes[span.parent_span_id]
            assert invoke.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= invoke.end_time_unix_nano
    for _, span, _ in of_phase(spans, phases.POST_RUNTIME):
        assert span.start_time_unix_nano == invokes[span.parent_span_id].end_time_unix_nano


def test_an_invocations_spans_say_what_happened(facts, spans):
    invocations = {(one.request_id, one.sandbox.instance_id, one.attempt): one
        for one in facts if isinstance(one, Invocation)}  # fmt: skip
    invokes = of_phase(spans, phases.INVOKE)
    assert len(invokes) == len(invocations)
    for resource, span, given in invokes:
        fact = invocations[given[a.FAAS_INVOCATION_ID], resource[a.FAAS_INSTANCE], given[a.ATTEMPT]]
        profile = fact.sandbox.profile
        qualifier = "" if profile.alias is None else f":{profile.alias}"
        expected = {
            a.PHASE: "invoke",
            a.PHASE_SOURCE: "telemetry",
            a.FAAS_INVOCATION_ID: fact.request_id,
            a.ATTEMPT: fact.attempt,
            a.FAAS_COLDSTART: fact.cold_start,
            a.PROACTIVE_INIT: fact.proactive,
            a.INITIALIZATION_TYPE: str(fact.init_type),
            a.INVOKED_ARN: f"arn:aws:lambda:eu-west-1:123456789012:function:{profile.name}{qualifier}",
            a.STATUS: fact.status,
            a.BUSY_START_UNIX_NANO: fact.busy_start_us * 1000,
            a.RUNTIME_VERSION: profile.runtime_version,
        }
        expected |= {a.ERROR_TYPE: fact.error_type} if fact.error_type else {}
        expected |= {a.PRODUCED_BYTES: fact.produced_bytes} if fact.latency_us else {}
        assert given == expected
        assert (span.name, span.kind) == (profile.name, Span.SPAN_KIND_SERVER)
        assert span.start_time_unix_nano == fact.start_us * 1000
        assert span.end_time_unix_nano == (fact.start_us + fact.runtime_us) * 1000
        good = fact.status == "success"
        assert span.status.code == (Status.STATUS_CODE_OK if good else Status.STATUS_CODE_ERROR)
        assert span.status.message == ("" if good else fact.error_type)


def test_the_reports_figures_are_on_post_runtime(facts, spans):
    invocations = {one.request_id: one for one in facts if isinstance(one, Invocation) and one.attempt == 1}
    seen = set()
    for _, span, given in of_phase(spans, phases.POST_RUNTIME):
        fact = invocations[given[a.FAAS_INVOCATION_ID]]
        if given[a.ATTEMPT] > 1 or span.end_time_unix_nano != fact.end_us * 1000:
            continue  # a retry of the same request id
        expected = {
            a.DURATION_MS: fact.duration_us / 1000,
            a.BILLED_DURATION_MS: fact.billed_ms,
            a.MEMORY_SIZE_MB: fact.sandbox.profile.memory_mb,
            a.MAX_MEMORY_USED_MB: fact.max_memory_used_mb,
        }
        if fact.init is not None and fact.init.restore:
            expected[a.RESTORE_DURATION_MS] = fact.init.duration_us / 1000
            expected[a.BILLED_RESTORE_DURATION_MS] = -(-fact.init.duration_us // 1000)
        elif fact.init is not None:
            expected[a.INIT_DURATION_MS] = fact.init.duration_us / 1000
        assert {key: value for key, value in given.items() if key in expected} == expected
        assert given[a.STATUS] == fact.status
        seen |= set(given)
    assert {a.INIT_DURATION_MS, a.RESTORE_DURATION_MS} <= seen


def test_inits_have_their_two_parts_and_restores_none(facts, spans):
    waited = [one for one in facts if isinstance(one, Invocation) and one.init is not None]
    ahead = [one for one in facts if isinstance(one, UnwaitedInit)]
    inits = {span.span_id: span for _, span, _ in of_phase(spans, phases.INIT)}
    done = [one.init for one in waited if one.init is not None] + [one.init for one in ahead]
    restores = sum(init.restore for init in done)
    assert (len(inits), len(of_phase(spans, phases.RESTORE))) == (len(done) - restores, restores)
    assert restores
    first, second = of_phase(spans, phases.EXTENSION_INIT), of_phase(spans, phases.RUNTIME_AND_FUNCTION_INIT)
    assert len(first) == len(second) == len(inits)
    for (_, extension, given), (_, rest, _) in zip(first, second, strict=True):
        init = inits[extension.parent_span_id]
        assert given[a.PHASE_SOURCE] == "proc"
        assert rest.parent_span_id == init.span_id
        assert extension.start_time_unix_nano == init.start_time_unix_nano
        assert extension.end_time_unix_nano == rest.start_time_unix_nano
        assert rest.end_time_unix_nano == init.end_time_unix_nano


def test_shutdowns_say_why(facts, spans):
    shutdowns = of_phase(spans, phases.SHUTDOWN)
    assert len(shutdowns) == sum(isinstance(one, Shutdown) for one in facts)
    for _, span, given in shutdowns:
        assert set(given) == {a.PHASE, a.PHASE_SOURCE, a.SHUTDOWN_REASON}
        good = given[a.SHUTDOWN_REASON] == "spindown"
        assert span.status.code == (Status.STATUS_CODE_OK if good else Status.STATUS_CODE_ERROR)
    assert {given[a.SHUTDOWN_REASON] for _, _, given in shutdowns} >= {"spindown"}


def test_failures_have_their_types_in_span_and_report():
    fleet = one_function(hours=0.5, requests_per_s=2, timeout_rate=0.05, out_of_memory_rate=0.05, error_rate=0.05)
    spans = list(decoded(requests_of(fleet, facts_of(history(fleet)))))
    for phase in (phases.INVOKE, phases.POST_RUNTIME):
        types = {(given[a.STATUS], given.get(a.ERROR_TYPE)) for _, _, given in of_phase(spans, phase)}
        assert {("success", None), ("timeout", "Sandbox.Timedout"), ("error", "Runtime.OutOfMemory")} <= types
    parts = {span.parent_span_id for _, span, _ in of_phase(spans, phases.RESPONSE_LATENCY)}
    timed_out = [span for _, span, given in of_phase(spans, phases.INVOKE) if given[a.STATUS] == "timeout"]
    assert timed_out
    assert not parts & {span.span_id for span in timed_out}


@pytest.mark.parametrize("size", [1, 100, 2000])
def test_requests_have_about_the_size_that_is_asked_for_and_one_resource_per_sandbox(fleet, facts, size):
    requests = requests_of(fleet, facts, size)
    assert all(size <= request.spans < size + 8 for request in requests[:-1])
    for request in requests:
        message = ExportTraceServiceRequest.FromString(request.body)
        instances = [values(group.resource.attributes)[a.FAAS_INSTANCE] for group in message.resource_spans]
        assert len(set(instances)) == len(instances)
        assert sum(len(scope.spans) for group in message.resource_spans for scope in group.scope_spans) == request.spans
    if size == 1:
        assert all(len(ExportTraceServiceRequest.FromString(request.body).resource_spans) == 1 for request in requests)


def test_the_bytes_are_what_protobuf_itself_would_write(fleet, facts):
    for request in requests_of(fleet, facts):
        assert ExportTraceServiceRequest.FromString(request.body).SerializeToString() == request.body
