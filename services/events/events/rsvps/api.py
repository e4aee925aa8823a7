"""Answering an event, and who answered what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

from chassis import tracing
from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.inbox import AlreadyDone
from chassis.messages import Message, Received
from chassis.problems import AuthenticationRequired, NotAllowed, NotFound, Problem
from chassis.schemas import Page
from chassis.subscriptions import subscribe
from chassis.together import Together
from events.events.model import NOT_GOING, WAITLISTED, AlreadyCancelled, Event, as_seen, group_of, reference, see
from events.events.store import Wanted, place
from events.groups.model import STRANGER, Membership
from events.rsvps.model import Book, Fact, NotEnoughSeats, Rsvp, RsvpClosed, admit
from events.rsvps.schemas import (
    STATUSES,
    Answered,
    ChangedData,
    MyEventsQuery,
    MyRsvpPage,
    NewAnswer,
    RsvpChanged,
    RsvpPage,
    RsvpPromoted,
    RsvpsQuery,
)

MOST_ASKED = 2_000
"""How many answers one unit of work takes back at most, where events were moved."""

Enough = Callable[[Event, Membership], bool]


@dataclass(slots=True)
class Asked:
    """One answer that waits to be decided."""

    store: Any
    call: Call
    answer: str
    guests: int


class RsvpsApi:
    """Answers to events: seats, the waitlist, and who comes."""

    store: Any

    @endpoint(
        "PUT",
        "/v1/events/{event}/rsvps/me",
        body=NewAnswer,
        returns=Answered,
        access=SIGNED_IN,
        problems=(AlreadyCancelled, RsvpClosed, NotEnoughSeats),
    )
    def answer_event(self, call: Call, event: str, body: dict[str, Any]) -> dict[str, Any]:
        """Answer an event.

        A full event puts who is `going` on its waitlist; a seat that somebody gives up goes to the first who fits, at
        once. The same answer again changes nothing and keeps the place, and so does another number of guests while one
        waits. Who has a seat and wants to bring more guests than fit keeps the seat and is refused (409
        `not-enough-seats`).
        """
        asked = Asked(self.store, call, body["answer"], body["guests"])
        try:
            rsvp = answers.do(event, asked)
        except (NotFound, NotAllowed):
            # It may be that we only have not heard yet that they joined.
            if not call.soon(lambda: may_answer(self.store, event, call.caller.id)):
                raise
            rsvp = answers.do(event, asked)
        return rsvp.as_answered()

    @endpoint("GET", "/v1/events/{event}/rsvps", query=RsvpsQuery, returns=RsvpPage, access=SIGNED_IN)
    def list_rsvps(self, call: Call, event: str, query: dict[str, Any]) -> Page:
        """See who answered what; for members of the group."""
        found, membership = find_soon(self.store, call, event, who_is_in)
        see(found, membership)
        if not membership.active:
            raise NotAllowed("Only members of the group see who comes. Join it first.")
        with self.store.transaction(call) as tx:
            # Who waits and where, as of one moment: else somebody who is promoted meanwhile leaves a position twice.
            rsvps = tx.rsvps.of_event(event, query.get("status"), query.get("cursor"), query["limit"])
            tx.rollback()
        page = Page.cut(rsvps, query["limit"], lambda rsvp: (rsvp.status, rsvp.place))
        names = self.store.people.named(rsvp.person for rsvp in page.items)
        page.items = [
            {**_as_listed(rsvp), "person": names.get(rsvp.person) or _as_answered(rsvp)} for rsvp in page.items
        ]
        return page

    @endpoint("GET", "/v1/me/events", query=MyEventsQuery, returns=MyRsvpPage, access=SIGNED_IN)
    def list_my_events(self, call: Call, query: dict[str, Any]) -> Page:
        """See what I answered, in order of start."""
        me = call.caller.id
        wanted = Wanted(query.get("since", call.now), after=query.get("cursor"), limit=query["limit"])
        statuses = (query["status"],) if "status" in query else STATUSES
        answered = self.store.rsvps.events_of(me, statuses)
        found = self.store.events.answered(answered, wanted, self.store.memberships.groups_of(me))
        page = Page.cut(found, query["limit"], place)
        rsvps = self.store.rsvps.of_person(me, [event.id for event in page.items])
        page.items = [_as_mine(event, rsvps[event.id], call) for event in page.items if event.id in rsvps]
        return page

    @subscribe("events.event.changed.v1", data=ChangedData)
    def fill_seats(self, message: Received) -> None:
        """Promote those whom a raised capacity seats, where they are more than one decision promotes."""
        if "capacity" not in message.data["changed"]:
            return
        for number in count():
            event = self.store.events.find(message.subject)
            if event is None or not event.waitlist_length or not event.has_room(1) or not _still_open(event, message):
                return
            try:
                with self.store.transaction(replace(message, consumer=f"{message.consumer}/{number}")) as tx:
                    book = tx.rsvps.book(tx.events.take_turn(event.id))
                    book.fill(message.now)
                    keep(tx, book)
            except AlreadyDone:
                continue
            if not book.unfinished:
                return

    @subscribe("events.event.changed.v1", data=ChangedData)
    def ask_the_rest(self, message: Received) -> None:
        """Take back the answers to an event that was moved, where they are more than one unit of work takes back."""
        if "starts_at" not in message.data["changed"]:
            return
        for number in count():
            event = self.store.events.find(message.subject)
            if event is None or not event.asked_from or not self.store.rsvps.void([event], 1):
                return
            try:
                with self.store.transaction(replace(message, consumer=f"{message.consumer}/{number}")) as tx:
                    event = tx.events.take_turn(event.id)
                    _take_back(tx, [event])
                    tx.events.save_seats(event)
            except AlreadyDone:
                continue


# -- deciding


def decide(event: str, asked: list[Asked]) -> list[Rsvp | Exception]:
    """Decide the answers that wait for one event in one transaction: a Rsvp or a Problem for each."""
    first = asked[0]
    with tracing.span("answer together", first.call), first.store.transaction(first.call) as tx:
        found = tx.events.take_turn(event)
        if found is None:
            tx.rollback()
            return [NotFound("There is no such event.") for _ in asked]
        persons = {one.call.caller.id for one in asked}
        book = tx.rsvps.book(found, persons)
        # Whose first answer this is: an erasure meanwhile would not find it. That of an older one meets us there.
        tx.people.hold_all(sorted(persons - book.rsvps.keys()))
        if _still_open(found, first.call):
            book.fill(first.call.now)
        results, traces = _answer_each(tx, book, asked)
        if not book.changed:
            tx.rollback()
        keep(tx, book, traces)
        return _settled(tx, book, results)


def _answer_each(tx: Any, book: Book, asked: Sequence[Asked]) -> tuple[list[Rsvp | Exception], dict[int, str | None]]:
    """The result of each answer, one after another, and the trace of each fact by its sequence."""
    persons = {one.call.caller.id for one in asked}
    memberships = tx.memberships.of(book.event.group_id, persons)
    gone = tx.people.gone(persons)
    results: list[Rsvp | Exception] = []
    traces: dict[int, str | None] = {}
    for one in asked:
        caller = one.call.caller
        try:
            if caller.id in gone:
                raise AuthenticationRequired("This person has left.")
            membership = memberships[caller.id]
            gives_up = one.answer == NOT_GOING and caller.id in book.rsvps
            admit(book.event, membership, one.call.now, gives_up=gives_up)
            rsvp = book.answer(caller.reference(), one.answer, one.guests, one.call.now, membership.sequence)
            results.append(replace(rsvp))
        except Problem as problem:
            results.append(problem)
        traces |= {fact.sequence: one.call.traceparent for fact in book.facts[len(traces) :]}
    return results, traces


answers: Together[Asked, Rsvp] = Together(decide)


def keep(tx: Any, book: Book, traces: Mapping[int, str | None] | None = None) -> None:
    """Keep what a decision about seats changed, and tell of it; `traces` has the cause of each fact, by its sequence."""
    if book.event.version == book.began:
        tx.rsvps.save(book)
        return
    tx.rsvps.save(book)
    tx.events.save_seats(book.event)
    names = tx.people.named({fact.rsvp.person for fact in book.facts})
    for fact in book.facts:
        message = _told(book.event, fact, names.get(fact.rsvp.person) or _as_answered(fact.rsvp))
        message.traceparent = (traces or {}).get(fact.sequence)
        tx.publish(message)


def fill(tx: Any, event: Event, now: datetime) -> None:
    """Give seats that came free to those who wait, within a unit of work that took the event's turn."""
    if event.waitlist_length and event.starts_at > now:
        book = tx.rsvps.book(event)
        book.fill(now)
        keep(tx, book)


def ask_again(tx: Any, events: Sequence[Event], now: datetime) -> None:
    """Take back all answers to events that were moved, within a unit of work that keeps the events afterwards.

    From now on only new answers count. At most MOST_ASKED are told of here, the rest by message (see `ask_the_rest`).
    """
    for event in events:
        event.asked_from, event.seats_taken, event.waitlist_length = event.version, 0, 0
    _take_back(tx, events)


def _take_back(tx: Any, events: Sequence[Event]) -> bool:
    """Forget answers that do not count any more, and tell of them; whether there may be more."""
    void = tx.rsvps.void(events, MOST_ASKED)
    names = tx.people.named({rsvp.person for rsvp in void})
    by_id = {event.id: event for event in events}
    for rsvp in void:
        if rsvp.status == NOT_GOING:
            continue
        event = by_id[rsvp.event]
        gone = Fact(replace(rsvp, status=NOT_GOING, guests=0), rsvp.status, False, event.next_version())
        message = _told(event, gone, names.get(rsvp.person) or _as_answered(rsvp))
        message.content["asked_again"] = True
        tx.publish(message)
    tx.rsvps.remove(void)
    return len(void) == MOST_ASKED


def _told(event: Event, fact: Fact, person: dict[str, str]) -> Message:
    content = {"event": reference(event), "group": group_of(event), "person": person, "guests": fact.rsvp.guests}
    if fact.promoted:
        return RsvpPromoted(content, subject=event.id, sequence=fact.sequence, audience="person")
    content |= {"status": fact.rsvp.status, "was": fact.was}
    return RsvpChanged(content, subject=event.id, sequence=fact.sequence, audience="group")


def _settled(tx: Any, book: Book, results: Sequence[Rsvp | Exception]) -> list[Rsvp | Exception]:
    """The results as they are at the commit; of who answered otherwise in the same decision, as they were decided."""
    newcomers = book.newcomers()
    behind = {rsvp.person: number for number, rsvp in enumerate(reversed(newcomers))}
    settled: list[Rsvp | Exception] = []
    waited_before: list[Rsvp] = []
    for result in results:
        if isinstance(result, Rsvp):
            now = book.rsvps[result.person]
            if (now.answer, now.guests) == (result.answer, result.guests):
                result = replace(now, position=None)
            if result.person in behind and result.status == WAITLISTED:
                result.position = book.event.waitlist_length - behind[result.person]
            else:
                waited_before.append(result)
        settled.append(result)
    tx.rsvps.note_positions(book.event.id, waited_before)
    return settled


def _still_open(event: Event, cause: Call | Received) -> bool:
    """Whether seats that are free still go to those who wait."""
    return not event.cancelled and event.starts_at > cause.now


# -- finding and showing


def who_is_in(event: Event, membership: Membership) -> bool:
    """Whether somebody with this membership is in the event's group."""
    return membership.active


def who_sees_it(event: Event, membership: Membership) -> bool:
    """Whether somebody with this membership may see the event."""
    return event.open_to_all or membership.active


def find_soon(store: Any, call: Call, event: str, enough: Enough) -> tuple[Event | None, Any]:
    """An event and the caller's membership in its group, waiting until `enough` is true of them.

    Where it is true of anybody, the membership is not looked up: it is then that of a stranger.

    For who is not signed in there is nothing to wait for. An event that is not there is waited for like one that may
    not be seen, so that the time does not tell them apart.
    """
    found: list[Any] = [None, STRANGER]

    def look() -> bool:
        found[0] = store.events.find(event)
        if found[0] is None:
            return False
        if call.person is not None and not enough(found[0], STRANGER):
            found[1] = store.memberships.get(found[0].group_id, call.person.id)
        return enough(*found)

    if call.person is None:
        look()
    else:
        call.soon(look)
    return found[0], found[1]


def may_answer(store: Any, event: str, person: str) -> bool:
    """Whether a person may see an event, and its group did not shut them out."""
    found = store.events.find(event)
    if found is None:
        return False
    membership = store.memberships.get(found.group_id, person)
    return (found.open_to_all or membership.active) and not membership.shut_out


def views(store: Any, call: Call, events: Iterable[Event]) -> list[dict[str, Any]]:
    """Events as the caller sees them, each with their own answer to it."""
    events = list(events)
    if call.person is None:
        return [as_seen(event, call.now) for event in events]
    me = call.person.id
    rsvps = store.rsvps.of_person(me, [event.id for event in events])
    return [as_seen(one, call.now, me, rsvps[one.id].as_viewer() if one.id in rsvps else None) for one in events]


def _as_listed(rsvp: Rsvp) -> dict[str, Any]:
    return {**rsvp.as_viewer(), "answered_at": rsvp.answered_at}


def _as_mine(event: Event, rsvp: Rsvp, call: Call) -> dict[str, Any]:
    return {**_as_listed(rsvp), "event": as_seen(event, call.now, rsvp.person, rsvp.as_viewer())}


def _as_answered(rsvp: Rsvp) -> dict[str, str]:
    """What a person was called when they answered, where we have not heard of them by message."""
    return {"id": rsvp.person, "handle": rsvp.handle, "display_name": rsvp.display_name}
