"""The queries of search. Each takes its matches from an index, and in its order wherever an index can have it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from pymongo import ASCENDING, DESCENDING, GEOSPHERE, IndexModel

from chassis.store import Repository
from groups.groups.model import Group
from groups.groups.store import group_of
from groups.paging import beyond
from groups.search.model import EARTH_KM, FAR_AWAY_KM, Course, Search, pairs_of

_LISTED = {"listed": True}
_BY_SIZE = [("size", DESCENDING), ("_id", DESCENDING)]
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
        _index(("interests", ASCENDING), *_BY_SIZE),
        _index(("interests", ASCENDING), *_NEWEST),
        _index(("interests", ASCENDING), ("at", GEOSPHERE)),
        _index(("pairs", ASCENDING), *_BY_SIZE),
        _index(("words", ASCENDING), *_BY_SIZE),
        _index(("place.country", ASCENDING), *_BY_SIZE),
        _index(("at", GEOSPHERE)),
        _index(*_BY_SIZE),
        _index(("member_count", DESCENDING), *_NEWEST),
        _index(("listed", ASCENDING), *_NEWEST),
    )

    def find(self, search: Search, course: Course, after: Sequence[Any] | None, limit: int) -> Found:
        """What a course of a search finds from after a place on."""
        if course.way == "nearest":
            return self._nearest(search, course, after, limit)
        return self._run(pipeline_of(search, course, after, limit), course)

    def _nearest(self, search: Search, course: Course, after: Sequence[Any] | None, limit: int) -> Found:
        """The index of places yields groups one by one, the nearest first, those of one distance in no certain order.

        So where a page ends among groups of one distance, these are asked for on their own.
        """
        nearest = _nearest_of(search, course, start=after[0] if after else 0.0)
        if nearest is None:
            return []
        rest = {"$match": beyond(course.order, after)}
        found = self._run([*nearest, rest, {"$limit": limit + 1}], course)
        distances = [place[0] for _, place in found]
        if len(found) <= limit or distances[limit - 1] < distances[limit]:
            return _in_order(found)[:limit]
        last = distances[limit - 1]
        before = [one for one in found if one[1][0] < last]
        there = _nearest_of(search, course, last, last) or []
        same = {"$match": {"distance": last}}
        tied = [*there, same, rest, {"$sort": dict(course.order)}, {"$limit": limit - len(before)}]
        return _in_order(before) + self._run(tied, course)

    def _run(self, pipeline: list[dict[str, Any]], course: Course) -> Found:
        found = self.documents.aggregate(pipeline, session=self.session)
        order = [name for name, _ in course.order]
        return [(group_of(one), [one[name] for name in order]) for one in found]


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


def _nearest_of(search: Search, course: Course, start: float, end: float | None = None) -> list[dict[str, Any]] | None:
    """The beginning of an aggregation that yields groups by distance from `start` to `end` (km, give or take 1 m).

    None when the search is for none that are found by distance.
    """
    assert search.near is not None
    wanted = [_LISTED, *_of(search, course)]
    then: list[dict[str, Any]] = []
    near: dict[str, Any] = {
        "near": {"type": "Point", "coordinates": [search.near[1], search.near[0]]},
        "key": "at",
        "distanceField": "distance",
        "distanceMultiplier": 0.001,
        "minDistance": max(0.0, start * 1000 - 1),
    }
    if search.bounded:
        if not search.located:
            return None
        reaches = {scope: search.reach_km(scope) for scope in search.located}
        end = min(max(reaches.values()), FAR_AWAY_KM if end is None else end)
        wanted.append({"scope": {"$in": list(reaches)}})
        within = [{"scope": scope, "distance": {"$lte": km}} for scope, km in reaches.items()]
        then = [{"$match": {"$or": within}}]
    elif search.scopes:
        wanted.append({"scope": {"$in": list(search.scopes)}})
    if end is not None:
        near["maxDistance"] = end * 1000 + 1
    return [{"$geoNear": {**near, "query": {"$and": wanted}}}, *then]


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


def _in_order(found: Found) -> Found:
    """Groups that were found by distance: those of one distance the larger first, then the newer."""
    newest = sorted(found, key=lambda one: str(one[1][2]), reverse=True)
    return sorted(newest, key=lambda one: (one[1][0], -one[1][1]))
