"""The rules about groups: how one is founded, changed and archived, who may see it, and who may do what in it."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Literal

from chassis.ids import new_id
from chassis.problems import Conflict, NotAllowed, NotFound

ORGANIZER, MODERATOR, MEMBER = "organizer", "moderator", "member"
Audience = Literal["public", "group"]
ROLES = (ORGANIZER, MODERATOR, MEMBER)
SCOPES = ("local", "regional", "national", "virtual")
"""From the nearest to the widest: the ladder that a search climbs."""
JOIN_POLICIES = ("open", "approval", "invite")
VISIBILITIES = ("public", "unlisted", "private")


class AlreadyArchived(Conflict):
    """409: the group is archived, and so read-only."""

    slug, title = "already-archived", "The group is archived"

    def __init__(self) -> None:
        super().__init__("This group is archived. It can be read, but nothing in it can be changed.")


class NoSuchGroup(NotFound):
    """404: there is none, or they may not know of it: the same for both."""

    def __init__(self) -> None:
        super().__init__("There is no such group.")


@dataclass(slots=True)
class Viewer:
    """What the caller is in a group."""

    role: str
    status: str

    @property
    def active(self) -> bool:
        """Whether they are in, rather than waiting or shut out."""
        return self.status == "active"


@dataclass(slots=True)
class Group:
    """People gathered around a set of interests."""

    id: str
    slug: str
    name: str
    summary: str
    description: str
    interests: list[str]
    scope: str
    place: dict[str, Any] | None
    join_policy: str
    visibility: str
    rules: str
    ask_after: dict[str, int]
    status: str
    member_count: int
    organizers: list[str]
    created_at: datetime
    updated_at: datetime
    version: int
    viewer: Viewer | None = None
    """What the caller is in it, where somebody looks at it; not a part of the group itself."""

    @property
    def reference(self) -> dict[str, str]:
        """The group as lists and messages name it."""
        return {"id": self.id, "slug": self.slug, "name": self.name}

    @property
    def archived(self) -> bool:
        """Whether it is read-only."""
        return self.status == "archived"

    @property
    def listed(self) -> bool:
        """Whether a search may find it."""
        return self.visibility == "public" and not self.archived

    @property
    def audience(self) -> Audience:
        """Who may read the messages about it."""
        return "public" if self.visibility == "public" else "group"

    @property
    def role(self) -> str | None:
        """The caller's role, if they are in."""
        return self.viewer.role if self.viewer and self.viewer.active else None


CHANGEABLE = (
    "name",
    "summary",
    "description",
    "interests",
    "scope",
    "place",
    "join_policy",
    "visibility",
    "rules",
    "ask_after",
)
"""What organizers may change. The slug stays: others have linked to it."""


def found(wanted: Mapping[str, Any], slug: str, founder: str, now: datetime) -> Group:
    """A new group from valid fields (CHANGEABLE); the person of handle `founder` is its only member and organizer."""
    return Group(
        id=new_id("grp"),
        slug=slug,
        status="active",
        member_count=1,
        organizers=[founder],
        created_at=now,
        updated_at=now,
        version=1,
        viewer=Viewer(ORGANIZER, "active"),
        **_taken(wanted, CHANGEABLE),
    )


def _taken(wanted: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: wanted.get(name) for name in names}


def slugs(name: str, visibility: str) -> Iterator[str]:
    """Slugs for a group of this name, the nicest first, without end.

    Those of groups that not everybody may find are never plain, so that they can neither be guessed, nor does a plain
    one that is taken give one away.
    """
    plain = slug_of(name)
    if plain and visibility == "public" and len(plain) > 2:
        yield plain
    while True:
        unguessable = visibility != "public"
        suffix = secrets.token_hex(8 if unguessable else 3)
        yield f"{plain or 'group'}-{suffix}"


def slug_of(name: str) -> str:
    """The ASCII letters and digits of a name, its words joined by hyphens, at most 60 characters; maybe none."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return re.sub(r"[^a-z0-9]+", "-", bare).strip("-")[:60].strip("-")


def change(group: Group, wanted: Mapping[str, Any], now: datetime) -> tuple[Group, list[str]]:
    """The group with all of CHANGEABLE as `wanted` says, one version on, and the names of what is new.

    The same group and no names when nothing is. Raises AlreadyArchived.
    """
    if group.archived:
        raise AlreadyArchived()
    changed = [name for name in CHANGEABLE if getattr(group, name) != wanted.get(name)]
    if not changed:
        return group, []
    return replace(group, **_taken(wanted, changed), updated_at=now, version=group.version + 1), changed


def farewell(before: Group, after: Group) -> Group | None:
    """What the public reads last of a group that was public and is not any more: as it was, but for the visibility."""
    if before.visibility == "public" and after.visibility != "public":
        return replace(before, visibility=after.visibility, version=after.version, updated_at=after.updated_at)
    return None


def archive(group: Group, now: datetime) -> Group:
    """The group as it rests: read-only, out of search."""
    return replace(group, status="archived", updated_at=now, version=group.version + 1)


def next_version(group: Group, **new: Any) -> Group:
    """The group, one version on, with these fields."""
    return replace(group, **new, version=group.version + 1)


def changeable(group: Group) -> dict[str, Any]:
    """What a merge patch of the group applies to: what has a value, as JSON values."""
    return {name: value for name in CHANGEABLE if (value := getattr(group, name)) is not None}


def check_visible(group: Group | None) -> Group:
    """The group, if it is there and the caller may know of it. Raises NoSuchGroup."""
    if group is None or (group.visibility == "private" and group.role is None):
        raise NoSuchGroup()
    return group


def check_role(group: Group, *roles: str) -> None:
    """Raises NotAllowed unless the caller has one of these roles."""
    if group.role not in roles:
        raise NotAllowed(f"Only an {' or a '.join(roles)} of the group may do this.")


FIELDS = tuple(one.name for one in fields(Group) if one.name != "viewer")
"""What a group consists of."""
