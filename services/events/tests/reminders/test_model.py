"""When an event is told of, for any start and any time of looking."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from events.reminders.model import LEADS, due_at, fallen_due, upcoming

START = datetime(2026, 12, 1, 19, tzinfo=UTC)
DAY, HOUR, INSTANT = timedelta(days=1), timedelta(hours=1), timedelta(milliseconds=1)


def test_the_next_reminder_is_the_first_whose_time_is_to_come() -> None:
    assert upcoming(START, START - 2 * DAY) == "PT24H"
    assert upcoming(START, START - DAY - INSTANT) == "PT24H"
    assert upcoming(START, START - DAY) == "PT1H"
    assert upcoming(START, START - HOUR) is None


def test_a_reminder_is_due_its_lead_before_the_start() -> None:
    assert due_at(START, "PT24H") == START - DAY and due_at(START, "PT1H") == START - HOUR
    assert due_at(START, None) is None


def test_what_was_missed_is_told_late_and_only_the_last_of_it() -> None:
    assert fallen_due(START, "PT24H", START - DAY - INSTANT) is None
    assert fallen_due(START, "PT24H", START - DAY) == "PT24H"
    assert fallen_due(START, "PT24H", START - HOUR - INSTANT) == "PT24H"
    assert fallen_due(START, "PT24H", START - HOUR) == "PT1H"
    assert fallen_due(START, "PT1H", START - INSTANT) == "PT1H"
    assert fallen_due(START, "PT1H", START) is None
    assert fallen_due(START, None, START - INSTANT) is None


@given(scheduled=st.integers(-3000, -1), looks=st.lists(st.integers(-3000, 60), max_size=30))
def test_each_is_told_at_most_once_in_order_and_never_early(scheduled: int, looks: list[int]) -> None:
    """Minutes before the start at which it is scheduled, and at which somebody looks."""
    reminder, told = upcoming(START, START + timedelta(minutes=scheduled)), []
    for minute in sorted(one for one in looks if one >= scheduled):
        now = START + timedelta(minutes=minute)
        if (due := due_at(START, reminder)) is not None and due <= now:
            if name := fallen_due(START, reminder, now):
                told.append(name)
                assert START - LEADS[name] <= now < START
            reminder = upcoming(START, now)
    assert told in ([], ["PT24H"], ["PT1H"], ["PT24H", "PT1H"])
    assert "PT24H" not in told or scheduled < -24 * 60
