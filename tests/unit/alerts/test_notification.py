"""What people read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from collector.alerts.metrics import METRICS, shown
from collector.alerts.notification import as_json, as_mail, as_slack, fingerprint, notification
from collector.alerts.rules import Rule, Threshold
from collector.alerts.state import Alert, Change, Switch

AT = datetime(2026, 11, 21, 3, 4, tzinfo=UTC)
LABELS = (("AccountId", "123456789012"), ("FunctionName", "orders & <co>"), ("Region", "eu-west-1"))
RULE = Rule(
    "errors", "Invocations fail", METRICS["error_rate"], (("critical", Threshold(">", 0.1, "> 10 %")),),
    timedelta(minutes=5), timedelta(minutes=5), timedelta(minutes=5), 0, "ok", frozenset(), "Look at the logs.",
)  # fmt: skip
ALERT = Alert(LABELS, {"critical": Switch(on=True)}, 0.125, fired_at=AT - timedelta(minutes=10))


@pytest.fixture
def firing():
    return notification(RULE, Change("firing", "critical", ALERT, AT), "https://scope.example.com")


def test_a_sentence_with_value_bound_and_since_when(firing):
    assert firing.headline == "[CRITICAL] Invocations fail: orders & <co>"
    assert firing.summary == ("12.5 % over the last 5 minutes; the bound is > 10 %, broken since 2026-11-21 02:49 UTC.")


def test_the_link_leads_to_the_function_and_its_time(firing):
    assert firing.link == (
        "https://scope.example.com/function?range=custom&from=2026-11-21T01%3A54%3A00Z&to=2026-11-21T03%3A04%3A00Z"
        "&function=orders+%26+%3Cco%3E"
    )


def test_resolved():
    one = notification(RULE, Change("resolved", "critical", replace(ALERT, value=0.01), AT))
    assert one.headline.startswith("[RESOLVED] ")
    assert one.summary == "1 % over the last 5 minutes, within > 10 % again after 10 min."
    assert (one.advice, one.link) == ("", "")


def test_json(firing):
    body = as_json(firing)
    assert body["labels"] == dict(LABELS)
    assert (body["value"], body["unit"], body["kind"]) == (0.125, "ratio", "firing")
    assert (body["time"], body["fired_at"]) == ("2026-11-21T03:04:00Z", "2026-11-21T02:54:00Z")
    assert body["fingerprint"] == fingerprint("errors", LABELS)


def test_slack_escapes_what_slack_would_read(firing):
    text = as_slack(firing)["text"]
    assert text.startswith(":rotating_light: *[CRITICAL] Invocations fail: orders &amp; &lt;co&gt;*")
    assert f"<{firing.link}|Open the dashboard>" in text


def test_a_mail_subject_is_what_sns_takes(firing):
    subject, text = as_mail(replace(firing, title="Ünïcode\n" + "x" * 200))
    assert len(subject) == 100
    assert subject.isascii()
    assert subject.isprintable()
    assert "AccountId: 123456789012" in text
    assert firing.link in text


def test_fingerprints_tell_series_and_rules_apart():
    other = (*LABELS[:-1], ("Region", "us-east-1"))
    assert len({fingerprint("a", LABELS), fingerprint("b", LABELS), fingerprint("a", other)}) == 3


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.125, "ratio", "12.5 %"), (0, "ratio", "0 %"), (1, "ratio", "100 %"), (12.5, "ratio", "1250 %"),
        (3, "timeouts", "3 timeouts"), (1, "timeouts", "1 timeout"), (1, "ms", "1 ms"),
        (12345.6, "s", "12,346 s"), (1.2345, "s", "1.23 s"), (None, "s", "no data"),
        (-5, "d", "-5 d"), (7, "", "7"),
    ],
)  # fmt: skip
def test_values(value, unit, text):
    assert shown(value, unit) == text
