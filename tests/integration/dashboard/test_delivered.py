"""The panels of what CloudWatch, the inventory and the collector deliver: what they say is what was put in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from collector.cloudwatch.point import Point, dimension_set
from collector.cloudwatch.spooled import encode, rows
from collector.jobs.causes import Causes
from collector.otlp.decode import decode
from collector.otlp.signals import Signal
from dashboard import sql
from dashboard.config import SqlEndpoint
from dashboard.filters import Filters
from dashboard.sql import SqlSource, filter_params
from dashboard.timeaxis import Window
from tests.support.cloudwatch import store_at
from tests.support.collector import lambda_span, trace_request

BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTES = 20
WINDOW = Window(BEGIN, BEGIN + timedelta(minutes=MINUTES), 300, BEGIN + timedelta(days=2))
ACCOUNT, REGION = "123456789012", "eu-west-1"
STREAM = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/clicks"
MAPPING = "5f0b4d6e-0000-4000-8000-000000000001"

Series = Sequence[float | None]


def each(value: float) -> list[float]:
    """The same in every minute."""
    return [value] * MINUTES


RESERVED = 3
LIMIT = 1000

# The function `buyer` is held at its reservation from the fifth to the ninth minute.
THROTTLES = [40.0 + minute if 5 <= minute < 10 else 0.0 for minute in range(MINUTES)]
BUYS = [60.0 if minute < 5 else 90.0 for minute in range(MINUTES)]
# `reader` falls behind, and its mapping is not invoked in one minute.
AGES = [None if minute == 7 else 1000.0 * (1 + 30 * minute) for minute in range(MINUTES)]

POINTS: list[tuple[str, Mapping[str, str], Series, Series]] = [
    # metric, dimensions, sum per minute, maximum per minute
    ("Invocations", {}, [100.0 + minute for minute in range(MINUTES)], each(1)),
    ("ClaimedAccountConcurrency", {}, each(0), [40.0 + minute for minute in range(MINUTES)]),
    ("ConcurrentExecutions", {}, each(0), [20.0 + minute for minute in range(MINUTES)]),
    ("UnreservedConcurrentExecutions", {}, each(0), [10.0 + minute for minute in range(MINUTES)]),
    ("Invocations", {"FunctionName": "buyer"}, BUYS, each(1)),
    ("Throttles", {"FunctionName": "buyer"}, THROTTLES, each(1)),
    ("ConcurrentExecutions", {"FunctionName": "buyer"}, each(0), [3.0 if 5 <= m < 10 else 1.0 for m in range(MINUTES)]),
    ("AsyncEventsReceived", {"FunctionName": "buyer"}, each(7), each(1)),
    ("AsyncEventAge", {"FunctionName": "buyer"}, each(0), [100.0 * minute for minute in range(MINUTES)]),
    ("AsyncEventsDropped", {"FunctionName": "buyer"}, each(2), each(1)),
    ("DeadLetterErrors", {"FunctionName": "buyer"}, each(1), each(1)),
    ("DestinationDeliveryFailures", {"FunctionName": "buyer"}, each(3), each(1)),
    ("RecursiveInvocationsDropped", {"FunctionName": "buyer"}, each(4), each(1)),
    ("ProvisionedConcurrencyUtilization", {"FunctionName": "kept", "Resource": "kept:live"}, each(0), each(0.4)),
    ("ProvisionedConcurrencySpilloverInvocations", {"FunctionName": "kept", "Resource": "kept:live"}, each(5), each(1)),
    ("Invocations", {"FunctionName": "reader"}, [0.0 if m == 7 else 30.0 for m in range(MINUTES)], each(1)),
    ("IteratorAge", {"FunctionName": "reader"}, AGES, AGES),
    ("PolledEventCount", {"EventSourceMappingUUID": MAPPING}, each(500), each(1)),
    ("FilteredOutEventCount", {"EventSourceMappingUUID": MAPPING}, each(20), each(1)),
    ("InvokedEventCount", {"EventSourceMappingUUID": MAPPING}, each(480), each(1)),
    ("FailedInvokeEventCount", {"EventSourceMappingUUID": MAPPING}, each(6), each(1)),
    ("DroppedEventCount", {"EventSourceMappingUUID": MAPPING}, each(1), each(1)),
    ("OnFailureDestinationDeliveredEventCount", {"EventSourceMappingUUID": MAPPING}, each(3), each(1)),
]


def points() -> Iterator[Point]:
    for metric, dimensions, sums, highest in POINTS:
        for minute, (total, top) in enumerate(zip(sums, highest, strict=True)):
            if total is None or top is None:
                continue
            at_s = int(BEGIN.timestamp()) + 60 * minute
            # CloudWatch publishes a minute again when more of it has come; the first count is too low.
            for known in (total // 2, total):
                yield Point(
                    "AWS/Lambda", metric, dict(dimensions), dimension_set(dict(dimensions)), at_s, 60, known, 0.0, top,
                    60.0, {}, "Count", ACCOUNT, REGION,
                )  # fmt: skip


INVENTORY: list[dict[str, Any]] = [
    {"FunctionName": "buyer", "Runtime": "python3.9", "ReservedConcurrency": RESERVED, "MemorySizeMB": 256},
    {"FunctionName": "kept", "Runtime": "nodejs22.x", "ProvisionedConcurrency": 10, "MemorySizeMB": 512},
    {"FunctionName": "reader", "Runtime": "java21", "MemorySizeMB": 1024},
]
CHANGED_AT = BEGIN + timedelta(minutes=12)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlSource]:
    with store_at(tmp_path_factory.mktemp("delivered")) as (store, client):
        store.insert(rows([encode(list(points()), 1_800_000_000_000_000_000)]), "points")
        for number, decoded in enumerate(decode(Signal.TRACES, list(_spans()))):
            store.insert(decoded, f"spans-{number}")
        for table, records in _records().items():
            columns = list(records[0])
            client.insert(table, [[record[name] for name in columns] for record in records], column_names=columns)
        Causes(client).run(settled=True)
        yield SqlSource(client, SqlEndpoint("http", "127.0.0.1", 0))


def _records() -> dict[str, list[dict[str, Any]]]:
    where = {"AccountId": ACCOUNT, "Region": REGION}
    polls = [BEGIN - timedelta(minutes=10), CHANGED_AT]
    empty = {"Runtime": "", "ReservedConcurrency": None, "ProvisionedConcurrency": None, "MemorySizeMB": None}
    functions = [{**where, **empty, **one, "TimeoutS": 3, "PolledAt": at} for at in polls for one in INVENTORY]
    functions[-1] |= {"MemorySizeMB": 2048, "TimeoutS": 30}  # of `reader`, at the last poll
    alert = {"Rule": "throttles", "Title": "Throttled", "Kind": "firing", "Severity": "critical", "Summary": "3 %"}
    labels = {"FunctionName": "buyer", "Region": REGION}
    now = datetime.now(UTC)
    return {
        "lambda_functions": functions,
        "lambda_account_limits": [
            {**where, "ConcurrentExecutions": LIMIT, "UnreservedConcurrentExecutions": LIMIT - RESERVED, "PolledAt": at}
            for at in polls
        ],
        "lambda_event_source_mappings": [
            {**where, "FunctionName": "reader", "Uuid": MAPPING, "EventSourceArn": STREAM, "Kind": "kinesis",
             "State": "Enabled", "PolledAt": at}
            for at in polls
        ],
        "lambda_alerts": [
            {**alert, "Time": BEGIN, "FiredAt": BEGIN, "Fingerprint": "1", "Labels": labels},
            {**alert, "Time": CHANGED_AT, "FiredAt": BEGIN, "Fingerprint": "1", "Labels": labels, "Kind": "resolved"},
            {**alert, "Time": now, "FiredAt": now, "Fingerprint": "2", "Labels": labels, "Severity": "warning"},
        ],
        "lambda_alert_deliveries": [
            {"Time": BEGIN, "Rule": "throttles", "Fingerprint": "1", "Kind": "firing", "Destination": "pager",
             "Outcome": "delivered", "At": BEGIN},
        ],
        "lambda_exports": [
            {"InstanceId": "whole", "Signal": "traces", "Exports": 9, "LastSequence": 9, "Missing": [], "Items": 40,
             "TotalItems": 40, "DroppedItems": 0, "LastReceived": BEGIN, "UpdatedAt": BEGIN},
            {"InstanceId": "holed", "Signal": "traces", "Exports": 7, "LastSequence": 9, "Missing": [(3, 4)],
             "Items": 30, "TotalItems": 40, "DroppedItems": 1, "LastReceived": BEGIN, "UpdatedAt": BEGIN},
        ],
    }  # fmt: skip


SHARDS = {"shardId-000000000000": [(5_000.0, True), (7_000.0, False)], "shardId-000000000001": [(90_000.0, False)]}
"""By shard, in the order of time: the age of the records in ms, and whether they were processed."""
STARTS_S = {"reader": [0, 3, 9, 31], "buyer": [61]}
"""By function, when its sandboxes were started."""


STOPPED, RESUMED = 2, 20
"""`worker` runs twice a minute for hours, and not between these minutes after the begin."""
WORKED = [minute for minute in range(-180, 240) if not STOPPED <= minute < RESUMED]


def _work() -> Iterator[bytes]:
    for start_s in (60 * minute + half for minute in WORKED for half in (0, 30)):
        at_ns = (int(BEGIN.timestamp()) + start_s) * 10**9
        one = lambda_span(
            "invoke", request_id=f"w{start_s}", start_ns=at_ns, duration_ns=10**8, lambda__status="success"
        )
        yield trace_request([one], function="worker").SerializeToString()


def _spans() -> Iterator[bytes]:
    yield from _work()
    begin_ns = int(BEGIN.timestamp()) * 10**9
    number = 0
    for shard, seen in SHARDS.items():
        for age_ms, well in seen:
            number += 1
            span = lambda_span(
                "invoke", request_id=f"r{number}", start_ns=begin_ns + number * 10**9, duration_ns=10**8,
                lambda__status="success" if well else "error", lambda__iterator_age_ms=age_ms,
                lambda__event_source_arn=STREAM, messaging__destination__partition__id=shard,
            )  # fmt: skip
            span.status.code = Status.STATUS_CODE_OK if well else Status.STATUS_CODE_ERROR
            yield trace_request([span], function="reader").SerializeToString()
    for function, starts in STARTS_S.items():
        for start_s in starts:
            instance = f"{function}-{start_s}"
            at_ns = begin_ns + start_s * 10**9
            init = lambda_span("init", instance=instance, start_ns=at_ns, duration_ns=2 * 10**8)
            yield trace_request([init], function=function, instance=instance).SerializeToString()


@pytest.fixture
def ask(source: SqlSource):
    def run(name: str, functions: tuple[str, ...] = (), window: Window = WINDOW) -> pd.DataFrame:
        filters = Filters(range="custom", begin=window.begin, end=window.end, functions=functions)
        text = sql.statement(name)
        params = {key: value for key, value in filter_params(filters, window).items() if f"{{{key}:" in text}
        return source.frame(text, params)

    return run


def buckets(values: Sequence[float]) -> list[Sequence[float]]:
    """The minutes of each bucket."""
    width = WINDOW.bucket_s // 60
    return [values[at : at + width] for at in range(0, MINUTES, width)]


def only(frame: pd.DataFrame) -> dict[str, Any]:
    """The one row there is."""
    assert len(frame) == 1, frame
    return {str(name): value for name, value in frame.iloc[0].items()}


# Concurrency ---------------------------------------------------------------------------------------------------------


def test_the_account_against_its_limits(ask):
    row = only(ask("account_concurrency"))
    assert (row["Claimed"], row["Busy"], row["Unreserved"]) == (40 + MINUTES - 1, 20 + MINUTES - 1, 10 + MINUTES - 1)
    assert row["RequestsPerS"] == pytest.approx((100 + MINUTES - 1) / 60)
    assert (row["AccountLimit"], row["Reserved"], row["Provisioned"]) == (LIMIT, RESERVED, 10)


def test_the_account_over_time(ask):
    frame = ask("account_concurrency_over_time")
    for name, lowest in ((f"{ACCOUNT}/{REGION} claimed", 40), (f"{ACCOUNT}/{REGION} busy", 20)):
        shown = frame[frame["FunctionName"] == name]["Highest"]
        assert list(shown) == [lowest + part[-1] for part in buckets(list(range(MINUTES)))]


def test_functions_with_a_limit_of_their_own(ask):
    frame = ask("function_limits").set_index("FunctionName")
    assert set(frame.index) == {"buyer", "kept"}
    buyer, kept = frame.loc["buyer"], frame.loc["kept"]
    assert (buyer["ReservedConcurrency"], buyer["Busy"], buyer["Throttled"]) == (RESERVED, 3, sum(THROTTLES))
    assert buyer["RequestsPerS"] == pytest.approx(max(BUYS) / 60)
    assert (kept["ProvisionedConcurrency"], kept["Spillover"]) == (10, 5 * MINUTES)
    assert kept["ProvisionedUse"] == pytest.approx(0.4)


def test_how_fast_sandboxes_were_added(ask):
    frame = ask("scaling_ramp").set_index("FunctionName")
    reader = frame.loc["reader"]
    assert (reader["MostIn10s"], reader["Added"]) == (3, len(STARTS_S["reader"]))
    assert reader["At"] == pd.Timestamp(BEGIN)
    assert frame.loc["buyer", "MostIn10s"] == 1


# Throttles -----------------------------------------------------------------------------------------------------------


def test_throttles_over_time(ask):
    frame = ask("throttles_over_time")
    assert list(frame["Throttles"]) == [sum(part) for part in buckets(THROTTLES) if sum(part)]
    assert set(frame["FunctionName"]) == {"buyer"}
    assert list(frame["Invocations"]) == [sum(BUYS[5:10])]


def test_of_a_bucket_with_throttles_every_minute_counts(ask):
    row = only(ask("throttles_over_time", window=replace(WINDOW, bucket_s=600)))
    assert (row["Throttles"], row["Invocations"]) == (sum(THROTTLES[:10]), sum(BUYS[:10]))


def test_an_episode_of_throttling_has_its_cause_and_its_share(ask):
    row = only(ask("throttle_episodes"))
    assert (row["FunctionName"], row["Cause"], row["Throttled"]) == ("buyer", "reserved_concurrency", sum(THROTTLES))
    assert row["Share"] == pytest.approx(sum(THROTTLES) / (sum(THROTTLES) + sum(BUYS[5:10])))
    assert row["FirstMinute"] == pd.Timestamp(BEGIN + timedelta(minutes=5))
    assert row["LastMinute"] == pd.Timestamp(BEGIN + timedelta(minutes=10))


def test_where_a_function_met_its_own_limit_nobody_else_is_blamed(ask):
    assert ask("throttle_holders").empty


def test_causes_that_are_not_made_yet_are_counted(ask, source):
    assert list(ask("causes_waiting")["Waiting"]) == [0]
    point = ["AWS/Lambda", "Throttles", {"FunctionName": "late"}, "FunctionName", BEGIN - timedelta(hours=10), 60, 0.0]
    source.client.insert(
        "lambda_metrics",
        [point],
        column_names=["Namespace", "MetricName", "Dimensions", "DimensionSet", "Time", "PeriodS", "Sum"],
    )
    assert next(iter(ask("causes_waiting")["Waiting"])) > 0
    Causes(source.client).run(settled=True)
    assert list(ask("causes_waiting")["Waiting"]) == [0]


# What stopped, what was lost -----------------------------------------------------------------------------------------


def test_a_function_that_nobody_invoked_for_a_while(ask):
    row = only(ask("invocations_stopped"))
    assert (row["FunctionName"], row["Cause"]) == ("worker", "stopped")
    assert row["Began"] == pd.Timestamp(BEGIN + timedelta(minutes=STOPPED))
    assert row["Ended"] == pd.Timestamp(BEGIN + timedelta(minutes=RESUMED))
    assert row["Weight"] == pytest.approx(2 * (RESUMED - STOPPED))
    assert row["Why"].startswith(f"nothing was invoked for {RESUMED - STOPPED} minutes; ")


def test_a_function_that_loses_events(ask):
    row = only(ask("events_lost"))
    assert (row["FunctionName"], row["Cause"]) == ("buyer", "events_lost")
    assert (row["lost"], row["received"]) == (2 * MINUTES, 7 * MINUTES)
    assert row["Began"] == pd.Timestamp(BEGIN)
    assert row["Ended"] == pd.Timestamp(BEGIN + timedelta(minutes=MINUTES))
    assert row["Why"] == f"{2 * MINUTES} of {7 * MINUTES} events were lost"


# Streams -------------------------------------------------------------------------------------------------------------


def test_the_age_of_records_over_time_is_the_highest_of_each_bucket(ask):
    frame = ask("stream_age_over_time")
    known = [[one for one in part if one is not None] for part in buckets(AGES)]  # type: ignore[arg-type]
    assert list(frame["AgeMs"]) == [max(part) for part in known]


def test_a_consumer_of_a_stream(ask):
    row = only(ask("stream_consumers"))
    highest = max(age for age in AGES if age is not None)
    assert (row["FunctionName"], row["EventSourceArn"]) == ("reader", STREAM)
    assert (row["MaxAgeMs"], row["LastAgeMs"]) == (highest, highest)
    assert row["LastMinute"] == pd.Timestamp(BEGIN + timedelta(minutes=MINUTES - 1))
    assert row["WorstShare"] == pytest.approx(highest / 86_400_000)
    assert max(row["Ages"]) == round(highest / 1000)


def test_records_polled_and_what_became_of_them_over_time(ask):
    frame = ask("stream_ingest_over_time")
    width = WINDOW.bucket_s // 60
    for column, each_minute in (("Polled", 500), ("Invoked", 480), ("Failed", 6), ("Dropped", 1)):
        assert list(frame[column]) == [each_minute * width] * (MINUTES // width), column


def test_shards_as_invocations_saw_them(ask):
    frame = ask("stream_shards").set_index("Shard")
    assert set(frame.index) == set(SHARDS)
    for shard, seen in SHARDS.items():
        row = frame.loc[shard]
        assert (row["FunctionName"], row["EventSourceArn"]) == ("reader", STREAM)
        assert (row["Invocations"], row["Failed"]) == (len(seen), sum(not well for _, well in seen))
        assert (row["MaxAgeMs"], row["LastAgeMs"]) == (max(age for age, _ in seen), seen[-1][0])


def test_there_are_no_shards_where_no_invocation_has_an_age(ask):
    before = replace(WINDOW, begin=BEGIN - timedelta(hours=1), end=BEGIN)
    assert ask("stream_shards", window=before).empty


# Async and queues ----------------------------------------------------------------------------------------------------


def test_asynchronous_events_by_function(ask):
    row = only(ask("async_functions"))
    assert row["FunctionName"] == "buyer"
    assert (row["Received"], row["Dropped"]) == (7 * MINUTES, 2 * MINUTES)
    assert (row["DeadLetterErrors"], row["DestinationFailures"]) == (MINUTES, 3 * MINUTES)
    assert (row["RecursiveDropped"], row["MaxAgeMs"]) == (4 * MINUTES, 100 * (MINUTES - 1))


def test_asynchronous_events_over_time(ask):
    frame = ask("async_over_time")
    assert list(frame["Received"]) == [7 * len(part) for part in buckets(each(7))]
    assert list(frame["AgeMs"]) == [100 * part[-1] for part in buckets(list(range(MINUTES)))]


def test_the_funnel_of_a_mapping_under_the_name_of_its_function(ask):
    row = only(ask("mapping_funnel"))
    assert (row["FunctionName"], row["EventSourceArn"]) == ("reader", STREAM)
    per_minute = {"Polled": 500, "FilteredOut": 20, "Invoked": 480, "Failed": 6, "Dropped": 1, "ToDestination": 3}
    assert {name: row[name] for name in per_minute} == {name: value * MINUTES for name, value in per_minute.items()}


def test_from_when_until_when_there_are_figures(ask):
    row = only(ask("metrics_coverage"))
    assert row["FirstStart"] == pd.Timestamp(BEGIN)
    assert row["LastEnd"] == pd.Timestamp(BEGIN + timedelta(minutes=MINUTES))


# Runtimes, what changed ----------------------------------------------------------------------------------------------


def test_runtimes_of_functions_with_the_days_that_are_left(ask):
    frame = ask("runtime_functions").set_index("FunctionName")
    assert dict(frame["Runtime"]) == {str(one["FunctionName"]): one["Runtime"] for one in INVENTORY}
    for _, row in frame[frame["DeprecationDate"].notna()].iterrows():
        assert row["DaysLeft"] == (pd.Timestamp(row["DeprecationDate"]).date() - WINDOW.end.date()).days
    assert frame.loc["buyer", "DaysLeft"] < 0


def test_what_the_inventory_found_changed(ask):
    frame = ask("configuration_changes")
    assert [tuple(row) for row in frame[["FunctionName", "What", "Before", "Now"]].to_numpy()] == [
        ("reader", "memory, MB", "1024", "2048"),
        ("reader", "timeout, s", "3", "30"),
    ]
    assert set(frame["At"]) == {pd.Timestamp(CHANGED_AT)}


# Alerts, ingest health -----------------------------------------------------------------------------------------------


def test_what_fires_now_is_what_was_not_resolved(ask):
    row = only(ask("alerts_firing"))
    assert (row["Fingerprint"], row["FunctionName"], row["LastSeverity"]) == ("2", "buyer", "warning")
    assert ask("alerts_firing", ("reader",)).empty


def test_what_alerts_did_and_who_was_told(ask):
    frame = ask("alerts_history")
    assert list(frame["Kind"]) == ["resolved", "firing"]
    assert list(frame["Told"]) == ["", "pager: delivered"]


def test_sandboxes_whose_exports_have_not_all_come(ask):
    row = only(ask("ingest_missing"))
    assert (row["InstanceId"], row["MissingExports"]) == ("holed", 2)
    assert (row["MissingItems"], row["DroppedItems"]) == (40 - 1 - 30, 1)


def test_what_share_of_what_cloudwatch_counts_is_here(ask):
    frame = ask("ingest_coverage").set_index("FunctionName")
    counted = {"buyer": sum(BUYS), "reader": 30.0 * (MINUTES - 1)}
    stored = {"buyer": 0, "reader": sum(len(seen) for seen in SHARDS.values())}
    for name, invocations in counted.items():
        assert frame.loc[name, "Counted"] == invocations
        assert frame.loc[name, "ByLayer"] == stored[name]
        assert frame.loc[name, "Share"] == pytest.approx(stored[name] / invocations)
