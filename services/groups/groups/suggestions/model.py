"""The rules about suggestions: which groups suit somebody, for which reasons, and which of them best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from groups.groups.model import SCOPES, Group
from groups.people.model import Person
from groups.search.model import BY_SIZE, REACH_KM, Course, Search, distance_km, size_of

MOST_INTERESTS = 20
"""How many interests of a person are looked for together: one question to an index for each pair of them."""
MOST_OF_A_KIND = 100
"""How many groups each way to find some contributes. It bounds what a list of suggestions costs, and how long it is."""

INTERESTS, NEAR, MEMBERS = "interests", "near", "members"
KINDS = (INTERESTS, NEAR, MEMBERS)


@dataclass(slots=True)
class Suggestion:
    """A group that somebody might like, and why."""

    group: Group
    interests: list[str] = field(default_factory=list)
    """Which interests of theirs it shares."""
    distance_km: float | None = None
    """How far away it is, if it is near them."""
    members: int = 0
    """How many people of their own groups are in it."""

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """What speaks for it, the strongest first: `{kind, interests | distance_km | members}`."""
        found: list[dict[str, Any]] = []
        if self.interests:
            found.append({"kind": INTERESTS, "interests": self.interests})
        if self.members:
            found.append({"kind": MEMBERS, "members": self.members})
        if self.distance_km is not None:
            found.append({"kind": NEAR, "distance_km": self.distance_km})
        return found

    @property
    def place(self) -> list[Any]:
        """Where it stands in the list, high first: how much speaks for it, its size in powers of two, its id.

        One more interest that is shared speaks louder than all else.
        """
        nearness = 0 if self.distance_km is None else max(1, 6 - round(math.log2(1 + self.distance_km)))
        company = min(self.members.bit_length(), 4)
        return [20 * len(self.interests) + 3 * company + nearness, size_of(self.group.member_count), self.group.id]


def searches(person: Person) -> Iterator[tuple[Search, Course]]:
    """How groups are looked for that share interests with a person or are near them, and may reach them.

    Who shares several interests comes before who shares one; near are local and regional groups, elsewhere the others.
    """
    interests, place = tuple(person.interests[:MOST_INTERESTS]), person.place or {}
    location = place.get("location")
    near = (location["lat"], location["lon"]) if location else None
    wanted = Search(interests=interests, match="any", scopes=SCOPES, near=near, home=place.get("country"))
    shares = [*(["several"] if len(interests) > 1 else []), *(["any"] if interests else [])]
    for share in shares:
        if near is None:
            yield wanted, Course(share, "sorted", BY_SIZE)
        else:
            yield wanted, Course(share, "nearest", (("metres", 1), *BY_SIZE))
            yield wanted, Course(share, "elsewhere", BY_SIZE)
    if near is not None:
        yield replace(wanted, interests=(), scopes=tuple(REACH_KM)), Course("any", "nearest", (("metres", 1), *BY_SIZE))


def suggestions(person: Person, groups: Iterable[Group], members: Mapping[str, int]) -> list[Suggestion]:
    """What of these groups suits a person, best first; `members` says how many people of their own groups are in each.

    Only groups that all may find and that reach the person.
    """
    found = [_suggestion(person, group, members.get(group.id, 0)) for group in groups if group.listed]
    suitable = [one for one in found if one is not None and one.reasons]
    return sorted(suitable, key=lambda one: one.place, reverse=True)


def beyond(found: Sequence[Suggestion], place: Sequence[Any] | None) -> list[Suggestion]:
    """What of a list comes after a place in it."""
    return [one for one in found if place is None or one.place < list(place)]


def _suggestion(person: Person, group: Group, members: int) -> Suggestion | None:
    place = person.place or {}
    location, country = place.get("location"), place.get("country")
    away = distance_km((location["lat"], location["lon"]), group.place) if location else None
    located = group.scope in REACH_KM
    if located and away is not None:
        if away > REACH_KM[group.scope]:
            return None
    elif group.scope != "virtual" and country is not None and (group.place or {}).get("country") != country:
        return None
    shared = [one for one in person.interests if one in group.interests]
    return Suggestion(group, shared, away if located else None, members)
