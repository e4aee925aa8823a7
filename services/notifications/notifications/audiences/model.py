"""Decides who belongs to which audience, and since when, from messages that may arrive late, twice and in any order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple, cast

Kind = Literal["person", "people", "group", "organizers", "moderators", "event", "going"]

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when everybody belongs to their own audience."""

ORGANIZER = "organizer"
MODERATOR = "moderator"
GOING = "going"
ANSWERED = frozenset({GOING, "waitlisted", "maybe"})
"""The statuses of those who hear what becomes of an event."""

NEVER = -1
"""The sequence of what has not been heard of yet: less than that of any message."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who hears of a notice: one person, the members of a group, its organizers, or those who answered an event.

    `moderators` are all who moderate the group: its organizers too. `going` are those of the event who have a seat.
    """

    kind: Kind
    id: str
    """Of the person, group or event."""

    @property
    def key(self) -> str:
        """The audience as notices name it, e.g. `group:grp_…`."""
        return f"{self.kind}:{self.id}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The same where there may be several."""
        return (self.key,)


@dataclass(frozen=True, slots=True)
class People:
    """Several people who hear of one notice, each as if it were to them alone."""

    ids: tuple[str, ...]
    kind: Literal["people"] = "people"

    @property
    def keys(self) -> tuple[str, ...]:
        """The audiences as notices name them: `person:psn_…`, for each."""
        return tuple(Audience("person", one).key for one in self.ids)


def audience_named(key: str) -> Audience:
    """The audience of this key."""
    kind, _, id_ = key.partition(":")
    return Audience(cast(Kind, kind), id_)


def several_named(keys: Iterable[str]) -> People | Events:
    """The people whose own audiences have these keys, or the events that those who hear answered."""
    named = [audience_named(key) for key in keys]
    ids = tuple(one.id for one in named)
    return Events(ids) if named and named[0].kind == "event" else People(ids)


@dataclass(frozen=True, slots=True)
class Events:
    """Those who answered any of several events, who hear of one notice about all of them, once."""

    ids: tuple[str, ...]
    kind: Literal["events"] = "events"

    @property
    def keys(self) -> tuple[str, ...]:
        """The audiences as notices name them: `event:evt_…`, for each."""
        return tuple(Audience("event", one).key for one in self.ids)


class Standing(NamedTuple):
    """How one person stands to one group or event (`to`): the newest message of each kind decides, by its sequence.

    Entering, leaving and the role have each their own sequence, so that a message that arrives late still tells its
    part: the same messages make the same standing in whatever order, and however often, they arrive.

    A page of the inbox reads all standings of a person: a tuple is made in a fifth of the time of a frozen dataclass.
    """

    person: str
    to: str
    group: str
    """The group itself, or the event's."""
    entered: int = NEVER
    since: datetime | None = None
    left: int = NEVER
    role_set: int = NEVER
    role: str | None = None
    """In a group; at an event, what the person answered."""
    role_since: datetime | None = None

    @property
    def present(self) -> bool:
        """Whether the person is in it now."""
        return self.entered > self.left

    @property
    def ever(self) -> bool:
        """Whether the person has ever been in it."""
        return self.entered > NEVER

    @property
    def is_group(self) -> bool:
        """Whether this is about a group, not an event."""
        return self.to == self.group


def enter(standing: Standing, sequence: int, at: datetime) -> Standing:
    """The person joined the group, or answered the event for the first time since they had not."""
    if sequence <= standing.entered:
        return standing
    return standing._replace(entered=sequence, since=at)


def leave(standing: Standing, sequence: int) -> Standing:
    """The person left or was removed, or gave the event up."""
    if sequence <= standing.left:
        return standing
    return standing._replace(left=sequence)


def take_role(standing: Standing, sequence: int, role: str, at: datetime) -> Standing:
    """The person has this role in the group from now on."""
    if sequence <= standing.role_set:
        return standing
    return standing._replace(role_set=sequence, role=role, role_since=at)


def join(standing: Standing, sequence: int, role: str, at: datetime) -> Standing:
    """The person joined the group in this role."""
    return take_role(enter(standing, sequence, at), sequence, role, at)


def answer(
    standing: Standing, sequence: int, status: str, was: str | None, at: datetime, asked_again: bool = False
) -> Standing:
    """The person's answer to the event is `status` and `was` another, or None, before.

    Between going, waitlisted and maybe one goes on hearing of the event; while going, also of what is for those alone.
    Who is asked again, since the event was moved, goes on hearing of it too.
    """
    if status != was:
        standing = take_role(standing, sequence, status, at)
    if asked_again:
        return standing
    if status not in ANSWERED:
        return leave(standing, sequence)
    if was not in ANSWERED:
        return enter(standing, sequence, at)
    return standing


def promote(standing: Standing, sequence: int, at: datetime) -> Standing:
    """The person got off the event's waitlist."""
    return take_role(standing, sequence, GOING, at)


def left_groups(standings: Iterable[Standing]) -> list[str]:
    """The groups in which the person was and is no more."""
    return [one.to for one in standings if one.is_group and one.left > NEVER and not one.present]


def audiences_of(person: str, standings: Iterable[Standing], kind: Kind | None = None) -> dict[str, datetime]:
    """The audiences to which a person belongs, by key, with the time since when; only those of a `kind` if given."""
    found = {Audience("person", person).key: ALWAYS} if kind in (None, "person", "people") else {}
    for one in standings:
        if one.present:
            found.update((f"{each}:{one.to}", since) for each, since in _audiences(one) if kind in (None, each))
    return found


def _audiences(standing: Standing) -> Iterable[tuple[Kind, datetime]]:
    """Which audiences of the group or event, since when. Only their kinds: a page of the inbox asks this of all one's groups."""
    assert standing.since is not None
    if not standing.is_group:
        yield "event", standing.since
        if standing.role == GOING:
            assert standing.role_since is not None
            yield "going", max(standing.role_since, standing.since)
        return
    yield "group", standing.since
    if standing.role in (ORGANIZER, MODERATOR):
        assert standing.role_since is not None
        # A role that was given in an earlier membership counts from the present one.
        since = max(standing.role_since, standing.since)
        yield "moderators", since
        if standing.role == ORGANIZER:
            yield "organizers", since
