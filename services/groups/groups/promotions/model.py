"""The rules of promotions: which groups may be promoted and how often, and whom that reaches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chassis.ids import new_id
from chassis.problems import Conflict
from groups.groups.model import ORGANIZER, AlreadyArchived, Group, check_role

BETWEEN_PROMOTIONS = timedelta(days=7)
"""How long an organizer waits to promote a group again."""
BETWEEN_RECEIVING = timedelta(days=1)
"""How long nobody receives another promotion, of whatever group."""
CHUNK = 500
"""How many people one message reaches at most."""


class PromotedRecently(Conflict):
    """409: `next_at` says from when on the group may be promoted again."""

    slug, title = "promoted-recently", "This group was promoted in the last 7 days"

    def __init__(self, next_at: datetime) -> None:
        at = next_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        super().__init__(f"It may be promoted again from {at} on.", next_at=at)


class NotPublic(Conflict):
    """409: others could not find the group of which they hear."""

    slug, title = "not-public", "Only public groups are promoted"


@dataclass(slots=True)
class Promotion:
    """One call to the people who may like a group."""

    id: str
    group: str
    by: str | None
    """Who promotes; None for someone who left."""
    text: str
    at: datetime
    reach: int = 0
    """How many people receive it."""
    held_back: int = 0
    """How many would, had they not received another one within a day."""
    taken: int = 0
    """How many chunks of its audience have had their turn."""
    sent: int = 0
    """How many messages tell of it so far."""

    def note(self, in_turn: int, reached: int, held_back: int) -> None:
        """A chunk of so many people has had its turn: so many of them are reached, and so many were by another promotion."""
        self.taken += 1
        self.sent += 1 if reached else 0
        self.reach -= in_turn - reached
        self.held_back += held_back


def check_promotable(group: Group) -> None:
    """Whether the group's viewer may promote it. Raises NotAllowed, AlreadyArchived, NotPublic."""
    check_role(group, ORGANIZER)
    if group.archived:
        raise AlreadyArchived()
    if not group.listed:
        raise NotPublic("Nobody hears of a group that only some may find. Make it public, or invite people.")


def check_due(last: datetime | None, now: datetime) -> None:
    """Whether a group that was promoted last at this time may be promoted now. Raises PromotedRecently."""
    if last is not None and now < last + BETWEEN_PROMOTIONS:
        raise PromotedRecently(last + BETWEEN_PROMOTIONS)


def promote(group: Group, person: str, text: str, now: datetime) -> Promotion:
    """A new promotion by a person, whose audience is not known yet."""
    return Promotion(new_id("prm"), group.id, person, text, now)


def divide(audience: Sequence[Mapping[str, Any]], now: datetime) -> tuple[list[Any], list[Any]]:
    """Those of an audience who may receive a promotion, in their order, and those to whom it would be the second in a day."""
    free: list[Any] = []
    held_back: list[Any] = []
    for one in audience:
        last = one.get("promoted_at")
        (free if last is None or last <= now - BETWEEN_RECEIVING else held_back).append(one)
    return free, held_back
