"""What the rules of events need to know of a group and of a person's membership in it."""

from __future__ import annotations

from dataclasses import dataclass, field

from chassis.problems import Conflict, NotAllowed, NotFound


class GroupArchived(Conflict):
    """409: the group is read-only."""

    slug, title = "group-archived", "This group is archived"


@dataclass(frozen=True, slots=True)
class Group:
    """A group, as its messages have told so far."""

    id: str
    slug: str
    name: str
    visibility: str
    """`public`, `unlisted` or `private`."""
    interests: list[str] = field(default_factory=list)
    archived: bool = False
    sequence: int = 0
    """The version of the group of which this is true."""


@dataclass(frozen=True, slots=True)
class Membership:
    """A person's membership in a group, as its messages have told so far."""

    status: str
    """`active`, `left`, `removed` or `banned`."""
    role: str | None
    """`organizer`, `moderator`, `member`, or None for who is no member any more."""
    sequence: int
    """The version of the group of which this is true."""

    @property
    def active(self) -> bool:
        """Whether the person is in the group now."""
        return self.status == "active"

    @property
    def leads(self) -> bool:
        """Whether the person is one of those who run the group."""
        return self.active and self.role in ("organizer", "moderator")

    @property
    def shut_out(self) -> bool:
        """Whether the group does not want the person."""
        return self.status in ("removed", "banned")


STRANGER = Membership("none", None, -1)
"""The membership of somebody of whom no message has told."""


def see_group(group: Group | None, membership: Membership) -> Group:
    """The group, if somebody with this membership may know of it. Raises NotFound."""
    if group is None or (group.visibility == "private" and not membership.active):
        raise NotFound("There is no such group.")
    return group


def lead_group(group: Group | None, membership: Membership) -> Group:
    """The group, if somebody with this membership runs it. Raises NotFound, NotAllowed, GroupArchived."""
    group = see_group(group, membership)
    if not membership.leads:
        raise NotAllowed("Only organizers and moderators of the group schedule its events.")
    if group.archived:
        raise GroupArchived("It is read-only: it has no new events.")
    return group
