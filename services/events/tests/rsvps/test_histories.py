"""Any history of an event's seats, against a reference too simple to be wrong: the rules alone, and all on the real database.

How many histories are tried is set by CG_HISTORIES: a few in each run of the tests, thousands when somebody wants to be sure.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chassis.contract import subscriptions_of
from chassis.endpoints import Call, Caller
from chassis.ids import new_id
from chassis.messages import Received
from chassis.problems import AuthenticationRequired, Invalid, NotAllowed, Problem
from chassis.store import OpenStore, open_store
from events.events.model import AlreadyCancelled, Event
from events.groups.model import STRANGER
from events.rsvps.api import Asked, decide
from events.rsvps.model import Book, NotEnoughSeats, Rsvp, RsvpClosed
from events.service import Events

HISTORIES = int(os.environ.get("CG_HISTORIES", "25"))
pytestmark = pytest.mark.timeout(max(120, HISTORIES * 3))

NOW = datetime.now(UTC).replace(microsecond=0)
SOON = NOW + timedelta(days=2)
PEOPLE = ("ana", "ben", "chris", "dora", "eve")
MOST_GUESTS = 3

names = st.sampled_from(PEOPLE)
said = st.sampled_from(["going", "going", "going", "maybe", "not_going"])
batches = st.lists(st.tuples(names, said, st.integers(0, MOST_GUESTS)), min_size=1, max_size=6)
capacities = st.one_of(st.none(), st.integers(1, 8))


class Seats:
    """What should become of everybody: who has how many seats, and a line of those who wait."""

    def __init__(self, capacity: int | None) -> None:
        self.capacity = capacity
        self.going: dict[str, int] = {}
        self.line: list[list[Any]] = []
        self.others: dict[str, tuple[str, int]] = {}

    def answer(self, name: str, said: str, guests: int, allowed: int) -> type[Problem] | str:
        """What somebody is told: their status, or the problem with it."""
        place = next((one for one in self.line if one[0] == name), None)
        same = self.going.get(name, place[1] if place else 0) == 1 + guests
        if said == "not_going":
            self.let_go(name)
            self.others[name] = (said, 0)
        elif guests > allowed and not (same if said == "going" else self.others.get(name) == (said, guests)):
            return Invalid
        elif said == "maybe":
            self.let_go(name)
            self.others[name] = (said, guests)
        elif name in self.going:
            before = self.going.pop(name)
            if 1 + guests > before and not self.fits(1 + guests):
                self.going[name] = before
                return NotEnoughSeats
            self.going[name] = 1 + guests
        elif place is not None:
            place[1] = 1 + guests
        else:
            self.others.pop(name, None)
            self.line.append([name, 1 + guests])
        self.give()
        return said if said != "going" else ("going" if name in self.going else "waitlisted")

    def give(self) -> None:
        """Free seats go to the first who fits, as long as somebody does."""
        for one in list(self.line):
            if self.fits(one[1]):
                self.line.remove(one)
                self.going[one[0]] = one[1]

    def fits(self, seats: int) -> bool:
        return self.capacity is None or sum(self.going.values()) + seats <= self.capacity

    def let_go(self, name: str) -> None:
        self.going.pop(name, None)
        self.line = [one for one in self.line if one[0] != name]

    def withdraw(self, name: str) -> None:
        """Somebody is no member any more: what they answered is taken."""
        if name in self.going or any(one[0] == name for one in self.line) or name in self.others:
            self.let_go(name)
            self.others[name] = ("not_going", 0)
            self.give()

    def forget(self, name: str) -> None:
        self.let_go(name)
        self.others.pop(name, None)
        self.give()

    def position(self, name: str) -> int | None:
        return next((number for number, one in enumerate(self.line, start=1) if one[0] == name), None)

    def check(self, event: Event, kept: list[Rsvp]) -> None:
        """What is kept of an event and its answers is what should be."""
        assert {one.person: (one.status, one.guests) for one in kept} == self.statuses()
        line = sorted((one for one in kept if one.status == "waitlisted"), key=lambda one: one.place)
        assert [[one.person, one.seats] for one in line] == self.line
        assert (event.seats_taken, event.waitlist_length) == (sum(self.going.values()), len(line))
        assert not any(event.has_room(one.seats) for one in line), "nobody waits who would fit"

    def statuses(self) -> dict[str, tuple[str, int]]:
        """The status and guests of each."""
        found = {name: ("going", seats - 1) for name, seats in self.going.items()}
        return found | {name: ("waitlisted", seats - 1) for name, seats in self.line} | self.others


class Rules(RuleBasedStateMachine):
    """The rules alone: each step is decided by a new Book that knows as little as the store would give it."""

    @initialize(capacity=capacities)
    def begin(self, capacity: int | None) -> None:
        self.event = Event("evt_1", "grp_1", "kittens", "Kittens", "public", False, 1, ["kittens"], NOW, None)
        self.event.capacity, self.event.max_guests, self.event.visibility = capacity, MOST_GUESTS, "public"
        self.kept: dict[str, Rsvp] = {}
        self.seats = Seats(capacity)

    def book(self, *names: str) -> Book:
        held = sum(rsvp.seats for name in names if (rsvp := self.kept.get(name)) and rsvp.status == "going")
        free = 99 if self.event.capacity is None else self.event.capacity - self.event.seats_taken + held
        known = {name: self.kept[name] for name in names if name in self.kept}
        more = sum(rsvp.status == "waitlisted" for rsvp in known.values())
        for seats in range(1, min(free, self.event.largest_waiting) + 1):
            line = [one for one in self.kept.values() if one.status == "waitlisted" and one.seats == seats]
            for rsvp in sorted(line, key=lambda rsvp: rsvp.place)[: free // seats + more]:
                known[rsvp.person] = rsvp
        return Book(self.event, known.values())

    def keep(self, book: Book) -> None:
        self.kept |= book.changed
        assert [fact.sequence for fact in book.facts] == list(range(book.began + 1, self.event.version + 1))

    @rule(batch=batches)
    def people_answer_together(self, batch: list[tuple[str, str, int]]) -> None:
        book = self.book(*{name for name, _, _ in batch})
        for name, answer, guests in batch:
            person = {"id": name, "handle": name, "display_name": name.title()}
            expected = self.seats.answer(name, answer, guests, MOST_GUESTS)
            if isinstance(expected, str):
                assert book.answer(person, answer, guests, NOW, 1).status == expected
            else:
                with pytest.raises(expected):
                    book.answer(person, answer, guests, NOW, 1)
        self.keep(book)

    @rule(capacity=capacities)
    def the_capacity_changes(self, capacity: int | None) -> None:
        self.event.capacity = self.seats.capacity = capacity
        book = self.book()
        book.fill(NOW)
        self.keep(book)
        self.seats.give()

    @rule(name=names)
    def somebody_is_removed(self, name: str) -> None:
        book = self.book(name)
        book.withdraw(name, 2, NOW)
        self.keep(book)
        self.seats.withdraw(name)

    @rule(name=names)
    def somebody_is_erased(self, name: str) -> None:
        book = self.book(name)
        book.forget(name, NOW)
        self.kept |= book.changed
        self.kept.pop(name, None)
        self.seats.forget(name)

    @invariant()
    def is_as_the_reference_says(self) -> None:
        if hasattr(self, "kept"):
            self.seats.check(self.event, list(self.kept.values()))


class TestRules(Rules.TestCase):
    settings = settings(max_examples=8 * HISTORIES, stateful_step_count=30, deadline=None)


@dataclass
class Heard:
    """A message of the groups service about somebody, which may come late and twice."""

    person: str
    id: str
    status: str
    received: list[tuple[str, Received]]

    @property
    def sequence(self) -> int:
        return self.received[0][1].sequence


class Service(RuleBasedStateMachine):
    """The endpoints and subscriptions of the service, as its processes run them: all that can happen to one event."""

    store: ClassVar[OpenStore]

    @initialize(capacity=capacities, max_guests=st.integers(1, MOST_GUESTS))
    def begin(self, capacity: int | None, max_guests: int) -> None:
        self.service: Any = Events()
        self.service.store = self.store
        self.ids = {name: new_id("psn") for name in (*PEOPLE, "host")}
        self.group, self.sequence, self.began = new_id("grp"), 0, new_id("msg")
        self.seats, self.max_guests = Seats(capacity), max_guests
        self.cancelled, self.steps = False, 0
        self.memberships: dict[str, tuple[str, int]] = dict.fromkeys(PEOPLE, ("none", -1))
        self.answered_at: dict[str, int] = {}
        self.late: list[Heard] = []
        self.gone: list[str] = []
        self.untold = 0
        known = {"id": self.group, "slug": self.group, "name": "Cats", "visibility": "public"}
        self.hear(self.tell("groups.group.founded", "host", {"group": known}))
        self.hear(self.of_member("joined", "host", role="organizer"))
        start, end = (f"{SOON + timedelta(hours=hours):%Y-%m-%dT%H:%M}" for hours in (0, 2))
        plan = {"title": "Brunch", "starts_at": start, "ends_at": end, "time_zone": "UTC"}
        plan |= {"capacity": capacity, "max_guests": max_guests}
        self.event = self.do(Events.schedule_event, {"group": self.group}, plan)["id"]

    # -- calling the service

    def call(self, name: str, path: dict[str, str], body: Any) -> Call:
        caller = Caller(self.ids[name], name, name.title())
        return Call("req", "", path, "", "/", json.dumps(body).encode(), time.time() + 30, caller, now=NOW)

    def do(self, endpoint: Any, path: dict[str, str], body: Any) -> Any:
        reply = endpoint(self.service, self.call("host", path, body))
        assert reply.status < 300, reply.body
        return json.loads(reply.body)

    def change(self, **fields: Any) -> None:
        self.do(Events.change_event, {"event": self.event}, fields)

    def tell(self, type: str, person: str, data: dict[str, Any], status: str = "") -> Heard:
        """The next message about the group, or about a person, for each method that listens to it."""
        self.sequence += 1
        about = self.ids[person] if "person_id" in data else self.group
        type, number = f"commonground.{type}.v1", new_id("msg")
        received = []
        for method, one in subscriptions_of(Events):
            if one.full_type == type:
                message = Received(number, "/groups", type, about, self.sequence, NOW, "public", data, None, NOW)
                received.append((method, replace(message, data=one.load(message), consumer=f"events.{method}")))
        assert received
        return Heard(person, self.ids[person], status, received)

    def of_member(self, what: str, name: str, role: str = "member") -> Heard:
        data = {"group": {"id": self.group}, "person": {"id": self.ids[name]}, "role": role}
        return self.tell(f"groups.member.{what}", name, data, "active" if what == "joined" else what)

    def hear(self, heard: Heard) -> None:
        for method, message in heard.received:
            assert getattr(self.service, method)(message) is None

    # -- what happens

    @rule(batch=batches)
    def people_answer_together(self, batch: list[tuple[str, str, int]]) -> None:
        results = self.decide(batch)
        expected = [self.expect(*one) for one in batch]
        last = {name: number for number, (name, _, _) in enumerate(batch)}
        for number, (name, _, _) in enumerate(batch):
            result = results[number]
            if isinstance(expected[number], type):
                assert type(result) is expected[number], batch
            elif last[name] == number:
                assert isinstance(result, Rsvp), result
                assert (result.status, result.guests) == self.seats.statuses()[name]
                assert result.position == self.seats.position(name)

    @rule(name=names, answer=said, guests=st.integers(0, MOST_GUESTS))
    def somebody_answers(self, name: str, answer: str, guests: int) -> None:
        self.people_answer_together([(name, answer, guests)])

    def decide(self, batch: list[tuple[str, str, int]]) -> list[Rsvp | Exception]:
        asked = [Asked(self.store, self.call(name, {}, None), answer, guests) for name, answer, guests in batch]
        return decide(self.event, asked)

    def expect(self, name: str, answer: str, guests: int) -> type[Problem] | str:
        status, sequence = self.memberships[name]
        if status in ("removed", "banned"):
            return NotAllowed
        if self.cancelled:
            return AlreadyCancelled
        expected = self.seats.answer(name, answer, guests, self.max_guests)
        if isinstance(expected, str):
            self.answered_at[name] = sequence
        return expected

    @precondition(lambda self: not self.cancelled)
    @rule(capacity=capacities)
    def the_capacity_changes(self, capacity: int | None) -> None:
        self.change(capacity=capacity)
        self.seats.capacity = capacity
        self.seats.give()

    @precondition(lambda self: not self.cancelled)
    @rule(max_guests=st.integers(0, MOST_GUESTS), capacity=capacities, batch=batches)
    def the_host_changes_more(self, max_guests: int, capacity: int | None, batch: list[tuple[str, str, int]]) -> None:
        """Other guests are allowed; and for a while no answers are taken, while free seats go on."""
        self.change(max_guests=max_guests, rsvp_closes_at=NOW.isoformat())
        self.max_guests = max_guests
        assert {type(one) for one in self.decide(batch)} <= {RsvpClosed, NotAllowed}
        self.the_capacity_changes(capacity)
        self.change(rsvp_closes_at=None)

    @precondition(lambda self: self.steps >= 10 and not self.cancelled)
    @rule()
    def it_is_cancelled(self) -> None:
        self.do(Events.cancel_event, {"event": self.event}, {})
        self.cancelled = True

    @rule(name=names, what=st.sampled_from(["joined", "removed", "banned", "left"]), late=st.booleans())
    def a_membership_changes(self, name: str, what: str, late: bool) -> None:
        heard = self.of_member(what, name)
        if late:
            self.late.append(heard)
        else:
            self.comes(heard)

    @precondition(lambda self: self.late)
    @rule(data=st.data(), again=st.booleans())
    def what_was_late_arrives(self, data: st.DataObject, again: bool) -> None:
        heard = data.draw(st.sampled_from(self.late))
        self.late.remove(heard)
        self.comes(heard)
        if again:
            self.hear(heard)

    def comes(self, heard: Heard) -> None:
        self.hear(heard)
        name = heard.person
        if heard.id != self.ids[name]:
            return  # Somebody who has erased themselves since.
        if heard.sequence > self.memberships[name][1]:
            self.memberships[name] = (heard.status, heard.sequence)
        # Who leaves a group by themselves keeps what everybody may see.
        takes = heard.status in ("removed", "banned") and not self.cancelled
        if takes and self.answered_at.get(name, heard.sequence) < heard.sequence:
            self.seats.withdraw(name)

    @precondition(lambda self: not self.cancelled)
    @rule(name=names, guests=st.integers(0, MOST_GUESTS))
    def somebody_erases_themselves(self, name: str, guests: int) -> None:
        """Another one has their name from then on."""
        self.untold += self.seats.statuses().get(name, ("not_going", 0))[0] != "not_going"
        self.hear(self.tell("groups.person.erased", name, {"person_id": self.ids[name]}))
        self.seats.forget(name)
        assert [type(one) for one in self.decide([(name, "going", guests)])] == [AuthenticationRequired]
        self.gone.append(self.ids[name])
        self.ids[name], self.memberships[name] = new_id("psn"), ("none", -1)
        self.answered_at.pop(name, None)

    # -- what must be true

    @invariant()
    def is_as_the_reference_says(self) -> None:
        if not hasattr(self, "event"):
            return
        self.steps += 1
        names = {id_: name for name, id_ in self.ids.items()}
        kept = self.store.rsvps.of_event(self.event, None, None, 100)
        for one in kept:
            one.person = names[one.person]
            assert one.position == self.seats.position(one.person)
        self.seats.check(self.store.events.find(self.event), kept)
        for one in self.store.memberships.of(self.group, self.gone).values():
            assert one == STRANGER

    def teardown(self) -> None:
        """What was told makes the same story: each version once, and the answers that are left."""
        if not hasattr(self, "event"):
            return
        names = {id_: name for name, id_ in self.ids.items()}
        outbox = self.store.database["outbox"].find({"_id": {"$gt": self.began}}).sort("_id")
        told = [one for one in (json.loads(one["body"]) for one in outbox) if one["subject"] == self.event]
        told.sort(key=lambda one: int(one["sequence"]))
        found = self.store.events.find(self.event)
        assert max(Counter(one["sequence"] for one in told).values()) == 1
        assert len(told) == found.version - self.untold
        assert int(told[-1]["sequence"]) <= found.version
        statuses: dict[str, tuple[str, int]] = {}
        for one in told:
            data = one["data"]
            if "person" in data and (name := names.get(data["person"]["id"])):
                before = statuses.get(name, (None, 0))[0]
                assert before == data.get("was", "waitlisted"), told
                statuses[name] = (data.get("status", "going"), data["guests"])
        assert statuses == self.seats.statuses()


@pytest.fixture(scope="module")
def store(shared_database: str) -> Iterator[OpenStore]:
    opened = open_store(shared_database, "events", Events.store.repositories)
    opened.make_indexes()
    yield opened
    opened.client.close()


def test_any_history_on_the_real_database_is_as_the_reference_says(store: OpenStore) -> None:
    Service.store = store
    few = settings(
        max_examples=HISTORIES, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Service, settings=few)
