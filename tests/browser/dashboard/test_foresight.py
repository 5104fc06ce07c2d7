"""What a viewer looks at next has been asked already, and the page Ingest health says so."""

import re
import time

import pytest

from dashboard.pages import page
from deploy.local.browser import READY, browser, open_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

WITHIN_S = 300
SAID = re.compile(r"has asked ([\d,]+) questions? in .*; ([\d,]+) of the answers")


def said(tab, url) -> tuple[int, int]:
    """How many questions were asked ahead, and how many of their answers were looked at."""
    assert open_page(tab, url, page("ingest"), query=[("range", "15m"), ("live", "0")]).ready
    found = SAID.search(tab.get_by_text("Ahead of its viewers").inner_text())
    assert found
    return int(found[1].replace(",", "")), int(found[2].replace(",", ""))


def test_who_goes_on_finds_what_was_asked_ahead(url):
    with browser() as context:
        tab, other = context.new_page(), context.new_page()
        tab.set_default_timeout(60_000)
        looked_at_before = said(other, url)[1]
        give_up_at = time.monotonic() + WITHIN_S
        while said(other, url)[1] == looked_at_before:
            assert time.monotonic() < give_up_at, "nobody found anything that was asked ahead"
            assert open_page(tab, url, page("fleet"), query=[("range", "6h"), ("live", "0")]).ready
            tab.wait_for_timeout(3000)  # nothing is asked ahead while somebody keeps asking in earnest
            before = tab.locator(READY.format(page="fleet")).get_attribute("data-run")
            tab.get_by_test_id("stButtonGroup").get_by_text("24 h", exact=True).click()
            tab.wait_for_selector(f"{READY.format(page='fleet')}:not([data-run='{before}'])", state="attached")
        assert said(other, url)[0] > 0
