"""Writing the audit log of a group, in the unit of work of what it tells of."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import Call
from groups.moderation.model import entry


def note(
    tx: Any, call: Call, group: str, action: str, person: str | None = None, reason: str | None = None, **details: Any
) -> None:
    """Note that the caller did something in a group."""
    # Held, so that nothing is written of somebody who erases themselves meanwhile.
    tx.people.hold(call.caller.id)
    tx.audit.add(entry(group, call.caller.id, action, call.now, person=person, reason=reason, details=details))


def note_of_itself(tx: Any, group: str, action: str, person: str | None = None, **details: Any) -> None:
    """Note what came about without anybody's doing, as the last organizer left."""
    tx.audit.add(entry(group, None, action, tx.now, person=person, details=details))
