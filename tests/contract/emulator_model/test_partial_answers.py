"""What a function with ReportBatchItemFailures may answer.

Source: "Implementing partial batch responses" for SQS, and "Configuring partial batch response" for Kinesis and
DynamoDB: success and failure conditions.
"""

import json

import pytest

from emulator.sources import failed_items

IDS = ("1", "2", "3")


@pytest.mark.parametrize(
    "answer",
    [{"batchItemFailures": []}, {"batchItemFailures": None}, {}, None],
    ids=["an empty list", "a null list", "an empty object", "null"],
)
def test_complete_success(answer):
    assert failed_items(json.dumps(answer).encode(), IDS) == frozenset()


def test_no_answer_at_all_is_complete_success():
    assert failed_items(b"", IDS) == frozenset()


@pytest.mark.parametrize(
    "failures",
    [[{"itemIdentifier": ""}], [{"itemIdentifier": None}], [{"bad": "1"}], [{"itemIdentifier": "4"}], "1"],
    ids=["an empty identifier", "a null identifier", "a bad key", "an unknown identifier", "no list"],
)
def test_complete_failure(failures):
    assert failed_items(json.dumps({"batchItemFailures": failures}).encode(), IDS) is None


@pytest.mark.parametrize("answer", [b"{", b'"text"'], ids=["no JSON", "no object"])
def test_an_answer_that_cannot_be_read_is_complete_failure(answer):
    assert failed_items(answer, IDS) is None


def test_the_named_ones_have_failed():
    answer = {"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}]}

    assert failed_items(json.dumps(answer).encode(), IDS) == frozenset({"2", "3"})
