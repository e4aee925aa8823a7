"""When hosts may write down who came."""

from datetime import UTC, datetime, timedelta

import pytest

from events.check_ins.model import CheckInClosed, check_in
from events.events.model import AlreadyCancelled, Event

START = datetime(2026, 12, 1, 19, tzinfo=UTC)
END = START + timedelta(hours=2)
INSTANT = timedelta(milliseconds=1)


def event() -> Event:
    return Event(
        id="evt_1",
        group_id="grp_1",
        group_slug="cats",
        group_name="Cats",
        group_visibility="public",
        group_archived=False,
        group_sequence=1,
        interests=["cats"],
        created_at=START,
        created_by=None,
        starts_at=START,
        ends_at=END,
        version=7,
    )


@pytest.mark.parametrize("now", [START - timedelta(hours=1), START, END, END + timedelta(hours=24)])
def test_is_open_from_an_hour_before_the_start_to_a_day_after_the_end(now: datetime) -> None:
    one = event()
    made = check_in(one, "psn_1", now)
    assert (made.event, made.person, made.at, one.version) == ("evt_1", "psn_1", now, 8)


@pytest.mark.parametrize("now", [START - timedelta(hours=1) - INSTANT, END + timedelta(hours=24) + INSTANT])
def test_is_closed_before_and_after(now: datetime) -> None:
    with pytest.raises(CheckInClosed):
        check_in(event(), "psn_1", now)


def test_nobody_came_to_what_was_cancelled() -> None:
    one = event()
    one.cancelled_at = START
    with pytest.raises(AlreadyCancelled):
        check_in(one, "psn_1", START)
