"""Listens to who came to an event."""

from __future__ import annotations

from typing import Any

from chassis.messages import Received
from chassis.subscriptions import subscribe
from groups.attendances.schemas import AttendanceData


class AttendancesApi:
    """Who came, which warms a member up, and is a thing that two people share."""

    store: Any

    @subscribe("events.attendance.recorded.v1", data=AttendanceData, projection="attendances")
    def note_attended(self, message: Received) -> None:
        """A person came to an event."""
        event, group, person = (message.data[name] for name in ("event", "group", "person"))
        with self.store.transaction(message) as tx:
            # Held, so that nothing is written of somebody who has erased themselves, or does so meanwhile.
            if tx.people.hold_all([person["id"]]):
                tx.attendances.note(group["id"], person["id"], event, message.sequence)
