"""Listens to what people are called, forgets them when they leave, and gives them what is held about them."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.messages import Received
from chassis.subscriptions import subscribe
from events.events.model import reference
from events.people.schemas import ErasedData, EventsExport, PersonData
from events.people.store import NOTHING
from events.rsvps.api import keep


class PeopleApi:
    """What this service holds about a person."""

    store: Any

    @endpoint("GET", "/v1/me/export/events", returns=EventsExport, access=SIGNED_IN)
    def export_events(self, call: Call) -> dict[str, Any]:
        """Get all that the events service holds about me."""
        me = call.caller.id
        rsvps = self.store.rsvps.all_of(me)
        attended = self.store.check_ins.all_of(me)
        events = self.store.events.of_ids({one.event for one in (*rsvps, *attended)})
        return {
            "person": self.store.people.held_about(me),
            "memberships": self.store.memberships.held_about(me),
            "rsvps": [
                {
                    "event": reference(events[rsvp.event]),
                    "status": rsvp.status,
                    "guests": rsvp.guests,
                    "answered_at": rsvp.answered_at,
                }
                for rsvp in rsvps
            ],
            "attended": [{"event": reference(events[one.event]), "checked_in_at": one.at} for one in attended],
            "calendar": self.store.calendars.held_about(me),
            "hosting": [reference(event) for event in self.store.events.hosted_by(me)],
            "scheduled": [reference(event) for event in self.store.events.scheduled_by(me)],
        }

    @subscribe("groups.person.registered.v1", data=PersonData, projection="people")
    def note_registered(self, message: Received) -> None:
        """There is a new person."""
        self._note(message)

    @subscribe("groups.person.updated.v1", data=PersonData, projection="people")
    def note_renamed(self, message: Received) -> None:
        """A person may be called otherwise now."""
        self._note(message)

    @subscribe("groups.person.erased.v1", data=ErasedData, projection="people")
    def note_erased(self, message: Received) -> None:
        """A person is gone."""
        with self.store.transaction(message) as tx:
            tx.people.erase(message.data["person_id"], message.sequence)

    @subscribe("groups.person.erased.v1", data=ErasedData)
    def forget_person(self, message: Received) -> None:
        """Keep nothing of a person who erased themselves; the seats they held go to those who wait."""
        person = message.data["person_id"]
        # Known to all before it is looked for what is kept, so that nobody adds to it behind our back: see decide.
        self.store.people.erase(person, message.sequence)
        with self.store.transaction(message) as tx:
            for event in sorted(tx.rsvps.may_come_to(person)):
                taken = tx.events.take_turn(event)
                if taken is not None and taken.starts_at > message.now and not taken.cancelled:
                    book = tx.rsvps.book(taken, [person])
                    book.forget(person, message.now)
                    keep(tx, book)
            tx.rsvps.forget(person)
            tx.check_ins.forget(person)
            tx.calendars.forget(person)
            tx.events.forget(person)
            tx.series.forget(person)
            tx.memberships.forget(person)

    def _note(self, message: Received) -> None:
        with self.store.transaction(message) as tx:
            known = {name: message.data[name] for name in NOTHING}
            tx.people.note({**message.data["person"], **known}, message.sequence)
