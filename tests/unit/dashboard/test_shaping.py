"""From rows to what a chart draws."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pandas as pd
import pytest

from dashboard.charts import (
    adhoc,
    cold_starts,
    colours,
    cost,
    fleet,
    frames,
    over_time,
    plot,
    sandboxes,
    series,
    waterfall,
)
from dashboard.charts.frames import Coverage
from dashboard.charts.plot import Plot
from dashboard.charts.rows import Rows
from dashboard.timeaxis import absolute_window
from semconv import phases

BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
WINDOW = absolute_window(BEGIN, BEGIN + timedelta(seconds=10), BEGIN + timedelta(days=1))
ALL = Coverage(BEGIN, WINDOW.end)


def at(second: float) -> pd.Timestamp:
    return pd.Timestamp(BEGIN + timedelta(seconds=second))


def counts(*rows: tuple[float, str, int]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Bucket": [at(row[0]) for row in rows],
            "FunctionName": [row[1] for row in rows],
            "N": [row[2] for row in rows],
        }
    )


def test_a_bucket_without_rows_is_zero_where_there_is_data_of_that_time():
    filled = frames.fill(counts((0, "a", 5), (2, "b", 7)), WINDOW, ALL, ["N"])
    assert len(filled) == 2 * 10
    assert dict(filled.groupby("FunctionName")["N"].sum()) == {"a": 5, "b": 7}


def test_outside_of_the_data_a_chart_has_a_gap_and_no_zero():
    covered = Coverage(BEGIN + timedelta(seconds=2), BEGIN + timedelta(seconds=5))
    filled = frames.fill(counts((3, "a", 5)), WINDOW, covered, ["N"])
    assert list(filled["Bucket"]) == [at(second) for second in (2, 3, 4, 5)]


def test_nothing_is_filled_where_nothing_is_known():
    assert frames.fill(counts((3, "a", 5)), WINDOW, None, ["N"]).empty
    assert frames.fill(counts(), WINDOW, ALL, ["N"]).empty


def test_percentiles_leave_a_gap_where_nothing_ran():
    rows = pd.DataFrame({"Bucket": [at(0), at(9)], "P50Ms": [1.0, 2.0]})
    shown = frames.gaps(rows, WINDOW, ["P50Ms"])
    assert len(shown) == 10
    assert shown["P50Ms"].notna().sum() == 2


def test_buckets_are_cut_at_the_window():
    window = absolute_window(BEGIN + timedelta(seconds=3), BEGIN + timedelta(seconds=303), BEGIN)
    shown = frames.with_ends(pd.DataFrame({"Bucket": [pd.Timestamp(start) for start in window.buckets()]}), window)
    assert shown["Bucket"].iloc[0] == pd.Timestamp(window.begin)
    assert shown["BucketEnd"].iloc[-1] == pd.Timestamp(window.end)
    assert (shown["BucketEnd"] > shown["Bucket"]).all()


def test_small_series_are_added_up_and_none_is_lost():
    rows = counts(*[(0, f"f{i}", i + 1) for i in range(20)])
    merged = frames.merge_small(rows, ["N"], 3)
    assert set(merged["FunctionName"]) == {"f19", "f18", "f17", frames.OTHERS}
    assert merged["N"].sum() == rows["N"].sum()


def test_what_is_added_up_already_is_no_large_series():
    rows = counts((0, frames.OTHERS, 100), *[(0, f"f{i}", i + 1) for i in range(10)])
    merged = frames.merge_small(rows, ["N"], 3)
    assert set(merged["FunctionName"]) == {"f9", "f8", "f7", frames.OTHERS}
    assert merged["N"].sum() == rows["N"].sum()


def test_no_coverage_without_invocations():
    empty = pd.DataFrame({"Invocations": [0], "FirstStart": [at(0)], "LastEnd": [at(0)]})
    assert frames.coverage(empty) is None


# Colours -------------------------------------------------------------------------------------------------------------


def test_a_function_keeps_its_colour_and_no_two_share_one():
    names = [f"function-{i}" for i in range(10)]
    assert len(set(colours.series_colours(names).values())) == 10
    assert colours.series_colours(names) == colours.series_colours(reversed(names))


def test_every_phase_has_a_colour_and_a_title():
    assert set(phases.ALL) <= set(colours.PHASES)
    assert set(phases.ALL) <= set(cold_starts.PHASE_TITLES)


# Fleet ---------------------------------------------------------------------------------------------------------------

QUIET = {
    "Invocations": 1000,
    "Failed": 0,
    "TimedOut": 0,
    "ColdStarts": 0,
    "MemoryShare": 0.5,
    "P95Ms": 100.0,
    "PreviousInvocations": 1000,
    "PreviousP95Ms": 100.0,
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"Failed": 10}, []),
        ({"Failed": 11}, ["errors >1%"]),
        ({"Failed": 101}, ["errors >10%"]),
        ({"TimedOut": 1, "Failed": 1}, ["timeouts"]),
        ({"ColdStarts": 11}, ["cold >1%"]),
        ({"MemoryShare": 0.96}, ["memory >95%"]),
        ({"MemoryShare": None}, []),
        ({"P95Ms": 151.0}, ["slower"]),
        ({"P95Ms": 151.0, "PreviousInvocations": 3}, []),
        ({"PreviousInvocations": 499}, ["busier"]),
        ({"PreviousInvocations": 0}, []),
    ],
)
def test_what_stands_out(change, expected):
    assert fleet.signals(QUIET | change, compared=True) == expected


def test_no_change_stands_out_without_the_window_before():
    assert fleet.signals(QUIET | {"P95Ms": 1000.0, "PreviousInvocations": 100}, compared=False) == []


def test_a_sparkline_has_a_value_for_every_part():
    assert fleet.sparkline([0, 29], [4, 2]) == [4.0, *[0.0] * 28, 2.0]


def test_no_change_is_told_where_the_window_before_is_not_stored():
    window = absolute_window(BEGIN, BEGIN + timedelta(hours=1), BEGIN)
    assert fleet.comparable(pd.Series({"FirstStart": at(-3600)}), window)
    assert not fleet.comparable(pd.Series({"FirstStart": at(-600)}), window)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [(120, 100, "+20 %"), (50, 100, "-50 %"), (100.2, 100, None), (5, 0, None), (0, 5, None)],
)
def test_changes_in_percent(now, before, expected):
    assert fleet.change(pd.Series({"P95Ms": now, "PreviousP95Ms": before}), "P95Ms") == expected


def test_changes_of_shares_in_points():
    row = pd.Series({"Invocations": 200, "Failed": 10, "PreviousInvocations": 100, "PreviousFailed": 1})
    assert fleet.share_change(row, "Failed") == "+4.0 pts"


# Cold starts ---------------------------------------------------------------------------------------------------------


def phase_row(function: str, phase: str, count: int, total_ms: float) -> dict[str, object]:
    mean = total_ms / count
    return {"FunctionName": function, "Phase": phase, "Count": count, "TotalMs": total_ms, "MeanMs": mean} | {
        "P50Ms": mean,
        "P95Ms": mean,
        "MaxMs": mean,
    }


def parts_of(*rows: dict[str, object]) -> dict[str, float]:
    parts = cold_starts.mean_parts(pd.DataFrame(list(rows)))
    return dict(zip(parts["Phase"], parts["MeanMs"], strict=True))


def test_the_parts_of_a_cold_start_add_up_to_it():
    parts = parts_of(
        phase_row("f", phases.INIT, 4, 4000),
        phase_row("f", phases.EXTENSION_INIT, 4, 100),
        phase_row("f", phases.RUNTIME_AND_FUNCTION_INIT, 3, 2700),
    )
    assert parts == {
        phases.EXTENSION_INIT: 25.0,
        phases.RUNTIME_AND_FUNCTION_INIT: 675.0,
        colours.REST_OF_INIT: 300.0,
    }


def test_an_init_of_which_no_part_is_known_is_not_split():
    assert parts_of(phase_row("f", phases.INIT, 2, 500)) == {colours.REST_OF_INIT: 250.0}


def test_a_restore_is_no_part_of_init():
    assert parts_of(phase_row("f", phases.RESTORE, 2, 500)) == {phases.RESTORE: 250.0}


def test_no_rows_no_parts():
    assert cold_starts.mean_parts(pd.DataFrame()).empty


# Waterfall -----------------------------------------------------------------------------------------------------------


def span(key: str, parent: str, phase: str, start_s: float, ms: float, **more: object) -> dict[str, object]:
    given = {
        "InstanceId": "i",
        "Attempt": "1",
        "StatusCode": "Ok",
        "EndEstimated": False,
        "InFlight": False,
        "SpanName": phase or key,
    }
    times = {"Start": at(start_s), "DurationNs": int(ms * 1e6)}
    return {"SpanId": key, "ParentSpanId": parent, "Phase": phase, "Source": "telemetry"} | given | times | more


COLD = [
    span("inv", "", phases.INVOKE, 1.0, 500, SpanName="orders"),
    span("post", "inv", phases.POST_RUNTIME, 1.5, 3),
    span("init", "inv", phases.INIT, 0.0, 990),
    span("ext", "init", phases.EXTENSION_INIT, 0.0, 20),
    span("own", "inv", "", 1.1, 100, InstanceId="", Attempt="", SpanName="GET /prices"),
    span("sql", "own", "", 1.12, 10, InstanceId="", Attempt="", SpanName="SELECT"),
]


def drawn(*spans: dict[str, object], attempt: int = 1) -> list[waterfall.Bar]:
    return waterfall.bars(pd.DataFrame(list(spans)), instance_id="i", attempt=attempt)


def test_the_waterfall_is_in_the_order_of_events_with_children_below_their_parents():
    bars = drawn(*COLD)
    assert [bar.key for bar in bars] == ["init", "ext", "inv", "own", "sql", "post"]
    assert [bar.depth for bar in bars][:3] == [0, 2, 0]
    assert [bar.offset_ms for bar in bars] == [0, 0, 1000, 1100, 1120, 1500]
    assert bars[2].label == "invoke · orders"
    assert bars[3].kind == waterfall.OWN


def test_phases_keep_their_order_where_their_starts_are_blurred():
    bars = drawn(
        span("inv", "", phases.INVOKE, 0.0, 100),
        span("over", "inv", phases.RUNTIME_OVERHEAD, 0.0989, 1),
        span("dur", "inv", phases.RESPONSE_DURATION, 0.099, 0.1),
        span("lat", "inv", phases.RESPONSE_LATENCY, 0.0, 99),
        span("own", "inv", "", 0.05, 10, InstanceId="", Attempt=""),
    )
    assert [bar.key for bar in bars] == ["inv", "lat", "own", "dur", "over"]


def test_another_attempt_of_the_same_request_is_left_out():
    other = span("again", "", phases.INVOKE, 60.0, 500, Attempt="2")
    elsewhere = span("there", "", phases.INVOKE, 60.0, 500, InstanceId="j")
    assert "again" not in {bar.key for bar in drawn(*COLD, other, elsewhere)}
    assert [bar.key for bar in drawn(other, attempt=2)] == ["again"]


def test_spans_that_name_each_other_as_parent_are_drawn_once():
    bars = drawn(span("a", "b", "", 0, 5), span("b", "a", "", 1, 5))
    assert sorted(bar.key for bar in bars) == ["a", "b"]


def test_a_failed_and_an_estimated_end_are_marked():
    bars = drawn(span("inv", "", phases.INVOKE, 0, 5, StatusCode="Error", EndEstimated=True))
    assert (bars[0].failed, bars[0].estimated) == (True, True)
    (row,) = sent(waterfall.waterfall(bars))["rows"]
    assert row["text"] == "5.0 ms · failed · end estimated"
    assert row["failed"]
    (block,) = row["blocks"]
    assert block["faint"]
    assert ["outcome", "failed"] in block["said"]
    assert ["end", "estimated"] in block["said"]


def test_what_has_not_ended_says_so():
    bars = drawn(span("inv", "", phases.INVOKE, 0, 10_000, InFlight=True, StatusCode="Unset"))
    (row,) = sent(waterfall.waterfall(bars))["rows"]
    assert row["text"] == "10.0 s · end has not come"
    (block,) = row["blocks"]
    assert block["faint"]
    assert ["outcome", "not known yet"] in block["said"]


def test_a_label_with_quotes_stays_text():
    bars = drawn(span("x", "", "", 0, 5, SpanName='it\'s "quoted" \\ </script>'))
    assert 'it\'s "quoted" \\ </script>' in sent(waterfall.waterfall(bars))["rows"][0]["name"]


def test_no_spans_no_bars():
    assert waterfall.bars(pd.DataFrame(), instance_id="i", attempt=1) == []


# Charts --------------------------------------------------------------------------------------------------------------


def sent(chart: Plot | Rows) -> dict[str, Any]:
    """What the browser reads of a chart."""
    spec = json.loads(chart.payload("What it says."))
    assert spec["alt"] == "What it says."
    return cast("dict[str, Any]", spec)


def ms(second: float) -> int:
    return round(at(second).timestamp() * 1000)


def test_charts_over_time_cover_the_whole_window_and_the_last_bucket_has_a_width():
    covered = Coverage(BEGIN + timedelta(seconds=2), BEGIN + timedelta(seconds=5))
    filled = frames.fill(counts((3, "a", 5)), WINDOW, covered, ["N"])
    spec = sent(series.stacked_counts(filled, WINDOW, "N", "rows", {"a": "#000000"}))
    assert spec["edges"] == [ms(second) for second in range(11)]
    assert spec["traces"] == [{"name": "a", "colour": "#000000", "values": [None, None, 0, 5, 0, 0, *[None] * 4]}]


def test_the_first_and_the_last_bucket_are_cut_at_the_window():
    window = absolute_window(BEGIN + timedelta(seconds=3), BEGIN + timedelta(seconds=303), BEGIN + timedelta(days=1))
    rows = pd.DataFrame({"Bucket": [at(2), at(302)], "FunctionName": "a", "N": [1, 2]})
    filled = frames.fill(rows, window, Coverage(window.begin, window.end), ["N"])
    spec = sent(series.stacked_counts(filled, window, "N", "rows", {"a": "#000000"}))
    assert (spec["edges"][0], spec["edges"][-1]) == (ms(3), ms(303))
    assert (spec["traces"][0]["values"][0], spec["traces"][0]["values"][-1]) == (1, 2)


def test_a_window_that_begins_between_two_milliseconds_has_its_first_bucket():
    begin = BEGIN + timedelta(seconds=3, microseconds=1700)
    window = absolute_window(begin, begin + timedelta(seconds=100), BEGIN + timedelta(days=1))
    filled = frames.fill(counts((3, "a", 5)), window, Coverage(window.begin, window.end), ["N"])
    spec = sent(series.stacked_counts(filled, window, "N", "rows", {"a": "#000000"}))
    assert (spec["edges"][0], spec["traces"][0]["values"][0]) == (ms(3) + 1, 5)


def test_series_are_sent_in_the_order_of_their_colours_with_the_rest_on_top():
    filled = frames.fill(counts((0, "b", 5), (0, frames.OTHERS, 9), (1, "a", 7)), WINDOW, ALL, ["N"])
    spec = sent(series.stacked_counts(filled, WINDOW, "N", "rows", over_time.palette(filled)))
    assert [one["name"] for one in spec["traces"]] == ["a", "b", frames.OTHERS]
    assert (spec["form"], spec["label"], spec["click"]) == ("stack", "rows", False)


def test_the_peaks_of_accounts_are_lines_above_the_stack_that_can_be_clicked():
    filled = frames.fill(counts((0, "a", 5)), WINDOW, ALL, ["N"]).assign(Avg=0.5)
    one = filled.assign(Scope="1/eu", Peak=7)
    spec = sent(series.concurrency(filled, one, WINDOW, {"a": "#000000"}))
    assert [(line["name"], line["values"]) for line in spec["above"]] == [("peak", [7] * 10)]
    assert spec["traces"][0]["values"] == [0.5] * 10
    assert spec["click"]
    two = pd.concat([one, one.assign(Scope="2/eu", Peak=3)])
    names = [line["name"] for line in sent(series.concurrency(filled, two, WINDOW, {"a": "#000000"}))["above"]]
    assert names == ["peak of 1/eu", "peak of 2/eu"]


def test_a_level_that_is_not_known_is_a_gap_and_limits_are_sent():
    rows = pd.DataFrame({"Bucket": [at(0), at(4), at(5)], "FunctionName": "a", "Highest": [1.0, 2.0, 3.0]})
    spec = sent(over_time.claimed(rows, WINDOW, (1000.0,))[1])
    assert spec["traces"][0]["values"] == [1, None, None, None, 2, 3, *[None] * 4]
    assert (spec["form"], spec["limits"]) == ("steps", [1000])


def test_percentiles_and_ages_are_on_logarithmic_axes():
    rows = pd.DataFrame({"Bucket": [at(0), at(9)], "P50Ms": [1.0, 2.0], "P95Ms": [3.0, 4.0], "P99Ms": [5.0, 1000.0]})
    spec = sent(over_time.percentiles(rows, WINDOW)[1])
    assert [(one["name"], one["values"][0], one["values"][-1]) for one in spec["traces"]] == [
        ("p50", 1, 2),
        ("p95", 3, 4),
        ("p99", 5, 1000),
    ]
    assert (spec["form"], spec["unit"], spec["ticks"]) == ("lines", "ms", [1, 3, 10, 30, 100, 300, 1000])
    aged = pd.DataFrame({"Bucket": [at(0)], "FunctionName": "a", "AgeMs": [90_000]})
    assert sent(over_time.ages(aged, WINDOW)[1])["ticks"] == [1000, 10_000, 60_000]


def test_only_what_may_still_change_is_shaded():
    fresh = absolute_window(BEGIN, BEGIN + timedelta(hours=1), BEGIN + timedelta(hours=1))
    assert plot.fresh_ms(fresh) == ms(3300)
    assert plot.fresh_ms(WINDOW) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(100, 400, [50, 70, 100, 200, 300, 500, 700]), (1, 1000, [1, 3, 10, 30, 100, 300, 1000])],
)
def test_ticks_of_durations_are_round_and_enough(low, high, expected):
    assert list(plot.duration_ticks(low, high)) == expected


def test_bins_of_durations_touch_and_an_empty_one_is_none_the_less_there():
    bins = pd.DataFrame({"Bin": [8, 8, 10], "Outcome": ["failed", "succeeded", "succeeded"], "Invocations": [1, 2, 4]})
    spec = sent(series.histogram(bins))
    assert spec["edges"] == pytest.approx([10, 10 ** (9 / 8), 10 ** (10 / 8), 10 ** (11 / 8)])
    assert [(one["name"], one["values"]) for one in spec["traces"]] == [("succeeded", [2, 0, 4]), ("failed", [1, 0, 0])]
    assert spec["across"] == "ms"


def test_phases_stand_beside_one_another_in_the_order_of_events():
    rows = pd.DataFrame(
        {
            "FunctionName": ["f", "f", "f", "g"],
            "Phase": [phases.INIT, phases.FUNCTION_INIT, phases.EXTENSION_INIT, phases.INIT],
            "TotalMs": [400.0, 200.0, 100.0, 1000.0],
            "Count": [2, 2, 2, 1],
            "P50Ms": [200.0, 100.0, 50.0, 1000.0],
            "P95Ms": [210.0, 110.0, 60.0, 1000.0],
        }
    )
    spec = sent(cold_starts.stacked_phases(cold_starts.mean_parts(rows)))
    assert [(row["name"], row["text"]) for row in spec["rows"]] == [("g", "1.00 s"), ("f", "200 ms")]
    assert [spec["kinds"][block["kind"]][0] for block in spec["rows"][1]["blocks"]] == [
        "extension init",
        "function init",
        "rest of init",
    ]
    assert [(block["begin"], block["end"]) for block in spec["rows"][1]["blocks"]] == [(0, 50), (50, 150), (150, 200)]
    assert spec["rows"][1]["blocks"][0]["said"] == [
        ["mean", "50.0 ms"],
        ["p50", "50.0 ms"],
        ["p95", "60.0 ms"],
        ["times", "2"],
    ]


def test_what_a_function_costs_is_in_parts_that_add_up():
    shown = pd.DataFrame(
        {"FunctionName": ["f", "g"], "ListUsd": [1.0, 3.0], "OfInitUsd": [0.25, 0.0], "OfExtensionsUsd": [0.25, 1.0]}
    )
    spec = sent(cost.bars(cost.parts(shown)))
    assert [(row["name"], row["text"]) for row in spec["rows"]] == [("g", "$3.00"), ("f", "$1.00")]
    assert [(block["begin"], block["end"]) for block in spec["rows"][1]["blocks"]] == [
        (0, 0.25),
        (0.25, 0.75),
        (0.75, 1),
    ]
    assert spec["across"] == "usd"


def test_a_result_is_drawn_only_where_that_makes_sense():
    numbers = pd.DataFrame({"n": [1, 2]})
    assert adhoc.simple_chart(numbers) is None
    assert adhoc.simple_chart(pd.DataFrame({"name": ["a"]})) is None
    assert adhoc.simple_chart(pd.DataFrame({"t": pd.DatetimeIndex([pd.NaT], tz="UTC"), "n": [1]})) is None


def test_numbers_of_a_result_are_lines_over_its_time():
    rows = pd.DataFrame({"max(a.b[1])": [3, -1, float("inf")], "t": [at(4), at(0), at(2)], "n": [3.0, None, 5.0]})
    spec = sent(checked(adhoc.simple_chart(rows)))
    assert (spec["kind"], spec["form"], spec["edges"]) == ("plot", "lines", [ms(0), ms(2), ms(4), ms(6)])
    assert [(one["name"], one["values"]) for one in spec["traces"]] == [
        ("max(a.b[1])", [-1, None, 3]),
        ("n", [None, 5, 3]),
    ]


def test_a_result_with_several_rows_at_a_time_has_a_line_for_each_text():
    rows = pd.DataFrame({"t": [at(0), at(0), at(1)], "f": ["a", "b", "a"], "n": [1, 2, 3], "m": [7, 8, 9]})
    spec = sent(checked(adhoc.simple_chart(rows)))
    assert [(one["name"], one["values"]) for one in spec["traces"]] == [("a", [1, 3]), ("b", [2, None])]


def test_a_result_without_time_is_bars_the_longest_first():
    rows = pd.DataFrame({"n": [1.5, -2.0, 30], "it's [x.y]": ["a", None, "c"]})
    spec = sent(checked(adhoc.simple_chart(rows)))
    assert [(row["name"], row["text"]) for row in spec["rows"]] == [("c", "30"), ("a", "1.5"), ("NULL", "-2")]
    assert [(block["begin"], block["end"]) for row in spec["rows"] for block in row["blocks"]] == [
        (0, 30),
        (0, 1.5),
        (-2, 0),
    ]
    assert spec["begin"] == -2


def checked(chart: Plot | Rows | None) -> Plot | Rows:
    assert chart is not None
    return chart


# Sandboxes -----------------------------------------------------------------------------------------------------------

ALIVE = pd.DataFrame(
    {
        "InstanceId": ["aaaaaaaa", "bbbbbbbb"],
        "FunctionName": ["f", "g"],
        "FunctionVersion": ["$LATEST", "3"],
        "InitStart": [at(-100), at(2)],
        "FirstInvoke": [at(-99), at(3)],
        "LastInvoke": [at(1), at(4)],
        "ShutdownAt": [pd.NaT, at(6)],
        "Invocations": [5, 2],
        "InitType": ["on-demand", "on-demand"],
    }
)
ALIVE["ShutdownAt"] = pd.to_datetime(ALIVE["ShutdownAt"], utc=True)


def test_a_sandbox_lives_until_its_shutdown_or_is_not_seen_to_end():
    lives = sandboxes.lives(ALIVE, WINDOW)
    assert list(lives["Begin"]) == [at(0), at(2)]
    assert list(lives["Finish"]) == [at(10), at(6)]
    assert list(lives["Ended"]) == ["not seen to end", "shut down"]
    assert list(lives["Label"]) == ["f · aaaaaa", "g:3 · bbbbbb"]


def test_sandboxes_that_are_called_alike_keep_what_each_did():
    alike = ALIVE.assign(InstanceId=["a-cccccc", "b-cccccc"], FunctionName="f", FunctionVersion="", InitType=None)
    rows = pd.DataFrame(
        {"InstanceId": ["b-cccccc"], "Kind": ["invoke"], "Start": [at(3)], "End": [at(4)], "Count": [1], "BusyMs": [9]}
    )
    lives = sandboxes.lives(alike, WINDOW)
    spec = sent(sandboxes.timeline(lives, sandboxes.activity(rows, lives, WINDOW), WINDOW))
    assert [(row["name"], len(row["blocks"])) for row in spec["rows"]] == [("f · cccccc", 1), ("f · cccccc", 2)]
    assert [name for name, _ in spec["rows"][0]["blocks"][0]["said"]] == ["invocations in all", "end"]


def test_work_outside_of_the_window_is_left_out_and_cut_at_its_edges():
    rows = pd.DataFrame(
        {
            "InstanceId": ["aaaaaaaa"] * 3,
            "Kind": ["init", "invoke", "invoke"],
            "Start": [at(-100), at(-1), at(9)],
            "End": [at(-99), at(1), at(12)],
            "Count": [1, 1, 1],
            "BusyMs": [1000, 2000, 3000],
        }
    )
    done = sandboxes.activity(rows, sandboxes.lives(ALIVE, WINDOW), WINDOW)
    assert list(zip(done["Begin"], done["Finish"], strict=True)) == [(at(0), at(1)), (at(9), at(10))]
    done = done.assign(Kind=["init", "invoke"])
    spec = sent(sandboxes.timeline(sandboxes.lives(ALIVE, WINDOW), done, WINDOW))
    assert [row["name"] for row in spec["rows"]] == ["f · aaaaaa", "g:3 · bbbbbb"]
    assert [name for name, _ in spec["kinds"]] == ["alive", "init", "invoke"]
    life, init, invoke = spec["rows"][0]["blocks"]
    assert (life["begin"], life["end"], life["thin"]) == (ms(0), ms(10), True)
    assert (init["begin"], init["end"], invoke["begin"], invoke["end"]) == (ms(0), ms(1), ms(9), ms(10))
    assert invoke["said"][:2] == [["how many", "1"], ["busy", "3.00 s"]]
    assert (spec["begin"], spec["end"], spec["across"]) == (ms(0), ms(10), "time")
