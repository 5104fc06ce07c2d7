"""Event filtering.

Source: "Control which events Lambda sends to your function", filter rule syntax; "Using event filtering with an Amazon
SQS event source" (what does not match is deleted).
"""

import json

import pytest

from emulator.sources import SqsConfig, SqsSource, StreamConfig, StreamSource, any_of

EVENT = {"body": {"name": "Alice", "age": 34, "city": "", "tags": ["a", "b"], "none": None, "file": "x.png"}}


@pytest.mark.parametrize(
    ("rule", "pattern", "expected"),
    [
        ("null", {"none": [None]}, True),
        ("null is not absence", {"gone": [None]}, False),
        ("empty", {"city": [""]}, True),
        ("equals", {"name": ["Alice"]}, True),
        ("equals minds the case", {"name": ["alice"]}, False),
        ("equals minds the type", {"age": ["34"]}, False),
        ("equals, ignoring the case", {"name": [{"equals-ignore-case": "aLICE"}]}, True),
        ("and", {"name": ["Alice"], "age": [35]}, False),
        ("or", {"name": ["Bob", "Alice"]}, True),
        ("or of fields", {"$or": [{"name": ["Bob"]}, {"age": [34]}]}, True),
        ("or of fields, none", {"$or": [{"name": ["Bob"]}, {"age": [35]}]}, False),
        ("not", {"name": [{"anything-but": ["Bob", "Carol"]}]}, True),
        ("not, but it is", {"name": [{"anything-but": ["Alice"]}]}, False),
        ("numeric equals", {"age": [{"numeric": ["=", 34]}]}, True),
        ("numeric range", {"age": [{"numeric": [">", 10, "<=", 34]}]}, True),
        ("numeric range, outside", {"age": [{"numeric": [">", 34]}]}, False),
        ("exists", {"name": [{"exists": True}]}, True),
        ("does not exist", {"gone": [{"exists": False}]}, True),
        ("begins with", {"name": [{"prefix": "Al"}]}, True),
        ("ends with", {"file": [{"suffix": ".png"}]}, True),
        ("one element of a list", {"tags": ["b"]}, True),
        ("nesting that is not there", {"name": {"first": ["Alice"]}}, False),
    ],
)
def test_a_pattern_means_what_the_guide_says(rule, pattern, expected):
    assert any_of([{"body": pattern}])(EVENT) is expected, rule


def test_one_pattern_of_several_is_enough():
    assert any_of([{"body": {"name": ["Bob"]}}, {"body": {"age": [34]}}])(EVENT)


def test_a_text_does_not_match_a_pattern_of_fields():
    assert not any_of([{"body": {"name": ["Alice"]}}])({"body": "Alice"})


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ({"a": "x"}, "a: must be a list of alternatives, not 'x'"),
        ({"a": []}, "a: must be a list"),
        ({"a": {}}, "a: is empty"),
        ({"a": {"b": [{"like": "x"}]}}, "a.b: must be one of prefix, "),
        ({"a": [{"numeric": ["=", "1"]}]}, "a: numeric takes pairs"),
        ({"a": [{"exists": 1}]}, "a: exists is true or false"),
        ({"a": [{"anything-but": {"prefix": "x"}}]}, "a: anything-but takes a value"),
        ({"$or": [{"a": [1]}]}, "$or: must be a list of at least two"),
    ],
)
def test_a_wrong_pattern_is_named(pattern, message):
    with pytest.raises(ValueError, match="^" + message.replace("$", r"\$").replace(".", r"\.")):
        any_of([pattern])


def test_ten_patterns_are_the_most():
    with pytest.raises(ValueError, match="11 patterns; at most 10"):
        any_of([{"a": [1]}] * 11)


def counts(source):
    return {sample.metric: sample.value for sample in source.take_samples()}


def test_a_stream_skips_what_its_filter_refuses():
    source = StreamSource(StreamConfig(batch_size=2), accepts=lambda record: record.data != b"no")
    for data in (b"no", b"no", b"yes", b"no"):
        source.put("k", data, 0)

    (batch,) = source.poll(0)

    assert [record.data for record in batch.records] == [b"yes"]
    samples = source.take_samples()
    assert sum(sample.value for sample in samples if sample.metric == "PolledEventCount") == 4
    assert sum(sample.value for sample in samples if sample.metric == "FilteredOutEventCount") == 3
    assert source.next_poll_ns() is None


def test_a_queue_deletes_what_its_filter_refuses():
    source = SqsSource(SqsConfig(), iter("abcdef").__next__, accepts=lambda message: "n" in json.loads(message.body))
    for body in ({"n": 1}, {"m": 1}, {"m": 2}):
        source.send(json.dumps(body), 0)

    (batch,) = source.poll(0)

    assert [message.body for message in batch.messages] == ['{"n": 1}']
    assert counts(source) == {"PolledEventCount": 3, "FilteredOutEventCount": 2}
    assert source.backlog(10**12)[0] == 0
