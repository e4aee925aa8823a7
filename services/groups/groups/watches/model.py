"""The rules about watches: what one stands for, and which groups match it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.ids import new_id
from chassis.problems import Conflict
from groups.groups.model import Group
from groups.people.model import Person
from groups.search.model import REACH_KM, metres, pairs_of

MOST_PER_PERSON = 100
"""How many watches one person may have."""


@dataclass(slots=True)
class Watch:
    """One person's standing search for groups that have all of some interests and reach them."""

    id: str
    person: str
    interests: list[str]
    scope: str | None
    """Only groups of this scope."""
    near: dict[str, float] | None
    """Where groups shall be, `{lat, lon}`, if that is not where the person is at home."""
    within_km: float | None
    created_at: datetime
    country: str | None
    """In which country the person is at home, as far as it is known."""
    location: dict[str, float] | None
    """Where exactly, `{lat, lon}`."""
    version: int = 1
    """Grows with each group that it is told of."""

    @property
    def set(self) -> str:
        """What it is for, in the form in which sets of interests are compared."""
        return set_of(self.interests)

    @property
    def point(self) -> dict[str, float] | None:
        """From where distances count, `{lat, lon}`."""
        return self.near or self.location


def watch(person: Person, wanted: Mapping[str, Any], now: datetime) -> Watch:
    """A new watch of a person, from valid fields (`interests` and any of `scope`, `near`, `within_km`)."""
    return Watch(
        id=new_id("wch"),
        person=person.id,
        interests=wanted["interests"],
        scope=wanted.get("scope"),
        near=wanted.get("near"),
        within_km=wanted.get("within_km"),
        created_at=now,
        **home_of(person.place),
    )


def home_of(place: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a watch keeps of its person's place: `{country, location}`."""
    return {"country": place and place["country"], "location": place and place.get("location")}


def check_not_too_many(watches: int) -> None:
    """Raises Conflict for who has as many watches as anybody may have."""
    if watches >= MOST_PER_PERSON:
        raise Conflict(f"You have {MOST_PER_PERSON} watches, which is the most. Delete one that you need no more.")


# -- sets of interests


def set_of(interests: Iterable[str]) -> str:
    """A set of interests as a text: the same for the same set. White space in an interest is never a line break."""
    return "\n".join(sorted(set(interests)))


def head_of(interests: Iterable[str]) -> str:
    """By what a set is found from larger ones: its first two interests in alphabetical order, or the only one."""
    return "\n".join(sorted(set(interests))[:2])


def heads_within(interests: Sequence[str]) -> list[str]:
    """The heads of all sets that are within these interests: few (120 for 15), while the sets themselves are many."""
    return [*interests, *pairs_of(interests)]


# -- matching


@dataclass(frozen=True, slots=True)
class Aspect:
    """What of a group decides which watches it matches."""

    interests: frozenset[str]
    scope: str
    country: str | None
    location: Mapping[str, float] | None


def aspect_of(group: Group | None) -> Aspect | None:
    """The aspect of a group, or None when nobody is to hear of it."""
    if group is None or not group.listed:
        return None
    place = group.place or {}
    return Aspect(frozenset(group.interests), group.scope, place.get("country"), place.get("location"))


def matches(watch: Watch, aspect: Aspect | None) -> bool:
    """Whether a group has all interests of a watch, and its scope reaches the watcher.

    A virtual group reaches everybody, a national one who is at home in its country, others who is near. Where it cannot
    be told how far away somebody is, the country decides; who does not say where they are at all is looking everywhere,
    as a search is that does not say `near` what.
    """
    if aspect is None or not aspect.interests.issuperset(watch.interests):
        return False
    if watch.scope not in (None, aspect.scope):
        return False
    if aspect.scope == "virtual" or (watch.point is None and watch.country is None):
        return True
    if aspect.scope in REACH_KM and watch.point and aspect.location:
        reach_km = REACH_KM[aspect.scope] if watch.within_km is None else watch.within_km
        near = watch.point["lat"], watch.point["lon"]
        return metres(near, {"location": aspect.location}) <= reach_km * 1000
    if aspect.scope in REACH_KM and watch.near:
        return False
    return watch.country is not None and watch.country == aspect.country


def newly_matches(watch: Watch, now: Aspect | None, before: Aspect | None) -> bool:
    """Whether a group, which was as `before` says, matches a watch since it is as it is now."""
    return matches(watch, now) and not matches(watch, before)
