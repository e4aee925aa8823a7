"""The queries of search. Each takes its matches from an index; what no distance or rank decides comes sorted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING, GEOSPHERE, IndexModel

from chassis.store import Repository
from groups.groups.model import Group
from groups.groups.store import group_of
from groups.paging import beyond
from groups.search.model import EARTH_KM, FAR_AWAY_KM, Search, order_of

_LISTED = {"listed": True}
_LARGEST = [("member_count", DESCENDING), ("_id", DESCENDING)]
_NEWEST = [("_id", DESCENDING)]


def _index(*keys: tuple[str, Any]) -> IndexModel:
    """An index of what searches may find, and of nothing else."""
    return IndexModel(list(keys), partialFilterExpression=_LISTED)


class ListedGroups(Repository):
    """Groups as searches find them."""

    collection = "groups"
    indexes = (
        _index(("interests", ASCENDING), *_LARGEST),
        _index(("interests", ASCENDING), *_NEWEST),
        _index(("interests", ASCENDING), ("at", GEOSPHERE)),
        _index(("words", ASCENDING), *_LARGEST),
        _index(("place.country", ASCENDING), *_LARGEST),
        _index(("at", GEOSPHERE)),
        _index(*_LARGEST),
        _index(("listed", ASCENDING), *_NEWEST),
    )

    def search(self, search: Search, after: Sequence[Any] | None, limit: int) -> list[tuple[Group, list[Any]]]:
        """The groups that a search finds from after a place on, each with its own place."""
        order = order_of(search)
        pipeline = pipeline_of(search, after, limit)
        found = self.documents.aggregate(pipeline, session=self.session)
        return [(group_of(one), [one[name] for name, _ in order]) for one in found]

    def nearest(self, near: tuple[float, float], limit: int) -> list[Group]:
        """The groups nearest to a point, however far."""
        at = {"$nearSphere": {"$geometry": {"type": "Point", "coordinates": [near[1], near[0]]}}}
        found = self.documents.find({"listed": True, "at": at}, session=self.session).limit(limit)
        return [group_of(one) for one in found]


def pipeline_of(search: Search, after: Sequence[Any] | None, limit: int) -> list[dict[str, Any]]:
    """The aggregation that finds a page of a search. `after` holds a value for each field of the search's order."""
    order = order_of(search)
    computed: dict[str, Any] = {}
    if any(name == "shared" for name, _ in order):
        computed["shared"] = {"$size": {"$setIntersection": ["$interests", list(search.interests)]}}
    if search.near and any(name == "distance" for name, _ in order):
        computed["distance"] = _distance_km(*search.near)
    wanted, rest = query_of(search), beyond(order, after)
    if computed:
        steps: list[dict[str, Any]] = [{"$match": wanted}, {"$set": computed}, {"$match": rest}]
    else:
        steps = [{"$match": {"$and": [wanted, rest]}}]
    return [*steps, {"$sort": dict(order)}, {"$limit": limit}]


def query_of(search: Search) -> dict[str, Any]:
    """What a group must be to be found."""
    wanted: list[dict[str, Any]] = [_LISTED]
    if search.interests:
        wanted.append({"interests": {"$in" if search.match == "any" else "$all": list(search.interests)}})
    if search.words:
        wanted.append({"words": {"$all": list(search.words)}})
    if search.country:
        wanted.append({"place.country": search.country})
    wanted.append(_in_reach(search) if search.near and search.bounded else _of_scopes(search.scopes))
    return {"$and": wanted}


def _of_scopes(scopes: Sequence[str]) -> dict[str, Any]:
    return {"scope": {"$in": list(scopes)}} if scopes else {}


def _in_reach(search: Search) -> dict[str, Any]:
    """Local and regional groups within their reach, national ones in the country; virtual ones if asked for."""
    assert search.near is not None
    lat, lon = search.near
    scopes = search.scopes or ("local", "regional", "national")
    by_reach: dict[float, list[str]] = {}
    for scope in scopes:
        if scope in ("local", "regional"):
            by_reach.setdefault(search.reach_km(scope), []).append(scope)
    choices: list[dict[str, Any]] = [
        {"at": {"$geoWithin": {"$centerSphere": [[lon, lat], km / EARTH_KM]}}, "scope": {"$in": within}}
        for km, within in by_reach.items()
    ]
    if "national" in scopes and (search.country or search.home):
        choices.append({"scope": "national", "place.country": search.country or search.home})
    if "virtual" in scopes:
        choices.append({"scope": "virtual"})
    if not choices:
        return {"scope": {"$in": []}}
    return choices[0] if len(choices) == 1 else {"$or": choices}


def _distance_km(lat: float, lon: float) -> dict[str, Any]:
    """The haversine formula as an expression; what has no place of its own counts as far away."""

    def half_squared(there: str, here: float) -> dict[str, Any]:
        difference = {"$degreesToRadians": {"$subtract": [there, here]}}
        return {"$pow": [{"$sin": {"$divide": [difference, 2]}}, 2]}

    there_lat, there_lon = "$place.location.lat", "$place.location.lon"
    cosines = {"$multiply": [{"$cos": {"$degreesToRadians": lat}}, {"$cos": {"$degreesToRadians": there_lat}}]}
    half = {"$add": [half_squared(there_lat, lat), {"$multiply": [cosines, half_squared(there_lon, lon)]}]}
    distance = {"$multiply": [2 * EARTH_KM, {"$asin": {"$min": [1, {"$sqrt": half}]}}]}
    return {"$cond": [{"$eq": [{"$type": there_lat}, "missing"]}, FAR_AWAY_KM, distance]}
