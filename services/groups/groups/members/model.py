"""The rules about members: how one comes into a group, in which role, and how one leaves it or has to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from chassis.problems import Conflict, NotAllowed, NotFound
from groups.groups.model import MEMBER, MODERATOR, ORGANIZER, AlreadyArchived, Group, Viewer, next_version
from groups.people.model import Person

ACTIVE, PENDING, REMOVED, BANNED = "active", "pending", "removed", "banned"
RANK = {ORGANIZER: 0, MODERATOR: 1, MEMBER: 2}
"""Lists of members begin with who has more to say."""


class AlreadyMember(Conflict):
    """409: they are in already."""

    slug, title = "already-member", "You are a member already"


class AlreadyPending(Conflict):
    """409: they have asked already, and wait for an answer."""

    slug, title = "already-pending", "You have asked to join already"


class LastOrganizer(Conflict):
    """409: a group always has an organizer."""

    slug, title = "last-organizer", "A group always has an organizer"

    def __init__(self) -> None:
        super().__init__("The last organizer hands over first: make another member an organizer, or archive the group.")


class Banned(NotAllowed):
    """403: they were shut out."""

    slug, title = "banned", "You were banned from this group"


class InvitationNeeded(NotAllowed):
    """403: only who was invited gets in."""

    slug, title = "invitation-needed", "This group takes new members by invitation"


@dataclass(slots=True)
class Membership:
    """One person in one group: `active`; `pending` until somebody lets them in; or `removed` or `banned`."""

    group: str
    person: str
    role: str
    status: str
    joined_at: datetime
    answer: str | None = None
    """What they said when they asked to join."""
    ended: dict[str, Any] | None = None
    """When and why they were removed or banned, or their ban was lifted: `{at, reason}`."""

    @property
    def id(self) -> str:
        """The pair decides: nobody is twice in a group."""
        return f"{self.group}:{self.person}"


def found_membership(group: Group, person: str, now: datetime) -> Membership:
    """The membership of a group's founder."""
    return Membership(group.id, person, ORGANIZER, ACTIVE, now)


def join(group: Group, person: str, answer: str | None, now: datetime, *, invited: bool = False) -> Membership:
    """Decide how a person, who is the viewer of the group, joins it: at once, or waiting for approval.

    Who was invited is in at once, also when they wait already.

    Raises AlreadyArchived, AlreadyMember, AlreadyPending, Banned, InvitationNeeded.
    """
    status = group.viewer.status if group.viewer else None
    if status == BANNED:
        raise Banned()
    if group.archived:
        raise AlreadyArchived()
    if status == ACTIVE:
        raise AlreadyMember()
    if status == PENDING and not invited:
        raise AlreadyPending("An organizer or moderator of the group will answer.")
    if group.join_policy == "invite" and not invited:
        raise InvitationNeeded("Join with the code of an invitation. One may have expired, been revoked or be used up.")
    at_once = invited or group.join_policy == "open"
    return Membership(group.id, person, MEMBER, ACTIVE if at_once else PENDING, now, answer=None if at_once else answer)


def approve(membership: Membership, now: datetime) -> Membership:
    """Let somebody in who waits. Raises NotFound when they do not."""
    if membership.status != PENDING:
        raise NotFound("Nobody with this handle waits to be let in.")
    return replace(membership, status=ACTIVE, joined_at=now, answer=None)


def change_role(group: Group, person: Person, membership: Membership, role: str) -> Membership:
    """The membership in another role. Raises NotFound for who is not in, LastOrganizer for the last of them."""
    if membership.status != ACTIVE:
        raise NotFound("Nobody with this handle is in the group.")
    if role != ORGANIZER:
        check_not_last_organizer(group, person)
    return replace(membership, role=role)


def check_not_last_organizer(group: Group, person: Person) -> None:
    """Raises LastOrganizer when the group has no other organizer than this person."""
    if group.organizers == [person.handle]:
        raise LastOrganizer()


def check_may_remove(group: Group, membership: Membership) -> None:
    """Whether the group's viewer may remove, ban or decline somebody.

    Organizers may do so with all, moderators with members and who waits. Raises NotAllowed.
    """
    if group.role == ORGANIZER or (group.role == MODERATOR and membership.role == MEMBER):
        return
    raise NotAllowed("Organizers may remove anybody, moderators those who are neither.")


def check_in(membership: Membership | None, mine: bool) -> Membership:
    """The membership of somebody who is in the group, or waits. Raises NotFound for who is neither."""
    if membership is None or membership.status not in (ACTIVE, PENDING):
        raise NotFound("You are not in this group." if mine else "Nobody with this handle is in the group.")
    return membership


def remove(group: Group, membership: Membership, reason: str | None, now: datetime) -> Membership:
    """The membership of a member whom the group's viewer removes. Raises NotAllowed."""
    check_may_remove(group, membership)
    return _ended(membership, REMOVED, reason, now)


def ban(group: Group, person: str, before: Membership | None, reason: str | None, now: datetime) -> Membership:
    """The membership of somebody whom the group's viewer bans, in the group or not; the same if they were banned already.

    Raises NotAllowed.
    """
    before = before or Membership(group.id, person, MEMBER, REMOVED, now)
    check_may_remove(group, before)
    return before if before.status == BANNED else _ended(before, BANNED, reason, now)


def lift_ban(group: Group, membership: Membership, reason: str | None, now: datetime) -> Membership:
    """The membership of somebody who was banned, and whom the group's viewer lets join again. Raises NotAllowed."""
    check_may_remove(group, membership)
    return _ended(membership, REMOVED, reason, now)


def is_told_of_ban(group: Group, before: Membership | None) -> bool:
    """Whether a ban is told of: not where it would tell somebody of a private group that they have never been in."""
    return before is not None or group.visibility != "private"


def _ended(membership: Membership, status: str, reason: str | None, now: datetime) -> Membership:
    ended = {"at": now, "reason": reason}
    return replace(membership, role=MEMBER, status=status, answer=None, ended=ended)


def counting(group: Group, person: Person, before: Membership | None, after: Membership | None) -> Group:
    """The group one version on, as a change of a membership (None: there is none) leaves its count and organizers."""
    was, is_in = (one is not None and one.status == ACTIVE for one in (before, after))
    organizes = is_in and after is not None and after.role == ORGANIZER
    organizers = [handle for handle in group.organizers if handle != person.handle]
    if organizes:
        organizers = group.organizers if person.handle in group.organizers else [*organizers, person.handle]
    return next_version(group, member_count=group.member_count + is_in - was, organizers=organizers)


def seen_as(group: Group, membership: Membership | None) -> Group:
    """The group as its viewer sees it after their own membership became this one."""
    return replace(group, viewer=Viewer(membership.role, membership.status) if membership else None)


def successor(memberships: Iterable[Membership]) -> Membership | None:
    """Who follows the last organizer: the longest-serving moderator, else the longest-serving member, else None."""
    active = [one for one in memberships if one.status == ACTIVE]
    return min(active, key=lambda one: (RANK[one.role], one.joined_at, one.person), default=None)
