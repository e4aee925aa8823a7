"""What a person said they want, what is usual, and when they are left alone."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import Invalid
from notifications.notices.model import HIGHLIGHTS, KINDS
from notifications.preferences import model
from notifications.preferences.model import Preferences, QuietHours

NEW = Preferences("psn_ana")
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = QuietHours(time(22), time(7))


def test_what_nothing_was_said_of_is_as_the_table_has_it():
    for kind, usual in KINDS.items():
        assert (NEW.inbox(kind), NEW.email(kind)) == (True, usual.email)
    assert NEW.wants("ask.opened", "grp_kittens")


def test_what_was_said_of_a_kind_counts_and_the_rest_stays_usual():
    changed = model.change(NEW, {"defaults": {"event.scheduled": {"email": "now"}, "ask.opened": {"inbox": False}}})
    assert (changed.email("event.scheduled"), changed.inbox("event.scheduled")) == ("now", True)
    assert (changed.email("ask.opened"), changed.inbox("ask.opened")) == (KINDS["ask.opened"].email, False)
    assert changed.not_in_inbox() == ["ask.opened"]
    assert changed.version == 2


def test_a_level_lets_all_or_the_highlights_or_nothing_of_a_group_pass():
    changed = model.change(NEW, {"groups": {"grp_a": "mute", "grp_b": "highlights", "grp_c": "all"}})
    passing = {group: {kind for kind in KINDS if changed.wants(kind, group)} for group in ("grp_a", "grp_b", "grp_c")}
    assert passing == {"grp_a": set(), "grp_b": HIGHLIGHTS, "grp_c": set(KINDS)}
    assert changed.wants("demand.risen", None)
    assert changed.groups_at("mute") == {"grp_a"}


def test_what_changes_nothing_makes_no_new_version():
    changed = model.change(NEW, {"groups": {"grp_a": "mute"}, "quiet_hours": {"begin": time(22), "end": time(7)}})
    assert model.change(changed, model.changeable(changed)) is changed
    assert model.change(NEW, {"defaults": {"ask.opened": {}}}) is NEW


@pytest.mark.parametrize(
    ("hours", "pointer"),
    [
        ({"begin": time(22)}, "/quiet_hours/to"),
        ({"end": time(7)}, "/quiet_hours/from"),
        ({"begin": time(7), "end": time(7)}, "/quiet_hours/to"),
    ],
)
def test_quiet_hours_that_make_no_sense_are_refused(hours, pointer):
    with pytest.raises(Invalid) as refused:
        model.change(NEW, {"quiet_hours": hours})
    assert refused.value.extensions["errors"][0]["pointer"] == pointer


def test_there_is_a_limit_to_what_is_kept():
    groups = {f"grp_{number}": "mute" for number in range(model.MOST_GROUPS + 1)}
    with pytest.raises(Invalid):
        model.change(NEW, {"groups": groups})


@pytest.mark.parametrize(
    ("hours", "local", "until"),
    [
        (NIGHT, "2026-11-23T21:59", None),
        (NIGHT, "2026-11-23T22:00", "2026-11-24T07:00"),
        (NIGHT, "2026-11-24T00:00", "2026-11-24T07:00"),
        (NIGHT, "2026-11-24T06:59", "2026-11-24T07:00"),
        (NIGHT, "2026-11-24T07:00", None),
        (QuietHours(time(9), time(17)), "2026-11-24T12:00", "2026-11-24T17:00"),
        (QuietHours(time(9), time(17)), "2026-11-24T17:00", None),
        # The clock is put forward at 2:00: the time that the hours end at does not exist.
        (QuietHours(time(22), time(2, 30)), "2026-03-29T01:30", "2026-03-29T03:30"),
    ],
)
def test_quiet_hours_are_on_the_persons_clock(hours, local, until):
    now = datetime.fromisoformat(local).replace(tzinfo=BERLIN).astimezone(UTC)
    expected = until and datetime.fromisoformat(until).replace(tzinfo=BERLIN).astimezone(UTC)
    assert hours.end_after(now, BERLIN) == expected
    assert Preferences("psn_ana", quiet=hours).resting(now, BERLIN) == expected
    assert NEW.resting(now, BERLIN) is None


@given(st.times(), st.times(), st.integers(0, 525_600))
def test_quiet_hours_end_within_a_day_at_a_time_that_is_not_quiet(begin, end, minutes):
    hours = QuietHours(begin.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0))
    if hours.begin == hours.end:
        return
    now = datetime.combine(date(2026, 1, 1), time(), UTC) + timedelta(minutes=minutes)
    until = hours.end_after(now, BERLIN)
    if until is not None:
        # An hour that is there twice, or not at all, lengthens it.
        assert now <= until <= now + timedelta(hours=25)
        assert (
            until.astimezone(BERLIN).time() == hours.end
            or until.astimezone(BERLIN).dst() != now.astimezone(BERLIN).dst()
        )
