"""Telling of events that are near."""

from __future__ import annotations

from typing import Any

from chassis.timers import Tick, every
from events.events.model import group_of, reference
from events.reminders.model import fallen_due, upcoming
from events.reminders.schemas import EventDue

SECONDS = 5
MOST = 2_000
"""How many events are told of in one go; the next go has the rest."""


class RemindersApi:
    """Nobody asks for a reminder: its time comes."""

    store: Any

    @every(SECONDS)
    def remind(self, tick: Tick) -> None:
        """Tell of each event that is due, once: the claim and the message are one transaction."""
        for event in self.store.events.due(tick.now, MOST):
            self._tell(event, tick)

    def _tell(self, event: str, tick: Tick) -> None:
        with self.store.transaction(tick) as tx:
            found = tx.events.take_turn(event)
            if found is None or found.due_at is None or found.due_at > tick.now:
                # Another process told of it, or it was moved or cancelled meanwhile.
                tx.rollback()
                return
            told = fallen_due(found.starts_at, found.reminder, tick.now)
            found.reminder = upcoming(found.starts_at, tick.now)
            if told is not None:
                content = {"event": reference(found), "group": group_of(found), "lead": told}
                sequence = found.next_version()
                tx.publish(EventDue(content, subject=event, sequence=sequence, audience=found.audience))
            tx.events.save(found)
