"""Opens pages of the dashboard in headless Chromium and reports what is wrong with them.

    python -m deploy.local.browser http://127.0.0.1:8501 --screenshots build/pages

Depends on nothing of the dashboard: a page is complete when it holds the element that :data:`READY` describes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal, Protocol
from urllib.parse import urlencode

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, sync_playwright
from playwright.sync_api import Error as PlaywrightError

READY: Final = '[data-testid="lambdascope-ready"][data-page="{page}"]'
EXECUTABLE: Final = "/usr/bin/chromium"
ARGUMENTS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP: Final = (1366, 900)
PHONE: Final = (390, 844)

Scheme = Literal["light", "dark"]


class Described(Protocol):
    """What is needed of a page, such as an item of dashboard.pages.PAGES."""

    @property
    def name(self) -> str:
        """The name in the sentinel."""

    @property
    def url_path(self) -> str:
        """The path under the dashboard's address."""


@dataclass(slots=True)
class PageReport:
    """What one opened page showed."""

    page: str
    url: str
    ready: bool = False
    """Whether it was complete in time."""
    panels: int = 0
    panel_errors: int = 0
    """Panels that show an error, as the page itself counts them."""
    exceptions: int = 0
    """Tracebacks that Streamlit shows."""
    console: list[str] = field(default_factory=list)
    """Errors and warnings of the browser's console, and uncaught errors of scripts."""
    overflow_px: int = 0
    """By how much the page is wider than the window: on a phone that means scrolling sideways."""
    paint_ms: float = 0.0
    """From navigation to the complete page."""
    screenshot: str = ""

    @property
    def problems(self) -> list[str]:
        """What is wrong, in words; empty for a good page."""
        found = [f"console: {line}" for line in self.console]
        if not self.ready:
            found.append("was not complete in time")
        if self.panel_errors:
            found.append(f"{self.panel_errors} panels show an error")
        if self.exceptions:
            found.append(f"{self.exceptions} tracebacks")
        if self.overflow_px > 1:
            found.append(f"{self.overflow_px} px wider than the window")
        return found


@contextmanager
def browser(
    *, scheme: Scheme = "light", size: tuple[int, int] = DESKTOP, timezone: str = "UTC", executable: str = EXECUTABLE
) -> Iterator[BrowserContext]:
    """A fresh Chromium with a profile of its own, which is removed afterwards.

    Raises:
        FileNotFoundError: there is no Chromium.
    """
    if not Path(executable).exists():
        raise FileNotFoundError(f"{executable} is missing: make chromium installs it")
    profile = tempfile.mkdtemp(prefix="lambdascope-chromium-")
    try:
        with sync_playwright() as playwright:
            context = playwright.chromium.launch_persistent_context(
                profile,
                executable_path=executable,
                args=list(ARGUMENTS),
                color_scheme=scheme,
                viewport={"width": size[0], "height": size[1]},
                timezone_id=timezone,
            )
            try:
                yield context
            finally:
                context.close()
    finally:
        shutil.rmtree(profile, ignore_errors=True)


def open_page(
    tab: Page,
    base_url: str,
    page: Described,
    *,
    query: Sequence[tuple[str, str]] = (),
    screenshot: Path | None = None,
    timeout_s: float = 30.0,
) -> PageReport:
    """Open one page, wait until it is complete, and look at it."""
    url = f"{base_url.rstrip('/')}/{page.url_path}" + (f"?{urlencode(query)}" if query else "")
    report = PageReport(page.name, url)

    def heard(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            report.console.append(f"{message.type}: {message.text}")

    def raised(error: PlaywrightError) -> None:
        report.console.append(f"uncaught: {error}")

    tab.on("console", heard)
    tab.on("pageerror", raised)
    began = time.monotonic()
    try:
        tab.goto(url)
        arrive(tab, READY.format(page=page.name), timeout_s)
        settle(tab, timeout_s)
        report.paint_ms = round((time.monotonic() - began) * 1000, 1)
        report.ready = True
        sentinel = tab.locator(READY.format(page=page.name))
        report.panels = int(sentinel.get_attribute("data-panels") or 0)
        report.panel_errors = int(sentinel.get_attribute("data-errors") or 0)
    except PlaywrightError as error:
        report.console.append(f"browser: {str(error).splitlines()[0]}")
    finally:
        tab.remove_listener("console", heard)
        tab.remove_listener("pageerror", raised)
    report.exceptions = tab.locator('[data-testid="stException"]').count()
    report.overflow_px = int(tab.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
    if screenshot is not None:
        picture(tab, screenshot)
        report.screenshot = str(screenshot)
    return report


def arrive(tab: Page, selector: str, timeout_s: float) -> None:
    """Wait until an element is there, looking at every frame: Playwright's wait for a selector looks twice a second."""
    there = "selector => document.querySelector(selector) !== null"
    tab.wait_for_function(there, arg=selector, timeout=timeout_s * 1000)


def settle(tab: Page, timeout_s: float) -> None:
    """Wait until Streamlit runs nothing, and every chart that is in sight is drawn."""
    tab.wait_for_function(
        """() => document.querySelector('[data-testid="stApp"]')?.getAttribute('data-test-script-state') !== 'running'
            && [...document.querySelectorAll('.stBidiComponent')]
                .every(chart => chart.offsetParent === null || chart.querySelector('canvas'))
            && !document.querySelector('[data-testid="stSkeleton"]')""",
        timeout=timeout_s * 1000,
    )


def picture(tab: Page, file: Path) -> None:
    """Save the whole page. Streamlit scrolls inside of it, so the window grows to the page's height for the moment."""
    before = tab.viewport_size or {"width": DESKTOP[0], "height": DESKTOP[1]}
    height = int(
        tab.evaluate("""() => {
        const main = document.querySelector('[data-testid="stMain"]');
        return main ? main.scrollHeight : document.documentElement.scrollHeight;
    }""")
    )
    tab.set_viewport_size({"width": before["width"], "height": max(before["height"], min(height, 6000))})
    tab.wait_for_timeout(400)  # charts follow the window's size in an animation frame; there is no event for its end
    file.parent.mkdir(parents=True, exist_ok=True)
    tab.screenshot(path=str(file))
    tab.set_viewport_size(before)


def check(
    base_url: str,
    pages: Sequence[Described],
    *,
    screenshots: Path | None = None,
    scheme: Scheme = "light",
    size: tuple[int, int] = DESKTOP,
) -> list[PageReport]:
    """Open every page, each with a fresh connection, and report on each."""
    with browser(scheme=scheme, size=size) as context:
        reports = []
        for page in pages:
            tab = context.new_page()
            file = screenshots / f"{page.name}-{scheme}-{size[0]}.png" if screenshots else None
            reports.append(open_page(tab, base_url, page, screenshot=file))
            tab.close()
        return reports


@dataclass(frozen=True, slots=True)
class Named:
    """A page that is named on the command line."""

    name: str
    url_path: str


def main(arguments: Sequence[str]) -> int:
    """Check pages and print one JSON line for each; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base_url")
    parser.add_argument("pages", nargs="*", default=["fleet="], help="name=path, such as fleet= or sql=sql")
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--scheme", choices=("light", "dark"), default="light")
    parser.add_argument("--width", type=int, default=DESKTOP[0])
    given = parser.parse_args(arguments)
    pages = [Named(*text.partition("=")[::2]) for text in given.pages]
    size = (given.width, DESKTOP[1])
    reports = check(given.base_url, pages, screenshots=given.screenshots, scheme=given.scheme, size=size)
    for report in reports:
        print(json.dumps({**asdict(report), "problems": report.problems}))
    return 1 if any(report.problems for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
