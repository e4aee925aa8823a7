"""Scheduling, finding, reading, changing and cancelling events, as clients see it."""

import time
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from chassis.contract import contract_of, messages_of
from chassis.testing import RunService, wait_until
from events.service import Events


def pointers(answer: Any) -> list[str]:
    assert answer.status == 422, answer.body
    return [error["pointer"] for error in answer.json()["errors"]]


class TestScheduling:
    def test_gives_the_event_as_the_api_promises_it(self, world: Any) -> None:
        group = world.group()
        plan = {
            "title": "Brunch",
            "starts_at": "2090-07-01T19:00",
            "ends_at": "2090-07-01T21:00",
            "time_zone": "America/New_York",
            "description": "Bring a kitten.\nAnd bacon.",
            "kind": "hybrid",
            "venue": {"name": "Café", "address": "Main Street 1", "location": {"lat": 38.9, "lon": -77}},
            "join_url": "https://meet.example/kittens",
            "capacity": 12,
            "max_guests": 2,
            "visibility": "public",
            "hosts": [world.ana.handle],
            "rsvp_closes_at": "2090-06-30T12:00",
        }
        answer = world.api.post(f"/v1/groups/{group['slug']}/events", plan, as_=world.ana)
        assert answer.status == 201
        event = answer.json()
        assert answer.headers["Location"] == f"/v1/events/{event['id']}"
        assert answer.headers["ETag"] == '"1"'
        assert event.pop("id").startswith("evt_")
        assert event == {
            **plan,
            "group": {name: group[name] for name in ("id", "slug", "name")},
            "series": None,
            "starts_at": "2090-07-01T23:00:00Z",
            "ends_at": "2090-07-02T01:00:00Z",
            "starts_at_local": "2090-07-01T19:00",
            "ends_at_local": "2090-07-01T21:00",
            "rsvp_closes_at": "2090-06-30T16:00:00Z",
            "seats_taken": 0,
            "waitlist_length": 0,
            "status": "scheduled",
            "version": 1,
            "viewer": None,
        }

    def test_needs_little(self, world: Any) -> None:
        event = world.schedule(world.group())
        assert event["kind"] == "in_person" and event["capacity"] is None and event["max_guests"] == 0
        assert event["hosts"] == [world.ana.handle] and event["visibility"] == "public" and event["description"] == ""

    def test_says_what_an_ambiguous_time_was_taken_for(self, world: Any) -> None:
        times = {"starts_at": "2031-10-26T02:30", "ends_at": "2031-10-26T05:00", "time_zone": "Europe/Berlin"}
        event = world.schedule(world.group(), **times)
        assert event["starts_at"] == "2031-10-26T00:30:00Z"
        assert "the first is meant" in event["notes"][0].lower()
        assert "notes" not in world.read(event)

    def test_at_a_time_that_clocks_skip_names_the_next(self, world: Any) -> None:
        group = world.group()
        times = {"starts_at": "2031-03-30T02:30", "ends_at": "2031-03-30T05:00", "time_zone": "Europe/Berlin"}
        answer = world.api.post(f"/v1/groups/{group['id']}/events", world.plan(**times), as_=world.ana)
        assert pointers(answer) == ["/starts_at"]
        assert "2031-03-30T03:00" in answer.json()["detail"]

    @pytest.mark.parametrize(
        ("wrong", "pointer"),
        [
            ({"title": "ab"}, "/title"),
            ({"title": "a\u0000bc"}, "/title"),
            ({"title": None}, "/title"),
            ({"starts_at": "2090-07-01T19:00:00Z"}, "/starts_at"),
            ({"starts_at": "2090-02-30T19:00"}, "/starts_at"),
            ({"starts_at": "tomorrow"}, "/starts_at"),
            ({"starts_at": "2020-07-01T19:00"}, "/starts_at"),
            ({"ends_at": "2020-07-01T19:00"}, "/ends_at"),
            ({"time_zone": "Mars/Olympus"}, "/time_zone"),
            ({"time_zone": "../../etc/passwd"}, "/time_zone"),
            ({"kind": "secret"}, "/kind"),
            ({"venue": {"address": "Main Street"}}, "/venue/name"),
            ({"venue": {"name": "Café", "location": {"lat": 91, "lon": 0}}}, "/venue/location/lat"),
            ({"join_url": "http://meet.example/kittens"}, "/join_url"),
            ({"join_url": "javascript:alert(1)"}, "/join_url"),
            ({"capacity": 0}, "/capacity"),
            ({"capacity": 100_001}, "/capacity"),
            ({"capacity": "2"}, "/capacity"),
            ({"capacity": 2.5}, "/capacity"),
            ({"max_guests": 11}, "/max_guests"),
            ({"visibility": "secret"}, "/visibility"),
            ({"hosts": []}, "/hosts"),
            ({"hosts": ["nobody_at_all"]}, "/hosts/0"),
            ({"rsvp_closes_at": "2020-07-01T19:00"}, "/rsvp_closes_at"),
            ({"rsvp_closes_at": "2095-07-01T19:00"}, "/rsvp_closes_at"),
            ({"rsvp_closes_at": "soon"}, "/rsvp_closes_at"),
            ({"recurrence": "FREQ=HOURLY"}, "/recurrence"),
            ({"seats": 2}, "/seats"),
        ],
    )
    def test_refuses_what_is_wrong_and_keeps_nothing(self, world: Any, wrong: dict[str, Any], pointer: str) -> None:
        group = world.group()
        answer = world.api.post(f"/v1/groups/{group['id']}/events", world.plan(**wrong), as_=world.ana)
        assert pointer in pointers(answer)
        assert world.store.events.documents.count_documents({"group_id": group["id"]}) == 0

    def test_is_for_organizers_and_moderators(self, world: Any) -> None:
        group = world.group(world.ben, world.chris)
        path = f"/v1/groups/{group['id']}/events"
        assert world.api.post(path, world.plan()).problem == "authentication-required"
        assert world.api.post(path, world.plan(), as_=world.ben).problem == "not-allowed"
        assert world.api.post(path, world.plan(), as_=world.eve).problem == "not-allowed"
        world.member("role_changed", group, world.ben, "moderator")
        assert world.schedule(group, as_=world.ben)["hosts"] == [world.ben.handle]

    def test_a_private_group_is_not_there_for_others(self, world: Any) -> None:
        group = world.group(world.ben, visibility="private")
        path = f"/v1/groups/{group['id']}/events"
        assert world.api.post(path, world.plan(), as_=world.eve).problem == "not-found"
        assert world.api.post(path, world.plan(), as_=world.ben).problem == "not-allowed"
        assert world.api.post("/v1/groups/grp_unknown/events", world.plan(), as_=world.eve).problem == "not-found"

    def test_hosts_are_members_of_the_group(self, world: Any) -> None:
        group = world.group(world.ben)
        world.registered(world.eve)
        hosts = [world.ben.handle, world.ana.handle, world.ben.handle]
        assert world.schedule(group, hosts=hosts)["hosts"] == hosts[:2]
        plan = world.plan(hosts=[world.ben.handle, world.eve.handle])
        answer = world.api.post(f"/v1/groups/{group['id']}/events", plan, as_=world.ana)
        assert pointers(answer) == ["/hosts/1"]

    def test_waits_for_a_group_that_was_founded_a_moment_ago(self, world: Any) -> None:
        group = world.unheard_group()
        founded, joined = world.founded(group, held=True), world.joined(group, world.ana, "organizer", held=True)
        number = world.api.send("POST", f"/v1/groups/{group['slug']}/events", world.plan(), as_=world.ana)
        world.publish(founded, joined)
        assert world.api.receive(number).status == 201

    def test_in_an_archived_group_is_refused(self, world: Any) -> None:
        group = world.group()
        world.archived(group)
        world.settled()
        answer = world.api.post(f"/v1/groups/{group['id']}/events", world.plan(), as_=world.ana)
        assert answer.problem == "group-archived"

    def test_with_the_same_key_happens_once(self, world: Any) -> None:
        group = world.group()
        path, plan = f"/v1/groups/{group['id']}/events", world.plan()
        first = world.api.post(path, plan, as_=world.ana, idempotency_key="brunch")
        again = world.api.post(path, plan, as_=world.ana, idempotency_key="brunch")
        assert (first.status, again.status) == (201, 201)
        assert first.body == again.body and again.headers["Idempotency-Replayed"] == "true"
        other = world.api.post(path, world.plan(title="Supper"), as_=world.ana, idempotency_key="brunch")
        assert other.problem == "idempotency-mismatch"
        assert world.store.events.documents.count_documents({"group_id": group["id"]}) == 1

    def test_is_told_to_all_who_may_know(self, world: Any, heard: Any) -> None:
        event = world.schedule(world.group(), join_url="https://meet.example/kittens")
        (message,) = heard(event, 1)
        assert message["type"] == "commonground.events.event.scheduled.v1"
        assert (message["sequence"], message["audience"]) == ("1", "public")
        data = message["data"]
        assert data["interests"] == ["kittens", "bacon"] and data["group"] == event["group"]
        assert data["by"]["handle"] == world.ana.handle
        hidden = {"join_url", "viewer"}
        assert data["event"] == {name: value for name, value in event.items() if name not in hidden}
        assert "meet.example" not in str(message)

    @pytest.mark.parametrize(
        ("of_group", "of_event"), [("private", "public"), ("unlisted", "public"), ("public", "group")]
    )
    def test_is_told_to_the_group_alone_where_others_may_not_know(
        self, world: Any, heard: Any, of_group: str, of_event: str
    ) -> None:
        event = world.schedule(world.group(visibility=of_group), visibility=of_event)
        assert heard(event, 1)[0]["audience"] == "group"


class TestReading:
    def test_by_everybody_where_it_is_public(self, world: Any) -> None:
        event = world.schedule(world.group())
        assert world.read(event)["viewer"] is None
        answer = world.api.get(f"/v1/events/{event['id']}", if_none_match='"1"')
        assert answer.status == 304

    @pytest.mark.parametrize(("of_group", "of_event"), [("private", "public"), ("public", "group")])
    def test_by_members_alone_where_it_is_not(self, world: Any, of_group: str, of_event: str) -> None:
        event = world.schedule(world.group(world.ben, visibility=of_group), visibility=of_event)
        path = f"/v1/events/{event['id']}"
        assert world.api.get(path).problem == "not-found"
        assert world.api.get(path, as_=world.eve).problem == "not-found"
        assert world.read(event, world.ben)["id"] == event["id"]

    def test_of_what_is_not_there_is_the_same_answer(self, world: Any) -> None:
        event = world.schedule(world.group(visibility="private"))
        hidden = world.api.get(f"/v1/events/{event['id']}").json()
        missing = world.api.get("/v1/events/evt_unknown").json()
        assert {**hidden, "instance": 0} == {**missing, "instance": 0}

    def test_waits_for_who_joined_a_moment_ago(self, world: Any) -> None:
        group = world.group(visibility="private")
        event = world.schedule(group)
        joined = world.joined(group, world.ben, held=True)
        number = world.api.send("GET", f"/v1/events/{event['id']}", as_=world.ben)
        world.publish(joined)
        assert world.api.receive(number).status == 200

    def test_shows_the_join_link_to_who_is_going_and_to_hosts(self, world: Any) -> None:
        group = world.group(world.ben, world.chris, world.dora)
        world.member("role_changed", group, world.dora, "moderator")
        event = world.schedule(group, join_url="https://meet.example/kittens", capacity=1)
        world.goes(event, world.ben, world.chris)
        links = {
            one.handle: world.read(event, one)["join_url"] for one in (world.ana, world.ben, world.chris, world.dora)
        }
        link = "https://meet.example/kittens"
        assert list(links.values()) == [link, link, None, None]
        assert world.read(event)["join_url"] is None

    def test_shows_the_caller_their_own_answer(self, world: Any) -> None:
        event = world.schedule(world.group(world.ben, world.chris, world.dora), capacity=1)
        world.goes(event, world.ben, world.chris, world.dora)
        assert world.read(event, world.dora)["viewer"] == {"status": "waitlisted", "guests": 0, "position": 2}
        assert world.read(event, world.eve)["viewer"] is None
        read = world.read(event)
        assert (read["seats_taken"], read["waitlist_length"], read["version"]) == (1, 2, 4)


class TestChanging:
    def test_is_a_merge_patch_of_what_may_change(self, world: Any, heard: Any) -> None:
        event = world.schedule(world.group(), description="Long", venue={"name": "Café", "address": "Main Street"})
        patch = {"title": "Supper", "description": None, "venue": {"address": None}, "time_zone": "Europe/Berlin"}
        answer = world.api.patch(f"/v1/events/{event['id']}", patch, as_=world.ana)
        assert answer.status == 200 and answer.headers["ETag"] == '"2"'
        changed = answer.json()
        assert (changed["title"], changed["description"], changed["venue"]) == ("Supper", "", {"name": "Café"})
        assert changed["starts_at_local"] == event["starts_at_local"] and changed["starts_at"] != event["starts_at"]
        message = heard(event, 2)[1]
        assert message["type"] == "commonground.events.event.changed.v1" and message["sequence"] == "2"
        names = ["title", "description", "starts_at", "ends_at", "time_zone", "venue"]
        assert message["data"]["changed"] == names
        assert message["data"]["event"]["title"] == "Supper"

    def test_that_changes_nothing_is_told_to_nobody(self, world: Any) -> None:
        event = world.schedule(world.group())
        answer = world.api.patch(f"/v1/events/{event['id']}", {"title": event["title"]}, as_=world.ana)
        assert (answer.status, answer.json()["version"]) == (200, 1)

    @pytest.mark.parametrize(
        ("wrong", "pointer"),
        [
            ({"title": None}, "/title"),
            ({"starts_at": "2020-01-01T10:00"}, "/starts_at"),
            ({"ends_at": "2020-01-01T10:00"}, "/ends_at"),
            ({"hosts": None}, "/hosts"),
            ({"venue": {"address": "Main Street"}}, "/venue/name"),
            ({"id": "evt_other"}, "/id"),
            ({"status": "cancelled"}, "/status"),
            ({"recurrence": "FREQ=HOURLY"}, "/recurrence"),
        ],
    )
    def test_refuses_what_is_wrong_and_changes_nothing(self, world: Any, wrong: dict[str, Any], pointer: str) -> None:
        event = world.schedule(world.group())
        assert pointer in pointers(world.api.patch(f"/v1/events/{event['id']}", wrong, as_=world.ana))
        assert world.read(event, world.ana) == event

    def test_honours_if_match(self, world: Any) -> None:
        event = world.schedule(world.group())
        path = f"/v1/events/{event['id']}"
        assert world.api.patch(path, {"title": "Supper"}, as_=world.ana, if_match='"1"').status == 200
        answer = world.api.patch(path, {"title": "Lunch"}, as_=world.ana, if_match='"1"')
        assert answer.problem == "precondition-failed"
        assert world.read(event)["title"] == "Supper"

    def test_is_for_who_leads_the_group_and_for_hosts(self, world: Any) -> None:
        group = world.group(world.ben, world.chris, world.dora)
        world.member("role_changed", group, world.ben, "moderator")
        event = world.schedule(group, hosts=[world.chris.handle])
        path, patch = f"/v1/events/{event['id']}", {"title": "Supper"}
        assert world.api.patch(path, patch).problem == "authentication-required"
        assert world.api.patch(path, patch, as_=world.dora).problem == "not-allowed"
        assert world.api.patch(path, patch, as_=world.eve).problem == "not-allowed"
        assert world.api.patch(path, patch, as_=world.ben).status == 200
        assert world.api.patch(path, {"title": "Lunch"}, as_=world.chris).status == 200
        world.member("left", group, world.chris)
        world.settled()
        assert world.api.patch(path, patch, as_=world.chris).problem == "not-allowed"

    def test_of_a_hidden_event_is_not_found(self, world: Any) -> None:
        event = world.schedule(world.group(visibility="private"))
        path = f"/v1/events/{event['id']}"
        assert world.api.patch(path, {"title": "Supper"}, as_=world.eve).problem == "not-found"
        assert world.api.post(f"{path}/cancellation", as_=world.eve).problem == "not-found"

    def test_raising_the_capacity_promotes_as_many_as_fit(self, world: Any, heard: Any) -> None:
        group = world.group(world.ben, world.chris, world.dora, world.eve)
        event = world.schedule(group, capacity=1, max_guests=3)
        world.goes(event, world.ben)
        world.answer(event, world.chris, guests=2)
        world.goes(event, world.dora, world.eve)
        answer = world.api.patch(f"/v1/events/{event['id']}", {"capacity": 3}, as_=world.ana)
        assert (answer.json()["seats_taken"], answer.json()["waitlist_length"]) == (3, 1)
        assert [world.status(event, one) for one in (world.chris, world.dora, world.eve)] == [
            ("waitlisted", 1),
            ("going", None),
            ("going", None),
        ]
        kinds = [message["type"].split(".", 2)[2] for message in heard(event, 8)[5:]]
        assert kinds == ["event.changed.v1", "rsvp.promoted.v1", "rsvp.promoted.v1"]
        assert answer.json()["version"] == 8

    def test_lowering_the_capacity_removes_nobody(self, world: Any) -> None:
        event = world.schedule(world.group(world.ben, world.chris), capacity=2)
        world.goes(event, world.ben, world.chris)
        world.api.patch(f"/v1/events/{event['id']}", {"capacity": 1}, as_=world.ana)
        assert world.read(event)["seats_taken"] == 2
        assert world.answer(event, world.dora).json()["status"] == "waitlisted"
        world.answer(event, world.ben, "not_going")
        assert world.status(event, world.dora) == ("waitlisted", 1)


class TestCancelling:
    def test_leaves_the_event_readable_and_tells(self, world: Any, heard: Any) -> None:
        event = world.schedule(world.group())
        answer = world.api.post(f"/v1/events/{event['id']}/cancellation", {"reason": "Rain"}, as_=world.ana)
        assert (answer.status, answer.json()["status"]) == (200, "cancelled")
        assert world.read(event)["status"] == "cancelled"
        message = heard(event, 2)[1]
        assert message["type"] == "commonground.events.event.cancelled.v1"
        assert message["data"]["reason"] == "Rain" and message["data"]["event"]["status"] == "cancelled"

    def test_needs_no_reason_and_happens_once(self, world: Any) -> None:
        event = world.schedule(world.group())
        path = f"/v1/events/{event['id']}/cancellation"
        assert world.api.post(path, as_=world.ana).status == 200
        assert world.api.post(path, as_=world.ana).problem == "already-cancelled"
        patched = world.api.patch(f"/v1/events/{event['id']}", {"title": "Supper"}, as_=world.ana)
        assert patched.problem == "already-cancelled"

    def test_is_not_for_just_any_member(self, world: Any) -> None:
        event = world.schedule(world.group(world.ben))
        path = f"/v1/events/{event['id']}/cancellation"
        assert world.api.post(path, as_=world.ben).problem == "not-allowed"
        assert world.api.post(path, {"reason": "x" * 501}, as_=world.ana).problem == "invalid"
        assert world.read(event)["status"] == "scheduled"


class TestFinding:
    def test_shows_public_events_of_public_groups_to_all_and_more_to_members(self, world: Any) -> None:
        here = {"near": "12.5,77.5", "within_km": 5}
        venue = {"name": "Lalbagh", "location": {"lat": 12.5, "lon": 77.5}}
        public, unlisted, private = (
            world.group(world.ben, visibility=visibility) for visibility in ("public", "unlisted", "private")
        )
        world.schedule(public, title="Public", venue=venue, days=1)
        world.schedule(public, title="Members", venue=venue, days=2, visibility="group")
        world.schedule(unlisted, title="Unlisted", venue=venue, days=3, visibility="public")
        world.schedule(private, title="Private", venue=venue, days=4)
        cancelled = world.schedule(public, title="Cancelled", venue=venue, days=5)
        world.api.post(f"/v1/events/{cancelled['id']}/cancellation", as_=world.ana)
        assert world.titles(**here) == ["Public"]
        assert world.titles(world.eve, **here) == ["Public"]
        assert world.titles(world.ben, **here) == ["Public", "Members", "Unlisted", "Private", "Cancelled"]

    def test_by_group_shows_what_the_caller_may_see_of_it(self, world: Any) -> None:
        public, unlisted, private = (
            world.group(world.ben, visibility=visibility) for visibility in ("public", "unlisted", "private")
        )
        world.schedule(public, title="Public", days=1)
        world.schedule(public, title="Members", days=2, visibility="group")
        world.schedule(unlisted, title="Unlisted", visibility="public")
        world.schedule(private, title="Private")
        assert world.titles(group=public["slug"]) == ["Public"]
        assert world.titles(world.ben, group=public["id"]) == ["Public", "Members"]
        assert world.titles(group=unlisted["slug"]) == ["Unlisted"]
        assert world.titles(world.ben, group=private["slug"]) == ["Private"]
        assert world.api.get("/v1/events", params={"group": private["slug"]}).problem == "not-found"
        assert world.api.get("/v1/events", params={"group": private["id"]}, as_=world.eve).problem == "not-found"
        assert world.api.get("/v1/events", params={"group": "nothing"}).problem == "not-found"

    def test_by_interests_needs_all_of_them(self, world: Any) -> None:
        one, two = (f"{name}-{world.ana.id[-8:].lower()}" for name in ("curling", "cheese"))
        world.schedule(world.group(interests=[one, two]), title="Both")
        world.schedule(world.group(interests=[one]), title="One")
        assert world.titles(interest=[one, two]) == ["Both"]
        assert sorted(world.titles(interest=f"#{one.upper()}")) == ["Both", "One"]

    def test_by_place_and_distance(self, world: Any) -> None:
        group = world.group()
        for title, lat, lon in (("Near", 60.17, 24.94), ("Far", 61.5, 23.76)):
            world.schedule(group, title=title, venue={"name": "Hall", "location": {"lat": lat, "lon": lon}})
        world.schedule(group, title="Nowhere", kind="virtual")
        assert world.titles(near="60.2,24.9", within_km=30, group=group["id"]) == ["Near"]
        assert world.titles(near="60.2,24.9", group=group["id"]) == ["Near"]
        assert world.titles(near="60.2,24.9", within_km=500, group=group["id"]) == ["Near", "Far"]
        assert world.titles(near="60.2,24.9", within_km=20_000, group=group["id"]) == ["Near", "Far"]

    def test_by_time_and_kind_in_order_of_start(self, world: Any) -> None:
        group = world.group()
        later = world.schedule(group, title="Later", days=9, kind="virtual")
        world.schedule(group, title="Latest", days=10)
        sooner = world.schedule(group, title="Sooner", days=8)
        assert world.titles(group=group["id"]) == ["Sooner", "Later", "Latest"]
        assert world.titles(group=group["id"], **{"from": later["starts_at"]}) == ["Later", "Latest"]
        assert world.titles(group=group["id"], to=later["starts_at"]) == ["Sooner"]
        assert world.titles(group=group["id"], kind="virtual") == ["Later"]
        assert world.titles(group=group["id"], **{"from": sooner["ends_at"]}, to=later["ends_at"]) == ["Later"]

    def test_mine_are_those_i_answered_or_host(self, world: Any) -> None:
        group = world.group(world.ben, world.chris, visibility="private")
        titles = ("Going", "Maybe", "Declined", "Hosting", "Other")
        events = {}
        for days, title in enumerate(titles, start=1):
            hosts = [world.ben.handle] if title == "Hosting" else [world.ana.handle]
            events[title] = world.schedule(group, title=title, days=days, hosts=hosts)
        for title, answer in (("Going", "going"), ("Maybe", "maybe"), ("Declined", "not_going")):
            world.answer(events[title], world.ben, answer)
        assert world.titles(world.ben, mine="true") == ["Going", "Maybe", "Hosting"]
        assert world.titles(world.ben, mine="true", group=group["slug"]) == ["Going", "Maybe", "Hosting"]
        assert world.titles(world.ben, mine="true", group="nothing") == []
        assert world.titles(world.chris, mine="true") == []
        assert world.api.get("/v1/events", params={"mine": "true"}).problem == "authentication-required"

    def test_pages_neither_repeat_nor_skip_while_events_are_added(self, world: Any) -> None:
        group = world.group()
        for days in (1, 2, 3, 4, 5):
            world.schedule(group, title=f"Day {days}", days=days)
        world.schedule(group, title="Day 3 too", days=3)
        seen, path = [], f"/v1/events?group={group['id']}&limit=2"
        while path:
            page = world.api.get(path)
            seen += [item["title"] for item in page.json()["items"]]
            if len(seen) == 2:
                world.schedule(group, title="Day 0", days=1, starts_at=world.plan(1)["starts_at"][:-1] + "0")
            link = page.headers.get("Link")
            assert (link is None) == (page.json()["next"] is None)
            path = link and link[1 : link.index(">")]
        assert seen[:2] == ["Day 1", "Day 2"] or seen[:2] == ["Day 1", "Day 0"]
        assert sorted(title for title in seen if title != "Day 0") == [
            "Day 1",
            "Day 2",
            "Day 3",
            "Day 3 too",
            "Day 4",
            "Day 5",
        ]

    @pytest.mark.parametrize(
        "wrong",
        [
            {"limit": "0"},
            {"limit": "101"},
            {"cursor": "nonsense"},
            {"cursor": "WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAsImEiXQ"},
            {"near": "north"},
            {"near": "91,0"},
            {"near": "1,1", "within_km": "0"},
            {"within_km": "nan"},
            {"from": "yesterday"},
            {"kind": "secret"},
            {"mine": "perhaps"},
            {"interest": ""},
            {"colour": "red"},
        ],
    )
    def test_refuses_a_query_that_is_wrong(self, world: Any, wrong: dict[str, str]) -> None:
        assert world.api.get("/v1/events", params=wrong).problem == "malformed-request"


class TestGroupChanges:
    def test_a_renamed_group_is_shown_by_its_new_name(self, world: Any) -> None:
        group = world.group()
        event = world.schedule(group)
        world.updated(group, name="Cats", slug=f"cats-{group['slug']}", interests=["cats"])
        world.settled()
        read = world.read(event)
        assert read["group"]["name"] == "Cats" and read["group"]["slug"] == group["slug"] and read["version"] == 2
        assert world.titles(group=group["slug"]) == [event["title"]]

    def test_a_group_that_becomes_private_takes_its_events_with_it(self, world: Any) -> None:
        group = world.group(world.ben)
        event = world.schedule(group)
        world.updated(group, visibility="private")
        world.settled()
        assert world.api.get(f"/v1/events/{event['id']}").problem == "not-found"
        assert world.read(event, world.ben)["id"] == event["id"]

    def test_a_group_known_to_be_archived_first_still_takes_its_events_out_of_sight(self, world: Any) -> None:
        group = world.group(world.ben)
        event = world.schedule(group)
        private = world.updated(group, visibility="private", held=True)
        world.archived(group)
        world.settled()
        world.publish(private)
        world.settled()
        assert world.api.get(f"/v1/events/{event['id']}").problem == "not-found"
        assert world.read(event, world.ben)["status"] == "cancelled"

    def test_messages_out_of_order_and_twice_leave_the_newest(self, world: Any) -> None:
        group = world.group()
        event = world.schedule(group)
        first = world.updated(group, name="First", held=True)
        second = world.updated(group, name="Second", held=True)
        world.publish(second, first, second, first)
        world.settled()
        assert world.read(event)["group"]["name"] == "Second"
        assert world.store.groups.find(group["id"]).name == "Second"

    def test_a_group_of_which_we_hear_late_is_as_it_was_said_last(self, world: Any) -> None:
        group = world.unheard_group()
        founded = world.founded(group, held=True)
        joined = world.joined(group, world.ana, "organizer", held=True)
        world.updated(group, name="Renamed")
        world.publish(joined, founded)
        world.settled()
        assert world.schedule(group)["group"]["name"] == "Renamed"

    def test_an_archived_group_has_its_coming_events_cancelled(self, world: Any, heard: Any) -> None:
        group = world.group(world.ben)
        events = [world.schedule(group, days=days) for days in (1, 2)]
        gone = world.schedule(group, days=3)
        world.api.post(f"/v1/events/{gone['id']}/cancellation", as_=world.ana)
        world.archived(group)
        world.settled()
        for event in events:
            assert world.read(event, world.ben)["status"] == "cancelled"
            message = heard(event, 2)[-1]
            assert message["type"].endswith("event.cancelled.v1") and message["data"]["by"] is None
        assert world.titles(group=group["id"]) == [events[0]["title"], events[1]["title"], gone["title"]]
        assert world.api.get("/v1/events", params={"interest": "kittens", "limit": 100}).status == 200
        listed = world.api.get("/v1/events", params={"limit": 100}).json()["items"]
        assert not {item["id"] for item in listed} & {event["id"] for event in events}

    def test_what_has_begun_in_a_group_that_is_archived_stays_as_it_is(self, world: Any) -> None:
        group = world.group(world.ben)
        event = world.schedule(group)
        world.archived(group)
        world.settled()
        begun = {"cancelled_at": None, "starts_at": datetime.now(UTC) - timedelta(minutes=5)}
        world.store.events.documents.update_one({"_id": event["id"]}, {"$set": begun})
        before = world.read(event, world.ana)
        refused = world.api.patch(f"/v1/events/{event['id']}", {"title": "Supper"}, as_=world.ana)
        assert (refused.status, refused.problem) == (409, "group-archived")
        assert world.read(event, world.ana) == before

    def test_a_new_role_lets_and_an_old_one_lets_no_more_whatever_comes_first(self, world: Any) -> None:
        group = world.group(world.ben)
        event = world.schedule(group)
        raised = world.member("role_changed", group, world.ben, "moderator", held=True)
        world.member("role_changed", group, world.ben, "member")
        world.publish(raised)
        world.settled()
        path = f"/v1/events/{event['id']}"
        assert world.api.patch(path, {"title": "Supper"}, as_=world.ben).problem == "not-allowed"
        world.member("role_changed", group, world.ben, "organizer")
        world.settled()
        assert world.api.patch(path, {"title": "Supper"}, as_=world.ben).status == 200


class TestHosts:
    @pytest.mark.parametrize("how", ["removed", "banned", "left"])
    def test_who_is_no_member_any_more_hosts_no_more(self, world: Any, heard: Any, how: str) -> None:
        group = world.group(world.ben)
        link = "https://meet.example/kittens"
        event = world.schedule(group, hosts=[world.ben.handle, world.ana.handle], join_url=link)
        assert world.read(event, world.ben)["join_url"] == link
        world.member(how, group, world.ben)
        world.settled()
        read = world.read(event, world.ben)
        assert (read["hosts"], read["join_url"]) == ([world.ana.handle], None)
        message = heard(event, 2)[1]
        assert message["type"] == "commonground.events.event.changed.v1"
        assert (message["data"]["changed"], message["data"]["by"]) == (["hosts"], None)
        assert world.titles(world.ben, mine="true") == []

    def test_who_joined_again_before_they_were_named_stays(self, world: Any) -> None:
        group = world.group(world.ben)
        removed = world.member("removed", group, world.ben, held=True)
        world.joined(group, world.ben)
        world.settled()
        event = world.schedule(group, hosts=[world.ben.handle])
        world.publish(removed)
        world.settled()
        assert world.read(event)["hosts"] == [world.ben.handle]


def test_the_contract_names_what_issue_and_api_promise() -> None:
    routes = {(route["method"], route["path"]) for route in contract_of(Events)["routes"]}
    assert {
        ("POST", "/v1/groups/{group}/events"),
        ("GET", "/v1/events"),
        ("GET", "/v1/events/{event}"),
        ("PATCH", "/v1/events/{event}"),
        ("POST", "/v1/events/{event}/cancellation"),
        ("PUT", "/v1/events/{event}/rsvps/me"),
        ("GET", "/v1/events/{event}/rsvps"),
        ("POST", "/v1/events/{event}/check-ins"),
        ("GET", "/v1/events/{event}/icebreakers"),
        ("GET", "/v1/events/{event}/calendar.ics"),
        ("GET", "/v1/groups/{group}/calendar.ics"),
        ("GET", "/v1/calendars/{file}"),
        ("POST", "/v1/me/calendar"),
        ("GET", "/v1/me/events"),
        ("GET", "/v1/me/export/events"),
        ("GET", "/v1/series/{series}"),
    } == routes
    told = {message.type.removeprefix("events.").removesuffix(".v1") for message in messages_of(Events)}
    assert told == {
        "event.scheduled",
        "event.changed",
        "event.cancelled",
        "event.due",
        "rsvp.changed",
        "rsvp.promoted",
        "attendance.recorded",
    }


def test_examples_of_messages_are_what_their_schemas_accept() -> None:
    for message in messages_of(Events):
        assert message.data().validate(message.example) == {}, message.type


def test_reading_a_public_event_does_not_wait_for_a_membership_that_it_does_not_need(world: Any) -> None:
    event = world.schedule(world.group())
    began = time.monotonic()
    world.read(event, as_=world.eve)
    assert time.monotonic() - began < 0.8


@pytest.mark.slow
def test_events_follow_the_wall_clock_when_their_zone_has_other_rules(
    world: Any, heard: Any, run_service: RunService, shared_database: str, tmp_path: Path
) -> None:
    """A process with a newer time zone database, in which the clocks of Berlin are those of Kolkata."""
    group = world.group(world.ben)
    berlin, kathmandu = (world.schedule(group, time_zone=zone) for zone in ("Europe/Berlin", "Asia/Kathmandu"))
    past = world.schedule(group, time_zone="Europe/Berlin")
    world.store.events.documents.update_one({"_id": past["id"]}, {"$set": {"starts_at": datetime.now(UTC)}})
    world.goes(berlin, world.ben)
    zones = resources.files("tzdata") / "zoneinfo"
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Berlin").write_bytes((zones / "Asia" / "Kolkata").read_bytes())
    (tmp_path / "UTC").write_bytes((zones / "UTC").read_bytes())
    (tmp_path / "+VERSION").write_text("2999z")
    env = {"CG_MONGO_URI": shared_database, "PYTHONTZPATH": str(tmp_path)}
    newer = run_service("events", env=env)
    wait_until(lambda: world.store.events.find(kathmandu["id"]).rules == "2999z", 30, what="the newer rules")
    wait_until(lambda: world.store.events.find(berlin["id"]).rules == "2999z", 30, what="the newer rules")
    now = world.read(berlin)
    assert now["starts_at_local"] == berlin["starts_at_local"] and now["ends_at_local"] == berlin["ends_at_local"]
    assert now["starts_at"] == f"{berlin['starts_at_local'][:11]}13:30:00Z"
    assert world.status(berlin, world.ben)[0] == "going" and now["seats_taken"] == 1
    changed = heard(berlin, 3)[2]
    assert changed["type"] == "commonground.events.event.changed.v1" and changed["data"]["by"] is None
    assert (
        changed["data"]["changed"] == ["starts_at", "ends_at"]
        and changed["data"]["event"]["starts_at"] == now["starts_at"]
    )
    kept = world.store.events.find(berlin["id"])
    assert kept.due_at == kept.starts_at - timedelta(hours=24)
    assert world.read(kathmandu)["version"] == 1 and world.store.events.find(past["id"]).rules != "2999z"
    assert newer.stop() == 0
