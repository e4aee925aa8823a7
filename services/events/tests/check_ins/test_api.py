"""Checking in who came, as hosts, listeners and those who came see it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.testing import wait_until


def begins(world: Any, event: dict[str, Any], after: timedelta) -> None:
    """Have an event begin so much later than now (or earlier), and take two hours."""
    start = datetime.now(UTC) + after
    times = {"starts_at": start, "ends_at": start + timedelta(hours=2)}
    world.store.events.documents.update_one({"_id": event["id"]}, {"$set": times})


@pytest.fixture
def event(world: Any, heard: Any) -> dict[str, Any]:
    """An event of Ana's group that begins in half an hour; Ben is a member, Chris hosts it."""
    group = world.group(world.ben, world.chris)
    event: dict[str, Any] = world.schedule(group, hosts=[world.chris.handle])
    begins(world, event, timedelta(minutes=30))
    return event


def check_in(world: Any, event: dict[str, Any], who: Any, as_: Any, **options: Any) -> Any:
    return world.api.post(f"/v1/events/{event['id']}/check-ins", {"handle": who.handle}, as_=as_, **options)


def attendance(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in messages if one["type"] == "commonground.events.attendance.recorded.v1"]


class TestCheckingIn:
    def test_says_who_came_and_tells_it_once(self, world: Any, event: dict[str, Any], heard: Any) -> None:
        first = check_in(world, event, world.ben, world.chris)
        assert first.status == 201
        assert first.json()["person"] == {"id": world.ben.id, "handle": world.ben.handle, "display_name": "Ben"}
        again = check_in(world, event, world.ben, world.ana)
        assert (again.status, again.json()) == (201, first.json())
        assert check_in(world, event, world.chris, world.chris).status == 201
        messages = attendance(heard(event, 3))
        assert [(one["data"]["person"]["handle"], one["sequence"], one["audience"]) for one in messages] == [
            (world.ben.handle, "2", "group"),
            (world.chris.handle, "3", "group"),
        ]
        data = messages[0]["data"]
        assert data["group"] == event["group"] and data["event"]["id"] == event["id"]
        assert set(data) == {"event", "group", "person"}
        assert world.read(event)["version"] == 3

    def test_counts_once_however_many_do_it_at_the_same_time(
        self, world: Any, event: dict[str, Any], heard: Any
    ) -> None:
        path, body = f"/v1/events/{event['id']}/check-ins", {"handle": world.ben.handle}
        numbers = [world.api.send("POST", path, body, as_=world.chris) for _ in range(10)]
        answers = [world.api.receive(number) for number in numbers]
        assert {one.status for one in answers} == {201}
        assert len({one.body for one in answers}) == 1
        check_in(world, event, world.ana, world.chris)
        assert [one["data"]["person"]["handle"] for one in attendance(heard(event, 3))] == [
            world.ben.handle,
            world.ana.handle,
        ]

    def test_with_the_same_idempotency_key_answers_the_same(self, world: Any, event: dict[str, Any]) -> None:
        first = check_in(world, event, world.ben, world.ana, idempotency_key="door")
        again = check_in(world, event, world.ben, world.ana, idempotency_key="door")
        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["Idempotency-Replayed"] == "true"
        assert check_in(world, event, world.chris, world.ana, idempotency_key="door").problem == "idempotency-mismatch"

    def test_needs_no_rsvp_and_no_membership(self, world: Any, event: dict[str, Any]) -> None:
        world.registered(world.eve)
        assert check_in(world, event, world.eve, world.ana).status == 201
        assert world.read(event)["seats_taken"] == 0

    def test_waits_for_who_registered_a_moment_ago(self, world: Any, event: dict[str, Any]) -> None:
        person = {"id": world.dora.id, "handle": world.dora.handle, "display_name": "Dora"}
        registered = world.tell("groups.person.registered.v1", world.dora.id, {"person": person}, held=True)
        body = {"handle": world.dora.handle}
        number = world.api.send("POST", f"/v1/events/{event['id']}/check-ins", body, as_=world.ana)
        world.publish(registered)
        assert world.api.receive(number).status == 201

    def test_is_for_hosts_and_those_who_run_the_group(self, world: Any, event: dict[str, Any]) -> None:
        assert check_in(world, event, world.ben, None).problem == "authentication-required"
        assert check_in(world, event, world.ben, world.ben).problem == "not-allowed"
        assert check_in(world, event, world.ben, world.eve).problem == "not-allowed"
        assert check_in(world, {"id": "evt_unknown"}, world.ben, world.ana).problem == "not-found"
        hidden = world.schedule(world.group(world.ben, visibility="private"))
        assert check_in(world, hidden, world.ben, world.eve).problem == "not-found"

    def test_of_somebody_unknown_is_refused(self, world: Any, event: dict[str, Any]) -> None:
        assert check_in(world, event, world.eve, world.ana).problem == "not-found"
        world.erased(world.ben)
        world.settled()
        assert check_in(world, event, world.ben, world.ana).problem == "not-found"

    @pytest.mark.parametrize("body", [{}, {"handle": ""}, {"handle": 1}, {"handle": "ana", "at": "now"}])
    def test_that_is_wrong_is_refused(self, world: Any, event: dict[str, Any], body: dict[str, Any]) -> None:
        answer = world.api.post(f"/v1/events/{event['id']}/check-ins", body, as_=world.ana)
        assert answer.problem == "invalid"

    @pytest.mark.parametrize(
        ("after", "expected"),
        [
            (timedelta(hours=1, minutes=2), "check-in-closed"),
            (timedelta(minutes=58), None),
            (timedelta(hours=-25), None),
            (timedelta(hours=-26, minutes=-2), "check-in-closed"),
        ],
    )
    def test_has_its_time(self, world: Any, event: dict[str, Any], after: timedelta, expected: str | None) -> None:
        begins(world, event, after)
        answer = check_in(world, event, world.ben, world.chris)
        assert answer.problem == expected and answer.status == (409 if expected else 201)

    def test_is_not_for_a_cancelled_event(self, world: Any, event: dict[str, Any]) -> None:
        world.api.post(f"/v1/events/{event['id']}/cancellation", as_=world.ana)
        assert check_in(world, event, world.ben, world.ana).problem == "already-cancelled"


class TestWhoCame:
    def test_finds_it_in_what_is_held_about_them(self, world: Any, event: dict[str, Any]) -> None:
        made = check_in(world, event, world.ben, world.ana).json()
        export = world.api.get("/v1/me/export/events", as_=world.ben).json()
        (held,) = export["attended"]
        assert (held["event"]["id"], held["checked_in_at"]) == (event["id"], made["checked_in_at"])

    def test_is_forgotten_with_it_when_they_erase_themselves(self, world: Any, event: dict[str, Any]) -> None:
        check_in(world, event, world.ben, world.ana)
        check_in(world, event, world.chris, world.ana)
        world.erased(world.ben)
        world.settled()
        wait_until(lambda: not world.store.check_ins.all_of(world.ben.id))
        assert world.store.check_ins.find(event["id"], world.ben.id) is None
        assert world.store.check_ins.find(event["id"], world.chris.id) is not None
