"""The rules of check-ins: when hosts may write down who came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis.problems import Conflict
from events.events.model import AlreadyCancelled, Event

OPENS_BEFORE_START = timedelta(hours=1)
CLOSES_AFTER_END = timedelta(hours=24)


class CheckInClosed(Conflict):
    """409: it is too early or too late to check in."""

    slug, title = "check-in-closed", "This is not the time to check in"


@dataclass(frozen=True, slots=True)
class CheckIn:
    """That a person came to an event."""

    event: str
    person: str
    at: datetime


def check_in(event: Event, person: str, now: datetime) -> CheckIn:
    """Write down that a person came, whether they answered or not; the event is a version further.

    Raises AlreadyCancelled, CheckInClosed.
    """
    if event.cancelled:
        raise AlreadyCancelled("Nobody can have come to it.")
    opens, closes = event.starts_at - OPENS_BEFORE_START, event.ends_at + CLOSES_AFTER_END
    if not opens <= now <= closes:
        raise CheckInClosed("It is open from one hour before the start to 24 hours after the end.")
    event.next_version()
    return CheckIn(event.id, person, now)
