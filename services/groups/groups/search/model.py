"""The rules of search: what it takes for a group to be found, how far a search goes, and what is best."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from chassis.problems import MalformedRequest
from groups.groups.model import SCOPES, Group
from groups.paging import is_sound

EARTH_KM = 6378.1
"""The radius that MongoDB reckons with."""
REACH_KM = {"local": 50.0, "regional": 300.0}
"""How far from home a local and a regional group reach, where the search does not say."""
FAR_AWAY_KM = 1e6
"""How far away a group counts that is not found by distance."""

# Scripts that write without spaces: Thai, Lao, Burmese, Khmer, Han (also what is rare of it), kana, Hangul.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]+"
)
_DEVANAGARI = "\u0900"
_ORNAMENTS = "\u0640\ufe0e\ufe0f"
"""What only changes how something looks: Arabic tatweel, and whether a symbol is shown in colour."""
_PARTS = ("L", "N", "M", "So")
"""The categories of what words are made of: letters, numbers, marks, symbols such as emoji."""


Order = tuple[tuple[str, int], ...]
"""Names of what decides, first to last, each 1 (low first) or -1 (high first). The last is unique."""
BY_SIZE: Order = (("size", -1), ("_id", -1))


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
    """The country of whoever looks, or else of where they look, as far as it is known: national groups reach them there."""
    words: tuple[str, ...] = ()
    sort: str = "best"
    bounded: bool = True
    """Whether `near` says what is found, and not only in which order."""

    def reach_km(self, scope: str) -> float:
        """How far away a group of this scope may be."""
        return REACH_KM[scope] if self.within_km is None else self.within_km

    @property
    def located(self) -> tuple[str, ...]:
        """Of the scopes that are looked for, those whose groups are found by distance."""
        return tuple(scope for scope in self.scopes or REACH_KM if scope in REACH_KM)

    @property
    def national(self) -> bool:
        """Whether national groups are looked for near somewhere, and it is known in which country that is."""
        return bool(self.country or self.home) and (not self.scopes or "national" in self.scopes)


@dataclass(frozen=True, slots=True)
class Course:
    """One part of a search, which the database can serve in its order. A search finds what its courses find, in turn.

    `share`: of the interests, groups have `all`, `any`, `several` (two or more) or just `one`. `way`: `sorted` in an
    order that an index has; `ranked` by what has to be computed first; `nearest` as the index of places yields them;
    `elsewhere`, sorted, what is found though it is not near.
    """

    share: str
    way: str
    order: Order

    @property
    def name(self) -> str:
        """How cursors name it."""
        return f"{self.share} {self.way}"


def courses(search: Search) -> list[Course]:
    """The courses of a search.

    `best` is: who shares more of the interests; then, where the search says near what, local and regional groups, the
    nearest first, before all others; then larger ones, in powers of two, so that the order stands while people join;
    then newer ones. Ids grow with time, so the id stands for newness and makes every order a total one.
    """
    if search.sort in ("newest", "largest"):
        order: Order = (("_id", -1),) if search.sort == "newest" else (("member_count", -1), ("_id", -1))
        return [Course(search.match, "sorted", order)]
    if search.sort == "best" and search.match == "any" and len(search.interests) > 1:
        nearness: Order = (("distance", 1),) if search.near else ()
        several = Course("several", "ranked", (("shared", -1), *nearness, *BY_SIZE))
        return [several, *_by_place(search, "one")]
    return _by_place(search, search.match)


def _by_place(search: Search, share: str) -> list[Course]:
    if search.near is None:
        return [Course(share, "sorted", BY_SIZE)]
    return [Course(share, "nearest", (("metres", 1), *BY_SIZE)), Course(share, "elsewhere", BY_SIZE)]


def size_of(member_count: int) -> int:
    """How large a group is, in powers of two: what `best` compares."""
    return member_count.bit_length()


def pairs_of(interests: Iterable[str]) -> list[str]:
    """All pairs of a set of interests, by which an index finds groups that share two at once.

    White space within an interest is always a blank, so that a line break can stand between two.
    """
    return ["\n".join(pair) for pair in combinations(sorted(set(interests)), 2)]


def ladder(search: Search) -> Iterator[tuple[str, Search]]:
    """The searches that a widening one goes through, with the scope that each reaches.

    A regional group further away than a search said is still one that reaches there; from national on, distance says
    nothing; from virtual on, neither does the country.
    """
    for scope in SCOPES:
        if search.scopes and scope not in search.scopes:
            continue
        rung = replace(search, scopes=(scope,))
        if scope == "regional" and search.within_km is not None:
            rung = replace(rung, within_km=max(search.within_km, REACH_KM[scope]))
        if scope == "virtual":
            rung = replace(rung, country=None, bounded=False)
        yield scope, rung


def check_place(courses: Sequence[Course], name: str, place: Sequence[Any] | None) -> None:
    """Raises MalformedRequest when what a cursor says is no place in the order of one of these courses."""
    orders = {course.name: course.order for course in courses}
    kinds = [str if key == "_id" else int | float for key, _ in orders.get(name, ())]
    fits = place is None or (
        len(place) == len(kinds) and all(map(isinstance, place, kinds)) and all(map(is_sound, place))
    )
    if name not in orders or not fits:
        raise MalformedRequest(
            "cursor: Not a cursor of this search: use the `next` of the page before with the same query."
        )


def words(*texts: str) -> list[str]:
    """The words of texts in any language as they are looked for: no case, no accents; scripts without spaces in pairs."""
    found: dict[str, None] = {}
    for word in (word for text in texts for word in _plain(text).split()):
        found |= dict.fromkeys(_UNSPACED.sub(" ", word).split())
        for run in _UNSPACED.findall(word):
            found |= dict.fromkeys([run[i : i + 2] for i in range(len(run) - 1)] or [run])
    return list(found)


def words_to_find(*texts: str) -> list[str]:
    """The words by which texts are found: also each character of scripts without spaces, which may be a word by itself."""
    singles = (char for text in texts for run in _UNSPACED.findall(_plain(text)) for char in run)
    return list(dict.fromkeys([*words(*texts), *singles]))


def _plain(text: str) -> str:
    """A text without case and accents, blanks between its words.

    Marks on letters are accents in the scripts from Latin to Arabic, which come first in Unicode. In those from Devanagari on
    they are vowels and the like, and part of the word, as the voicing of kana is.
    """
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(
        char
        for char in decomposed
        if char not in _ORNAMENTS and not (unicodedata.combining(char) and char < _DEVANAGARI)
    )
    whole = unicodedata.normalize("NFKC", bare)
    return "".join(char if unicodedata.category(char).startswith(_PARTS) else " " for char in whole)


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
    """Kilometres between a point and a place, to 100 m, or None where one of them is not known."""
    if near is None or not place or "location" not in place:
        return None
    return round(metres(near, place) / 1000, 1)


def metres(near: tuple[float, float] | None, place: dict[str, Any] | None) -> int:
    """Metres on the surface between a point and a place that has a location (the haversine formula)."""
    assert near is not None
    assert place is not None
    location = place["location"]
    lat, lon, lat2, lon2 = map(math.radians, (*near, location["lat"], location["lon"]))
    half = math.sin((lat2 - lat) / 2) ** 2 + math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2
    return round(2000 * EARTH_KM * math.asin(min(1.0, math.sqrt(half))))


def closest_to(search: Search) -> Search:
    """What to look for when a search finds nothing: any of the interests, anywhere."""
    return Search(interests=search.interests, match="any", near=search.near, bounded=False)
