"""The rules of moderation: what can be reported, how a report ends, and what the audit log of a group says."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from chassis.ids import new_id
from chassis.problems import Invalid, NotFound
from groups.groups.model import MODERATOR, ORGANIZER, Group, check_role

OPEN, DISMISSED, ACTED = "open", "dismissed", "acted"
GROUP, PERSON, ASK, OFFER, EVENT = "group", "person", "ask", "offer", "event"
SUBJECTS = (GROUP, PERSON, ASK, OFFER, EVENT)
NEED_GROUP = (PERSON, EVENT)
"""What does not say by itself in which group it was."""
HANDLERS = (ORGANIZER, MODERATOR)

ACTIONS = (
    "group.founded",
    "group.changed",
    "group.archived",
    "member.role_changed",
    "member.approved",
    "member.declined",
    "member.removed",
    "member.banned",
    "member.unbanned",
    "invitation.made",
    "invitation.revoked",
    "report.dismissed",
    "report.acted",
)
"""What the audit log tells of."""


class NoSuchSubject(NotFound):
    """404: there is none, or they may not know of it: the same for both."""

    def __init__(self) -> None:
        super().__init__("There is no such thing to report.")


class NoSuchReport(NotFound):
    """404: there is none, or it is not theirs to handle: the same for both."""

    def __init__(self) -> None:
        super().__init__("There is no such report.")


@dataclass(slots=True)
class Report:
    """What somebody has against something in a group, and what came of it."""

    id: str
    group: str
    subject: dict[str, Any]
    """`{type, id}`; the id is None where it was somebody who left."""
    reporter: str | None
    """None for someone who left."""
    reason: str
    created_at: datetime
    status: str = OPEN
    note: str | None = None
    handled_by: str | None = None
    handled_at: datetime | None = None
    version: int = 1


@dataclass(slots=True)
class Entry:
    """Who did what in a group, to whom, when and why."""

    id: str
    group: str
    at: datetime
    by: str | None
    """Who did it; None for someone who left."""
    action: str
    person: str | None = None
    """To whom; None also for someone who left."""
    reason: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    """What else there is to say: the fields that `changed`, the new `role`, the id of a `report` or an `invitation`."""


def check_group_named(subject: str, group: str | None) -> None:
    """Raises Invalid where a report has to say in which group it was, or says so of what stands in one anyway."""
    if subject in NEED_GROUP and group is None:
        raise Invalid.at("/group", f"Say in which group, where the subject is a {subject}.")
    if subject not in NEED_GROUP and group is not None:
        raise Invalid.at("/group", f"A subject of the type {subject} says by itself in which group it is.")


def report(group: str, subject: str, identifier: str, reporter: str, reason: str, now: datetime) -> Report:
    """A new report."""
    return Report(new_id("rep"), group, {"type": subject, "id": identifier}, reporter, reason, now)


def check_may_handle(group: Group) -> None:
    """Raises NotAllowed unless the group's viewer may see and handle its reports."""
    check_role(group, *HANDLERS)


def handle(before: Report, by: str, wanted: dict[str, Any], now: datetime) -> Report:
    """The report as somebody handles it, one version on; the same when that changes nothing."""
    after = replace(before, **wanted)
    if after == before:
        return before
    return replace(after, handled_by=by, handled_at=now, version=before.version + 1)


def entry(group: str, by: str | None, action: str, now: datetime, **more: Any) -> Entry:
    """A new entry of the audit log: one of ACTIONS, with `person`, `reason` and `details` as there are."""
    assert action in ACTIONS
    return Entry(new_id("aud"), group, now, by, action, **more)
