"""Answering events, and what becomes of seats, as clients and listeners see it."""

from typing import Any

import pytest

from chassis.schemas import Cursor
from chassis.testing import wait_until

FAR = Cursor.encode(["going", 10**30])
BEYOND = Cursor.encode([10**20, "evt_1"])


class TestAnswering:
    def test_says_what_became_of_the_answer(self, world: Any) -> None:
        event = world.schedule(world.group(), capacity=2, max_guests=1)
        said = [world.answer(event, who, guests=guests).json() for who, guests in ((world.ben, 1), (world.chris, 0))]
        assert said == [
            {"answer": "going", "status": "going", "guests": 1, "position": None},
            {"answer": "going", "status": "waitlisted", "guests": 0, "position": 1},
        ]
        assert world.answer(event, world.dora).json()["position"] == 2
        assert world.answer(event, world.eve, "maybe", 1).json() == {
            "answer": "maybe",
            "status": "maybe",
            "guests": 1,
            "position": None,
        }
        assert world.answer(event, world.eve, "not_going").json()["status"] == "not_going"

    def test_a_place_can_be_given_up_though_the_event_is_not_for_all_to_see_any_more(self, world: Any) -> None:
        event = world.schedule(world.group(world.ben), capacity=1)
        world.goes(event, world.eve, world.ben)
        path = f"/v1/events/{event['id']}"
        changed = world.api.patch(path, {"visibility": "group"}, as_=world.ana)
        assert changed.status == 200
        assert [world.answer(event, who).status for who in (world.eve, world.dora)] == [404, 404]
        assert world.answer(event, world.dora, "not_going").status == 404
        for _ in range(2):
            assert world.answer(event, world.eve, "not_going").json()["status"] == "not_going"
        assert world.status(event, world.ben) == ("going", None)

    def test_the_same_again_changes_nothing_and_keeps_the_place(self, world: Any, heard: Any) -> None:
        event = world.schedule(world.group(), capacity=1)
        world.goes(event, world.ben, world.chris, world.dora)
        again = world.answer(event, world.chris).json()
        assert (again["status"], again["position"]) == ("waitlisted", 1)
        assert world.read(event)["version"] == 4
        world.answer(event, world.eve)
        assert [message["sequence"] for message in heard(event, 5)] == ["1", "2", "3", "4", "5"]

    def test_a_seat_given_up_goes_to_the_first_who_fits_at_once(self, world: Any, heard: Any) -> None:
        event = world.schedule(world.group(), capacity=2, max_guests=2)
        world.goes(event, world.ben, world.chris)
        world.answer(event, world.dora, guests=1)
        world.goes(event, world.eve)
        world.answer(event, world.ben, "not_going")
        assert world.status(event, world.dora) == ("waitlisted", 1)
        assert world.status(event, world.eve) == ("going", None)
        messages = heard(event, 7)
        assert [one["type"].removeprefix("commonground.events.") for one in messages[-2:]] == [
            "rsvp.changed.v1",
            "rsvp.promoted.v1",
        ]
        changed, promoted = messages[-2:]
        assert changed["data"]["status"] == "not_going" and changed["data"]["was"] == "going"
        assert changed["audience"] == "group"
        assert promoted["audience"] == "person"
        assert promoted["data"] == {
            "event": {name: event[name] for name in ("id", "title", "starts_at", "time_zone")},
            "group": event["group"],
            "person": {"id": world.eve.id, "handle": world.eve.handle, "display_name": "Eve"},
            "guests": 0,
        }

    def test_more_guests_than_fit_are_refused_and_the_seat_is_kept(self, world: Any) -> None:
        event = world.schedule(world.group(), capacity=1, max_guests=1)
        world.goes(event, world.ben)
        refused = world.answer(event, world.ben, guests=1)
        assert (refused.status, refused.problem, refused.json()["free"]) == (409, "not-enough-seats", 0)
        assert world.status(event, world.ben) == ("going", None)

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [
            ({}, "/answer"),
            ({"answer": "perhaps"}, "/answer"),
            ({"answer": "waitlisted"}, "/answer"),
            ({"answer": "going", "guests": 2}, "/guests"),
            ({"answer": "going", "guests": -1}, "/guests"),
            ({"answer": "going", "guests": "1"}, "/guests"),
            ({"answer": "going", "seat": 1}, "/seat"),
        ],
    )
    def test_that_is_wrong_is_refused_and_changes_nothing(self, world: Any, body: dict[str, Any], pointer: str) -> None:
        event = world.schedule(world.group(), max_guests=1)
        answer = world.api.put(f"/v1/events/{event['id']}/rsvps/me", body, as_=world.ben)
        assert answer.problem == "invalid"
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert world.status(event, world.ben) == ("unanswered", None)

    def test_is_for_those_signed_in_who_may_see_the_event(self, world: Any) -> None:
        private = world.schedule(world.group(world.ben, visibility="private"))
        closed = world.schedule(world.group(world.ben), visibility="group")
        public = world.schedule(world.group())
        path = f"/v1/events/{public['id']}/rsvps/me"
        assert world.api.put(path, {"answer": "going"}).problem == "authentication-required"
        assert world.answer(public, world.eve).status == 200
        for event in (private, closed):
            assert world.answer(event, world.eve).problem == "not-found"
            assert world.answer(event, world.ben).status == 200
        assert world.answer({"id": "evt_unknown"}, world.eve).problem == "not-found"

    def test_waits_for_who_joined_a_moment_ago(self, world: Any) -> None:
        group = world.group(visibility="private")
        event = world.schedule(group)
        joined = world.joined(group, world.ben, held=True)
        path = f"/v1/events/{event['id']}/rsvps/me"
        number = world.api.send("PUT", path, {"answer": "going"}, as_=world.ben)
        world.publish(joined)
        assert world.api.receive(number).json()["status"] == "going"

    def test_a_cancelled_event_takes_none(self, world: Any) -> None:
        event = world.schedule(world.group())
        world.api.post(f"/v1/events/{event['id']}/cancellation", as_=world.ana)
        assert world.answer(event, world.ben).problem == "already-cancelled"

    def test_is_too_late_once_answers_close_or_the_event_begins(self, world: Any) -> None:
        event = world.schedule(world.group())
        world.goes(event, world.ben)
        closed = {"rsvp_closes_at": "2020-01-01T00:00:00Z"}
        assert world.api.patch(f"/v1/events/{event['id']}", closed, as_=world.ana).status == 200
        late = world.answer(event, world.ben, "not_going")
        assert (late.status, late.problem) == (409, "rsvp-closed")
        assert world.status(event, world.ben) == ("going", None)

    def test_without_an_rsvp_limit_of_guests_nobody_brings_any(self, world: Any) -> None:
        event = world.schedule(world.group())
        assert world.answer(event, world.ben, guests=1).problem == "invalid"


class TestWhoComes:
    def test_is_for_members(self, world: Any) -> None:
        event = world.schedule(world.group(world.ben))
        hidden = world.schedule(world.group(visibility="private"))
        path = f"/v1/events/{event['id']}/rsvps"
        assert world.api.get(path).problem == "authentication-required"
        assert world.api.get(path, as_=world.eve).problem == "not-allowed"
        assert world.api.get(path, as_=world.ben).status == 200
        assert world.api.get(f"/v1/events/{hidden['id']}/rsvps", as_=world.eve).problem == "not-found"

    def test_says_who_answered_what_and_when(self, world: Any) -> None:
        event = world.schedule(world.group(), capacity=1, max_guests=1)
        world.goes(event, world.ben, world.chris)
        world.answer(event, world.dora, guests=1)
        world.answer(event, world.eve, "maybe")
        items = world.api.get(f"/v1/events/{event['id']}/rsvps", as_=world.ana).json()["items"]
        assert all(item.pop("answered_at").endswith("Z") for item in items)
        assert [(item["person"]["handle"], item["status"], item["guests"], item["position"]) for item in items] == [
            (world.ben.handle, "going", 0, None),
            (world.eve.handle, "maybe", 0, None),
            (world.chris.handle, "waitlisted", 0, 1),
            (world.dora.handle, "waitlisted", 1, 2),
        ]
        waiting = world.api.get(f"/v1/events/{event['id']}/rsvps?status=waitlisted&limit=1", as_=world.ana)
        second = world.api.get(waiting.headers["Link"][1:].partition(">")[0], as_=world.ana).json()
        assert [(item["person"]["handle"], item["position"]) for item in second["items"]] == [(world.dora.handle, 2)]
        assert second["next"] is None

    def test_pages_go_over_all_answers(self, world: Any) -> None:
        event = world.schedule(world.group(), capacity=2)
        people = [world.person(f"p{number}") for number in range(7)]
        world.goes(event, *people)
        world.answer(event, people[0], "maybe")
        seen, path = [], f"/v1/events/{event['id']}/rsvps?limit=2"
        while path:
            page = world.api.get(path, as_=world.ana)
            seen += [(item["person"]["handle"], item["status"], item["position"]) for item in page.json()["items"]]
            path = page.headers.get("Link", "")[1:].partition(">")[0]
        assert [status for _, status, _ in seen] == ["going"] * 2 + ["maybe"] + ["waitlisted"] * 4
        assert [position for _, _, position in seen[3:]] == [1, 2, 3, 4]
        assert {handle for handle, _, _ in seen} == {person.handle for person in people}

    def test_people_are_called_as_they_are_called_now(self, world: Any) -> None:
        event = world.schedule(world.group(world.ben))
        world.goes(event, world.ben, world.eve)
        world.renamed(world.ben, "Benjamin")
        world.settled()
        items = world.api.get(f"/v1/events/{event['id']}/rsvps", as_=world.ana).json()["items"]
        assert [item["person"]["display_name"] for item in items] == ["Benjamin", "Eve"]

    @pytest.mark.parametrize("wrong", [{"status": "late"}, {"cursor": "x"}, {"cursor": FAR}, {"page": "2"}])
    def test_refuses_a_query_that_is_wrong(self, world: Any, wrong: dict[str, str]) -> None:
        event = world.schedule(world.group())
        answer = world.api.get(f"/v1/events/{event['id']}/rsvps", as_=world.ana, params=wrong)
        assert answer.problem == "malformed-request"


class TestMyEvents:
    def test_are_those_i_answered_in_order_of_start(self, world: Any) -> None:
        group = world.group(world.ben)
        events = {
            title: world.schedule(group, title=title, days=days, capacity=1)
            for title, days in (("Third", 3), ("First", 1), ("Second", 2), ("Other", 4))
        }
        world.goes(events["Second"], world.eve)
        for title, answer in (("Third", "going"), ("First", "not_going"), ("Second", "going")):
            world.answer(events[title], world.ben, answer)
        items = world.api.get("/v1/me/events", as_=world.ben).json()["items"]
        assert [(item["event"]["title"], item["status"], item["position"]) for item in items] == [
            ("First", "not_going", None),
            ("Second", "waitlisted", 1),
            ("Third", "going", None),
        ]
        assert items[1]["event"]["viewer"] == {"status": "waitlisted", "guests": 0, "position": 1}
        assert world.titles(world.ben, "/v1/me/events", status="going") == ["Third"]
        assert world.titles(world.ben, "/v1/me/events", **{"from": events["Second"]["starts_at"]}) == [
            "Second",
            "Third",
        ]
        first = world.api.get("/v1/me/events?limit=2", as_=world.ben)
        assert world.titles(world.ben, first.headers["Link"][1:].partition(">")[0], limit=2) == ["Third"]
        assert world.api.get("/v1/me/events").problem == "authentication-required"

    @pytest.mark.parametrize("wrong", [{"status": "late"}, {"cursor": BEYOND}, {"from": "soon"}, {"page": "2"}])
    def test_refuse_a_query_that_is_wrong(self, world: Any, wrong: dict[str, str]) -> None:
        assert world.api.get("/v1/me/events", as_=world.ben, params=wrong).problem == "malformed-request"


class TestLosingAMembership:
    @pytest.mark.parametrize("how", ["removed", "banned"])
    def test_takes_the_seats_in_coming_events_which_go_to_those_who_wait(
        self, world: Any, heard: Any, how: str
    ) -> None:
        group, other = world.group(world.ben, world.chris), world.group(world.ben)
        event, elsewhere = world.schedule(group, capacity=1), world.schedule(other)
        world.goes(event, world.ben, world.chris)
        world.goes(elsewhere, world.ben)
        world.member(how, group, world.ben)
        world.settled()
        assert world.status(event, world.ben) == ("not_going", None)
        assert world.status(event, world.chris) == ("going", None)
        assert world.status(elsewhere, world.ben) == ("going", None)
        kinds = [
            (one["type"].removeprefix("commonground.events."), one["data"].get("was")) for one in heard(event, 5)[3:]
        ]
        assert kinds == [("rsvp.changed.v1", "going"), ("rsvp.promoted.v1", None)]
        assert world.answer(event, world.ben).problem == "not-allowed"

    def test_by_leaving_takes_only_what_cannot_be_seen_any_more(self, world: Any) -> None:
        group = world.group(world.ben)
        public, closed = world.schedule(group), world.schedule(group, visibility="group")
        world.goes(public, world.ben)
        world.goes(closed, world.ben)
        world.member("left", group, world.ben)
        world.settled()
        assert world.status(public, world.ben) == ("going", None)
        assert world.status(closed, world.ben) == ("not_going", None)

    def test_comes_too_late_for_who_joined_and_answered_again(self, world: Any) -> None:
        group = world.group(world.ben)
        event = world.schedule(group)
        removed = world.member("removed", group, world.ben, held=True)
        world.joined(group, world.ben)
        world.settled()
        world.goes(event, world.ben)
        world.publish(removed, removed)
        world.settled()
        assert world.status(event, world.ben) == ("going", None)
        assert world.store.memberships.get(group["id"], world.ben.id).active

    def test_that_is_known_before_the_joining_leaves_the_person_outside(self, world: Any) -> None:
        group = world.group(visibility="private")
        event = world.schedule(group)
        joined = world.joined(group, world.ben, held=True)
        world.member("banned", group, world.ben)
        world.publish(joined)
        world.settled()
        assert world.answer(event, world.ben).problem == "not-found"


class TestBeingForgotten:
    def test_leaves_nothing_and_gives_the_seat_on(self, world: Any, heard: Any) -> None:
        group = world.group(world.ben, world.chris)
        event = world.schedule(group, capacity=1, hosts=[world.ben.handle, world.ana.handle])
        world.goes(event, world.ben, world.chris)
        world.erased(world.ben)
        world.settled()
        assert world.status(event, world.chris) == ("going", None)
        assert world.read(event)["hosts"] == [world.ana.handle]
        for name in world.store.database.list_collection_names():
            if name not in ("outbox", "idempotency"):
                kept = [str(one) for one in world.store.database[name].find({"_id": {"$ne": world.ben.id}})]
                assert not [one for one in kept if world.ben.handle in one or world.ben.id in one], name
        assert world.store.database["people"].find_one({"_id": world.ben.id})["display_name"] is None
        assert [one["type"].removeprefix("commonground.events.") for one in heard(event, 4)][3:] == ["rsvp.promoted.v1"]

    def test_is_for_good(self, world: Any) -> None:
        event = world.schedule(world.group(world.ben))
        world.erased(world.ben)
        world.settled()
        assert world.answer(event, world.ben).problem == "authentication-required"

    def test_is_not_undone_by_what_comes_late(self, world: Any) -> None:
        group = world.group()
        world.registered(world.ben)
        late = [world.joined(group, world.ben, held=True), world.member("left", group, world.ben, held=True)]
        world.erased(world.ben)
        world.settled()
        world.publish(*late)
        world.settled()
        wait_until(lambda: not world.store.memberships.held_about(world.ben.id), what="nothing held about Ben")

    def test_takes_an_answer_along_that_is_being_given(self, world: Any) -> None:
        """However the two meet: the answer comes first and is taken back, or it is refused."""
        event = world.schedule(world.group(), capacity=1)
        people = [world.person(f"p{number}") for number in range(30)]
        world.registered(*people)
        world.settled()
        path = f"/v1/events/{event['id']}/rsvps/me"
        numbers = []
        for one in people:
            numbers.append(world.api.send("PUT", path, {"answer": "going"}, as_=one))
            world.erased(one)
        answers = [world.api.receive(number) for number in numbers]
        assert {one.problem for one in answers} <= {None, "authentication-required"}
        world.settled()
        assert world.store.rsvps.documents.count_documents({"event_id": event["id"]}) == 0
        read = world.read(event)
        assert (read["seats_taken"], read["waitlist_length"]) == (0, 0)

    def test_does_not_touch_what_has_happened_to_others(self, world: Any) -> None:
        event = world.schedule(world.group(), capacity=1)
        world.goes(event, world.ben, world.chris)
        world.erased(world.dora)
        world.settled()
        assert world.status(event, world.chris) == ("waitlisted", 1)


class TestExport:
    def test_gives_all_that_is_held(self, world: Any) -> None:
        group = world.group(world.ben)
        event = world.schedule(group, hosts=[world.ben.handle])
        world.answer(event, world.ben, "maybe")
        export = world.api.get("/v1/me/export/events", as_=world.ben).json()
        known = {name: event[name] for name in ("id", "title", "starts_at", "time_zone")}
        assert export["person"]["handle"] == world.ben.handle
        assert export["memberships"] == [{"group": group["id"], "status": "active", "role": "member"}]
        assert export["rsvps"][0]["event"] == known and export["rsvps"][0]["status"] == "maybe"
        assert export["hosting"] == [known] and export["scheduled"] == []
        assert world.api.get("/v1/me/export/events", as_=world.ana).json()["scheduled"] == [known]

    def test_of_somebody_unknown_is_empty(self, world: Any) -> None:
        export = world.api.get("/v1/me/export/events", as_=world.eve).json()
        assert export == {
            "person": None,
            "memberships": [],
            "rsvps": [],
            "attended": [],
            "calendar": None,
            "hosting": [],
            "scheduled": [],
        }


def test_a_raised_capacity_promotes_everybody_however_many(world: Any) -> None:
    """More than one decision promotes: the rest follows by message."""
    event = world.schedule(world.group(), capacity=1)
    waiting = 2_700
    documents = [
        {
            "_id": f"{event['id']}:psn_{number}",
            "schema": 1,
            "event_id": event["id"],
            "person_id": f"psn_{number}",
            "handle": f"p{number}",
            "display_name": f"P {number}",
            "status": "waitlisted",
            "guests": 0,
            "place": number + 2,
            "answered_at": world.store.events.find(event["id"]).created_at,
            "as_member": -1,
        }
        for number in range(waiting)
    ]
    world.store.rsvps.documents.insert_many(documents)
    counters = {"waitlist_length": waiting, "seats_taken": 1, "version": waiting + 2}
    world.store.events.documents.update_one({"_id": event["id"]}, {"$set": counters})
    answer = world.api.patch(f"/v1/events/{event['id']}", {"capacity": 2_650}, as_=world.ana)
    assert answer.json()["seats_taken"] == 2_501
    wait_until(lambda: world.store.events.find(event["id"]).seats_taken == 2_650, what="the rest to be promoted")
    left = world.store.rsvps.documents.find({"event_id": event["id"], "status": "waitlisted"})
    assert sorted(one["place"] for one in left) == list(range(2_651, 2_702))
