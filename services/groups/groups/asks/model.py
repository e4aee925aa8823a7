"""The rules of asks: who may ask for help, when they are warm enough for it, who offers, and how an ask ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from chassis.ids import new_id
from chassis.problems import Conflict, Invalid, NotAllowed, NotFound
from groups.groups.model import MODERATOR, ORGANIZER, AlreadyArchived, Group

KINDS = ("advice", "introduction", "job", "hands", "other")
OPEN, RESOLVED = "open", "resolved"
_DAY = timedelta(days=1)


class NoSuchAsk(NotFound):
    """404: there is none, or they may not know of it: the same for both."""

    def __init__(self) -> None:
        super().__init__("There is no such ask.")


class WarmUpNeeded(NotAllowed):
    """403: `remaining` says for how many more days they must be a member, and come to how many more events."""

    slug, title = "warm-up-needed", "Warm up to the group before you ask"

    def __init__(self, days: int, events: int) -> None:
        missing = [_counted(days, "more day", "of membership"), _counted(events, "more event", "attended")]
        detail = f"Before you ask, this group wants {' and '.join(filter(None, missing))}."
        super().__init__(detail, remaining={"days": days, "events": events})


class AlreadyResolved(Conflict):
    """409: the ask has found its help, and takes no offers."""

    slug, title = "already-resolved", "This ask is resolved"


class OwnAsk(Conflict):
    """409: nobody offers help to themselves."""

    slug, title = "own-ask", "This is your own ask"


@dataclass(slots=True)
class Ask:
    """A request for help inside a group."""

    id: str
    group: str
    person: str | None
    """Who asks; None for someone who left."""
    title: str
    body: str
    kind: str
    created_at: datetime
    updated_at: datetime
    status: str = OPEN
    resolved_at: datetime | None = None
    thanked: list[str] = field(default_factory=list)
    """The ids of those who helped, as the asker says."""
    offers: int = 0
    version: int = 1

    @property
    def reference(self) -> dict[str, str]:
        """The ask as messages name it."""
        return {"id": self.id, "title": self.title, "kind": self.kind}


@dataclass(slots=True)
class Offer:
    """Somebody's answer to an ask."""

    id: str
    ask: str
    group: str
    person: str | None
    """Who offers; None for someone who left."""
    body: str
    created_at: datetime


def check_member(group: Group) -> None:
    """Raises NotAllowed unless the group's viewer is in it: asks are for members."""
    if group.role is None:
        raise NotAllowed("Asks are for members of the group. Join it first.")


def check_writable(group: Group) -> None:
    """Raises NotAllowed for who is not in the group, AlreadyArchived where it is read-only."""
    check_member(group)
    if group.archived:
        raise AlreadyArchived()


def remaining(ask_after: Mapping[str, int], joined_at: datetime, attended: int, now: datetime) -> tuple[int, int]:
    """How many days and events a member still misses before they may ask. A day is 24 hours; one that has begun is missing."""
    days, events = ask_after["days"], ask_after["events"]
    return max(0, days - (now - joined_at) // _DAY), max(0, events - attended)


def ask(group: Group, person: str, wanted: Mapping[str, Any], missing: tuple[int, int], now: datetime) -> Ask:
    """A new ask of a member, who misses so many days and events. Raises NotAllowed, AlreadyArchived, WarmUpNeeded."""
    check_writable(group)
    if any(missing):
        raise WarmUpNeeded(*missing)
    return Ask(new_id("ask"), group.id, person, wanted["title"], wanted["body"], wanted["kind"], now, now)


def offer(group: Group, asked: Ask, person: str, body: str, now: datetime) -> tuple[Ask, Offer]:
    """A member offers help; the ask is a version further. Raises NotAllowed, AlreadyArchived, OwnAsk, AlreadyResolved."""
    check_writable(group)
    if asked.person == person:
        raise OwnAsk("Others offer; you may say thanks when you resolve it.")
    if asked.status == RESOLVED:
        raise AlreadyResolved("It takes no offers any more.")
    after = replace(asked, offers=asked.offers + 1, updated_at=now, version=asked.version + 1)
    return after, Offer(new_id("ofr"), asked.id, group.id, person, body, now)


def change(
    group: Group, asked: Ask, person: str, status: str, thanked: Sequence[str] | None, now: datetime
) -> tuple[Ask, list[str]]:
    """The ask as its asker, or who moderates the group, changes it, and whom the asker thanks that they had not thanked.

    An ask is resolved once and for good. Only the asker thanks; `thanked` (ids) is None where it stays as it is. The
    same ask when nothing changes. Raises NotAllowed, AlreadyArchived.
    """
    check_writable(group)
    mine = asked.person == person
    if not mine and (group.role not in (ORGANIZER, MODERATOR) or thanked is not None):
        raise NotAllowed("The asker resolves an ask and says thanks; organizers and moderators may resolve it as well.")
    after = replace(asked, status=status, thanked=asked.thanked if thanked is None else list(dict.fromkeys(thanked)))
    if after == asked:
        return asked, []
    after.updated_at, after.version = now, asked.version + 1
    after.resolved_at = asked.resolved_at or (now if status == RESOLVED else None)
    before = asked.thanked if asked.status == RESOLVED else []
    return after, [one for one in after.thanked if one not in before]


def is_told(before: Ask, after: Ask, newly_thanked: Sequence[str]) -> bool:
    """Whether others hear of a change: that an ask is resolved, or whom the asker thanks once it is."""
    return after.status == RESOLVED and (before.status != RESOLVED or bool(newly_thanked))


def helper(number: int, handle: str, person: str | None, asker: str) -> str:
    """The id of somebody to thank, who must be known as a helper. Raises Invalid."""
    if person is None:
        raise Invalid.at(f"/thanked/{number}", f"Nobody called {handle} is in the group or made an offer.")
    if person == asker:
        raise Invalid.at(f"/thanked/{number}", "Thank others.")
    return person


def _counted(number: int, what: str, rest: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''} {rest}" if number else ""
