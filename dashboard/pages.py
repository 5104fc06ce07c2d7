"""The pages as data, for the navigation, the tests and whoever opens each of them in a browser. No Streamlit here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Page:
    """One page: what the navigation shows, where it is, and which file draws it."""

    title: str
    url_path: str
    """Path under the dashboard's address. Empty for the page that opens first."""
    icon: str
    listed: bool = True
    """False for a page that is about one thing and is reached from another page."""

    @property
    def name(self) -> str:
        """The name of the page's file, and of the page in the sentinel that tells that it is complete."""
        return self.url_path or "fleet"

    @property
    def file(self) -> str:
        """The page's file, relative to app.py."""
        return f"views/{self.name}.py"


PAGES = (
    Page("Fleet", "", ":material/grid_view:"),
    Page("Function", "function", ":material/function:"),
    Page("Concurrency", "concurrency", ":material/stacked_line_chart:"),
    Page("Throttles", "throttles", ":material/block:"),
    Page("Streams", "streams", ":material/water:"),
    Page("Cold starts", "cold_starts", ":material/ac_unit:"),
    Page("Invocations", "invocations", ":material/list_alt:"),
    Page("Invocation", "invocation", ":material/waterfall_chart:", listed=False),
    Page("Sandboxes", "sandboxes", ":material/view_timeline:"),
    Page("Cost and size", "cost", ":material/payments:"),
    Page("Runtimes", "runtimes", ":material/update:"),
    Page("Async and queues", "async", ":material/schedule_send:"),
    Page("Alerts", "alerts", ":material/notifications:"),
    Page("Ingest health", "ingest", ":material/monitor_heart:"),
    Page("SQL", "sql", ":material/terminal:"),
)


def page(name: str) -> Page:
    """The page of that name.

    Raises:
        KeyError: there is none.
    """
    return {one.name: one for one in PAGES}[name]
