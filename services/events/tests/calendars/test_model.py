"""What is written as iCalendar means the same when it is read back."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import recurring_ical_events
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar

from events.calendars.model import Entry, write
from events.events import model as events
from events.events.model import Event, Host, resolve
from events.groups.model import Group
from events.rsvps.model import Rsvp
from events.series import model as series_model
from events.series.model import Series

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
ZONES = [
    "Europe/Berlin",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Australia/Adelaide",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Africa/Casablanca",
    "Pacific/Chatham",
    "Pacific/Apia",
    "UTC",
]


def event(local: datetime, time_zone: str, **fields: object) -> Event:
    moment = resolve(local, ZoneInfo(time_zone)).moment
    assert moment is not None
    made = Event(
        id="evt_1",
        group_id="grp_1",
        group_slug="cats",
        group_name="Cats",
        group_visibility="public",
        group_archived=False,
        group_sequence=1,
        interests=["cats"],
        created_at=NOW,
        created_by=None,
        title="Brunch",
        time_zone=time_zone,
        starts_at_local=local,
        ends_at_local=local + timedelta(hours=1),
        starts_at=moment,
        ends_at=moment + timedelta(hours=1),
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def rsvp(status: str) -> Rsvp:
    return Rsvp("evt_1", "psn_1", "ana", "Ana", status, 0, 1, NOW + timedelta(minutes=1), 1)


def read(*entries: Entry, called: str = "Cats") -> Calendar:
    parsed = Calendar.from_ical(write(called, entries))
    assert isinstance(parsed, Calendar)
    return parsed


WALL = datetime(2026, 12, 1, 19)  # noqa: DTZ001 - the wall clock's
local_times = st.datetimes(datetime(2026, 11, 24), datetime(2031, 1, 1)).map(  # noqa: DTZ001 - the wall clock's
    lambda local: local.replace(microsecond=0)
)


class TestTimes:
    @given(local=local_times, zone=st.sampled_from(ZONES))
    def test_are_the_same_moment_and_wall_clock_when_read_back(self, local: datetime, zone: str) -> None:
        if resolve(local, ZoneInfo(zone)).moment is None:
            return
        one = event(local, zone)
        (back,) = read(Entry(one)).events
        assert back.DTSTART.astimezone(UTC) == one.starts_at and back.DTEND.astimezone(UTC) == one.ends_at
        assert back.DTSTART.replace(tzinfo=None, fold=0) == local

    @given(days=st.integers(0, 1500), minutes=st.integers(-180, 180), zone=st.sampled_from(ZONES))
    def test_mean_the_same_to_a_reader_that_knows_no_zone_but_what_is_written(
        self, days: int, minutes: int, zone: str
    ) -> None:
        """Around midnight UTC and any change of clocks: the VTIMEZONE alone tells the offset."""
        local = datetime(2026, 12, 1, 2) + timedelta(days=days, minutes=minutes)  # noqa: DTZ001 - the wall clock's
        found = resolve(local, ZoneInfo(zone))
        if found.moment is None or zone == "UTC":
            return
        assert (
            offset_written(write("Cats", [Entry(event(local, zone))]), local)
            == found.moment.astimezone(ZoneInfo(zone)).utcoffset()
        )

    @pytest.mark.parametrize(
        ("zone", "local"),
        [
            ("America/New_York", datetime(2027, 3, 14, 3, 30)),  # noqa: DTZ001
            ("America/New_York", datetime(2027, 3, 14, 1, 59)),  # noqa: DTZ001
            ("Europe/Berlin", datetime(2027, 10, 31, 3, 0)),  # noqa: DTZ001
            ("Australia/Lord_Howe", datetime(2027, 10, 3, 2, 30)),  # noqa: DTZ001
        ],
    )
    def test_right_after_clocks_change_have_the_new_offset(self, zone: str, local: datetime) -> None:
        expected = local.replace(tzinfo=ZoneInfo(zone)).utcoffset()
        assert offset_written(write("Cats", [Entry(event(local, zone))]), local) == expected

    def test_far_away_cost_no_more(self) -> None:
        far = datetime(9999, 12, 30, 12)  # noqa: DTZ001 - the wall clock's
        entries = [Entry(event(WALL, "Europe/Berlin")), Entry(event(far, "Europe/Berlin"))]
        assert len(write("Cats", entries)) < 3_000

    def test_in_utc_need_no_zone(self) -> None:
        assert b"DTSTART:20261201T190000Z" in write("Cats", [Entry(event(WALL, "UTC"))])


def offset_written(calendar: bytes, local: datetime) -> timedelta:
    """The offset of a local time by RFC 5545, section 3.6.5: that of the last onset at or before it."""
    (zone,) = Calendar.from_ical(calendar).walk("VTIMEZONE")
    parts = [part for part in zone.subcomponents if part["dtstart"].dt <= local]
    last: timedelta = max(parts, key=lambda part: part["dtstart"].dt)["tzoffsetto"].td
    return last


class TestEntries:
    def test_say_what_the_event_is(self) -> None:
        venue = {"name": "The Café; back room", "address": "1 Main Street,\nWashington"}
        venue |= {"location": {"lat": 38.9, "lon": -77.03}}  # type: ignore[dict-item]
        title, text = "Brunch, with “kittens”; \\ bacon", "Line\nline " + "bacon " * 100
        one = event(WALL, "America/New_York", title=title, description=text, venue=venue, revision=3)
        (back,) = read(Entry(one)).events
        assert back["uid"] == "evt_1@commonground"
        assert (back["summary"], back["description"]) == (title, text)
        assert back["location"] == "The Café; back room, 1 Main Street,\nWashington"
        assert (back["geo"].latitude, back["geo"].longitude) == (38.9, -77.03)
        assert (back["sequence"], back["status"]) == (3, "CONFIRMED")
        assert back["dtstamp"].dt == NOW and back["created"].dt == NOW

    def test_of_a_cancelled_event_stay_and_say_so(self) -> None:
        one = event(WALL, "UTC", cancelled_at=NOW, changed_at=NOW + timedelta(hours=1))
        (back,) = read(Entry(one)).events
        assert back["status"] == "CANCELLED" and back["dtstamp"].dt == NOW + timedelta(hours=1)

    @pytest.mark.parametrize(
        ("status", "expected"), [("going", "CONFIRMED"), ("maybe", "TENTATIVE"), ("waitlisted", "TENTATIVE")]
    )
    def test_of_ones_own_calendar_say_how_sure_it_is(self, status: str, expected: str) -> None:
        (back,) = read(Entry.of(event(WALL, "UTC"), "psn_1", rsvp(status))).events
        assert back["status"] == expected

    def test_have_the_join_link_for_those_going_and_hosts_only(self) -> None:
        one = event(WALL, "UTC", join_url="https://meet.example/cats", hosts=[Host("psn_h", "h")])
        link = b"CONFERENCE;VALUE=URI;FEATURE=VIDEO:https://meet.example/cats"
        assert link in write("Mine", [Entry.of(one, "psn_1", rsvp("going"))])
        assert link in write("Mine", [Entry.of(one, "psn_h")])
        for outside in (Entry.of(one), Entry.of(one, "psn_1"), Entry.of(one, "psn_1", rsvp("maybe"))):
            assert b"meet.example" not in write("Cats", [outside])

    @given(title=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=120))
    def test_have_folded_lines_and_any_text_comes_back(self, title: str) -> None:
        written = write(title, [Entry(event(WALL, "Europe/Berlin", title=title))])
        assert written.endswith(b"END:VCALENDAR\r\n")
        assert all(len(line) <= 75 for line in written.split(b"\r\n"))
        (back,) = Calendar.from_ical(written).walk("VEVENT")
        assert back["summary"] == title

    def test_have_a_text_that_looks_like_the_end_of_a_line_as_it_is(self) -> None:
        written = write("Cats", [Entry(event(WALL, "UTC", title="C:\\New; on, off", description="one\ntwo"))])
        assert rb"SUMMARY:C:\\New\; on\, off" in written
        assert rb"DESCRIPTION:one\ntwo" in written

    def test_are_written_the_same_each_time(self) -> None:
        entries = [Entry(event(WALL, zone, id=f"evt_{zone}")) for zone in ZONES]
        assert write("Cats", entries) == write("Cats", entries)
        assert len(read(*entries).events) == len(ZONES)
        assert {one["tzid"] for one in read(*entries).walk("VTIMEZONE")} == set(ZONES) - {"UTC"}


GROUP = Group("grp_1", "cats", "Cats", "public", ["cats"], False, 1)


def series_of(rule: str, zone: str = "Europe/Berlin", hours: float = 2, **fields: Any) -> tuple[Series, list[Event]]:
    """A series from 1 December 2026 at 19:00 on."""
    wanted = {"title": "Brunch", "starts_at": WALL, "ends_at": WALL + timedelta(hours=hours), "time_zone": zone}
    first = events.schedule(GROUP, "psn_ana", {**wanted, **fields}, [], NOW)
    made = series_model.found(GROUP, first, rule, NOW)
    return made, series_model.grow(made, GROUP, NOW, first=True)


def entries_of(several: list[Event]) -> list[Entry]:
    return [Entry.of(one) for one in several]


def unfolded(one: Series, several: list[Event]) -> str:
    return write("Cats", entries_of(several), {one.id: one}, whole=True).decode().replace("\r\n ", "")


def read_back(one: Series, several: list[Event]) -> list[tuple[datetime, datetime, str]]:
    """When what takes place begins and ends, and what it is, as a calendar program reads it."""
    calendar = Calendar.from_ical(write("Cats", entries_of(several), {one.id: one}, whole=True))
    found = recurring_ical_events.of(calendar).between(NOW, several[-1].ends_at)
    return sorted(
        (entry["DTSTART"].dt.astimezone(UTC), entry["DTEND"].dt.astimezone(UTC), str(entry["SUMMARY"]))
        for entry in found
        if entry["STATUS"] != "CANCELLED"
    )


def taking_place(several: list[Event]) -> list[tuple[datetime, datetime, str]]:
    return sorted((one.starts_at, one.ends_at, one.title) for one in several if not one.cancelled)


class TestSeries:
    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize(
        "rule",
        [
            "FREQ=DAILY",
            "FREQ=WEEKLY;BYDAY=TU,FR;WKST=SU",
            "FREQ=WEEKLY;INTERVAL=2;COUNT=9",
            "FREQ=MONTHLY;BYDAY=-1SU;UNTIL=20270401T000000Z",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE;BYSETPOS=2",
        ],
    )
    def test_are_the_same_occurrences_when_read_back(self, zone: str, rule: str) -> None:
        one, several = series_of(rule, zone)
        assert read_back(one, several) == taking_place(several)
        assert write("Cats", entries_of(several), {one.id: one}, whole=True).count(b"BEGIN:VEVENT") == 1

    @pytest.mark.parametrize("start", ["2026-12-06T02:30", "2026-12-06T03:15", "2026-12-06T23:30"])
    @pytest.mark.parametrize("zone", ZONES)
    def test_are_the_same_where_clocks_change_at_night(self, zone: str, start: str) -> None:
        one, several = series_of("FREQ=WEEKLY", zone, starts_at=datetime.fromisoformat(start), **night(start))
        assert read_back(one, several) == taking_place(several)

    @pytest.mark.parametrize("start", ["2026-12-06T01:00", "2026-12-06T02:30"])
    def test_are_written_apart_where_a_change_of_clocks_makes_them_shorter(self, start: str) -> None:
        one, several = series_of("FREQ=WEEKLY", starts_at=datetime.fromisoformat(start), **night(start))
        text = unfolded(one, several)
        assert text.count("BEGIN:VEVENT") == 2 and text.count("RECURRENCE-ID;TZID=Europe/Berlin:20270328") == 1

    def test_are_a_rule_and_what_differs_from_it(self) -> None:
        one, several = series_of("FREQ=WEEKLY")
        events.change(several[1], {"title": "Dinner"}, None, NOW)
        moved = several[2].starts_at_local + timedelta(days=1)
        events.change(several[2], {"starts_at": moved, "ends_at": moved + timedelta(hours=1)}, None, NOW)
        events.cancel(several[3], None, NOW)
        text = unfolded(one, several)
        assert text.count("BEGIN:VEVENT") == 4 and text.count(f"UID:{one.id}@commonground") == 4
        assert "RRULE:FREQ=WEEKLY" in text and text.count("RRULE") == 1
        assert "EXDATE;TZID=Europe/Berlin:20261222T190000" in text and text.count("STATUS:CANCELLED") == 1
        for day in ("20261208", "20261215", "20261222"):
            assert text.count(f"RECURRENCE-ID;TZID=Europe/Berlin:{day}T190000") == 1
        assert read_back(one, several) == taking_place(several)

    def test_are_read_back_after_all_were_changed(self) -> None:
        one, several = series_of("FREQ=WEEKLY;COUNT=8")
        events.cancel(several[2], None, NOW)
        coming, later = [*several[1:2], *several[3:]], WALL + timedelta(days=8, hours=1)
        wanted = {"starts_at": later, "ends_at": later + timedelta(hours=3), "title": "Dinner"}
        series_model.change(one, GROUP, several[1], coming, [several[2]], wanted, None, NOW)
        assert several[0].starts_at_local == WALL and several[1].starts_at_local == later
        assert read_back(one, several) == taking_place(several)
        text = unfolded(one, several)
        assert "SEQUENCE:1" in text and "COUNT=7" in text

    def test_that_were_cut_are_two(self) -> None:
        one, several = series_of("FREQ=DAILY;COUNT=10")
        rest = series_model.split(one, several[4], NOW)
        for event in several[4:]:
            event.series, event.number = rest.id, event.number - 4
        text = write("Cats", entries_of(several), {one.id: one, rest.id: rest}, whole=True)
        found = recurring_ical_events.of(Calendar.from_ical(text)).between(NOW, NOW + timedelta(days=90))
        assert sorted(entry["DTSTART"].dt.astimezone(UTC) for entry in found) == [event.starts_at for event in several]

    def test_begin_with_what_the_calendar_has_of_them(self) -> None:
        one, several = series_of("FREQ=DAILY;COUNT=10")
        assert read_back(one, several[6:]) == taking_place(several[6:])

    def test_leave_out_what_is_not_there(self) -> None:
        one, several = series_of("FREQ=DAILY;COUNT=10")
        seen = several[:4] + several[5:]
        assert read_back(one, seen) == taking_place(seen)

    def test_that_have_ended_with_nothing_left_are_no_rule(self) -> None:
        one, several = series_of("FREQ=WEEKLY")
        one.end(NOW)
        for event in several:
            events.cancel(event, None, NOW)
        text = unfolded(one, several)
        assert "RRULE" not in text and text.count("STATUS:CANCELLED") == len(several)

    def test_of_which_only_some_are_in_a_calendar_are_instances(self) -> None:
        one, several = series_of("FREQ=WEEKLY", "UTC")
        text = write("Mine", [Entry.of(several[2])], {one.id: one}).decode()
        assert f"UID:{one.id}@commonground" in text and "RRULE" not in text
        assert "RECURRENCE-ID:20261215T190000Z" in text

    def test_say_what_their_zone_does_for_some_years(self) -> None:
        one, several = series_of("FREQ=WEEKLY")
        assert unfolded(one, several).count("BEGIN:DAYLIGHT") == 6

    def test_have_lines_of_at_most_75_bytes(self) -> None:
        one, several = series_of("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;INTERVAL=2;WKST=SU", description="😺 " * 100)
        lines = write("Cats", entries_of(several), {one.id: one}, whole=True).split(b"\r\n")
        assert max(len(line) for line in lines) <= 75


def night(start: str) -> dict[str, datetime]:
    return {"ends_at": datetime.fromisoformat(start) + timedelta(hours=4)}
