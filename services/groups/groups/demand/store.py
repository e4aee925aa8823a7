"""Demand in MongoDB: how many people watch for each set of interests, and by which group it is served."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from chassis.ids import new_id
from chassis.store import Repository
from groups.demand.model import Demand
from groups.paging import beyond
from groups.search.model import EARTH_KM
from groups.watches.model import head_of, heads_within, set_of

WANTED = (("watchers", DESCENDING), ("_id", ASCENDING))
OF_ALL = [("served_by", ASCENDING), *WANTED]
OF_INTEREST = [("served_by", ASCENDING), ("interests", ASCENDING), *WANTED]
AT_ONCE = 200
NOBODY = ""
"""By whom a set is served that nobody serves: an index finds it in order, as it does not with null."""
LONGEST_CALL = timedelta(seconds=10)
"""Longer than any call takes, so that what was begun before has ended after."""

Place = tuple[int, str]
"""A place in the order of demand: watchers, set."""


class Demands(Repository):
    """Sets of interests for which people watch, or did when they were told; `_id` is the set (watches.model.set_of).

    `head` is how it is found from larger sets; `served_by` one of the public groups that have all of its interests.
    """

    collection = "demand"
    indexes = (
        IndexModel([("head", ASCENDING), ("served_by", ASCENDING)]),
        IndexModel(OF_ALL),
        IndexModel(OF_INTEREST),
        IndexModel("interests"),
    )

    def add(self, interests: Iterable[str]) -> Demand:
        """Count one more person who watches for a set."""
        found = self.documents.find_one_and_update(
            {"_id": set_of(interests)},
            {"$inc": {"watchers": 1, "version": 1}, "$setOnInsert": {**_new(interests), "told": 0}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
            session=self.session,
        )
        return _demand(found)

    def leave(self, sets: Sequence[str], people: int = 1) -> None:
        """Count so many people less who watch for each of these sets, and forget a set that nobody was ever told of."""
        wanted = {"_id": {"$in": sets}}
        self.documents.update_many(wanted, {"$inc": {"watchers": -people, "version": 1}}, session=self.session)
        self.documents.delete_many({**wanted, "watchers": {"$lte": 0}, "told": 0}, session=self.session)

    def with_interests(self, interests: Sequence[str], limit: int) -> list[Demand]:
        """Some demand for sets that have any of these interests."""
        wanted = {"interests": {"$in": list(interests)}}
        return [_demand(one) for one in self.documents.find(wanted, session=self.session).limit(limit)]

    def inherit(self, interests: Iterable[str], told: int) -> None:
        """Note that people come to watch for a set who were told at this level already, if at any."""
        if told:
            new = {**_new(interests), "watchers": 0, "version": 0}
            change = {"$max": {"told": told}, "$setOnInsert": new}
            self.documents.update_one({"_id": set_of(interests)}, change, upsert=True, session=self.session)

    def remove(self, wanted: str) -> None:
        """Forget the demand for a set, at whatever level it was told."""
        self.documents.delete_one({"_id": wanted}, session=self.session)

    def hold(self, interests: Iterable[str]) -> Demand | None:
        """The demand for a set, one version on, or None."""
        found = self.documents.find_one_and_update(
            {"_id": set_of(interests)},
            {"$inc": {"version": 1}},
            return_document=ReturnDocument.AFTER,
            session=self.session,
        )
        return _demand(found) if found else None

    def note_told(self, demand: Demand, level: int) -> None:
        """Note that those who watch were told at this level."""
        self.documents.update_one({"_id": demand.set}, {"$set": {"told": level}}, session=self.session)

    def watchers(self, sets: Iterable[str]) -> dict[str, int]:
        """How many people watch for each of these sets."""
        found = self.documents.find({"_id": {"$in": list(sets)}}, {"watchers": 1}, session=self.session)
        return {one["_id"]: one["watchers"] for one in found}

    def sets_within(self, interests: Sequence[str]) -> list[str]:
        """Sets that somebody watches for and that have none but these interests."""
        wanted = {**_within(interests), "watchers": {"$gt": 0}}
        return [one["_id"] for one in self.documents.find(wanted, {"_id": 1}, session=self.session)]

    def serve(self, group: str, interests: Sequence[str]) -> None:
        """Note that a public group has these interests: it serves all sets within them that no other does."""
        wanted = {**_within(interests), "served_by": NOBODY}
        self.documents.update_many(wanted, {"$set": {"served_by": group}}, session=self.session)

    def served_by(self, group: str) -> list[tuple[str, list[str]]]:
        """The sets that are noted as served by a group, each with its interests."""
        found = self.documents.find({"served_by": group}, {"interests": 1}, session=self.session)
        return [(one["_id"], one["interests"]) for one in found]

    def pass_on(self, wanted: str, group: str | None) -> None:
        """Note which group serves a set, or that none does."""
        self.documents.update_one({"_id": wanted}, {"$set": {"served_by": group or NOBODY}}, session=self.session)

    def group_for(self, interests: Iterable[str]) -> str | None:
        """A public group that has all of these interests, or None."""
        ordered = sorted(set(interests))
        pairs = ["\n".join(pair) for pair in pairwise(ordered)]
        # Whoever has each with the next has all of them.
        wanted: dict[str, Any] = {"pairs": {"$all": pairs}} if pairs else {"interests": ordered[0]}
        found = self.database["groups"].find_one({"listed": True, **wanted}, {"_id": 1}, session=self.session)
        return found["_id"] if found else None

    def most_wanted(self, interests: Sequence[str], after: Place | None, limit: int) -> list[dict[str, Any]]:
        """Sets that no public group serves and that have all of these interests, most wanted first."""
        wanted: dict[str, Any] = {"served_by": NOBODY, "watchers": {"$gt": 0}, **_with(interests)}
        found = self.documents.find({"$and": [wanted, beyond(WANTED, after)]}, session=self.session)
        # Otherwise the database may collect by the choices of the place, and sort.
        return list(found.sort(list(WANTED)).limit(limit).hint(OF_INTEREST if interests else OF_ALL))

    def most_wanted_near(
        self,
        near: tuple[float, float],
        within_km: float,
        interests: Sequence[str],
        after: Place | None,
        limit: int,
    ) -> list[dict[str, Any]]:
        """Like `most_wanted`, counting only people who watch within so many kilometres of a point."""
        lat, lon = near
        within = {"$geoWithin": {"$centerSphere": [[lon, lat], within_km / EARTH_KM]}}
        steps: list[dict[str, Any]] = [
            {"$match": {"around": within, **_with(interests)}},
            {"$group": {"_id": {"set": "$set", "person": "$person"}}},
            {"$group": {"_id": "$_id.set", "watchers": {"$sum": 1}}},
            {"$match": beyond(WANTED, after)},
            {"$sort": dict(WANTED)},
            {"$lookup": {"from": self.collection, "localField": "_id", "foreignField": "_id", "as": "demand"}},
            {"$match": {"demand.served_by": NOBODY}},
            {"$limit": limit},
            {"$set": {"interests": {"$first": "$demand.interests"}}},
        ]
        return list(self.database["watches"].aggregate(steps, session=self.session))


class ServiceChanges(Repository):
    """Groups that began or ceased to serve sets of interests, to be noted in the demand when they are `due`.

    Each is due twice: at once, and again when no call lasts that was begun before it: such a call may have seen the group
    as it was, and not have been seen.
    """

    collection = "service_changes"
    indexes = (IndexModel([("due", ASCENDING)]),)

    def note(self, group: str, before: Sequence[str], after: Sequence[str], now: datetime) -> None:
        """Write down that a group served what is within these interests, and serves what is within those."""
        if set(before) != set(after):
            times = (now, now + LONGEST_CALL)
            documents = [{"_id": new_id("chg"), "schema": 1, "group": group, "due": due} for due in times]
            self.documents.insert_many(documents, session=self.session)

    def due(self, now: datetime) -> list[tuple[str, str]]:
        """The oldest of those that are due: the id of each, and the group."""
        found = self.documents.find({"due": {"$lte": now}}, session=self.session).sort("due", ASCENDING).limit(AT_ONCE)
        return [(one["_id"], one["group"]) for one in found]

    def remove(self, changes: Iterable[str]) -> None:
        """Forget changes. Of two transactions that forget the same ones, one begins again and finds them gone."""
        self.documents.delete_many({"_id": {"$in": list(changes)}}, session=self.session)


def _new(interests: Iterable[str]) -> dict[str, Any]:
    """What is kept of a set that nobody watched for before."""
    kept: dict[str, Any] = {"interests": sorted(set(interests)), "head": head_of(interests)}
    return {"id": new_id("dmd"), "schema": 1, **kept, "served_by": NOBODY}


def _within(interests: Sequence[str]) -> dict[str, Any]:
    is_subset = {"$setIsSubset": ["$interests", list(interests)]}
    return {"head": {"$in": heads_within(interests)}, "$expr": is_subset}


def _with(interests: Sequence[str]) -> dict[str, Any]:
    return {"interests": {"$all": list(interests)}} if interests else {}


def _demand(document: Mapping[str, Any]) -> Demand:
    fields = {name: document[name] for name in Demand.__slots__ if name != "set"}
    return Demand(set=document["_id"], **fields)
