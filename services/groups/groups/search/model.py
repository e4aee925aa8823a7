"""The rules of search: what it takes for a group to be found, how far a search goes, and what is best."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chassis.problems import MalformedRequest
from groups.groups.model import SCOPES, Group

EARTH_KM = 6378.1
"""The radius that MongoDB reckons with."""
REACH_KM = {"local": 50.0, "regional": 300.0}
"""How far from home a local and a regional group reach, where the search does not say."""
FAR_AWAY_KM = 1e6

_WORD = re.compile(r"\w+")
# Scripts that write without spaces: Han, kana, Hangul, Thai, Lao, Khmer, Burmese.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


@dataclass(frozen=True, slots=True)
class Search:
    """What somebody looks for."""

    interests: tuple[str, ...] = ()
    match: str = "all"
    scopes: tuple[str, ...] = ()
    near: tuple[float, float] | None = None
    within_km: float | None = None
    country: str | None = None
    """Only groups at home in this country."""
    home: str | None = None
    """The country of whoever looks, as far as it is known: national groups reach them there."""
    words: tuple[str, ...] = ()
    sort: str = "best"
    bounded: bool = True
    """Whether `near` says what is found, and not only in which order."""

    @property
    def ranks_by_shared(self) -> bool:
        """Whether some of what is found may share more than others."""
        return self.match == "any" and len(self.interests) > 1

    def reach_km(self, scope: str) -> float:
        """How far away a group of this scope may be."""
        return REACH_KM[scope] if self.within_km is None else self.within_km


Order = tuple[tuple[str, int], ...]


def order_of(search: Search) -> Order:
    """In which order groups are found: names of what decides, first to last, each 1 (low first) or -1 (high first).

    `best`: who share more of the interests, then nearer ones (where the search says near what), then larger ones, then
    newer ones. Ids grow with time, so the id stands for newness and makes every order a total one.
    """
    shared: Order = (("shared", -1),) if search.ranks_by_shared else ()
    distance: Order = (("distance", 1),) if search.near else ()
    return {
        "best": (*shared, *distance, ("member_count", -1), ("_id", -1)),
        "nearest": (*distance, ("_id", -1)),
        "largest": (("member_count", -1), ("_id", -1)),
        "newest": (("_id", -1),),
    }[search.sort]


def ladder(search: Search) -> Iterator[tuple[str, Search]]:
    """The searches that a widening one goes through, with the scope that each reaches.

    A regional group further away than a search said is still one that reaches there; from national on, distance says
    nothing; from virtual on, neither does the country.
    """
    for scope in SCOPES:
        if search.scopes and scope not in search.scopes:
            continue
        within = search.within_km
        if scope == "regional" and within is not None:
            within = max(within, REACH_KM[scope])
        rung = replace(search, scopes=(scope,), within_km=within)
        yield scope, replace(rung, country=None, near=None) if scope == "virtual" and search.sort != "nearest" else rung


def check_place(search: Search, place: Sequence[Any] | None) -> None:
    """Raises MalformedRequest when what a cursor says is no place in the order of this search."""
    if place is None:
        return
    order = order_of(search)
    kinds = [str if name == "_id" else int | float for name, _ in order]
    if len(place) != len(kinds) or not all(isinstance(value, kind) for value, kind in zip(place, kinds, strict=True)):
        raise MalformedRequest(
            "cursor: Not a cursor of this search: use the `next` of the page before with the same query."
        )


def words(*texts: str) -> list[str]:
    """The words by which texts in any language are found: no case, no accents; scripts without spaces in pairs."""
    found: dict[str, None] = {}
    for text in texts:
        decomposed = unicodedata.normalize("NFKD", text).casefold()
        bare = "".join(char for char in decomposed if not unicodedata.combining(char))
        for word in _WORD.findall(unicodedata.normalize("NFKC", bare)):
            for spaced in _UNSPACED.sub(" ", word).split():
                found[spaced] = None
            for run in _UNSPACED.findall(word):
                pairs = [run[i : i + 2] for i in range(len(run) - 1)]
                found.update(dict.fromkeys(pairs or [run]))
    return list(found)


@dataclass(frozen=True, slots=True)
class Match:
    """How a group fits a search."""

    shared: list[str]
    missing: list[str]
    distance_km: float | None


def match(search: Search, group: Group) -> Match:
    """How a group fits a search: which of the interests it shares and misses, and how far away it is."""
    return Match(
        shared=[interest for interest in search.interests if interest in group.interests],
        missing=[interest for interest in search.interests if interest not in group.interests],
        distance_km=distance_km(search.near, group.place),
    )


def distance_km(near: tuple[float, float] | None, place: dict[str, Any] | None) -> float | None:
    """Kilometres on the surface between a point and a place, to 100 m, or None where one of them is not known."""
    location = place and place.get("location")
    if near is None or not location:
        return None
    lat, lon, lat2, lon2 = map(math.radians, (*near, location["lat"], location["lon"]))
    half = math.sin((lat2 - lat) / 2) ** 2 + math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2
    return round(2 * EARTH_KM * math.asin(min(1.0, math.sqrt(half))), 1)


def closest_to(search: Search) -> Search:
    """What to look for when a search finds nothing: any of the interests, anywhere."""
    return Search(interests=search.interests, match="any", near=search.near, bounded=False)
