"""What a viewer may look at next."""

from datetime import UTC, datetime

from dashboard.filters import CUSTOM, Choices, parse_filters
from dashboard.guesses import MOST, NEXT_PAGES, Lead, guesses
from dashboard.pages import PAGES
from dashboard.plans import PLANS

NOW = datetime(2026, 11, 21, 8, 6, tzinfo=UTC)
WEEK = {"range": ["custom"], "from": ["2026-11-14T08:05:00Z"], "to": ["2026-11-21T08:06:00Z"]}


def choices(query):
    return Choices(parse_filters(query), query)


def shown(looks):
    return [(one.page, {name: list(values) for name, values in one.choices.query.items()}) for one in looks]


def test_the_last_day_comes_first():
    page, query = shown(guesses("fleet", choices({"range": ["7d"]}), []))[0]
    assert (page, query) == ("fleet", {"range": ["24h"]})


def test_a_range_that_stands_still_may_be_made_to_begin_a_day_before_its_end():
    page, query = shown(guesses("streams", choices(WEEK), []))[0]
    assert (page, query) == ("streams", WEEK | {"from": ["2026-11-20T08:05:00Z"]})


def test_of_a_range_of_an_hour_there_is_no_last_day():
    hour = WEEK | {"from": ["2026-11-21T07:05:00Z"]}
    looks = guesses("fleet", choices(hour), [])
    assert all(one.choices.filters.begin in (None, choices(hour).filters.begin) for one in looks)


def test_where_rows_lead_comes_in_the_order_of_the_rows_and_their_functions_may_be_chosen():
    leads = [Lead(1, "function", {"function": ["b"]}), Lead(0, "function", {"function": ["a"]})]
    found = shown(guesses("cost", choices(WEEK), leads))
    pages = [one for one in found if one[0] == "function"]
    assert [one[1]["function"] for one in pages] == [["a"], ["b"]]
    chosen = [query["function"] for page, query in found if page == "cost" and "function" in query]
    assert chosen == [["a"], ["b"]]


def test_the_page_of_invocations_may_be_narrowed_down_within_the_same_choices():
    found = shown(guesses("invocations", choices(WEEK | {"function": ["a"]}), []))
    assert ("invocations", WEEK | {"function": ["a"], "cold": ["1"]}) in found


def test_the_menu_leads_to_every_other_page_with_the_same_choices():
    found = shown(guesses("fleet", choices(WEEK), []))
    assert {page for page, query in found if query == WEEK} == set(NEXT_PAGES) - {"fleet"}


def test_what_is_shown_is_no_guess_and_nothing_is_guessed_twice():
    for page in PLANS:
        leads = [Lead(row, page, WEEK) for row in range(100)]
        found = [str(one) for one in shown(guesses(page, choices(WEEK), leads))]
        assert len(set(found)) == len(found) <= MOST
        assert str((page, WEEK)) not in found


def test_what_a_page_alone_understands_stays_when_its_time_changes():
    found = shown(guesses("invocations", choices({"range": ["7d"], "status": ["failed"]}), []))
    assert ("invocations", {"range": ["24h"], "status": ["failed"]}) in found


def test_every_page_has_a_plan_and_is_in_the_menu():
    assert set(PLANS) == {one.name for one in PAGES}
    assert set(NEXT_PAGES) == {one.name for one in PAGES if one.listed} - {"function", "sql"}


def test_a_guess_of_a_live_range_is_about_the_time_at_which_it_is_asked():
    for one in guesses("fleet", choices({}), []):
        window = PLANS[one.page].window(one.choices.filters, NOW)
        assert one.choices.filters.range == CUSTOM or window.end >= NOW
