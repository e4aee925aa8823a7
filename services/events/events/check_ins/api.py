"""Checking people in at an event."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.problems import NotFound
from events.check_ins.model import CheckInClosed, check_in
from events.check_ins.schemas import AttendanceRecorded, CheckIn, NewCheckIn
from events.events.api import await_right, taken
from events.events.model import AlreadyCancelled, group_of, reference


class CheckInsApi:
    """Who came."""

    store: Any

    @endpoint(
        "POST",
        "/v1/events/{event}/check-ins",
        body=NewCheckIn,
        returns=CheckIn,
        status=201,
        access=SIGNED_IN,
        idempotent=True,
        problems=(AlreadyCancelled, CheckInClosed),
    )
    def check_in(self, call: Call, event: str, body: dict[str, Any]) -> dict[str, Any]:
        """Check in somebody who came, with or without an RSVP; for hosts, and organizers and moderators of the group.

        From one hour before the start to 24 hours after the end. Attendance counts once: checking in again answers the
        same.
        """
        handle = body["handle"]
        await_right(self.store, call, event)
        call.soon(lambda: self.store.people.by_handles([handle]))
        with self.store.transaction(call) as tx:
            found = taken(tx, event, call.caller.id)
            # Held, so that nothing is written of somebody who erases themselves meanwhile.
            person = tx.people.hold(tx.people.by_handles([handle]).get(handle))
            if person is None:
                raise NotFound(f"There is nobody called {handle}.")
            known = tx.check_ins.find(event, person["id"])
            if known is not None:
                tx.rollback()
                return {"person": person, "checked_in_at": known.at}
            made = check_in(found, person["id"], call.now)
            tx.check_ins.add(made)
            tx.events.save_seats(found)
            content = {"event": reference(found), "group": group_of(found), "person": person}
            tx.publish(AttendanceRecorded(content, subject=event, sequence=found.version, audience="group"))
        return {"person": person, "checked_in_at": made.at}
