"""Concurrency: how many sandboxes are busy, of which function, and what ran at the peaks."""

from dashboard.charts import frames, series
from dashboard.text import count
from dashboard.ui import panels
from dashboard.ui.figures import Figure, row
from dashboard.ui.page import Run, nothing, show


def _body(run: Run) -> None:
    run.ahead("concurrency_over_time", "coverage")
    peaks = run.query("concurrency_peaks")
    if peaks.empty:
        nothing()
        return
    accounts = peaks[peaks["FunctionName"] == frames.ACCOUNT]
    if not accounts.empty:
        top = accounts.iloc[0]
        row(
            [
                Figure("Peak, account", count(top["Peak"]), about="Most sandboxes busy at once, exact"),
                Figure("Average, account", f"{top['Avg']:.2f}", about="Busy time divided by the time chosen"),
                Figure("Sandboxes", count(top["Sandboxes"]), about="Different ones that worked in this time"),
                Figure("Functions", count(len(peaks) - len(accounts))),
            ]
        )
    with run.panel(
        "Sandboxes busy: average by function, and the account's peak",
        "A sandbox is busy from the init that an invocation waits for until its extensions are done. "
        "Peaks of functions do not add up, averages do.",
    ):
        panels.concurrency_over_time(run, by_function=True)
    with run.panel("Highest peaks", "Exact. Click a row to see what ran at that instant."):
        panels.peaks_table(run, peaks)
    with run.panel(f"Peak per function and {panels.width(run)}", "The nine functions with the highest."):
        rows = run.query("concurrency_over_time")
        functions = rows[rows["FunctionName"] != frames.ACCOUNT]
        largest = frames.top(functions, "Peak", panels.SHOWN_SERIES)
        shown = frames.fill(
            functions[functions["FunctionName"].isin(largest)], run.window, run.coverage(), ["Peak", "Avg"]
        )
        chart = series.steps(shown, run.window, "Peak", "sandboxes busy", panels.palette(shown))
        run.chart(chart, f"Peak concurrency of {len(largest)} functions over time.", shown, "peaks")


show("concurrency", _body)
