"""Nothing is lost, and nothing is stored twice, whatever goes wrong around the extension.

Real functions in the emulator with the built layer, exporting by every flush setting and both protocols to a real
collector: random pauses in which sandboxes are frozen or given up, timeouts, exits, kills and out-of-memory kills of
the runtime, SIGKILLs of the extension, functions that tidy up /tmp, and between sandbox and collector refused and
hanging connections, lost answers, slow links, and a collector that stands still or is killed. Per sandbox, what is
stored, counted as dropped, and known to be missing is what was delivered to the extension. LAMBDASCOPE_SOAK=1 runs
10,000 invocations.
"""

import os
import time

import pytest

from tests.support.chaos import BUDGET, FORGOTTEN, KILLED, UNREACHABLE, Plan, chaos, judge

pytestmark = [pytest.mark.layer, pytest.mark.soak]

SOAK = os.environ.get("LAMBDASCOPE_SOAK") == "1"
PLANS = (
    [Plan(seed, 8, 2_504, longest_outage_s=60, calm_s=12, kills=True, longest_pause_s=9) for seed in range(4)]
    if SOAK
    else [Plan(5, 6, 204, longest_outage_s=1.5, calm_s=3, kills=False, longest_pause_s=3)]
)
SETTLED_WITHIN_S = 60.0
LAST_DELIVERY = 12
"""Lines and records of the delivery that an extension had answered and not dealt with when it was killed, at most."""


@pytest.fixture(scope="module", params=PLANS, ids=lambda plan: f"seed-{plan.seed}")
def ran(request, tmp_path_factory):
    """The sandboxes of a run, judged when the collector has told all that it has."""
    with chaos(tmp_path_factory.mktemp("chaos") / "stack", request.param) as finished:
        until = time.monotonic() + SETTLED_WITHIN_S
        sandboxes = judge(finished)
        while any(wrongs(sandbox) for sandbox in sandboxes.values()) and time.monotonic() < until:
            time.sleep(1)  # the collector tells what has come every five seconds
            sandboxes = judge(finished)
        yield finished, list(sandboxes.values())


def wrongs(sandbox):
    """What must not be, in words."""
    found = [f"stored twice: {what}" for what in sandbox.twice]
    found += [f"stored, and never delivered: {what}" for what in sandbox.unknown]
    for name, account in (("logs", sandbox.logs), ("spans", sandbox.spans)):
        lost = account.delivered - account.stored
        if account.stored > account.delivered + account.perhaps:
            found.append(f"{name}: more stored than delivered: {account}")
        if not sandbox.excuses and lost > account.dropped:
            found.append(f"{name}: missing without a reason: {account}")
    if not sandbox.excuses & {UNREACHABLE, BUDGET, FORGOTTEN}:  # there, nothing came afterwards that could have told
        allowed = LAST_DELIVERY if KILLED in sandbox.excuses else 0
        unaccounted = sandbox.logs.unaccounted
        if not -sandbox.logs.perhaps <= unaccounted <= allowed:
            found.append(f"logs: nobody knows of {unaccounted}: {sandbox.logs}")
    elif sandbox.logs.unaccounted < -sandbox.logs.perhaps:
        found.append(f"logs: more than was delivered: {sandbox.logs}")
    return found


def test_what_was_delivered_is_stored_once_or_accounted_for(ran):
    _, sandboxes = ran
    assert {sandbox.instance_id: found for sandbox in sandboxes if (found := wrongs(sandbox))} == {}


def test_everything_went_wrong_and_was_no_excuse_for_everything(ran):
    """The run is worth something: there was trouble of each kind, and it was not an excuse for everything."""
    finished, sandboxes = ran
    kinds = {record.get("error_type") for record in finished.record if record["kind"] == "invocation"}
    assert {"Runtime.ExitError", "Runtime.OutOfMemory"} <= kinds
    assert finished.troubles
    delivered = sum(sandbox.logs.delivered for sandbox in sandboxes)
    assert sum(sandbox.logs.stored for sandbox in sandboxes) >= 0.3 * delivered
    assert len([sandbox for sandbox in sandboxes if not sandbox.excuses]) >= 5
