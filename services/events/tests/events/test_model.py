"""The rules of events, without any I/O."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import Invalid, NotAllowed, NotFound
from events.events import model
from events.events.model import AlreadyCancelled, Event, EventOver, Host, resolve
from events.groups.model import STRANGER, Group, GroupArchived, Membership, lead_group, see_group

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
ORGANIZER = Membership("active", "organizer", 2)
MODERATOR = Membership("active", "moderator", 2)
MEMBER = Membership("active", "member", 2)
REMOVED = Membership("removed", None, 5)
ZONES = (
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",  # half an hour
    "Asia/Kathmandu",  # +05:45
    "America/Sao_Paulo",
    "Australia/Sydney",
    "Africa/Casablanca",
    "Asia/Kolkata",
    "Pacific/Chatham",  # +12:45
    "America/St_Johns",
    "Pacific/Apia",  # skipped a whole day
    "UTC",
)


def group(visibility: str = "public", archived: bool = False) -> Group:
    return Group("grp_1", "kittens", "Kittens", visibility, ["kittens", "bacon"], archived, 7)


def wanted(**different: object) -> dict[str, object]:
    return {
        "title": "Brunch",
        "starts_at": datetime(2026, 12, 1, 19),  # noqa: DTZ001 - the wall clock's
        "ends_at": datetime(2026, 12, 1, 21),  # noqa: DTZ001
        "time_zone": "America/New_York",
        **different,
    }


def scheduled(of_group: str = "public", **different: object) -> Event:
    return model.schedule(group(of_group), "psn_ana", wanted(**different), [Host("psn_ana", "ana")], NOW)


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def pointers(caught: pytest.ExceptionInfo[Invalid]) -> list[str]:
    return [error["pointer"] for error in caught.value.extensions["errors"]]


class TestTimes:
    @pytest.mark.parametrize(
        ("zone", "at", "moment"),
        [
            ("America/New_York", "2026-12-01T19:00", "2026-12-02T00:00+00:00"),
            ("Asia/Kathmandu", "2026-12-01T19:00", "2026-12-01T13:15+00:00"),
            ("Pacific/Chatham", "2026-12-01T19:00", "2026-12-01T05:15+00:00"),
            ("Australia/Lord_Howe", "2026-07-01T19:00", "2026-07-01T08:30+00:00"),
        ],
    )
    def test_a_local_time_is_the_moment_when_the_wall_clock_shows_it(self, zone: str, at: str, moment: str) -> None:
        assert resolve(local(at), ZoneInfo(zone)).moment == datetime.fromisoformat(moment)

    @pytest.mark.parametrize(
        ("zone", "skipped", "following"),
        [
            ("America/New_York", "2027-03-14T02:30", "2027-03-14T03:00"),
            ("Europe/Berlin", "2027-03-28T02:00", "2027-03-28T03:00"),
            ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-04T02:30"),
            ("Pacific/Apia", "2011-12-30T12:00", "2011-12-31T00:00"),
        ],
    )
    def test_a_time_that_clocks_skip_names_the_next_that_exists(self, zone: str, skipped: str, following: str) -> None:
        found = resolve(local(skipped), ZoneInfo(zone))
        assert (found.moment, found.next) == (None, local(following))

    @pytest.mark.parametrize(
        ("zone", "at", "moment"),
        [
            ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30+00:00"),
            ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30+00:00"),
            ("Australia/Lord_Howe", "2027-04-04T01:45", "2027-04-03T14:45+00:00"),
        ],
    )
    def test_of_a_time_that_comes_twice_the_first_is_meant(self, zone: str, at: str, moment: str) -> None:
        found = resolve(local(at), ZoneInfo(zone))
        assert (found.moment, found.twice) == (datetime.fromisoformat(moment), True)

    @given(
        st.sampled_from(ZONES),
        st.datetimes(min_value=datetime(2005, 1, 1), max_value=datetime(2037, 1, 1)),  # noqa: DTZ001
    )
    def test_every_local_time_means_a_moment_that_shows_it_or_a_later_time_that_does(
        self, zone: str, at: datetime
    ) -> None:
        at = at.replace(microsecond=0)
        found = resolve(at, ZoneInfo(zone))
        shown = found.moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0) if found.moment else None
        if found.next is None:
            assert shown == at
        else:
            assert found.next > at
            assert resolve(found.next, ZoneInfo(zone)).moment is not None
            assert resolve(found.next - timedelta(seconds=1), ZoneInfo(zone)).moment is None

    def test_scheduling_at_a_skipped_time_is_refused_and_names_the_next(self) -> None:
        with pytest.raises(Invalid) as caught:
            scheduled(starts_at=local("2027-03-14T02:30"), ends_at=local("2027-03-14T05:00"))
        assert pointers(caught) == ["/starts_at"]
        assert "2027-03-14T03:00" in caught.value.detail

    def test_scheduling_at_an_ambiguous_time_says_which_was_taken(self) -> None:
        event = scheduled(starts_at=local("2027-11-07T01:30"), ends_at=local("2027-11-07T05:00"))
        assert event.starts_at == datetime(2027, 11, 7, 5, 30, tzinfo=UTC)
        (note,) = event.notes
        assert "starts_at" in note and "first" in note and "UTC-04:00" in note

    def test_an_unknown_time_zone_is_refused(self) -> None:
        with pytest.raises(Invalid) as caught:
            scheduled(time_zone="Mars/Olympus")
        assert pointers(caught) == ["/time_zone"]

    @pytest.mark.parametrize(
        ("different", "pointer"),
        [
            ({"ends_at": local("2026-12-01T19:00")}, "/ends_at"),
            ({"starts_at": local("2026-11-01T19:00")}, "/starts_at"),
            ({"rsvp_closes_at": local("2026-12-01T19:01")}, "/rsvp_closes_at"),
            ({"rsvp_closes_at": local("2026-11-01T19:00")}, "/rsvp_closes_at"),
            ({"starts_at": local("0001-01-01T00:00"), "time_zone": "Asia/Tokyo"}, "/starts_at"),
            ({"ends_at": local("9999-12-31T23:59")}, "/ends_at"),
        ],
    )
    def test_times_that_make_no_sense_are_refused(self, different: dict[str, object], pointer: str) -> None:
        with pytest.raises(Invalid) as caught:
            scheduled(**different)
        assert pointer in pointers(caught)

    def test_answers_may_close_at_a_local_time_or_at_a_moment(self) -> None:
        by_clock = scheduled(rsvp_closes_at=local("2026-11-30T12:00"))
        by_moment = scheduled(rsvp_closes_at=datetime(2026, 11, 30, 17, tzinfo=UTC))
        assert by_clock.rsvp_closes_at == by_moment.rsvp_closes_at == datetime(2026, 11, 30, 17, tzinfo=UTC)
        model.change(by_clock, {"time_zone": "America/Chicago"}, None, NOW)
        model.change(by_moment, {"time_zone": "America/Chicago"}, None, NOW)
        assert by_clock.rsvp_closes_at == datetime(2026, 11, 30, 18, tzinfo=UTC)
        assert by_moment.rsvp_closes_at == datetime(2026, 11, 30, 17, tzinfo=UTC)


class TestChange:
    def test_names_what_is_different_and_counts_a_version(self) -> None:
        event = scheduled()
        assert model.change(event, {"title": "Supper", "capacity": 3, "kind": "in_person"}, None, NOW) == [
            "title",
            "capacity",
        ]
        assert event.version == 2

    def test_that_changes_nothing_counts_no_version(self) -> None:
        event = scheduled()
        assert model.change(event, {"title": "Brunch", "venue": None}, None, NOW) == []
        assert event.version == 1

    def test_of_the_zone_keeps_the_wall_clock(self) -> None:
        event = scheduled()
        assert model.change(event, {"time_zone": "America/Chicago"}, None, NOW) == ["starts_at", "ends_at", "time_zone"]
        assert event.starts_at == datetime(2026, 12, 2, 1, tzinfo=UTC)
        assert event.starts_at_local == local("2026-12-01T19:00")

    def test_by_null_goes_back_to_what_it_is_when_left_out(self) -> None:
        event = scheduled(description="Long", capacity=3, max_guests=2, visibility="group")
        nulls = {"description": None, "capacity": None, "max_guests": None, "visibility": None}
        model.change(event, nulls, None, NOW)
        assert (event.description, event.capacity, event.max_guests, event.visibility) == ("", None, 0, "public")

    def test_of_a_venue_merges(self) -> None:
        event = scheduled(venue={"name": "Café", "address": "Main Street", "location": {"lat": 1.0, "lon": 2.0}})
        model.change(event, {"venue": {"address": None, "location": {"lat": 3.0}}}, None, NOW)
        assert event.venue == {"name": "Café", "location": {"lat": 3.0, "lon": 2.0}}

    @pytest.mark.parametrize("venue", [{"address": "Main Street"}, {"name": "Café", "location": {"lat": 1.0}}])
    def test_that_leaves_half_a_venue_is_refused(self, venue: dict[str, object]) -> None:
        with pytest.raises(Invalid):
            model.change(scheduled(), {"venue": venue}, None, NOW)

    def test_may_not_move_the_start_into_the_past(self) -> None:
        with pytest.raises(Invalid) as caught:
            model.change(scheduled(), {"starts_at": local("2026-11-23T12:00")}, None, NOW)
        assert pointers(caught) == ["/starts_at"]

    def test_of_a_running_event_may_extend_it(self) -> None:
        event = scheduled()
        assert model.change(event, {"ends_at": local("2026-12-01T22:00")}, None, event.starts_at) == ["ends_at"]

    def test_is_over_when_the_event_is(self) -> None:
        event = scheduled()
        with pytest.raises(EventOver):
            model.change(event, {"title": "Supper"}, None, event.ends_at)
        with pytest.raises(EventOver):
            model.cancel(event, None, event.ends_at)

    def test_of_a_cancelled_event_is_refused(self) -> None:
        event = scheduled()
        model.cancel(event, "Rain", NOW)
        assert (event.status(NOW), event.reason, event.version) == ("cancelled", "Rain", 2)
        with pytest.raises(AlreadyCancelled):
            model.change(event, {"title": "Supper"}, None, NOW)
        with pytest.raises(AlreadyCancelled):
            model.cancel(event, None, NOW)

    def test_of_hosts_names_them(self) -> None:
        event = scheduled()
        assert model.change(event, {"hosts": ["ben"]}, [Host("psn_ben", "ben")], NOW) == ["hosts"]
        assert event.hosted_by("psn_ben") and not event.hosted_by("psn_ana")


class TestVisibility:
    @pytest.mark.parametrize(
        ("of_group", "of_event", "open_to_all", "listed", "audience"),
        [
            ("public", "public", True, True, "public"),
            ("public", "group", False, False, "group"),
            ("unlisted", "public", True, False, "group"),
            ("unlisted", "group", False, False, "group"),
            ("private", "public", False, False, "group"),
            ("private", "group", False, False, "group"),
        ],
    )
    def test_the_stricter_of_group_and_event_decides(
        self, of_group: str, of_event: str, open_to_all: bool, listed: bool, audience: str
    ) -> None:
        event = scheduled(of_group, visibility=of_event)
        assert (event.open_to_all, event.listed, event.audience) == (open_to_all, listed, audience)
        assert model.see(event, MEMBER) is event
        for outside in (STRANGER, REMOVED):
            if open_to_all:
                assert model.see(event, outside) is event
            else:
                with pytest.raises(NotFound):
                    model.see(event, outside)

    @pytest.mark.parametrize(
        ("of_group", "visibility"), [("public", "public"), ("unlisted", "group"), ("private", "group")]
    )
    def test_an_event_is_as_open_as_its_group_when_nothing_is_said(self, of_group: str, visibility: str) -> None:
        assert scheduled(of_group).visibility == visibility

    def test_an_event_of_an_archived_group_is_not_listed(self) -> None:
        event = scheduled()
        event.group_archived = True
        assert not event.listed

    def test_who_leads_the_group_or_hosts_may_change_an_event(self) -> None:
        event = scheduled()
        assert model.run(event, ORGANIZER, "psn_x") is event
        assert model.run(event, MODERATOR, "psn_x") is event
        assert model.run(event, MEMBER, "psn_ana") is event
        for membership, person in ((MEMBER, "psn_x"), (STRANGER, "psn_ana"), (REMOVED, "psn_ana")):
            with pytest.raises(NotAllowed):
                model.run(event, membership, person)

    def test_the_join_link_is_for_who_is_going_and_hosts(self) -> None:
        event = scheduled(join_url="https://meet.example/kittens")
        going, waiting = ({"status": status, "guests": 0, "position": None} for status in ("going", "waitlisted"))
        assert model.as_seen(event, NOW, "psn_ben", going)["join_url"]
        assert model.as_seen(event, NOW, "psn_ana")["join_url"]
        assert model.as_seen(event, NOW, "psn_ben", waiting)["join_url"] is None
        assert model.as_seen(event, NOW, "psn_ben")["join_url"] is None
        assert model.as_seen(event, NOW)["join_url"] is None
        assert "join_url" not in model.as_told(event, NOW)

    def test_a_private_group_is_not_there_for_others(self) -> None:
        for outside in (STRANGER, REMOVED):
            with pytest.raises(NotFound):
                see_group(group("private"), outside)
        with pytest.raises(NotFound):
            see_group(None, STRANGER)
        assert see_group(group("private"), MEMBER)
        assert see_group(group("unlisted"), STRANGER)

    def test_only_who_leads_a_group_schedules_its_events(self) -> None:
        assert lead_group(group(), ORGANIZER) and lead_group(group(), MODERATOR)
        with pytest.raises(NotAllowed):
            lead_group(group(), MEMBER)
        with pytest.raises(NotFound):
            lead_group(group("private"), STRANGER)
        with pytest.raises(GroupArchived):
            lead_group(group(archived=True), ORGANIZER)

    def test_an_event_is_past_once_it_has_ended(self) -> None:
        event = scheduled()
        assert event.status(event.ends_at - timedelta(seconds=1)) == "scheduled"
        assert event.status(event.ends_at) == "past"
