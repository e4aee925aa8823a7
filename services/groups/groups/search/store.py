"""The queries of search. Each takes its matches from an index, and in its order wherever an index can have it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from pymongo import ASCENDING, DESCENDING, GEOSPHERE, IndexModel

from chassis.store import Repository
from groups.groups.model import Group
from groups.groups.store import group_of
from groups.paging import beyond
from groups.search.model import BY_SIZE, EARTH_KM, FAR_AWAY_KM, REACH_KM, Course, Search, metres, pairs_of

_LISTED = {"listed": True}
_BY_SIZE = list(BY_SIZE)
_NEWEST = [("_id", DESCENDING)]

Found = list[tuple[Group, list[Any]]]
"""Groups, each with its place in the order in which they were found."""


def _index(*keys: tuple[str, Any]) -> IndexModel:
    """An index of what searches may find, and of nothing else."""
    return IndexModel(list(keys), partialFilterExpression=_LISTED)


class ListedGroups(Repository):
    """Groups as searches find them. `pairs` holds each two of a group's interests, so that a search for several of them
    need not go through all that have the first."""

    collection = "groups"
    indexes = (
        _index(("interests", ASCENDING), *BY_SIZE),
        _index(("interests", ASCENDING), *_NEWEST),
        _index(("interests", ASCENDING), ("at", GEOSPHERE)),
        _index(("pairs", ASCENDING), ("at", GEOSPHERE)),
        _index(("pairs", ASCENDING), *BY_SIZE),
        _index(("words", ASCENDING), *BY_SIZE),
        _index(("place.country", ASCENDING), *BY_SIZE),
        _index(("at", GEOSPHERE)),
        _index(*BY_SIZE),
        _index(("member_count", DESCENDING), *_NEWEST),
        _index(("listed", ASCENDING), *_NEWEST),
    )

    def find(self, search: Search, course: Course, after: Sequence[Any] | None, limit: int) -> Found:
        """What a course of a search finds from after a place on."""
        if course.way == "nearest":
            return self._nearest(search, course, after, limit)
        if course.way == "elsewhere" and search.bounded and not (search.national or "virtual" in search.scopes):
            return []
        order = [name for name, _ in course.order]
        found = self.documents.aggregate(pipeline_of(search, course, after, limit), session=self.session)
        return [(group_of(one), [one[name] for name in order]) for one in found]

    def country_near(self, near: tuple[float, float]) -> str | None:
        """In which country a point is: that of the nearest group, if one is near enough to tell."""
        lat, lon = near
        point = {"type": "Point", "coordinates": [lon, lat]}
        around = {"$nearSphere": {"$geometry": point, "$maxDistance": REACH_KM["regional"] * 1000}}
        found = self.documents.find_one({**_LISTED, "at": around}, {"place.country": 1}, session=self.session)
        return found["place"]["country"] if found else None

    def _nearest(self, search: Search, course: Course, after: Sequence[Any] | None, limit: int) -> Found:
        """The index of places yields groups one by one, the nearest first, but those of one place in no certain order.

        So they are taken metre by metre: what is left of the metre where the page before ended, then what is further
        away, and where this page ends within a metre, what is there in its order.
        """
        if not _reaches(search):
            return []
        begun = self._at_metre(search, course, after[0], after[1:], limit) if after else []
        wanted = limit - len(begun)
        if wanted == 0:
            return begun
        further = self._further_than(search, course, after[0] + 0.5 if after else 0.0, wanted + 1)
        if len(further) > wanted:
            last = further[wanted][1][0]
            further = [one for one in further if one[1][0] < last]
            further += self._at_metre(search, course, last, None, wanted - len(further))
        return begun + further[:wanted]

    def _further_than(self, search: Search, course: Course, metres: float, limit: int) -> Found:
        found: Found = []
        for scopes, reach in _reaches(search):
            query = near_query_of(search, course, scopes, metres, reach)
            found += self._measured(search, self.documents.find(query, session=self.session).limit(limit))
        newest = sorted(found, key=lambda one: str(one[1][2]), reverse=True)
        return sorted(newest, key=lambda one: (one[1][0], -one[1][1]))[:limit]

    def _at_metre(self, search: Search, course: Course, metre: int, after: Sequence[Any] | None, limit: int) -> Found:
        scopes = [one for reach in _reaches(search) if reach[1] is None or reach[1] >= metre for one in reach[0]]
        query = near_query_of(search, course, scopes, max(0.0, metre - 0.5), metre + 0.5)
        query["$and"].append(beyond(BY_SIZE, after))
        return self._measured(search, self.documents.find(query, session=self.session).sort(_BY_SIZE).limit(limit))

    def _measured(self, search: Search, found: Iterable[dict[str, Any]]) -> Found:
        """Groups with their places in the order of distance: whole metres, size, id."""
        groups = [(group_of(one), one["size"]) for one in found]
        return [(group, [metres(search.near, group.place), size, group.id]) for group, size in groups]


def pipeline_of(search: Search, course: Course, after: Sequence[Any] | None, limit: int) -> list[dict[str, Any]]:
    """The aggregation that finds a page of a course that is sorted, ranked or elsewhere."""
    wanted = {"$and": [_LISTED, *_of(search, course), _somewhere(search, course)]}
    rest = beyond(course.order, after)
    steps: list[dict[str, Any]] = [{"$match": {"$and": [wanted, rest]}}]
    if course.way == "ranked":
        rank: dict[str, Any] = {"shared": {"$size": {"$setIntersection": ["$interests", list(search.interests)]}}}
        if search.near:
            rank["distance"] = _distance_km(search)
        steps = [{"$match": wanted}, {"$set": rank}, {"$match": rest}]
    return [*steps, {"$sort": dict(course.order)}, {"$limit": limit}]


def near_query_of(
    search: Search, course: Course, scopes: Sequence[str], start: float, end: float | None
) -> dict[str, Any]:
    """The query for groups of some scopes (none: all), the nearest first, from `start` to `end` metres away."""
    assert search.near is not None
    lat, lon = search.near
    near: dict[str, Any] = {"$geometry": {"type": "Point", "coordinates": [lon, lat]}, "$minDistance": start}
    if end is not None:
        near["$maxDistance"] = end
    of_scopes = {"scope": {"$in": list(scopes)}} if scopes else {}
    return {"$and": [_LISTED, *_of(search, course), of_scopes], "at": {"$nearSphere": near}}


def _reaches(search: Search) -> list[tuple[list[str], float | None]]:
    """Which scopes are found within how many metres (None: however far)."""
    if not search.bounded:
        return [(list(search.scopes), None)]
    reaches: dict[float, list[str]] = {}
    for scope in search.located:
        reaches.setdefault(search.reach_km(scope) * 1000, []).append(scope)
    return [(scopes, reach) for reach, scopes in reaches.items()]


def _of(search: Search, course: Course) -> list[dict[str, Any]]:
    """What a group must be to be found, wherever it is."""
    wanted: list[dict[str, Any]] = []
    interests, pairs = list(search.interests), pairs_of(search.interests)
    if course.share == "several":
        wanted.append({"pairs": {"$in": pairs}})
    elif course.share == "one":
        wanted.append({"interests": {"$in": interests}, "pairs": {"$nin": pairs}})
    elif course.share == "any" and interests:
        wanted.append({"interests": {"$in": interests}})
    elif len(interests) == 1:
        wanted.append({"interests": interests[0]})
    elif interests:
        # Whoever has each with the next has all of them.
        wanted.append({"pairs": {"$all": ["\n".join(pair) for pair in pairwise(sorted(interests))]}})
    if search.words:
        wanted.append({"words": {"$all": list(search.words)}})
    if search.country:
        wanted.append({"place.country": search.country})
    return wanted


def _somewhere(search: Search, course: Course) -> dict[str, Any]:
    """Where a group must be, or which scope it must have, to be found."""
    if search.near is None or not search.bounded:
        wanted: dict[str, Any] = {"scope": {"$in": list(search.scopes)}} if search.scopes else {}
        return {**wanted, "at": None} if course.way == "elsewhere" else wanted
    lat, lon = search.near
    choices: list[dict[str, Any]] = []
    if course.way != "elsewhere":
        for scope in search.located:
            within = {"$centerSphere": [[lon, lat], search.reach_km(scope) / EARTH_KM]}
            choices.append({"scope": scope, "at": {"$geoWithin": within}})
    if search.national:
        choices.append({"scope": "national", "place.country": search.country or search.home})
    if "virtual" in search.scopes:
        choices.append({"scope": "virtual"})
    if not choices:
        return {"scope": {"$in": []}}
    return choices[0] if len(choices) == 1 else {"$or": choices}


def _distance_km(search: Search) -> dict[str, Any]:
    """The haversine formula as an expression; what is not found by distance counts as far away."""
    assert search.near is not None
    lat, lon = search.near

    def half_squared(there: str, here: float) -> dict[str, Any]:
        difference = {"$degreesToRadians": {"$subtract": [there, here]}}
        return {"$pow": [{"$sin": {"$divide": [difference, 2]}}, 2]}

    there_lat, there_lon = "$place.location.lat", "$place.location.lon"
    cosines = {"$multiply": [{"$cos": {"$degreesToRadians": lat}}, {"$cos": {"$degreesToRadians": there_lat}}]}
    half = {"$add": [half_squared(there_lat, lat), {"$multiply": [cosines, half_squared(there_lon, lon)]}]}
    distance = {"$multiply": [2 * EARTH_KM, {"$asin": {"$min": [1, {"$sqrt": half}]}}]}
    nowhere: dict[str, Any] = {"$eq": [{"$type": there_lat}, "missing"]}
    if search.bounded:
        nowhere = {"$or": [nowhere, {"$not": {"$in": ["$scope", list(search.located)]}}]}
    return {"$cond": [nowhere, FAR_AWAY_KM, distance]}
