"""Series as clients and listeners see them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import recurring_ical_events
from icalendar import Calendar

from chassis.api_client import NoAnswer
from chassis.testing import RunningService, RunService, wait_until

Event = dict[str, Any]


def post(world: Any, group: Event, recurrence: str, days: int = 7, **fields: Any) -> Any:
    plan = world.plan(days, recurrence=recurrence, **fields)
    return world.api.post(f"/v1/groups/{group['id']}/events", plan, as_=world.ana)


def series(world: Any, group: Event, recurrence: str, days: int = 7, **fields: Any) -> tuple[Event, list[Event]]:
    """A new series, and all of its events that there are."""
    answer = post(world, group, recurrence, days, **fields)
    assert answer.status == 201, answer.body
    made = answer.json()
    return made, events_of(world, made["id"])


def events_of(world: Any, id_: str, as_: Any = None) -> list[Event]:
    """The events of a series, over all pages."""
    found: list[Event] = []
    params: dict[str, Any] = {"series": id_, "limit": 100}
    while True:
        answer = world.api.get("/v1/events", as_=as_ or world.ana, params=params)
        assert answer.status == 200, answer.body
        found += answer.json()["items"]
        if answer.json()["next"] is None:
            return found
        params["cursor"] = answer.json()["next"]


def patch(world: Any, event: Event, apply: str, **body: Any) -> Any:
    return world.api.patch(f"/v1/events/{event['id']}?apply={apply}", body, as_=world.ana)


def cancel(world: Any, event: Event, apply: str) -> Any:
    return world.api.post(f"/v1/events/{event['id']}/cancellation?apply={apply}", {"reason": "Ill"}, as_=world.ana)


def later(event: Event, **by: float) -> Event:
    """The event's times, so much later on the wall clock."""
    times = {
        name: datetime.fromisoformat(event[f"{name}_local"]) + timedelta(**by) for name in ("starts_at", "ends_at")
    }
    return {name: f"{time:%Y-%m-%dT%H:%M}" for name, time in times.items()}


def locals_of(events: list[Event]) -> list[str]:
    return [event["starts_at_local"] for event in events]


def kind(message: Event) -> str:
    return str(message["type"].removeprefix("commonground.events.").removesuffix(".v1"))


class TestScheduling:
    def test_gives_the_series_and_its_first_events(self, world: Any) -> None:
        group = world.group()
        answer = post(world, group, "RRULE:FREQ=WEEKLY", time_zone="America/New_York", capacity=3)
        made = answer.json()
        assert answer.status == 201 and answer.headers["Location"] == f"/v1/series/{made['id']}"
        assert made["id"].startswith("ser_") and made["recurrence"] == "FREQ=WEEKLY" and not made["ended"]
        assert made["group"] == {name: group[name] for name in ("id", "slug", "name")}
        first = made["occurrences"][0]
        assert made["starts_at_local"] == first["starts_at_local"] and made["ends_at_local"] == first["ends_at_local"]
        assert len(made["occurrences"]) == 20 and {event["series"] for event in made["occurrences"]} == {made["id"]}
        everything = events_of(world, made["id"])
        assert everything[:20] == made["occurrences"] and len(everything) == 25
        read = world.api.get(f"/v1/series/{made['id']}", as_=world.ana)
        assert read.json() == made and read.headers["ETag"] == '"1"'
        assert world.read(everything[-1])["series"] == made["id"]

    def test_happens_once_for_one_key(self, world: Any) -> None:
        group = world.group()
        plan, path = world.plan(recurrence="FREQ=DAILY"), f"/v1/groups/{group['id']}/events"
        first, again = (
            world.api.post(path, plan, as_=world.ana, idempotency_key="one-" + group["id"]) for _ in range(2)
        )
        assert first.body == again.body and again.headers["Idempotency-Replayed"] == "true"
        assert world.store.series.documents.count_documents({"group_id": group["id"]}) == 1

    def test_of_a_day_by_day_series_takes_its_time_and_no_more(self, world: Any) -> None:
        description = "😺" * 10_000
        began = datetime.now(UTC)
        _, events = series(world, world.group(), "FREQ=DAILY", description=description)
        assert datetime.now(UTC) - began < timedelta(seconds=15) and 170 < len(events) < 182
        outbox = world.store.database["outbox"].find({}, {"body": 1})
        assert all(len(message["body"]) < 65_536 for message in outbox)

    def test_tells_of_each_and_tells_people_once(self, world: Any, heard: Any) -> None:
        _, events = series(world, world.group(), "FREQ=WEEKLY;COUNT=3")
        told = [heard(event, 1)[0] for event in events]
        assert {kind(message) for message in told} == {"event.scheduled"}
        assert [message["data"]["event"]["starts_at"] for message in told] == [event["starts_at"] for event in events]
        lead, *others = (message["data"] for message in told)
        assert lead["recurrence"] == "FREQ=WEEKLY;COUNT=3" and lead["tells_of"] == [event["id"] for event in events]
        assert {other["told_with"] for other in others} == {events[0]["id"]} and "tells_of" not in others[0]

    @pytest.mark.parametrize("text", ["FREQ=HOURLY", "WEEKLY", "FREQ=WEEKLY;COUNT=2;UNTIL=20300101", ""])
    def test_by_what_is_no_rule_is_refused_and_keeps_nothing(self, world: Any, text: str) -> None:
        group = world.group()
        answer = post(world, group, text)
        assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == "/recurrence"
        assert events_count(world, group) == 0

    def test_is_seen_by_who_may_see_its_events(self, world: Any) -> None:
        hidden, _ = series(world, world.group(world.ben, visibility="private"), "FREQ=WEEKLY;COUNT=2")
        for path in (f"/v1/series/{hidden['id']}", f"/v1/events?series={hidden['id']}"):
            assert world.api.get(path).problem == "not-found"
            assert world.api.get(path, as_=world.eve).problem == "not-found"
            assert world.api.get(path, as_=world.ben).status == 200
        for path in ("/v1/series/ser_none", "/v1/events?series=ser_none"):
            assert world.api.get(path, as_=world.ben).problem == "not-found"


def events_count(world: Any, group: Event) -> int:
    return int(world.store.events.documents.count_documents({"group_id": group["id"]}))


class TestChangingThis:
    def test_leaves_the_others(self, world: Any, heard: Any) -> None:
        made, events = series(world, world.group(world.ben), "FREQ=WEEKLY;COUNT=3")
        world.goes(events[1], world.ben)
        answer = world.api.patch(f"/v1/events/{events[1]['id']}", {"title": "Dinner"}, as_=world.ana)
        assert answer.status == 200 and answer.json()["seats_taken"] == 1
        titles = [event["title"] for event in events_of(world, made["id"])]
        assert titles == [events[0]["title"], "Dinner", events[2]["title"]]
        assert "told_with" not in heard(events[1], 3)[2]["data"]

    def test_to_another_time_asks_again_who_answered(self, world: Any, heard: Any) -> None:
        group = world.group(world.ben, world.chris, world.dora, world.eve)
        _, events = series(world, group, "FREQ=WEEKLY;COUNT=2", capacity=1)
        moved = events[1]
        world.goes(moved, world.ben, world.chris)
        world.answer(moved, world.dora, "maybe")
        world.answer(moved, world.eve, "not_going")
        answer = patch(world, moved, "this", **later(moved, days=1))
        assert answer.status == 200
        assert (answer.json()["seats_taken"], answer.json()["waitlist_length"]) == (0, 0)
        assert {world.status(moved, one)[0] for one in (world.ben, world.chris, world.dora, world.eve)} == {
            "unanswered"
        }
        changed, *told = heard(moved, 9)[5:]
        assert kind(changed) == "event.changed" and changed["data"]["changed"] == ["starts_at", "ends_at"]
        assert {(one["data"]["person"]["id"], one["data"]["was"]) for one in told} == {
            (world.ben.id, "going"),
            (world.chris.id, "waitlisted"),
            (world.dora.id, "maybe"),
        }
        assert all(one["data"]["asked_again"] and one["data"]["status"] == "not_going" for one in told)
        assert world.answer(moved, world.chris).json()["status"] == "going"
        assert world.answer(moved, world.ben).json() == {
            "answer": "going",
            "status": "waitlisted",
            "guests": 0,
            "position": 1,
        }

    def test_to_another_time_asks_again_however_many_answered(self, world: Any) -> None:
        _, events = series(world, world.group(world.ben, world.chris), "FREQ=WEEKLY;COUNT=2", capacity=3_000)
        moved, crowd = events[1], 4_500
        world.goes(moved, world.ben)
        answers = world.store.rsvps.documents
        kept = answers.find_one({"event_id": moved["id"]})
        ids = [f"psn_{number:026}" for number in range(crowd)]
        answers.insert_many([{**kept, "_id": f"{moved['id']}:{one}", "person_id": one} for one in ids])
        world.store.events.documents.update_one({"_id": moved["id"]}, {"$inc": {"seats_taken": crowd}})
        assert patch(world, moved, "this", **later(moved, days=1)).json()["seats_taken"] == 0
        assert [world.answer(moved, one).json()["status"] for one in (world.ben, world.chris)] == ["going", "going"]
        wait_until(
            lambda: answers.count_documents({"event_id": moved["id"]}) == 2, 60, what="the end of all old answers"
        )
        now = world.read(moved, world.ben)
        assert now["seats_taken"] == 2 and now["viewer"]["status"] == "going"
        # Each answer that was taken back is a message, and so a version.
        assert now["version"] >= crowd + 4

    def test_cannot_change_the_rule(self, world: Any) -> None:
        _, events = series(world, world.group(), "FREQ=WEEKLY;COUNT=2")
        answer = patch(world, events[0], "this", recurrence="FREQ=DAILY")
        assert answer.status == 422 and answer.json()["errors"][0]["pointer"] == "/recurrence"


class TestChangingAll:
    def test_keeps_answers_where_the_time_stays(self, world: Any, heard: Any) -> None:
        made, events = series(world, world.group(world.ben), "FREQ=WEEKLY;COUNT=3", capacity=5)
        world.goes(events[2], world.ben)
        patch(world, events[1], "this", title="Dinner", **later(events[1], hours=1))
        answer = patch(world, events[0], "all", description="Bring bacon.")
        assert answer.status == 200 and answer.json()["description"] == "Bring bacon."
        now = events_of(world, made["id"])
        assert {event["description"] for event in now} == {"Bring bacon."}
        assert now[1]["title"] == "Dinner" and now[1]["starts_at_local"] == later(events[1], hours=1)["starts_at"]
        assert world.status(events[2], world.ben)[0] == "going" and now[2]["seats_taken"] == 1
        lead, other = heard(events[0], 2)[1]["data"], heard(events[2], 3)[2]["data"]
        assert lead["tells_of"] == [event["id"] for event in now] and other["told_with"] == events[0]["id"]
        assert lead["changed"] == other["changed"] == ["description"]

    def test_moves_all_and_asks_again(self, world: Any) -> None:
        made, events = series(world, world.group(world.ben), "FREQ=WEEKLY;COUNT=3")
        world.goes(events[0], world.ben)
        world.goes(events[2], world.ben)
        answer = patch(world, events[1], "all", **later(events[1], days=1, hours=1))
        assert answer.status == 200
        now = events_of(world, made["id"])
        assert locals_of(now) == [later(event, days=1, hours=1)["starts_at"] for event in events]
        assert [event["id"] for event in now] == [event["id"] for event in events]
        assert {event["seats_taken"] for event in now} == {0}
        assert world.status(events[2], world.ben)[0] == "unanswered"

    def test_raises_capacities_and_promotes(self, world: Any) -> None:
        made, events = series(world, world.group(world.ben, world.chris), "FREQ=WEEKLY;COUNT=3", capacity=1)
        for event in events:
            world.goes(event, world.ben, world.chris)
        assert patch(world, events[1], "all", capacity=2).json()["seats_taken"] == 2
        wait_until(
            lambda: {event["seats_taken"] for event in events_of(world, made["id"])} == {2}, what="all promotions"
        )

    def test_honours_the_version_and_changes_nothing_when_refused(self, world: Any) -> None:
        made, events = series(world, world.group(), "FREQ=DAILY;COUNT=3")
        path = f"/v1/events/{events[0]['id']}?apply=all"
        assert world.api.patch(path, {"title": "Dinner"}, as_=world.ana, if_match='"7"').status == 412
        assert patch(world, events[0], "all", capacity=0).status == 422
        assert patch(world, events[0], "all", starts_at="2020-01-01T10:00").status == 422
        assert patch(world, events[0], "all", recurrence="FREQ=HOURLY", title="Dinner").status == 422
        assert patch(world, events[0], "some", title="Dinner").problem == "malformed-request"
        assert patch(world, events[0], "all").status == 200
        assert events_of(world, made["id"]) == events
        assert world.api.patch(path, {"title": "Dinner"}, as_=world.ana, if_match='"1"').status == 200
        assert world.api.patch(path, {"title": "Tea"}, as_=world.eve).problem == "not-allowed"

    def test_follows_another_rule(self, world: Any, heard: Any) -> None:
        made, events = series(world, world.group(world.ben), "FREQ=WEEKLY;COUNT=4")
        world.goes(events[2], world.ben)
        answer = patch(world, events[0], "all", recurrence="FREQ=WEEKLY;INTERVAL=2;COUNT=3")
        assert answer.status == 200
        now = events_of(world, made["id"])
        assert [event["status"] for event in now] == ["scheduled", "cancelled", "scheduled", "cancelled", "scheduled"]
        assert world.status(events[2], world.ben)[0] == "going" and now[4]["id"] not in {
            event["id"] for event in events
        }
        assert kind(heard(now[4], 1)[0]) == "event.scheduled" and kind(heard(events[1], 2)[1]) == "event.cancelled"
        read = world.api.get(f"/v1/series/{made['id']}").json()
        assert read["recurrence"] == "FREQ=WEEKLY;INTERVAL=2;COUNT=3" and read["ended"]


class TestChangingTheFollowing:
    def test_cuts_the_series(self, world: Any) -> None:
        made, events = series(world, world.group(world.ben), "FREQ=WEEKLY")
        world.goes(events[4], world.ben)
        answer = patch(world, events[2], "following", title="Dinner", **later(events[2], hours=1))
        assert answer.status == 200
        rest = answer.json()["series"]
        assert rest not in (None, made["id"])
        assert [event["id"] for event in events_of(world, made["id"])] == [event["id"] for event in events[:2]]
        now = events_of(world, rest)
        assert [event["id"] for event in now] == [event["id"] for event in events[2:]]
        assert {event["title"] for event in now} == {"Dinner"}
        assert locals_of(now) == [later(event, hours=1)["starts_at"] for event in events[2:]]
        assert world.status(events[4], world.ben)[0] == "unanswered"
        old, new = (world.api.get(f"/v1/series/{one}").json() for one in (made["id"], rest))
        assert old["ended"] and old["title"] != "Dinner" and not new["ended"] and new["title"] == "Dinner"
        assert patch(world, events[0], "all", capacity=7).status == 200
        assert {event["capacity"] for event in events_of(world, rest)} == {None}

    def test_of_the_first_is_all(self, world: Any) -> None:
        made, events = series(world, world.group(), "FREQ=WEEKLY;COUNT=3")
        assert patch(world, events[0], "following", title="Dinner").json()["series"] == made["id"]
        assert {event["title"] for event in events_of(world, made["id"])} == {"Dinner"}

    def test_makes_a_series_of_a_single_event(self, world: Any, heard: Any) -> None:
        event = world.schedule(world.group(world.ben))
        world.goes(event, world.ben)
        answer = patch(world, event, "this", recurrence="FREQ=WEEKLY;COUNT=3")
        assert answer.status == 200 and answer.json()["seats_taken"] == 1
        now = events_of(world, answer.json()["series"])
        assert len(now) == 3 and now[0]["id"] == event["id"]
        assert heard(now[1], 1)[0]["data"]["told_with"] == event["id"]


class TestCancelling:
    def test_this_leaves_the_others(self, world: Any) -> None:
        made, events = series(world, world.group(), "FREQ=WEEKLY;COUNT=3")
        assert cancel(world, events[1], "this").json()["status"] == "cancelled"
        assert [event["status"] for event in events_of(world, made["id"])] == ["scheduled", "cancelled", "scheduled"]
        patch(world, events[0], "all", **later(events[0], hours=1))
        assert world.read(events[1])["status"] == "cancelled"

    def test_the_following_ends_the_series_before_them(self, world: Any, heard: Any) -> None:
        made, events = series(world, world.group(), "FREQ=WEEKLY")
        assert cancel(world, events[1], "following").json()["status"] == "cancelled"
        assert {event["status"] for event in events_of(world, made["id"])[1:]} == {"cancelled"}
        assert world.read(events[0])["status"] == "scheduled"
        assert world.api.get(f"/v1/series/{made['id']}").json()["ended"]
        lead = heard(events[1], 2)[1]["data"]
        assert len(lead["tells_of"]) == len(events) - 1 and lead["reason"] == "Ill"
        assert heard(events[5], 2)[1]["data"]["told_with"] == events[1]["id"]

    def test_all_cancels_all_that_are_to_come(self, world: Any) -> None:
        made, events = series(world, world.group(), "FREQ=WEEKLY")
        assert cancel(world, events[3], "all").json()["status"] == "cancelled"
        assert {event["status"] for event in events_of(world, made["id"])} == {"cancelled"}
        assert world.store.series.find(made["id"]).extend_at is None
        assert cancel(world, events[3], "all").problem == "already-cancelled"

    def test_comes_with_the_end_of_the_group(self, world: Any, heard: Any) -> None:
        group = world.group()
        made, events = series(world, group, "FREQ=WEEKLY")
        other = world.schedule(group)
        world.archived(group)
        world.settled()
        assert heard(events[0], 2)[1]["data"]["tells_of"] == [event["id"] for event in events]
        assert "told_with" not in heard(other, 2)[1]["data"] and "tells_of" not in heard(other, 2)[1]["data"]
        assert {event["status"] for event in events_of(world, made["id"])} == {"cancelled"}
        assert world.store.series.find(made["id"]).ended


class TestHosts:
    def test_who_is_removed_hosts_none_of_it_and_people_are_told_once(self, world: Any, heard: Any) -> None:
        group = world.group(world.ben)
        hosts = [world.ana.handle, world.ben.handle]
        made, events = series(world, group, "FREQ=WEEKLY", hosts=hosts)
        assert world.api.patch(f"/v1/events/{events[3]['id']}?apply=all", {"capacity": 9}, as_=world.ben).status == 200
        world.member("removed", group, world.ben)
        world.settled()
        assert {tuple(event["hosts"]) for event in events_of(world, made["id"])} == {(world.ana.handle,)}
        assert [host.id for host in world.store.series.find(made["id"]).hosts] == [world.ana.id]
        told = [heard(event, 3)[2]["data"] for event in events]
        assert told[0]["changed"] == ["hosts"] and len(told[0]["tells_of"]) == len(events)
        assert {one["told_with"] for one in told[1:]} == {events[0]["id"]}

    def test_who_erases_themselves_is_in_no_series(self, world: Any) -> None:
        group = world.group(world.ben)
        world.member("role_changed", group, world.ben, "organizer")
        world.settled()
        plan = world.plan(recurrence="FREQ=WEEKLY")
        made = world.api.post(f"/v1/groups/{group['id']}/events", plan, as_=world.ben).json()
        world.erased(world.ben)
        world.settled()
        assert world.ben.id not in str(world.store.series.documents.find_one({"_id": made["id"]}))


class TestAtOnce:
    def test_two_changes_of_all_are_one_after_the_other(self, world: Any) -> None:
        made, events = series(world, world.group(), "FREQ=WEEKLY")
        bodies = [{"title": f"Title {number}", "description": f"Title {number}"} for number in range(6)]
        asked = [
            world.api.send("PATCH", f"/v1/events/{events[number * 3]['id']}?apply=all", body, as_=world.ana)
            for number, body in enumerate(bodies)
        ]
        assert {world.api.receive(one).status for one in asked} == {200}
        now = events_of(world, made["id"])
        assert len({(event["title"], event["description"]) for event in now}) == 1
        assert now[0]["title"] == now[0]["description"]


class TestCalendars:
    def test_of_the_group_have_a_rule_and_others_instances(self, world: Any) -> None:
        group = world.group(world.ben)
        made, events = series(world, group, "FREQ=WEEKLY;COUNT=4", time_zone="America/New_York")
        world.goes(events[1], world.ben)
        patch(world, events[2], "this", title="Dinner")
        cancel(world, events[3], "this")
        path = f"/v1/groups/{group['id']}/calendar.ics"
        answer = world.api.get(path)
        whole = Calendar.from_ical(answer.body)
        rule, *others = whole.walk("VEVENT")
        assert rule["RRULE"].to_ical() == b"FREQ=WEEKLY;COUNT=4" and rule["UID"] == f"{made['id']}@commonground"
        assert {str(one["SUMMARY"]) for one in others} == {"Dinner", events[3]["title"]}
        found = recurring_ical_events.of(whole).between(datetime.now(UTC), datetime.now(UTC) + timedelta(days=60))
        starts = sorted(one["DTSTART"].dt.astimezone(UTC) for one in found if one["STATUS"] != "CANCELLED")
        assert starts == [datetime.fromisoformat(event["starts_at"]) for event in events[:3]]
        assert world.api.get(path, if_none_match=answer.headers["ETag"]).status == 304
        (single,) = Calendar.from_ical(world.api.get(f"/v1/events/{events[2]['id']}/calendar.ics").body).walk("VEVENT")
        assert single["UID"] == rule["UID"] and "RRULE" not in single
        assert single["RECURRENCE-ID"].dt.astimezone(UTC) == single["DTSTART"].dt.astimezone(UTC) == starts[2]
        mine = world.api.get(world.api.post("/v1/me/calendar", as_=world.ben).json()["href"])
        (going,) = Calendar.from_ical(mine.body).walk("VEVENT")
        assert going["RECURRENCE-ID"].dt.astimezone(UTC) == starts[1]

    def test_show_strangers_no_rule_of_a_series_that_is_not_for_them(self, world: Any) -> None:
        group = world.group(world.ben)
        made, events = series(world, group, "FREQ=WEEKLY;COUNT=4", visibility="group")
        patch(world, events[1], "this", visibility="public")
        path = f"/v1/groups/{group['id']}/calendar.ics"
        (one,) = Calendar.from_ical(world.api.get(path, as_=world.eve).body).walk("VEVENT")
        assert "RRULE" not in one and world.api.get(f"/v1/series/{made['id']}", as_=world.eve).problem == "not-found"
        assert "RRULE" in next(iter(Calendar.from_ical(world.api.get(path, as_=world.ben).body).walk("VEVENT")))


def rewind(world: Any, made: Event, number: int) -> list[str]:
    """Have a series be as it was before its last events were made; the times of those."""
    kept = world.store.series.find(made["id"])
    gone = events_of(world, made["id"])[-number:]
    world.store.events.documents.delete_many({"_id": {"$in": [event["id"] for event in gone]}})
    kept.made -= number
    kept.next = datetime.fromisoformat(gone[0]["starts_at_local"])
    kept.extend_at = datetime.now(UTC) - timedelta(days=1)
    world.store.series.save(kept)
    return locals_of(gone)


def _is_dinner(world: Any, event: Event) -> bool:
    """Whether the series of this event was changed. A call that was with a process that is killed has no answer."""
    try:
        return bool(patch(world, event, "all", title="Dinner", capacity=7).status == 200)
    except NoAnswer:
        return False


@pytest.mark.slow
class TestExtending:
    @pytest.fixture
    def processes(self, run_service: RunService, shared_database: str) -> Callable[[], RunningService]:
        """Start another process of the same service: it looks for what is due at once."""
        return lambda: run_service("events", env={"CG_MONGO_URI": shared_database})

    def test_makes_what_has_come_within_reach_once(
        self, world: Any, heard: Any, processes: Callable[[], RunningService]
    ) -> None:
        """However many processes, though one is killed, and while the series are changed."""
        group = world.group()
        several = [series(world, group, "FREQ=WEEKLY", title="Lunch") for _ in range(30)]
        before = [locals_of(events) for _, events in several]
        gone = [rewind(world, made, 3) for made, _ in several]
        victim, other = processes(), processes()
        wait_until(lambda: any(len(events_of(world, made["id"])) == 25 for made, _ in several), 30, what="the first")
        victim.kill()
        for _, events in several[::5]:
            wait_until(lambda first=events[0]: _is_dinner(world, first), 30, what="an answer")
        wait_until(lambda: world.store.series.due(datetime.now(UTC), 100) == [], 60, what="the extension of all series")
        for number, (made, _) in enumerate(several):
            now = events_of(world, made["id"])
            assert locals_of(now) == before[number] and locals_of(now)[-3:] == gone[number]
            assert {event["title"] for event in now} == {"Lunch" if number % 5 else "Dinner"}
            last = heard(now[-1], 1)[0]
            assert kind(last) == "event.scheduled" and last["data"]["told_with"] == now[0]["id"]
            assert last["data"]["by"] is None
        assert other.stop() == 0
