"""Reminders as listeners hear them: once each, whatever happens to the processes and to the event."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.testing import RunningService, RunService, wait_until

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATE = timedelta(seconds=60)


def starts(lead: timedelta) -> dict[str, str]:
    """The times of an event that starts so much later than now, to the next second."""
    start = (datetime.now(UTC) + lead + timedelta(seconds=1)).replace(microsecond=0, tzinfo=None)
    return {"starts_at": start.isoformat(), "ends_at": (start + HOUR).isoformat()}


def soon(lead: timedelta, seconds: float = 2) -> dict[str, str]:
    """The times of an event of which a reminder is due in some seconds."""
    return starts(lead + timedelta(seconds=seconds))


def due(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in messages if one["type"] == "commonground.events.event.due.v1"]


def leads(messages: list[dict[str, Any]]) -> list[str]:
    return [one["data"]["in"] for one in due(messages)]


@pytest.fixture
def group(world: Any, heard: Any) -> dict[str, Any]:
    made: dict[str, Any] = world.group()
    return made


def told_later(world: Any, group: dict[str, Any], heard: Any) -> None:
    """Wait until another event, due after all that are known now, was told of."""
    other = world.schedule(group, **soon(HOUR))
    wait_until(lambda: leads(heard(other, 1)) == ["PT1H"], 30, what="the reminder of another event")


class TestReminders:
    def test_are_told_a_day_and_an_hour_before_in_time(self, world: Any, group: dict[str, Any], heard: Any) -> None:
        day, hour = world.schedule(group, **soon(DAY)), world.schedule(group, **soon(HOUR))
        for event, lead, name in ((day, DAY, "PT24H"), (hour, HOUR, "PT1H")):
            wait_until(lambda event=event: due(heard(event, 1)), 30, what="the reminder")  # type: ignore[misc]
            (message,) = due(heard(event, 2))
            assert message["data"] == {
                "event": {one: event[one] for one in ("id", "title", "starts_at", "time_zone")},
                "group": event["group"],
                "in": name,
            }
            assert (message["sequence"], message["audience"]) == ("2", "public")
            at = datetime.fromisoformat(message["time"]) + lead - datetime.fromisoformat(event["starts_at"])
            assert timedelta(0) <= at <= LATE
        assert world.store.events.find(day["id"]).reminder == "PT1H"
        assert world.store.events.find(hour["id"]).reminder is None

    def test_of_an_event_for_the_group_are_for_the_group(self, world: Any, group: dict[str, Any], heard: Any) -> None:
        event = world.schedule(group, visibility="group", **soon(HOUR))
        wait_until(lambda: due(heard(event, 1)), 30, what="the reminder")
        assert due(heard(event, 2))[0]["audience"] == "group"

    def test_whose_time_was_over_at_the_scheduling_are_not_told(
        self, world: Any, group: dict[str, Any], heard: Any
    ) -> None:
        near = world.schedule(group, **starts(timedelta(minutes=30)))
        today = world.schedule(group, **starts(timedelta(hours=5)))
        told_later(world, group, heard)
        assert leads(heard(near, 1)) == [] and leads(heard(today, 1)) == []
        assert world.store.events.find(today["id"]).reminder == "PT1H"

    def test_follow_an_event_that_is_moved_and_end_with_one_that_is_cancelled(
        self, world: Any, group: dict[str, Any], heard: Any
    ) -> None:
        away, back, off = (world.schedule(group, **soon(HOUR, 6)) for _ in range(3))
        for event, times in ((away, starts(3 * DAY)), (back, starts(3 * DAY)), (back, soon(DAY, 2))):
            assert world.api.patch(f"/v1/events/{event['id']}", times, as_=world.ana).status == 200
        assert world.api.post(f"/v1/events/{off['id']}/cancellation", as_=world.ana).status == 200
        wait_until(lambda: leads(heard(back, 3)) == ["PT24H"], 30, what="the reminder of the event that was moved")
        told_later(world, group, heard)
        assert leads(heard(away, 2)) == [] and leads(heard(off, 2)) == [] and leads(heard(back, 4)) == ["PT24H"]

    def test_follow_the_wall_clock_into_another_zone(self, world: Any, group: dict[str, Any], heard: Any) -> None:
        """Etc/GMT-10 is ten hours ahead of UTC, Etc/GMT+10 as many behind."""
        away, near = world.schedule(group, **soon(HOUR, 6)), world.schedule(group, **soon(11 * HOUR, 6))
        for event, zone in ((away, "Etc/GMT+10"), (near, "Etc/GMT-10")):
            assert world.api.patch(f"/v1/events/{event['id']}", {"time_zone": zone}, as_=world.ana).status == 200
        wait_until(lambda: leads(heard(near, 2)) == ["PT1H"], 30, what="the reminder of the event that is nearer now")
        told_later(world, group, heard)
        assert leads(heard(away, 2)) == [] and leads(heard(near, 3)) == ["PT1H"]
        assert world.store.events.find(away["id"]).reminder == "PT1H"

    def test_are_told_again_when_the_event_is_put_off_to_a_later_day(
        self, world: Any, group: dict[str, Any], heard: Any
    ) -> None:
        event = world.schedule(group, **soon(DAY))
        wait_until(lambda: leads(heard(event, 1)) == ["PT24H"], 30, what="the reminder")
        assert world.api.patch(f"/v1/events/{event['id']}", soon(DAY), as_=world.ana).status == 200
        wait_until(lambda: leads(heard(event, 3)) == ["PT24H"] * 2, 30, what="the reminder of the new time")


@pytest.mark.slow
class TestSeveralProcesses:
    @pytest.fixture
    def processes(self, run_service: RunService, shared_database: str) -> Callable[[], RunningService]:
        """Start another process of the same service."""
        return lambda: run_service("events", env={"CG_MONGO_URI": shared_database})

    def test_tell_once_though_one_is_killed(
        self, world: Any, group: dict[str, Any], heard: Any, processes: Callable[[], RunningService]
    ) -> None:
        victim, other = processes(), processes()
        events = [world.schedule(group, **starts(3 * DAY)) for _ in range(150)]
        # All due in the same moment, however long it took to schedule them.
        near = datetime.now(UTC) + HOUR
        due_now = {"$set": {"starts_at": near, "due_at": near - HOUR, "reminder": "PT1H"}}
        world.store.events.documents.update_many({"_id": {"$in": [event["id"] for event in events]}}, due_now)
        first = events[0]
        wait_until(lambda: leads(heard(first, 1)), 40, what="the first reminder")
        victim.kill()
        for event in events:
            wait_until(lambda event=event: leads(heard(event, 1)), 40, what="a reminder")  # type: ignore[misc]
        told_later(world, group, heard)
        assert [leads(heard(event, 2)) for event in events] == [["PT1H"]] * len(events)
        assert {world.store.events.find(event["id"]).version for event in events} == {2}
        assert other.stop() == 0


@pytest.mark.slow
def test_what_fell_due_while_everything_was_down_is_told_at_once_and_once(
    world: Any,
    group: dict[str, Any],
    heard: Any,
    service: RunningService,
    run_service: RunService,
    shared_database: str,
) -> None:
    """The last test of this module: its service is killed."""
    event = world.schedule(group, **soon(HOUR, 2))
    heard(event, 1)
    service.kill()
    at = world.store.events.find(event["id"]).due_at
    wait_until(lambda: datetime.now(UTC) > at + timedelta(seconds=1), what="the time of the reminder")
    assert leads(heard(event, 1)) == []
    again = run_service("events", env={"CG_MONGO_URI": shared_database})
    up = datetime.now(UTC)
    wait_until(lambda: leads(heard(event, 1)) == ["PT1H"], 60, what="the reminder")
    assert datetime.fromisoformat(due(heard(event, 2))[0]["time"]) - up < LATE
    assert again.stop() == 0
    once_more = run_service("events", env={"CG_MONGO_URI": shared_database})
    other = once_more.api.post(f"/v1/groups/{group['id']}/events", world.plan(**soon(HOUR)), as_=world.ana).json()
    wait_until(lambda: leads(heard(other, 1)), 30, what="the reminder of another event")
    assert leads(heard(event, 2)) == ["PT1H"]
