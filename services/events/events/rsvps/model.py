"""The rules of seats: who gets one, who waits, and who gets the one that somebody gave up. Never one seat too many.

Two things hold after every step, and all else follows from them: seats taken never grow beyond the capacity, and nobody
waits who would fit.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chassis.problems import Conflict, Invalid, NotAllowed
from events.events.model import (
    GOING,
    MAYBE,
    NOT_GOING,
    WAITLISTED,
    AlreadyCancelled,
    Event,
    see,
)
from events.groups.model import Membership

MOST_PROMOTIONS = 2_500
"""How many people one decision promotes at most. 200 parties of 11 free less, so only a raised capacity gets there."""


class RsvpClosed(Conflict):
    """409: it is too late to answer."""

    slug, title = "rsvp-closed", "It is too late to answer"


class NotEnoughSeats(Conflict):
    """409: somebody who has a seat wants to bring more guests than fit."""

    slug, title = "not-enough-seats", "There are not enough seats for your guests"


@dataclass(slots=True)
class Rsvp:
    """One person's answer to one event."""

    event: str
    person: str
    handle: str
    display_name: str
    status: str
    guests: int
    place: int
    """The version of the event at which the status was taken: the order of the waitlist."""
    answered_at: datetime
    as_member: int
    """The version of the group at which the person's membership was known when they answered."""
    position: int | None = None
    """On the waitlist, from 1; only where it was asked for. Not kept."""

    @property
    def seats(self) -> int:
        """How many seats the person and their guests need."""
        return 1 + self.guests

    @property
    def answer(self) -> str:
        """What the person said: who waits said `going`."""
        return GOING if self.status == WAITLISTED else self.status

    def as_answered(self) -> dict[str, Any]:
        """The answer, as the person who gave it sees it."""
        return {"answer": self.answer, "status": self.status, "guests": self.guests, "position": self.position}

    def as_viewer(self) -> dict[str, Any]:
        """The answer, as an event shows it to the person who gave it."""
        return {"status": self.status, "guests": self.guests, "position": self.position}


@dataclass(frozen=True, slots=True)
class Fact:
    """What became of an answer: `sequence` is the version of the event that it made."""

    rsvp: Rsvp
    was: str | None
    promoted: bool
    sequence: int


def admit(event: Event, membership: Membership, now: datetime, *, gives_up: bool = False) -> None:
    """Check that somebody with this membership may answer to an event now.

    Whoever may see an event may answer, unless its group shut them out, which takes their answers. Who `gives_up` a
    place that they got while they saw the event need not see it any more.
    Raises NotFound, NotAllowed, AlreadyCancelled, RsvpClosed.
    """
    if not gives_up:
        see(event, membership)
    if membership.shut_out:
        raise NotAllowed("You were removed from this group, so its events are not open to you.")
    if event.cancelled:
        raise AlreadyCancelled("It takes no answers any more.")
    if event.starts_at <= now:
        raise RsvpClosed("It has begun.")
    if event.rsvp_closes_at is not None and event.rsvp_closes_at <= now:
        raise RsvpClosed("The time to answer is over.")


class Book:
    """The seats of one event and those answers that a decision is about.

    `known` holds, beside the answers of who answers now, enough of the waitlist: of each size of party that could fit,
    as many of the first as could be promoted. Decisions change the event and the answers; `changed` and `facts` say
    what there is to be kept and told.
    """

    def __init__(self, event: Event, known: Iterable[Rsvp] = (), most_promotions: int = MOST_PROMOTIONS) -> None:
        self.event = event
        self.began = event.version
        self.rsvps = {rsvp.person: rsvp for rsvp in known}
        self.changed: dict[str, Rsvp] = {}
        self.facts: list[Fact] = []
        self.promotions_left = most_promotions
        self.lines: dict[int, list[tuple[int, str]]] = {}
        for rsvp in self.rsvps.values():
            self._line_up(rsvp)

    @property
    def unfinished(self) -> bool:
        """Whether there may be more to promote than one decision does; until the next one does, nobody gets ahead."""
        return self.promotions_left <= 0 and self.event.waitlist_length > 0

    def answer(self, person: dict[str, str], answer: str, guests: int, now: datetime, as_member: int) -> Rsvp:
        """A person answers: `going`, `maybe` or `not_going`, with so many guests. Raises Invalid, NotEnoughSeats.

        The same answer again changes nothing. Who waits keeps their place when the number of guests changes; who has a
        seat keeps it when more guests do not fit, and is refused. Who does not come brings no guests.
        """
        guests = 0 if answer == NOT_GOING else guests
        current = self.rsvps.get(person["id"])
        if current is not None and (current.answer, current.guests) == (answer, guests):
            if current.as_member != as_member:
                current.as_member = as_member
                self.changed[current.person] = current
            return current
        if guests > self.event.max_guests:
            raise Invalid.at("/guests", f"This event allows {self.event.max_guests} guests a person.")
        rsvp = current or Rsvp(
            self.event.id, person["id"], person["handle"], person["display_name"], "", 0, 0, now, as_member
        )
        status = self._status(rsvp, answer, guests)
        self._become(rsvp, status, guests, now)
        rsvp.as_member = as_member
        self.fill(now)
        return rsvp

    def withdraw(self, person: str, sequence: int, now: datetime) -> None:
        """Take a person's answer away, if they gave it before their membership changed at this version of the group."""
        rsvp = self.rsvps.get(person)
        if rsvp is None or rsvp.status == NOT_GOING or rsvp.as_member >= sequence:
            return
        self._become(rsvp, NOT_GOING, 0, now)
        self.fill(now)

    def forget(self, person: str, now: datetime) -> None:
        """Free what an erased person holds. The message that erased them tells of it, so no other does."""
        rsvp = self.rsvps.pop(person, None)
        if rsvp is None:
            return
        self._count(rsvp, -1)
        self.event.next_version()
        self.fill(now)

    def fill(self, now: datetime) -> None:
        """Give free seats to the first who fits, until nobody who waits fits."""
        while self.promotions_left > 0 and (first := self._first_who_fits()):
            self.promotions_left -= 1
            self._become(first, GOING, first.guests, first.answered_at, promoted=True)

    def newcomers(self) -> list[Rsvp]:
        """Who was put on the waitlist here and still is, in the order of their places."""
        found = [one for one in self.rsvps.values() if one.status == WAITLISTED and one.place > self.began]
        return sorted(found, key=lambda rsvp: rsvp.place)

    # -- steps

    def _status(self, rsvp: Rsvp, answer: str, guests: int) -> str:
        if answer in (MAYBE, NOT_GOING):
            return answer
        has = rsvp.seats if rsvp.status == GOING else 0
        needs = 1 + guests - has
        if needs <= 0 or (self.event.has_room(needs) and not self.unfinished):
            return GOING
        if has:
            free = self.event.free_seats or 0
            raise NotEnoughSeats(
                f"You keep your seat and your {rsvp.guests} guests; {free} more seats are free.", free=free
            )
        return WAITLISTED

    def _become(self, rsvp: Rsvp, status: str, guests: int, at: datetime, promoted: bool = False) -> None:
        was = rsvp.status or None
        self._count(rsvp, -1)
        version = self.event.next_version()
        if status != was:
            rsvp.place = version
        rsvp.status, rsvp.guests, rsvp.answered_at = status, guests, at
        self._count(rsvp, +1)
        self.rsvps[rsvp.person] = self.changed[rsvp.person] = rsvp
        self._line_up(rsvp)
        self.facts.append(Fact(replace(rsvp), was, promoted, version))

    def _count(self, rsvp: Rsvp, times: int) -> None:
        if rsvp.status == GOING:
            self.event.seats_taken += times * rsvp.seats
        elif rsvp.status == WAITLISTED:
            if times > 0:
                others = self.event.largest_waiting if self.event.waitlist_length else 0
                self.event.largest_waiting = max(others, rsvp.seats)
            self.event.waitlist_length += times

    def _line_up(self, rsvp: Rsvp) -> None:
        if rsvp.status == WAITLISTED:
            heapq.heappush(self.lines.setdefault(rsvp.seats, []), (rsvp.place, rsvp.person))

    def _first_who_fits(self) -> Rsvp | None:
        heads = [line[0] for seats, line in self.lines.items() if self._tidy(seats) and self.event.has_room(seats)]
        return self.rsvps[min(heads)[1]] if heads else None

    def _tidy(self, seats: int) -> bool:
        """Drop those from the head of a line who do not stand there any more; whether anybody is left."""
        line = self.lines[seats]
        while line:
            place, person = line[0]
            rsvp = self.rsvps.get(person)
            if rsvp is not None and (rsvp.status, rsvp.place, rsvp.seats) == (WAITLISTED, place, seats):
                return True
            heapq.heappop(line)
        return False
