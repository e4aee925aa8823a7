"""Answers that wait for one event are decided in one transaction: each with its own result, refusal and trace."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from chassis.endpoints import Call, Caller
from chassis.problems import NotAllowed, NotFound
from chassis.store import OpenStore, open_store
from events.events import model
from events.events.model import Event, Host
from events.groups.model import Group
from events.rsvps.api import Asked, decide
from events.rsvps.model import NotEnoughSeats, Rsvp
from events.service import Events

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def store(fresh_database: str) -> Iterator[OpenStore]:
    """A store of the test's own."""
    opened = open_store(fresh_database, "events", Events.store.repositories)
    opened.make_indexes()
    yield opened
    opened.client.close()


def schedule(store: OpenStore, **different: object) -> Event:
    start = (NOW + timedelta(days=2)).replace(tzinfo=None)
    plan = {"title": "Brunch", "starts_at": start, "ends_at": start + timedelta(hours=1), "time_zone": "UTC"}
    group = Group("grp_1", "kittens", "Kittens", "public", ["kittens"], False, 1)
    event = model.schedule(group, "psn_ana", {**plan, **different}, [Host("psn_ana", "ana")], NOW)
    store.events.add(event)
    return event


def asked(store: OpenStore, name: str, answer: str = "going", guests: int = 0) -> Asked:
    person = Caller(f"psn_{name}", name, name.title())
    call = Call("req", "answer_event", {}, "", "/", b"", time.time() + 5, person, now=NOW)
    call.traceparent = f"00-{name.encode().hex():0>32}-00f067aa0ba902b7-01"
    return Asked(store, call, answer, guests)


def said(results: list[Rsvp | Exception]) -> list[object]:
    return [(one.status, one.position) if isinstance(one, Rsvp) else type(one) for one in results]


def test_each_gets_what_one_after_another_would_give(store: OpenStore) -> None:
    event = schedule(store, capacity=2, max_guests=1)
    store.memberships.note("grp_1", "psn_eve", 3, "banned", None)
    answers = [
        ("ana", "going", 0),
        ("ben", "going", 1),
        ("chris", "going", 0),
        ("dora", "maybe", 0),
        ("eve", "going", 0),
    ]
    results = decide(event.id, [asked(store, *one) for one in [*answers, ("ana", "going", 1), ("fay", "going", 0)]])
    assert said(results) == [
        ("going", None),
        ("waitlisted", 1),
        ("going", None),
        ("maybe", None),
        NotAllowed,
        NotEnoughSeats,
        ("waitlisted", 2),
    ]
    again = decide(event.id, [asked(store, name) for name in ("fay", "chris")] + [asked(store, "ben", guests=1)])
    assert said(again) == [("waitlisted", 2), ("going", None), ("waitlisted", 1)]


def test_who_is_seated_by_somebody_else_in_the_same_decision_hears_so(store: OpenStore) -> None:
    event = schedule(store, capacity=1)
    decide(event.id, [asked(store, "ana")])
    results = decide(event.id, [asked(store, "ben"), asked(store, "chris"), asked(store, "ana", "not_going")])
    assert said(results) == [("going", None), ("waitlisted", 1), ("not_going", None)]


def test_who_answers_twice_in_one_decision_gets_both_answers(store: OpenStore) -> None:
    event = schedule(store, capacity=1)
    results = decide(event.id, [asked(store, "ana"), asked(store, "ben"), asked(store, "ben", "maybe")])
    assert said(results)[0] == ("going", None) and said(results)[2] == ("maybe", None)
    assert isinstance(results[1], Rsvp) and results[1].status == "waitlisted"
    kept = store.rsvps.find(event.id, "psn_ben")
    assert kept is not None and kept.status == "maybe"


def test_what_changes_nothing_writes_nothing(store: OpenStore) -> None:
    event = schedule(store)
    decide(event.id, [asked(store, "ana")])
    before = store.events.documents.find_one({"_id": event.id})
    decide(event.id, [asked(store, "ana"), asked(store, "ana")])
    assert store.events.documents.find_one({"_id": event.id}) == before
    assert store.database["outbox"].count_documents({}) == 1


def test_an_event_that_is_not_there_is_nobodys(store: OpenStore) -> None:
    assert said(decide("evt_unknown", [asked(store, "ana"), asked(store, "ben")])) == [NotFound, NotFound]


def test_each_message_carries_the_trace_of_its_own_call(store: OpenStore) -> None:
    event = schedule(store)
    both = [asked(store, "ana"), asked(store, "ben")]
    decide(event.id, both)
    told = [json.loads(one["body"]) for one in store.database["outbox"].find().sort("_id")]
    assert [one["traceparent"] for one in told] == [one.call.traceparent for one in both]
    assert [one["data"]["person"]["handle"] for one in told] == ["ana", "ben"]


def test_seats_left_free_by_a_crash_go_to_those_who_wait_before_anybody_new(store: OpenStore) -> None:
    event = schedule(store, capacity=1)
    decide(event.id, [asked(store, "ana"), asked(store, "ben")])
    store.events.documents.update_one({"_id": event.id}, {"$set": {"capacity": 2}})
    assert said(decide(event.id, [asked(store, "chris")])) == [("waitlisted", 1)]
    kept = store.rsvps.find(event.id, "psn_ben")
    assert kept is not None and kept.status == "going"
