"""The rules of reminders: when an event is due to be told of, and what is told when that was missed."""

from __future__ import annotations

from datetime import datetime, timedelta

LEADS = {"PT24H": timedelta(hours=24), "PT1H": timedelta(hours=1)}
"""How long before the start an event is told of, by the name in messages (ISO 8601), the longest first."""


def upcoming(starts_at: datetime, now: datetime) -> str | None:
    """The next reminder of an event that starts then; None when the time of all is over."""
    return next((name for name, lead in LEADS.items() if starts_at - lead > now), None)


def due_at(starts_at: datetime, reminder: str | None) -> datetime | None:
    """When a reminder is due; None when there is none."""
    return None if reminder is None else starts_at - LEADS[reminder]


def fallen_due(starts_at: datetime, reminder: str | None, now: datetime) -> str | None:
    """Which reminder is to be told now, where `reminder` is the first that was not; None if none is.

    Where everything was down for so long that more than one fell due, only the last is told; once the event has begun,
    none.
    """
    if reminder is None or starts_at <= now:
        return None
    names = list(LEADS)
    waiting = names[names.index(reminder) :]
    return next((name for name in reversed(waiting) if starts_at - LEADS[name] <= now), None)
