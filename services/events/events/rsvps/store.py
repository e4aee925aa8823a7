"""Where RSVPs are kept, one document each, and how the few that a decision needs are found among many."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any

from pymongo import ASCENDING, IndexModel, ReplaceOne

from chassis.store import Repository
from events.events.model import GOING, MAYBE, WAITLISTED, Event
from events.rsvps.model import MOST_PROMOTIONS, Book, Rsvp

SCHEMA = 1
_NAMES = {"event": "event_id", "person": "person_id"}
_KEPT = {one.name: _NAMES.get(one.name, one.name) for one in fields(Rsvp) if one.name != "position"}


class Rsvps(Repository):
    """All answers to all events."""

    collection = "rsvps"
    indexes = [
        IndexModel([("event_id", ASCENDING), ("status", ASCENDING), ("place", ASCENDING)]),
        IndexModel(
            [("event_id", ASCENDING), ("guests", ASCENDING), ("place", ASCENDING)],
            partialFilterExpression={"status": WAITLISTED},
            name="waitlist_by_size",
        ),
        IndexModel([("person_id", ASCENDING), ("status", ASCENDING)]),
    ]

    def book(self, event: Event, persons: Iterable[str] = (), most_promotions: int = MOST_PROMOTIONS) -> Book:
        """The event's seats, the answers of these persons, and as much of the waitlist as they could make room for."""
        theirs = [_known(one) for one in self._find({"_id": {"$in": [_key(event.id, person) for person in persons]}})]
        theirs = [rsvp for rsvp in theirs if rsvp.place >= event.asked_from]
        known = theirs
        if event.waitlist_length:
            held = sum(rsvp.seats for rsvp in theirs if rsvp.status == GOING)
            free = None if event.capacity is None else event.capacity - event.seats_taken + held
            # Those who answer now and wait may be among the first, and leave their places in this decision.
            waiting = sum(rsvp.status == WAITLISTED for rsvp in theirs)
            known = [*self._first_waiting(event, free, most_promotions, waiting), *theirs]
        return Book(event, known, most_promotions)

    def _first_waiting(self, event: Event, free: int | None, most: int, more: int) -> list[Rsvp]:
        """Of each size of party, as many of the first on the waitlist as so many seats could take, and some more."""
        found: list[Rsvp] = []
        largest = event.largest_waiting if free is None else min(event.largest_waiting, free)
        for seats in range(1, largest + 1):
            party = {"event_id": event.id, "status": WAITLISTED, "guests": seats - 1}
            party["place"] = {"$gte": event.asked_from}
            enough = most if free is None else min(free // seats, most)
            found += [_known(one) for one in self._find(party).sort("place").limit(enough + more)]
        return found

    def save(self, book: Book) -> None:
        """Keep the answers that a decision changed."""
        writes = [
            ReplaceOne({"_id": _key(one.event, one.person)}, _document(one), upsert=True)
            for one in book.changed.values()
        ]
        if writes:
            self.documents.bulk_write(writes, ordered=False, session=self.session)

    def void(self, events: Iterable[Event], most: int) -> list[Rsvp]:
        """At most so many answers to these events that do not count any more, as they are asked for again."""
        before = [{"event_id": event.id, "place": {"$lt": event.asked_from}} for event in events if event.asked_from]
        return [_known(one) for one in self._find({"$or": before}).limit(most)] if before else []

    def remove(self, rsvps: Iterable[Rsvp]) -> None:
        """Keep these answers no more."""
        if keys := [_key(one.event, one.person) for one in rsvps]:
            self.documents.delete_many({"_id": {"$in": keys}}, session=self.session)

    def find(self, event: str, person: str) -> Rsvp | None:
        """One person's answer to an event, with its position."""
        return self.of_person(person, [event]).get(event)

    def of_person(self, person: str, events: Iterable[str]) -> dict[str, Rsvp]:
        """One person's answers to these events, with their positions, by event."""
        found = self._find({"_id": {"$in": [_key(event, person) for event in events]}})
        rsvps = [_known(one) for one in found]
        for rsvp in rsvps:
            self.note_positions(rsvp.event, [rsvp])
        return {rsvp.event: rsvp for rsvp in rsvps}

    def events_of(self, person: str, statuses: Sequence[str]) -> list[str]:
        """The ids of the events that a person answered so."""
        found = self.documents.find(
            {"person_id": person, "status": {"$in": list(statuses)}}, {"event_id": 1}, session=self.session
        )
        return [one["event_id"] for one in found]

    def may_come_to(self, person: str) -> list[str]:
        """The ids of the events in which a person takes part, waits, or may come."""
        return self.events_of(person, (GOING, WAITLISTED, MAYBE))

    def all_of(self, person: str) -> list[Rsvp]:
        """All answers of a person."""
        return [_known(one) for one in self._find({"person_id": person})]

    def of_event(self, event: str, status: str | None, after: Sequence[Any] | None, limit: int) -> list[Rsvp]:
        """Up to `limit + 1` answers to an event after the place (status, place), by status and, within it, by place."""
        which: dict[str, Any] = {"event_id": event}
        if status is not None:
            which["status"] = status
        if after is not None:
            # Two ranges of one index; `$or` merges them in its order.
            later = [{**which, "status": after[0], "place": {"$gt": after[1]}}]
            if status is None:
                later.append({**which, "status": {"$gt": after[0]}})
            which = {"$or": later}
        order = [("status", ASCENDING), ("place", ASCENDING)]
        found = [_known(one) for one in self._find(which).sort(order).limit(limit + 1)]
        self.note_positions(event, found)
        return found

    def going(self, event: str, until: int, most: int) -> list[str]:
        """The ids of at most so many people who are going, and were at a version of the event; who came first, first."""
        which = {"event_id": event, "status": GOING, "place": {"$lte": until}}
        shown = {"_id": 0, "person_id": 1}
        found = self.documents.find(which, shown, session=self.session, batch_size=most).sort("place").limit(most)
        return [one["person_id"] for one in found]

    def note_positions(self, event: str, rsvps: Iterable[Rsvp]) -> None:
        """Write the positions on the event's waitlist into those answers that are on it. One query for all."""
        waiting = sorted((rsvp for rsvp in rsvps if rsvp.status == WAITLISTED), key=lambda rsvp: rsvp.place)
        if not waiting:
            return
        # How many wait from each place to the next, which the index alone knows.
        places = sorted({rsvp.place for rsvp in waiting})
        ahead = {"event_id": event, "status": WAITLISTED, "place": {"$lt": places[-1]}}
        buckets = {"groupBy": "$place", "boundaries": [-1, *places], "output": {"waiting": {"$sum": 1}}}
        found = self.documents.aggregate([{"$match": ahead}, {"$bucket": buckets}], session=self.session)
        between = {one["_id"]: one["waiting"] for one in found}
        position, positions = 1, {}
        for before, place in pairwise([-1, *places]):
            position += between.get(before, 0)
            positions[place] = position
        for rsvp in waiting:
            rsvp.position = positions[rsvp.place]

    def forget(self, person: str) -> None:
        """Keep no answer of a person."""
        self.documents.delete_many({"person_id": person}, session=self.session)

    def _find(self, which: dict[str, Any]) -> Any:
        return self.documents.find(which, session=self.session)


def _key(event: str, person: str) -> str:
    return f"{event}:{person}"


def _document(rsvp: Rsvp) -> dict[str, Any]:
    return {"schema": SCHEMA, **{key: getattr(rsvp, name) for name, key in _KEPT.items()}}


def _known(document: dict[str, Any]) -> Rsvp:
    return Rsvp(**{name: document[key] for name, key in _KEPT.items()})
