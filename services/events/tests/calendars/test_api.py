"""Calendars as calendar programs read them."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from icalendar import Calendar


def entries(answer: Any) -> dict[str, Any]:
    """The entries of a calendar, by title."""
    assert answer.status == 200, answer.body
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    return {str(one["summary"]): one for one in Calendar.from_ical(answer.body).walk("VEVENT")}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


class TestTheCalendarOfAnEvent:
    def test_has_its_times_and_what_changes(self, world: Any) -> None:
        event = world.schedule(world.group(), time_zone="America/New_York")
        path = f"/v1/events/{event['id']}/calendar.ics"
        first = world.api.get(path)
        (one,) = entries(first).values()
        assert one["dtstart"].params["TZID"] == "America/New_York"
        assert one["dtstart"].dt.astimezone(UTC) == moment(event["starts_at"])
        assert one["dtend"].dt.astimezone(UTC) == moment(event["ends_at"])
        assert (one["sequence"], one["status"]) == (0, "CONFIRMED")
        world.api.patch(f"/v1/events/{event['id']}", {"title": "Dinner"}, as_=world.ana)
        world.api.post(f"/v1/events/{event['id']}/cancellation", as_=world.ana)
        (last,) = entries(world.api.get(path)).values()
        assert (last["summary"], last["sequence"], last["status"]) == ("Dinner", 2, "CANCELLED")
        assert last["uid"] == one["uid"] and last["last-modified"].dt >= one["last-modified"].dt

    def test_is_asked_for_again_only_when_it_changed(self, world: Any) -> None:
        event = world.schedule(world.group())
        path = f"/v1/events/{event['id']}/calendar.ics"
        first = world.api.get(path)
        known = first.headers["ETag"]
        assert known.startswith('"') and parsedate_to_datetime(first.headers["Last-Modified"]) <= datetime.now(UTC)
        world.goes(event, world.ben)
        again = world.api.get(path, if_none_match=known)
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", known)
        world.api.patch(f"/v1/events/{event['id']}", {"title": "Dinner"}, as_=world.ana)
        changed = world.api.get(path, if_none_match=known)
        assert changed.status == 200 and changed.headers["ETag"] != known

    def test_is_for_who_may_see_the_event(self, world: Any) -> None:
        hidden = world.schedule(world.group(world.ben, visibility="private"))
        path = f"/v1/events/{hidden['id']}/calendar.ics"
        assert world.api.get(path).problem == "not-found"
        assert world.api.get(path, as_=world.eve).problem == "not-found"
        assert len(entries(world.api.get(path, as_=world.ben))) == 1

    def test_has_the_join_link_for_those_going_only(self, world: Any) -> None:
        event = world.schedule(world.group(), kind="virtual", join_url="https://meet.example/cats")
        world.goes(event, world.ben)
        path = f"/v1/events/{event['id']}/calendar.ics"
        assert b"meet.example" in world.api.get(path, as_=world.ben).body
        assert b"meet.example" not in world.api.get(path).body + world.api.get(path, as_=world.eve).body


class TestTheCalendarOfAGroup:
    def test_has_the_events_that_the_caller_may_see(self, world: Any) -> None:
        group = world.group(world.ben)
        world.schedule(group, title="For all")
        world.schedule(group, title="For members", visibility="group")
        path = f"/v1/groups/{group['slug']}/calendar.ics"
        answer = world.api.get(path)
        assert set(entries(answer)) == {"For all"}
        assert set(entries(world.api.get(path, as_=world.ben))) == {"For all", "For members"}
        assert Calendar.from_ical(answer.body)["x-wr-calname"] == group["name"]

    def test_of_a_private_group_is_not_there_for_others(self, world: Any) -> None:
        group = world.group(world.ben, visibility="private")
        world.schedule(group)
        path = f"/v1/groups/{group['id']}/calendar.ics"
        assert world.api.get(path).problem == "not-found"
        assert len(entries(world.api.get(path, as_=world.ben))) == 1
        assert world.api.get("/v1/groups/nowhere/calendar.ics").problem == "not-found"

    def test_without_events_is_empty(self, world: Any) -> None:
        assert entries(world.api.get(f"/v1/groups/{world.group()['id']}/calendar.ics")) == {}


class TestAPrivateCalendar:
    def test_has_what_its_owner_answered_and_hosts(self, world: Any) -> None:
        group = world.group(world.ben, visibility="private")
        events = {
            title: world.schedule(group, title=title, join_url="https://meet.example/cats")
            for title in ("Going", "Maybe", "Not going", "Unanswered")
        }
        world.schedule(group, title="Hosting", hosts=[world.ben.handle], join_url="https://meet.example/cats")
        for title, answer in (("Going", "going"), ("Maybe", "maybe"), ("Not going", "not_going")):
            world.answer(events[title], world.ben, answer)
        made = world.api.post("/v1/me/calendar", as_=world.ben)
        assert made.status == 201 and made.headers["Location"] == made.json()["href"]
        found = entries(world.api.get(made.json()["href"]))
        assert {title: str(one["status"]) for title, one in found.items()} == {
            "Going": "CONFIRMED",
            "Maybe": "TENTATIVE",
            "Hosting": "CONFIRMED",
        }
        assert {title for title, one in found.items() if "conference" in one} == {"Going", "Hosting"}

    def test_shows_nothing_any_more_of_a_group_that_shut_its_owner_out(self, world: Any) -> None:
        group = world.group(world.ben, visibility="private")
        world.goes(world.schedule(group), world.ben)
        href = world.api.post("/v1/me/calendar", as_=world.ben).json()["href"]
        assert len(entries(world.api.get(href))) == 1
        world.member("removed", group, world.ben)
        world.settled()
        assert entries(world.api.get(href)) == {}

    def test_has_an_address_that_can_be_renewed_and_is_not_kept(self, world: Any) -> None:
        world.registered(world.ben)
        first = world.api.post("/v1/me/calendar", as_=world.ben, idempotency_key="calendar").json()["href"]
        replayed = world.api.post("/v1/me/calendar", as_=world.ben, idempotency_key="calendar").json()["href"]
        assert replayed == first
        second = world.api.post("/v1/me/calendar", as_=world.ben).json()["href"]
        assert second != first and len(second) > 50
        assert world.api.get(first).problem == "not-found"
        assert world.api.get(second).status == 200
        assert world.api.get(second.removesuffix(".ics")).problem == "not-found"
        secret = second.removeprefix("/v1/calendars/").removesuffix(".ics")
        for name in world.store.database.list_collection_names():
            assert secret not in str(list(world.store.database[name].find())), name
        assert world.api.post("/v1/me/calendar").problem == "authentication-required"

    def test_ends_with_its_owner(self, world: Any) -> None:
        world.registered(world.ben)
        href = world.api.post("/v1/me/calendar", as_=world.ben).json()["href"]
        assert world.api.get("/v1/me/export/events", as_=world.ben).json()["calendar"]["created_at"]
        world.erased(world.ben)
        world.settled()
        assert world.api.get(href).problem == "not-found"
        assert world.api.post("/v1/me/calendar", as_=world.ben).problem == "authentication-required"
