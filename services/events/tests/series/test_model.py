"""The rules of series, without any I/O."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.problems import Invalid
from events.events import model as events
from events.events.model import AlreadyCancelled, Event, Host
from events.groups.model import Group
from events.series import model
from events.series.model import Series

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
GROUP = Group("grp_1", "kittens", "Kittens", "public", ["kittens", "bacon"], False, 7)
ANA = [Host("psn_ana", "ana")]
BERLIN = "Europe/Berlin"


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def series(rule: str, start: str = "2026-12-01T19:00", hours: float = 2, **fields: Any) -> tuple[Series, list[Event]]:
    """A new series and its first occurrences."""
    starts_at = local(start)
    wanted = {"title": "Brunch", "starts_at": starts_at, "ends_at": starts_at + timedelta(hours=hours)}
    first = events.schedule(GROUP, "psn_ana", {**wanted, "time_zone": BERLIN, **fields}, ANA, NOW)
    made = model.found(GROUP, first, rule, NOW)
    return made, model.grow(made, GROUP, NOW, first=True)


def starts(several: list[Event]) -> list[str]:
    return [events.written(event.starts_at_local) for event in several]


def change(
    one: Series, several: list[Event], target: int = 0, cancelled: tuple[Event, ...] = (), **wanted: Any
) -> model.Change:
    for name in ("starts_at", "ends_at"):
        wanted |= {name: local(wanted[name])} if name in wanted else {}
    return model.change(one, GROUP, several[target], several, cancelled, wanted, None, NOW)


class TestGrowing:
    def test_makes_what_comes_within_180_days(self) -> None:
        one, made = series("FREQ=WEEKLY")
        assert made[0].starts_at == datetime(2026, 12, 1, 18, tzinfo=UTC)
        assert len(made) == 25 and made[-1].starts_at <= NOW + model.AHEAD < made[-1].starts_at + timedelta(days=7)
        assert [event.number for event in made] == list(range(25))
        assert one.next == made[-1].starts_at_local + timedelta(days=7)
        assert one.extend_at == made[-1].starts_at + timedelta(days=7) - model.AHEAD

    def test_goes_on_where_it_stopped_once_it_is_time(self) -> None:
        one, made = series("FREQ=DAILY")
        assert one.extend_at is not None
        assert model.grow(one, GROUP, NOW) == [] and len(made) == 173
        (more,) = model.grow(one, GROUP, one.extend_at)
        assert more.starts_at_local == made[-1].starts_at_local + timedelta(days=1) and more.number == 173

    def test_makes_the_first_however_late_it_is(self) -> None:
        one, made = series("FREQ=YEARLY", "2030-02-01T19:00")
        assert starts(made) == ["2030-02-01T19:00"] and one.next == local("2031-02-01T19:00")

    def test_ends_with_the_last(self) -> None:
        one, made = series("FREQ=WEEKLY;COUNT=3")
        assert starts(made) == ["2026-12-01T19:00", "2026-12-08T19:00", "2026-12-15T19:00"]
        assert one.ended and one.extend_at is None and model.grow(one, GROUP, NOW + timedelta(days=400)) == []

    def test_counts_also_what_comes_later(self) -> None:
        one, made = series("FREQ=MONTHLY;COUNT=8")
        assert len(made) == 6 and not one.ended
        more = model.grow(one, GROUP, NOW + timedelta(days=400))
        assert len(more) == 0 and one.ended
        one, made = series("FREQ=MONTHLY;COUNT=8")
        assert [len(model.grow(one, GROUP, NOW + timedelta(days=days))) for days in (30, 60, 90)] == [1, 1, 0]

    def test_passes_over_what_is_past_and_does_little_at_once(self) -> None:
        one, _ = series("FREQ=DAILY")
        later = NOW + timedelta(days=1_000)
        made = model.grow(one, GROUP, later)
        assert all(later < event.starts_at <= later + model.AHEAD for event in made) and len(made) == 180

    def test_begins_with_the_first_time_of_the_rule_from_the_start_on(self) -> None:
        one, made = series("FREQ=WEEKLY;BYDAY=FR;COUNT=2")
        assert starts(made) == ["2026-12-04T19:00", "2026-12-11T19:00"]
        assert one.starts_at_local == local("2026-12-04T19:00")

    @pytest.mark.parametrize("rule", ["FREQ=WEEKLY;UNTIL=20261130", "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29"])
    def test_is_refused_where_there_is_no_time_at_all(self, rule: str) -> None:
        with pytest.raises(Invalid):
            series(rule)


class TestTheWallClock:
    def test_stays_the_same_across_changes_of_clocks(self) -> None:
        _, made = series("FREQ=WEEKLY")
        assert {event.starts_at_local.hour for event in made} == {19}
        assert {event.starts_at.hour for event in made} == {17, 18}

    def test_that_clocks_skip_is_as_much_later(self) -> None:
        _, made = series("FREQ=WEEKLY;COUNT=3", "2027-03-21T02:30")
        assert starts(made) == ["2027-03-21T02:30", "2027-03-28T03:30", "2027-04-04T02:30"]
        assert made[1].occurrence == local("2027-03-28T02:30")
        assert [event.ends_at - event.starts_at for event in made] == [timedelta(hours=hours) for hours in (2, 1, 2)]

    def test_has_no_end_before_the_start(self) -> None:
        _, made = series("FREQ=WEEKLY;COUNT=2", "2027-03-21T02:30", hours=0.5)
        assert made[1].ends_at - made[1].starts_at == timedelta(minutes=30)

    @pytest.mark.parametrize(
        ("zone", "before", "after"),
        [
            ("Europe/Berlin", "18:00", "17:00"),
            ("America/New_York", "00:00", "23:00"),
            ("America/St_Johns", "22:30", "21:30"),
            ("Australia/Lord_Howe", "08:00", "08:30"),
            ("Australia/Adelaide", "08:30", "09:30"),
            ("Pacific/Chatham", "05:15", "06:15"),
            ("Pacific/Auckland", "06:00", "07:00"),
            ("Asia/Kathmandu", "13:15", "13:15"),
            ("Asia/Kolkata", "13:30", "13:30"),
            ("Africa/Johannesburg", "17:00", "17:00"),
            ("America/Santiago", "22:00", "23:00"),
            ("Atlantic/Azores", "20:00", "19:00"),
        ],
    )
    def test_is_followed_in_each_zone(self, zone: str, before: str, after: str) -> None:
        """Monthly at 19:00, from December to the end of May."""
        _, made = series("FREQ=MONTHLY", time_zone=zone)
        assert {event.starts_at_local.hour for event in made} == {19}
        assert f"{made[0].starts_at:%H:%M}" == before and f"{made[-1].starts_at:%H:%M}" == after

    def test_is_that_of_the_closing_time_too(self) -> None:
        _, made = series("FREQ=MONTHLY;COUNT=5", rsvp_closes_at=local("2026-11-30T12:00"))
        closings = [event.rsvp_closes_at_local for event in made]
        assert closings[4] == local("2027-03-31T12:00")
        assert [event.rsvp_closes_at.hour for event in made if event.rsvp_closes_at] == [11, 11, 11, 11, 10]


class TestChangingAll:
    def test_gives_all_what_it_names_and_leaves_single_changes_of_the_rest(self) -> None:
        one, made = series("FREQ=WEEKLY;COUNT=4")
        events.change(made[1], {"title": "Dinner", "capacity": 3}, None, NOW)
        events.change(
            made[2], {"starts_at": local("2026-12-16T20:00"), "ends_at": local("2026-12-16T21:00")}, None, NOW
        )
        plan = change(one, made, capacity=9)
        assert [event.capacity for event in made] == [9] * 4 and plan.moved == []
        assert [event.title for event in made] == ["Brunch", "Dinner", "Brunch", "Brunch"]
        assert starts(made)[2] == "2026-12-16T20:00"
        assert one.said["capacity"] == 9 and one.said["title"] == "Brunch"

    def test_moves_all_by_as_much(self) -> None:
        one, made = series("FREQ=WEEKLY;BYDAY=TU;COUNT=3", rsvp_closes_at=local("2026-12-01T12:00"))
        events.change(
            made[1], {"starts_at": local("2026-12-09T08:00"), "ends_at": local("2026-12-09T09:00")}, None, NOW
        )
        plan = change(one, made, starts_at="2026-12-02T20:00", ends_at="2026-12-02T23:00")
        assert starts(made) == ["2026-12-02T20:00", "2026-12-09T20:00", "2026-12-16T20:00"]
        assert {event.ends_at - event.starts_at for event in made} == {timedelta(hours=3)}
        assert plan.moved == made and one.rule.written(BERLIN) == "FREQ=WEEKLY;BYDAY=WE;WKST=TU;COUNT=3"
        assert [event.rsvp_closes_at_local for event in made][2] == local("2026-12-16T13:00")

    def test_moves_what_is_made_later_too(self) -> None:
        one, made = series("FREQ=WEEKLY")
        change(one, made, starts_at="2026-12-03T18:00", ends_at="2026-12-03T20:00")
        (more,) = model.grow(one, GROUP, NOW + timedelta(days=9))
        assert more.starts_at_local - made[-1].starts_at_local == timedelta(days=7)

    def test_with_another_end_keeps_the_starts(self) -> None:
        one, made = series("FREQ=WEEKLY;COUNT=3")
        events.change(made[2], {"starts_at": local("2026-12-15T18:00")}, None, NOW)
        plan = change(one, made, ends_at="2026-12-01T23:00")
        assert plan.moved == [] and starts(made)[2] == "2026-12-15T18:00"
        assert {event.ends_at - event.starts_at for event in made} == {timedelta(hours=4)}

    def test_with_another_zone_keeps_the_wall_clock(self) -> None:
        one, made = series("FREQ=WEEKLY;COUNT=2")
        plan = change(one, made, time_zone="America/New_York")
        assert starts(made) == ["2026-12-01T19:00", "2026-12-08T19:00"] and plan.moved == made
        assert made[0].starts_at == datetime(2026, 12, 2, 0, tzinfo=UTC)

    def test_by_one_that_was_moved_alone_moves_all_there_only_if_it_says_so(self) -> None:
        one, made = series("FREQ=WEEKLY;BYDAY=TU;COUNT=2")
        events.change(
            made[0], {"starts_at": local("2026-12-02T19:00"), "ends_at": local("2026-12-02T21:00")}, None, NOW
        )
        change(one, made, title="Dinner", starts_at="2026-12-02T19:00")
        assert starts(made) == ["2026-12-02T19:00", "2026-12-08T19:00"]
        change(one, made, starts_at="2026-12-02T18:00")
        assert starts(made) == ["2026-12-02T18:00", "2026-12-09T18:00"]

    def test_to_days_that_the_rule_cannot_say_is_refused(self) -> None:
        one, made = series("FREQ=MONTHLY;BYDAY=1TU")
        with pytest.raises(Invalid) as caught:
            change(one, made, starts_at="2026-12-02T19:00", ends_at="2026-12-02T21:00")
        assert [error["pointer"] for error in caught.value.extensions["errors"]] == ["/starts_at"]

    def test_into_the_past_is_refused_and_says_which(self) -> None:
        one, made = series("FREQ=DAILY;COUNT=4", "2026-11-23T20:00")
        with pytest.raises(Invalid, match="2026-11-23T20:00"):
            change(one, made, 2, starts_at="2026-11-25T18:30")

    def test_of_one_that_is_cancelled_is_refused(self) -> None:
        one, made = series("FREQ=DAILY;COUNT=4")
        events.cancel(made[0], None, NOW)
        with pytest.raises(AlreadyCancelled):
            change(one, made, title="Dinner")


class TestAnotherRule:
    def test_leaves_what_it_has_too_and_makes_the_rest(self) -> None:
        one, made = series("FREQ=WEEKLY;COUNT=2")
        plan = change(one, made, recurrence="FREQ=DAILY;COUNT=9")
        assert plan.moved == [] and plan.dropped == [] and [event.number for event in made] == [0, 7]
        assert [event.number for event in plan.made] == [1, 2, 3, 4, 5, 6, 8]

    def test_drops_what_is_too_many(self) -> None:
        one, made = series("FREQ=WEEKLY;COUNT=6")
        plan = change(one, made, recurrence="FREQ=WEEKLY;INTERVAL=2;COUNT=3")
        assert starts([event for event, _ in plan.changed]) == [
            "2026-12-01T19:00",
            "2026-12-15T19:00",
            "2026-12-29T19:00",
        ]
        assert plan.dropped == [made[1], made[3], made[5]] and plan.moved == []

    def test_moves_to_its_times_those_that_have_none(self) -> None:
        one, made = series("FREQ=WEEKLY;BYDAY=TU;COUNT=3")
        plan = change(one, made, recurrence="FREQ=WEEKLY;BYDAY=WE;COUNT=3")
        assert starts(made) == ["2026-12-02T19:00", "2026-12-09T19:00", "2026-12-16T19:00"]
        assert plan.moved == made and not plan.made and not plan.dropped

    def test_makes_none_where_one_was_cancelled(self) -> None:
        one, made = series("FREQ=WEEKLY;COUNT=3")
        events.cancel(made[1], None, NOW)
        plan = change(one, [made[0], made[2]], 0, (made[1],), recurrence="FREQ=WEEKLY;COUNT=4")
        assert starts(plan.made) == ["2026-12-22T19:00"]

    def test_that_is_none_is_refused(self) -> None:
        one, made = series("FREQ=WEEKLY;COUNT=3")
        for text in (None, "FREQ=HOURLY", "FREQ=WEEKLY;UNTIL=20261101"):
            with pytest.raises(Invalid) as caught:
                change(one, made, recurrence=text)
            assert [error["pointer"] for error in caught.value.extensions["errors"]] == ["/recurrence"]


class TestCutting:
    def test_ends_the_one_and_begins_the_other(self) -> None:
        one, made = series("FREQ=WEEKLY;COUNT=5")
        rest = model.split(one, made[2], NOW)
        assert one.ended and [number for number, _ in one.times(one.starts_at_local, 0)] == [0, 1]
        times = [time for _, time in rest.times(rest.starts_at_local, 0)]
        assert times == [event.starts_at_local for event in made[2:]] and rest.id != one.id

    def test_goes_on_in_the_other(self) -> None:
        one, made = series("FREQ=WEEKLY")
        rest = model.split(one, made[2], NOW)
        (more,) = model.grow(rest, GROUP, NOW + timedelta(days=7))
        assert more.series == rest.id and more.number == len(made) - 2
        assert more.starts_at_local == made[-1].starts_at_local + timedelta(days=7)

    def test_an_end_leaves_no_times_beyond_what_is_there(self) -> None:
        one, made = series("FREQ=WEEKLY")
        one.end(NOW)
        assert [time for _, time in one.times(one.starts_at_local, 0)] == [event.occurrence for event in made]

    def test_an_event_becomes_the_first_of_a_series(self) -> None:
        _, (event, *_) = series("FREQ=WEEKLY")
        event.series = event.occurrence = None
        one, others = model.repeat(GROUP, event, "FREQ=WEEKLY;COUNT=3", NOW)
        assert starts([event, *others]) == ["2026-12-01T19:00", "2026-12-08T19:00", "2026-12-15T19:00"]
        assert {event.series for event in (event, *others)} == {one.id}
        with pytest.raises(Invalid):
            model.repeat(GROUP, event, "FREQ=WEEKLY;BYDAY=FR", NOW)
