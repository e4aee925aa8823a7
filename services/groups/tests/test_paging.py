"""Pages begin exactly after the place where the page before ended."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import MalformedRequest
from groups.paging import beyond, moment

ORDER = [("size", -1), ("name", 1)]


def test_no_place_asks_for_everything():
    assert beyond(ORDER, None) == {}


def test_what_comes_after_a_place_differs_first_where_the_order_looks_first():
    assert beyond(ORDER, [3, "m"]) == {
        "$and": [
            {"$or": [{"size": {"$lt": 3}}, {"size": 3, "name": {"$gt": "m"}}]},
            {"size": {"$lte": 3}},
        ]
    }


@pytest.mark.parametrize("place", [[-1, "m"], [2**70, "m"], [float("nan"), "m"], [float("inf"), "m"], [3, "\ud800"]])
def test_a_made_up_place_that_the_database_could_not_compare_with_is_refused(place):
    with pytest.raises(MalformedRequest):
        beyond(ORDER, place)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_in_a_cursor_comes_back_as_it_was(time):
    assert moment(time.isoformat()) == time


@pytest.mark.parametrize("text", ["", "yesterday", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(MalformedRequest):
        moment(text)


def test_a_time_is_read_as_utc():
    assert moment("2026-11-23T20:00:00+02:00") == datetime(2026, 11, 23, 18, tzinfo=UTC)
