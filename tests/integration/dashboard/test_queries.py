"""Each panel's statement against a real ClickHouse: its figures are those of the fleet."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from dashboard import sql
from dashboard.charts import cold_starts, frames, sandboxes
from dashboard.charts.waterfall import bars
from dashboard.cookbook import RECIPES
from dashboard.errors import QueryRejectedError, SchemaMissingError
from dashboard.filters import InvocationFilters, InvocationKey
from dashboard.sql import filter_params, instant, invocation_params, key_params
from semconv import phases
from tests.support.dashboard import MS, Invocation, Seeded, log_lines, spans, trace_id


@pytest.fixture
def ask(source, everything, window):
    """Run a panel's statement for the whole fleet."""

    def run(name, filters=everything, window=window, **more):
        return source.frame(sql.statement(name), {**filter_params(filters, window), **more})

    return run


@pytest.fixture
def truth(seeded: Seeded) -> list[Invocation]:
    return seeded.fleet.invocations


def percentile(values: list[float], level: float) -> float:
    """ClickHouse's quantileExact."""
    return sorted(values)[int(level * len(values))]


def names(invocations: list[Invocation]) -> Counter[str]:
    return Counter(one.function.name for one in invocations)


def failed(invocations: list[Invocation]) -> list[Invocation]:
    return [one for one in invocations if one.status != "success"]


def cold(invocations: list[Invocation]) -> list[Invocation]:
    return [one for one in invocations if one.cold]


def by_function(frame: pd.DataFrame, column: str) -> dict[str, float]:
    return dict(zip(frame["FunctionName"], frame[column], strict=True))


def test_the_fleet_is_worth_a_test(truth):
    assert len(truth) > 1500
    assert len(cold(truth)) > 30
    assert {one.status for one in truth} == {"success", "error", "timeout"}


def test_functions(ask, truth, seeded):
    rows = ask("functions", since=instant(seeded.begin))
    assert list(rows["FunctionName"]) == sorted(names(truth))
    assert set(rows["Region"]) == {"eu-west-1"}


def test_coverage(ask, truth):
    covered = frames.coverage(ask("coverage"))
    assert covered is not None
    assert covered.first.timestamp() == pytest.approx(truth[0].start_ns / 1e9, abs=1e-3)
    assert covered.last.timestamp() == pytest.approx(max(one.runtime_done_ns for one in truth) / 1e9, abs=2e-3)


@pytest.mark.parametrize("statement", ["fleet_functions", "fleet_functions_long"])
def test_fleet_functions(statement, ask, truth, window):
    rows = ask(statement, span_s=int(window.span_s))
    functions, total = rows[rows["IsTotal"] == 0], rows[rows["IsTotal"] == 1].iloc[0]
    assert by_function(functions, "Invocations") == names(truth)
    assert {name: n for name, n in by_function(functions, "Failed").items() if n} == names(failed(truth))
    assert {name: n for name, n in by_function(functions, "ColdStarts").items() if n} == names(cold(truth))
    durations = [one.duration_ms for one in truth]
    assert total["Invocations"] == len(truth)
    assert total["P95Ms"] == pytest.approx(percentile(durations, 0.95), rel=0.01)
    assert total["PreviousInvocations"] == 0
    for _, row in rows.iterrows():
        assert sum(row["Counts"]) == row["Invocations"]


@pytest.mark.parametrize("statement", ["fleet_functions", "fleet_functions_long"])
def test_the_window_before_is_counted_apart(statement, ask, truth, everything, seeded):
    half = seeded.begin + timedelta(minutes=10)
    later = everything.at(half, half + timedelta(minutes=10))
    window = later.window(datetime.now(UTC))
    rows = ask(statement, later, window, span_s=600)
    total = rows[rows["IsTotal"] == 1].iloc[0]
    border = half.timestamp() * 1e9
    end = border + 600e9
    assert total["PreviousInvocations"] == sum(one.start_ns < border for one in truth)
    assert total["Invocations"] == sum(border <= one.start_ns < end for one in truth)


@pytest.mark.parametrize("statement", ["invocations_over_time", "invocations_over_time_long"])
def test_invocations_over_time(statement, ask, truth, window):
    rows = ask(statement)
    bucket_s = window.bucket_s
    expected = Counter((one.start_ns // 10**9 // bucket_s * bucket_s, one.function.name) for one in truth)
    found = {(int(row.Bucket.timestamp()), row.FunctionName): row.Invocations for row in rows.itertuples()}
    assert found == expected
    assert rows["Failed"].sum() == len(failed(truth))
    assert rows["ColdStarts"].sum() == len(cold(truth))


def test_filling_buckets_loses_and_invents_nothing(ask, truth, window):
    rows = ask("invocations_over_time")
    filled = frames.fill(rows, window, frames.coverage(ask("coverage")), ["Invocations"])
    assert filled["Invocations"].sum() == len(truth)


PEAKS = pytest.mark.parametrize("statement", ["concurrency_peaks", "concurrency_peaks_long"])


@pytest.mark.parametrize("statement", ["concurrency_peaks", "concurrency_peaks_long", "concurrency_highest"])
def test_concurrency_peaks_are_those_of_a_sweep(statement, ask, seeded):
    rows = ask(statement)
    peaks = by_function(rows, "Peak")
    assert peaks["*"] == seeded.fleet.peak()
    for name in names(seeded.fleet.invocations):
        assert peaks[name] == seeded.fleet.peak(name), name


@PEAKS
def test_at_the_instant_of_a_peak_so_many_ran(statement, ask):
    for _, row in ask(statement).iterrows():
        chosen = InvocationFilters(at=row["At"].to_pydatetime())
        found = ask("invocations_latest", limit=1000, **invocation_params(chosen))
        of = found if row["FunctionName"] == "*" else found[found["FunctionName"] == row["FunctionName"]]
        assert len(of) == row["Peak"], row["FunctionName"]


def test_what_a_click_on_a_peak_leads_to_is_all_that_ran_then(ask, everything):
    for _, row in ask("concurrency_peaks").iterrows():
        at = row["At"].to_pydatetime()
        around = replace(everything, functions=()).around(at, at)
        chosen = InvocationFilters(at=at)
        found = ask("invocations_latest", around, around.window(at), limit=1000, **invocation_params(chosen))
        of = found if row["FunctionName"] == "*" else found[found["FunctionName"] == row["FunctionName"]]
        assert len(of) == row["Peak"], row["FunctionName"]


def test_what_was_busy_between_two_instants(ask, truth, seeded):
    begin = seeded.begin + timedelta(minutes=5)
    last = begin + timedelta(seconds=29, milliseconds=999)
    found = ask("invocations_latest", limit=5000, **invocation_params(InvocationFilters(at=begin, until=last)))
    low, high = int(begin.timestamp() * 1000), int(last.timestamp() * 1000)
    expected = {one.request_id for one in truth if one.busy_start_ns // MS <= high and one.end_ns // MS > low}
    assert set(found["RequestId"]) == expected


@PEAKS
def test_average_concurrency_is_busy_time_over_time(statement, ask, truth, window):
    busy_ms = sum(one.end_ns // MS - one.busy_start_ns // MS for one in truth)
    account = ask(statement).set_index("FunctionName").loc["*"]
    assert account["Avg"] == pytest.approx(busy_ms / (window.span_s * 1000), rel=1e-6)


def test_concurrency_over_time_has_the_peak_in_its_bucket(ask, seeded, window):
    rows = ask("concurrency_over_time")
    account = rows[rows["FunctionName"] == "*"]
    assert account["Peak"].max() == seeded.fleet.peak()
    for _, row in account.iterrows():
        begin_ns = int(row["Bucket"].timestamp()) * 10**9
        assert row["Peak"] == seeded.fleet.peak(None, begin_ns, begin_ns + window.bucket_s * 10**9)


def test_averages_of_functions_add_up_to_the_account(ask):
    rows = ask("concurrency_over_time")
    total = rows[rows["FunctionName"] == "*"].groupby("Bucket")["Avg"].sum()
    parts = rows[rows["FunctionName"] != "*"].groupby("Bucket")["Avg"].sum()
    pd.testing.assert_series_equal(total, parts, check_exact=False, rtol=1e-9)


@pytest.mark.parametrize("statement", ["sandboxes_over_time", "sandboxes_over_time_long"])
def test_sandboxes_alive_are_busy_for_as_long_as_their_invocations(ask, truth, window, statement):
    rows = ask(statement)
    begin_ns, end_ns = (round(at.timestamp() * 1e9) for at in (window.begin, window.end))
    busy_s = sum(max(0, min(one.end_ns, end_ns) - max(one.busy_start_ns, begin_ns)) for one in truth) / 1e9
    assert rows["Working"].sum() * window.bucket_s == pytest.approx(busy_s, rel=0.005)
    alive = rows["Working"] + rows["Waiting"] + rows["PerhapsGone"]
    assert (alive >= rows["Working"]).all()
    assert alive.sum() * window.bucket_s > 2 * busy_s
    own = ask(statement, functions=("auth-token",))
    assert 0 < own["Working"].sum() < rows["Working"].sum()


def test_cold_starts_by_function(ask, truth):
    rows = ask("cold_start_functions")
    assert by_function(rows, "ColdStarts") == names(cold(truth))
    for name, waited_s in by_function(rows, "WaitedS").items():
        inits = [one.init_duration_ms or 0.0 for one in cold(truth) if one.function.name == name]
        assert waited_s == pytest.approx(sum(inits) / 1000, abs=0.01)


def test_phases_of_cold_starts_add_up_to_the_init(ask, truth):
    parts = cold_starts.mean_parts(ask("cold_start_phases"))
    assert set(parts["Phase"]) == {phases.EXTENSION_INIT, phases.RUNTIME_AND_FUNCTION_INIT}
    means = parts.groupby("FunctionName")["MeanMs"].sum()
    for name in names(cold(truth)):
        inits = [one.init_duration_ms or 0.0 for one in cold(truth) if one.function.name == name]
        assert means[name] == pytest.approx(sum(inits) / len(inits), abs=0.01)


def test_costs_are_what_was_billed_at_the_list_price(ask, truth):
    frame = ask("cost_functions")
    price = {"amd64": 0.0000166667, "arm64": 0.0000133334}
    assert by_function(frame, "Requests") == names(truth)
    for row in frame.to_dict("records"):
        own = [one for one in truth if one.function.name == row["FunctionName"]]
        memory_mb = own[0].function.memory_mb
        gb_seconds = sum(one.billed_ms for one in own) / 1000 * memory_mb / 1024
        init_s = sum(one.init_duration_ms or 0 for one in own) / 1000
        assert row["GbS"] == pytest.approx(gb_seconds)
        per_gb_s = price[row["Architectures"]]
        assert row["ListUsd"] == pytest.approx(gb_seconds * per_gb_s + 2e-7 * len(own))
        assert row["OfInitUsd"] == pytest.approx(init_s * memory_mb / 1024 * per_gb_s, rel=0.01)
        assert (row["MemoryMB"], row["MaxUsedMB"]) == (memory_mb, max(one.max_memory_mb for one in own))


def test_init_by_version(ask, truth):
    frame = ask("init_by_version").set_index("FunctionName")
    waited = cold(truth)
    assert dict(frame["ColdStarts"]) == names(waited)
    for name, row in frame.iterrows():
        own = [one for one in waited if one.function.name == name]
        assert row["FunctionVersion"] == own[0].function.version
        assert row["P50Ms"] == pytest.approx(percentile([one.init_duration_ms or 0.0 for one in own], 0.5), abs=0.01)
        assert row["FirstSeen"] == pd.Timestamp(min(one.start_ns for one in own), tz="UTC")


def test_latest_cold_starts(ask, truth):
    rows = ask("invocations_latest", limit=10, **invocation_params(InvocationFilters(cold_only=True)))
    assert list(rows["RequestId"]) == [one.request_id for one in reversed(cold(truth)[-10:])]


CHOICES = {
    "all": (InvocationFilters(), lambda one: True),
    "failed": (InvocationFilters(status="failed"), lambda one: one.status != "success"),
    "timed out": (InvocationFilters(status="timeout"), lambda one: one.status == "timeout"),
    "cold": (InvocationFilters(cold_only=True), lambda one: one.cold),
    "slow": (InvocationFilters(min_ms=1000), lambda one: one.duration_ms >= 1000),
    "slow and failed": (
        InvocationFilters(status="failed", min_ms=1000),
        lambda one: one.status != "success" and one.duration_ms >= 1000,
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_every_panel_of_invocations_counts_the_chosen_ones(name, ask, truth):
    chosen, matches = CHOICES[name]
    expected = [one for one in truth if matches(one)]
    params = invocation_params(chosen)
    summary = ask("invocations_summary", **params).iloc[0]
    assert summary["Invocations"] == len(expected)
    assert summary["Failed"] == len(failed(expected))
    assert summary["P99Ms"] == pytest.approx(percentile([one.duration_ms for one in expected], 0.99), abs=0.001)
    billed = sum(one.billed_ms * one.function.memory_mb for one in expected) / 1_024_000
    assert summary["BilledGBs"] == pytest.approx(billed)
    assert ask("invocations_percentiles", **params)["Invocations"].sum() == len(expected)
    assert ask("invocations_histogram", **params)["Invocations"].sum() == len(expected)
    latest = ask("invocations_latest", limit=50, **params)
    assert list(latest["RequestId"]) == [one.request_id for one in reversed(expected[-50:])]


@pytest.mark.parametrize("name", CHOICES)
def test_all_figures_of_invocations_are_of_reading_them_once(name, ask):
    params = invocation_params(CHOICES[name][0])
    once = ask("invocations_figures", **params)
    for panel, of in (
        ("invocations_summary", frames.of_all),
        ("invocations_percentiles", frames.of_buckets),
        ("invocations_histogram", frames.of_bins),
    ):
        alone, same = ask(panel, **params), of(once)
        pd.testing.assert_frame_equal(same[list(alone.columns)], alone, check_dtype=False)


@pytest.fixture
def long(everything, seeded):
    """Choices of a time that the rollups answer for, and its window."""
    filters = everything.at(seeded.begin - timedelta(hours=7), seeded.end)
    return filters, filters.window(datetime.now(UTC))


def test_of_a_long_time_the_rollups_say_the_same(ask, long, truth):
    summary = ask("invocations_summary_long", *long).iloc[0]
    durations = [one.duration_ms for one in truth]
    assert (summary["Invocations"], summary["Failed"]) == (len(truth), len(failed(truth)))
    assert summary["ColdStarts"] == len(cold(truth))
    assert summary["MaxMs"] == pytest.approx(max(durations), abs=0.001)
    assert summary["BilledGBs"] == pytest.approx(
        sum(one.billed_ms * one.function.memory_mb for one in truth) / 1_024_000
    )
    for column, level in (("P50Ms", 0.5), ("P95Ms", 0.95), ("P99Ms", 0.99)):
        assert summary[column] == pytest.approx(percentile(durations, level), rel=0.01), column
    parts = ask("invocations_percentiles_long", *long)
    assert parts["Invocations"].sum() == len(truth)
    bucket_s = long[1].bucket_s
    for row in parts.itertuples():
        begin_s = row.Bucket.timestamp()
        own = [one.duration_ms for one in truth if begin_s <= one.start_ns / 1e9 < begin_s + bucket_s]
        assert row.P95Ms == pytest.approx(percentile(own, 0.95), rel=0.01)


def test_of_a_long_time_the_rollups_count_the_chosen_functions(ask, long, truth):
    two = ("auth-token", "pdf-render")
    rows = ask("invocations_summary_long", *long, functions=two)
    assert rows["Invocations"].iloc[0] == sum(one.function.name in two for one in truth)


def test_of_a_long_time_the_rollups_know_the_cold_starts(ask, long, truth):
    rows = ask("cold_start_functions_long", *long)
    assert by_function(rows, "ColdStarts") == names(cold(truth))
    versions = ask("init_by_version_long", *long).groupby("FunctionName")["ColdStarts"].sum()
    for row in rows.itertuples():
        inits = [one.init_duration_ms or 0.0 for one in cold(truth) if one.function.name == row.FunctionName]
        assert row.WaitedS == pytest.approx(sum(inits) / 1000, abs=0.01)
        assert row.P50Ms == pytest.approx(percentile(inits, 0.5), rel=0.01)
        assert versions[row.FunctionName] == len(inits)


def test_a_request_is_found_by_its_first_characters(ask, truth):
    wanted = truth[7]
    chosen = InvocationFilters(request=wanted.request_id[:13])
    assert list(ask("invocations_latest", limit=5, **invocation_params(chosen))["RequestId"]) == [wanted.request_id]


def test_only_the_chosen_functions_count(ask, truth, everything):
    two = replace(everything, functions=("auth-token", "pdf-render"))
    rows = ask("invocations_over_time", two)
    expected = names(truth)
    assert rows.groupby("FunctionName")["Invocations"].sum().to_dict() == {
        name: expected[name] for name in two.functions
    }


@pytest.mark.parametrize(("scope", "found"), [("123456789012/eu-west-1", True), ("999999999999/eu-west-1", False)])
def test_only_the_chosen_account_counts(ask, everything, scope, found):
    rows = ask("concurrency_peaks", replace(everything, scope=scope))
    assert (not rows.empty) is found


def test_one_invocation_and_its_waterfall(ask, source, truth, everything):
    wanted = next(one for one in truth if one.cold and one.status == "success")
    start = datetime.fromtimestamp(wanted.start_ns / 1e9, UTC)
    for key in (
        InvocationKey(wanted.request_id),
        InvocationKey(wanted.request_id, wanted.instance_id, 1, start),
    ):
        row = source.frame(sql.statement("invocation"), key_params(key)).iloc[0]
        assert row["FunctionName"] == wanted.function.name
        assert row["DurationMs"] == pytest.approx(wanted.duration_ms, abs=0.001)
        assert row["BilledDurationMs"] == wanted.billed_ms
        assert row["ColdStart"]
    drawn = bars(ask("invocation_spans", trace=trace_id(wanted.request_id)), instance_id=wanted.instance_id, attempt=1)
    assert {bar.kind: pytest.approx(bar.duration_ms, abs=0.001) for bar in drawn} == {
        span.phase: (span.end_ns - span.start_ns) / MS for span in spans(wanted)
    }
    assert drawn[0].kind == phases.INIT


def test_an_unknown_invocation_is_no_row(source):
    assert source.frame(sql.statement("invocation"), key_params(InvocationKey("nobody"))).empty


def test_logs_of_one_invocation(ask, truth):
    wanted = failed(truth)[0]
    rows = ask("invocation_logs", request=wanted.request_id, trace=trace_id(wanted.request_id))
    assert list(rows["Body"]) == [line for _, _, line in log_lines(wanted)]


def test_sandboxes_and_what_they_did(ask, seeded, window):
    rows = ask("sandboxes", limit=1000)
    assert len(rows) == len(seeded.fleet.sandboxes)
    assert rows["Invocations"].sum() == len(seeded.fleet.invocations)
    alive = sandboxes.lives(rows, window)
    instances = tuple(rows["InstanceId"])
    activity = ask("sandbox_activity", instances=instances, quantum_ms=sandboxes.quantum_ms(window))
    done = sandboxes.activity(activity, alive, window)
    counted = done.groupby("Kind")["Count"].sum().to_dict()
    assert counted["failed invoke"] == len(failed(seeded.fleet.invocations))
    assert counted["invoke"] + counted["failed invoke"] == len(seeded.fleet.invocations)
    assert counted["init"] == len(seeded.fleet.sandboxes)


def test_ingest(ask, truth):
    rows = ask("ingest_tables").set_index("Source")
    assert rows.loc["Traces (otel_traces)", "Rows"] == sum(len(spans(one)) for one in truth)
    assert rows.loc["Logs (otel_logs)", "Rows"] == sum(len(log_lines(one)) for one in truth)
    assert ask("ingest_over_time")["Rows"].sum() == sum(len(spans(one)) for one in truth)
    assert by_function(ask("ingest_functions"), "Invocations") == names(truth)


def test_schema_lists_the_public_tables(ask):
    assert {"lambda_invocations", "lambda_phases", "otel_traces"} <= set(ask("schema")["Table"])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.title)
def test_every_recipe_runs(recipe, source):
    assert not source.ask(recipe.sql, 1000).cut


def test_a_long_result_is_cut(source):
    rows = source.ask("SELECT number FROM numbers(5000)", 100)
    assert (len(rows.frame), rows.cut) == (100, True)


def test_what_is_typed_can_read_only(source, truth, ask):
    with pytest.raises((QueryRejectedError, SchemaMissingError)):
        source.ask("DROP TABLE otel_traces", 10)
    assert ask("coverage")["Invocations"].iloc[0] == len(truth)


@pytest.mark.parametrize("sql", ["EXPLAIN AST SELECT 1", "EXPLAIN AST SELECT 1 FROM otel_traces", "SELECT sumState(1)"])
def test_an_answer_that_cannot_be_shown_is_told_from_none(sql, source):
    with pytest.raises(QueryRejectedError, match="cannot be shown"):
        source.ask(sql, 10)


def test_a_wrong_statement_is_explained(source):
    with pytest.raises(SchemaMissingError, match="nowhere"):
        source.ask("SELECT 1 FROM nowhere", 10)
    with pytest.raises(QueryRejectedError, match="rejects the query"):
        source.ask("SELEC 1", 10)
