"""What leaves the sandbox of the function's log lines."""

import json

import pytest

from extension.log_rules import LogRules, RateLimit
from extension.logs import Line, read_line
from extension.records import FunctionLog


def rules(patterns="", characters=65536, per_second=0):
    said = []
    return LogRules(patterns, characters, per_second, lambda kind, text: said.append((kind, text))), said


def test_patterns_hide_text_wherever_it_is_and_leave_names_alone():
    made, said = rules("token=\\S+\n\n(?i)SECRET\\d")
    line = Line(1, {"a": ["token=abc secret1", 5, None], "token=x": {"b": "Secret2!"}}, fields={"f": "token=1 2"})
    applied = made.applied(line, 0.0)
    assert applied is not None
    assert applied.body == {"a": ["*** ***", 5, None], "token=x": {"b": "***!"}}
    assert applied.fields == {"f": "*** 2"}
    assert said == []


def test_what_is_nested_too_deep_to_be_looked_at_is_hidden():
    made, _ = rules("x")
    value: object = "deep"
    for _ in range(40):
        value = {"k": value}
    applied = made.applied(Line(1, value), 0.0)
    assert applied is not None
    assert "deep" not in repr(applied.body)


@pytest.mark.parametrize("bad", ["(", "fine\n[", "*"])
def test_where_a_pattern_is_none_no_text_leaves(bad):
    """It was there to keep something in; the line of the operator does not repeat it."""
    made, [(kind, text)] = rules(bad)
    applied = made.applied(Line(1, "my secret"), 0.0)
    assert applied is not None
    assert applied.body == "***"
    assert kind == "redact"
    assert "all log text is left out" in text


def test_long_lines_are_cut_after_redaction_and_say_so():
    made, _ = rules("b+", characters=256)
    applied = made.applied(read_line(FunctionLog(time_ns=1, body="a" * 250 + "b" * 100 + "c" * 10 + "\n")), 0.0)
    assert applied is not None
    assert applied.body == "a" * 250 + "***" + "ccc"
    assert applied.cut_characters == 7


def test_a_rate_allows_a_burst_and_counts_what_is_over_it():
    made, _ = rules(per_second=5)
    passed = [made.applied(Line(1, "x"), 100.0) for _ in range(60)]
    assert len([line for line in passed if line]) == 50
    assert made.limited == 10
    assert len([line for line in (made.applied(Line(1, "x"), 101.0) for _ in range(10)) if line]) == 5


def test_a_clock_set_back_gives_nothing_and_takes_nothing():
    limit = RateLimit(1.0)
    assert [limit.allows(100.0) for _ in range(11)] == [True] * 10 + [False]
    assert not limit.allows(50.0)
    assert limit.allows(51.0)


@pytest.mark.parametrize(
    "entry",
    [
        {"message": "m" * 5000, "a": "x" * 5000},
        {"message": "short", "payload": {"deep": [{"text": "x" * 9000}] * 50}},
        {"no": "message", "many": list(range(9000))},
        {"message": "m", **{f"key{n}" * 40: "v" * 40 for n in range(60)}},
        {"message": {"object": ["y" * 400] * 400}},
    ],
    ids=["texts", "deep", "numbers", "names", "message"],
)
def test_an_object_is_cut_as_a_whole(entry):
    """What leaves is no longer than the limit, about, and says how much is missing; what is short leaves as it is."""
    made, _ = rules(characters=1000)
    line = made.applied(read_line(FunctionLog(time_ns=1, body=entry)), 0.0)
    assert line is not None
    texts = json.dumps([line.body, line.fields])
    assert len(texts) < 2500
    assert line.cut_characters > 0
    short = {"message": "m", "order": {"id": 7, "tags": ["a", None, True, 1.5]}}
    kept = made.applied(read_line(FunctionLog(time_ns=1, body=short)), 0.0)
    assert kept is not None
    assert (kept.body, kept.fields, kept.cut_characters) == ("m", {"order": short["order"]}, 0)
