"""The same records in any order in which they may legally come make the same spans.

What is legal: the platform writes one stream, in which ``start``, ``runtimeDone`` and ``report`` of a request follow
one another, and so do the records of an init. The INVOKE events have a connection of their own: each may be read
before or after any of them; but for the report, which is written when every extension has asked for its next event. The
records of an init may be delivered after the first INVOKE (what was buffered before the subscription), an init of a
snapshot after the restore, and anything may be delivered twice (an answer of ours was lost).
"""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extension import records as r
from extension.identity import Sandbox
from extension.lifecycle import Lifecycle

T0 = 1_700_000_000_000_000_000
MS = 1_000_000
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"
DAY_MS = 86_400_000


def ns(ms):
    return T0 + ms * MS


def init(at_ms, took_ms, kind="on-demand", phase="init", *, restore=False, status="success", error=None, reports=True):
    """The records of one init or restore."""
    of = {} if restore else {"initialization_type": kind, "phase": phase}
    end = {"restore": restore, "status": status, "error_type": error, **of}
    records = [
        r.InitStart(time_ns=ns(at_ms), restore=restore, **of),
        r.InitRuntimeDone(time_ns=ns(at_ms + took_ms - 1), **end),
        r.InitReport(time_ns=ns(at_ms + took_ms), duration_ms=float(took_ms), **end),
    ]
    return records if reports else records[:1]


def request(at_ms, took_ms=20, id_="r1", *, status="success", error=None, done=True, reports=True):
    """The records of one attempt of one invocation."""
    end = {"request_id": id_, "status": status, "error_type": error}
    part = r.PlatformSpan(name="responseLatency", start_ns=ns(at_ms), duration_ms=1.5)
    records: list[r.Record] = [r.Start(time_ns=ns(at_ms), request_id=id_)]
    if done:
        records.append(
            r.RuntimeDone(time_ns=ns(at_ms + took_ms), duration_ms=float(took_ms), spans=(part,), **end)
        )  # fmt: skip
    if reports:
        records.append(r.Report(time_ns=ns(at_ms + took_ms + 2), duration_ms=took_ms + 2.0, spans=(), **end))
    return records


def event(at_ms, id_="r1"):
    return r.Invoke(request_id=id_, invoked_arn=ARN, deadline_ms=None, tracing=None), ns(at_ms)


def by_time(*chains):
    return sorted((record for chain in chains for record in chain), key=lambda record: record.time_ns)


class Scene:
    """What happened in one sandbox.

    Attributes:
        inits: chains of records, each in its order.
        stream: the requests' records.
        events: the INVOKE events, in their order, each with the time when it was received in the first place.
    """

    def __init__(self, *, inits=(), stream=(), events=(), kind="on-demand"):
        self.chains = [*(list(chain) for chain in inits), list(stream), list(events)]
        self.inits = len(inits)
        self.kind = kind

    def in_order(self):
        """As it usually comes: inits, and then each request's event before its records."""
        steps = [step for chain in self.chains[: self.inits] for step in chain]
        rest = [list(chain) for chain in self.chains[self.inits :]]
        stream, events = rest
        for record in stream:
            if type(record) is r.Start and events:
                steps.append(events.pop(0))
            steps.append(record)
        return steps + events

    def shuffled(self, draw):
        """Another order that is legal."""
        chains = [list(chain) for chain in self.chains]
        steps = []
        while any(chains):
            index = draw.choice([i for i, chain in enumerate(chains) if chain and self._may_come(i, chains)])
            steps.append(chains[index].pop(0))
        return steps

    def _asked_too_early(self, start, chains):
        """A request starts when every extension has asked for its event: the events before it have been read."""
        if any(chain and type(chain[0]) is r.InitStart and chain[0].restore for chain in chains[: self.inits]):
            return True
        number = [one for one in self.chains[self.inits] if type(one) is r.Start].index(start)
        if number and any(chains[: self.inits]):
            return True
        return len(self.chains[-1]) - len(chains[-1]) < number and self.kind != MANAGED

    def _may_come(self, index, chains):
        step = chains[index][0]
        if type(step) is r.Start:
            return not self._asked_too_early(step, chains)
        if type(step) is not r.Report:
            return True
        events = [one[0].request_id for one in chains[-1]]
        left = [one for one in chains[index] if type(one) is r.Report and one.request_id == step.request_id]
        asked = events.count(step.request_id) < len(left)
        return asked and not any(chains[: self.inits])


def spans_of(scene, steps):
    """The spans by their id: the last that was sent of each."""
    lifecycle = Lifecycle(Sandbox("orders", scene.kind, 0, lambda: "instance"))
    made = []
    for step in steps:
        made += lifecycle.on_invoke(*step) if isinstance(step, tuple) else lifecycle.on_record(step)
    made += lifecycle.on_shutdown(r.Shutdown(reason="spindown"), ns(DAY_MS), ns(DAY_MS) + 1)
    return {span.span_id: span for span in made}, made


PROVISIONED, SNAP, MANAGED = "provisioned-concurrency", "snap-start", "lambda-managed-instances"
FAILED = {"status": "error", "error": "Runtime.ExitError"}

SCENES = {
    "a cold start and warm ones": Scene(
        inits=[init(0, 100)],
        stream=request(101) + request(200, id_="r2") + request(300, 1, id_="r3"),
        events=[event(101), event(200, "r2"), event(300, "r3")],
    ),
    "a proactive init": Scene(inits=[init(0, 100)], stream=request(20_000), events=[event(20_000)]),
    "provisioned concurrency": Scene(
        inits=[init(0, 100, PROVISIONED)], stream=request(500), events=[event(500)], kind=PROVISIONED
    ),
    "a restore, and the init of the snapshot": Scene(
        inits=[init(-3 * DAY_MS, 900, SNAP, SNAP), init(0, 150, restore=True)],
        stream=request(151) + request(400, id_="r2"),
        events=[event(151), event(400, "r2")],
        kind=SNAP,
    ),
    "a snapshot whose init bears no name of its own": Scene(
        inits=[init(-3 * DAY_MS, 900), init(0, 150, restore=True)], stream=request(151), events=[event(151)]
    ),
    "a restore that waited unused": Scene(
        inits=[init(0, 150, restore=True)], stream=request(60_000), events=[event(60_000)], kind=SNAP
    ),
    "a failed init and the suppressed one": Scene(
        inits=[init(0, 50, **FAILED) + init(61, 30, phase="invoke")], stream=request(60, 80), events=[event(60)]
    ),
    "an init that was given up, and the suppressed one": Scene(
        inits=[init(0, 50, reports=False) + init(61, 30, phase="invoke", reports=False)],
        stream=request(60, 80),
        events=[event(60)],
    ),
    "two retries of one request": Scene(
        inits=[init(0, 100)],
        stream=request(101, **FAILED) + request(60_101, **FAILED) + request(180_101),
        events=[event(101), event(60_101), event(180_101)],
    ),
    "a report that never comes": Scene(
        inits=[init(0, 100)],
        stream=request(101, reports=False) + request(200, id_="r2"),
        events=[event(101), event(200, "r2")],
    ),
    "a runtimeDone that never comes": Scene(
        inits=[init(0, 100)],
        stream=request(101, status="timeout", done=False) + request(4000, id_="r2"),
        events=[event(101), event(4000, "r2")],
    ),
    "an invocation without an end": Scene(
        inits=[init(0, 100)],
        stream=request(101, done=False, reports=False) + request(4000, id_="r2"),
        events=[event(101), event(4000, "r2")],
    ),
    "requests side by side": Scene(
        inits=[init(0, 100, MANAGED)],
        stream=by_time(*(request(500 + n, 100 - 20 * n, f"r{n}", done=False) for n in range(4))),
        kind=MANAGED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCENES)
@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_legal_order_makes_the_same_spans(name, seed):
    scene = SCENES[name]
    expected, _ = spans_of(scene, scene.in_order())
    found, made = spans_of(scene, scene.shuffled(random.Random(seed)))
    assert found == expected
    replaced = [span.attributes for span in made if found[span.span_id] is not span]
    assert all(values["lambda.phase"] == "invoke" and "faas.coldstart" not in values for values in replaced)


@pytest.mark.parametrize("name", SCENES)
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_what_is_delivered_again_changes_nothing(name, seed):
    """A record a second time, right after the first or later: as when our answer to a delivery was lost."""
    scene, draw = SCENES[name], random.Random(seed)
    steps = scene.in_order()
    expected, once = spans_of(scene, steps)
    at = draw.randrange(len(steps))
    if isinstance(steps[at], tuple):
        return
    again = draw.randint(at, min(at + 2, len(steps) - 1)) + 1
    found, twice = spans_of(scene, [*steps[:again], steps[at], *steps[again:]])
    assert found == expected
    assert len(twice) == len(once)


def attempts_of(made):
    return [
        (span.attributes["faas.invocation_id"], span.attributes["lambda.attempt"])
        for span in made
        if span.attributes["lambda.phase"] == "invoke"
    ]


@pytest.mark.parametrize("name", SCENES)
def test_each_attempt_is_one_span(name):
    scene = SCENES[name]
    _, made = spans_of(scene, scene.in_order())
    started = [step.request_id for step in scene.in_order() if type(step) is r.Start]
    assert [id_ for id_, _ in attempts_of(made)] == started or scene.kind == MANAGED
    assert len(set(attempts_of(made))) == len(started)


LABELS = {
    "a cold start and warm ones": (True, False, ["init"]),
    "a proactive init": (False, True, ["init"]),
    "provisioned concurrency": (False, False, ["init"]),
    "a restore, and the init of the snapshot": (True, False, ["restore"]),
    "a snapshot whose init bears no name of its own": (True, False, ["restore"]),
    "a restore that waited unused": (False, True, ["restore"]),
    "a failed init and the suppressed one": (True, False, ["init", "init"]),
    "an init that was given up, and the suppressed one": (True, False, ["init", "init"]),
    "requests side by side": (False, False, ["init"]),
}


@pytest.mark.parametrize("name", LABELS)
def test_labels(name):
    """Cold start is true only for the invocation that waited; an init that nobody waited for has a trace of its own."""
    scene = SCENES[name]
    _, made = spans_of(scene, scene.in_order())
    inits = [span for span in made if span.attributes["lambda.phase"] in {"init", "restore"}]
    first, *others = sorted((s for s in made if s.attributes["lambda.phase"] == "invoke"), key=lambda s: s.start_ns)
    labels = first.attributes["faas.coldstart"], first.attributes["lambda.proactive_init"]
    assert (*labels, [span.attributes["lambda.phase"] for span in inits]) == LABELS[name]
    kind = SNAP if "restore" in LABELS[name][2] else scene.kind
    assert {span.attributes["lambda.initialization_type"] for span in [*inits, first, *others]} == {kind}
    assert all(span.attributes["faas.coldstart"] is False for span in others)
    for span in inits:
        waited = first.attributes["faas.coldstart"]
        assert (span.parent_id == first.span_id) is waited
        assert (span.trace_id == first.trace_id) is waited
        assert (span.span_id in {link.span_id for link in first.links}) is not waited
