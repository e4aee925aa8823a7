"""Watches in MongoDB, the groups they were told of, and groups as they were when watches were told of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING, DESCENDING, GEOSPHERE, IndexModel, UpdateOne

from chassis.problems import NotFound
from chassis.store import Repository
from groups.paging import beyond
from groups.watches.model import Aspect, Watch

BY_SET = [("set", ASCENDING), ("person", ASCENDING), ("_id", ASCENDING)]
COARSE = 1
"""Digits after the point: what is counted for others to see knows where people are to 11 km, and no better."""

Place = tuple[str, str, str]
"""A place among watches: set, person, id."""


class Watches(Repository):
    """Watches by the set of interests they are for (`set`, see watches.model.set_of), by person, and by where they are.

    `around` is where that is, coarsely: what others see is made from it.
    """

    collection = "watches"
    indexes = (
        IndexModel(BY_SET),
        IndexModel([("person", ASCENDING), ("_id", DESCENDING)]),
        IndexModel([("around", GEOSPHERE)]),
    )

    def add(self, watch: Watch) -> None:
        """Keep a new watch."""
        document = asdict(watch)
        document = {"_id": document.pop("id"), "schema": 1, **document, "set": watch.set}
        if watch.point:
            document["around"] = _around(watch.point)
        self.documents.insert_one(document, session=self.session)

    def of(self, person: str, before: str | None = None, limit: int = 0) -> list[Watch]:
        """A person's watches, the newest first, from before an id on; `limit` 0 means all."""
        wanted = {"person": person, **({"_id": {"$lt": before}} if before else {})}
        found = self.documents.find(wanted, session=self.session)
        return [_watch(one) for one in found.sort("_id", DESCENDING).limit(limit)]

    def count(self, person: str) -> int:
        """How many watches a person has."""
        return self.documents.count_documents({"person": person}, session=self.session)

    def take(self, identifier: str, person: str) -> Watch:
        """Delete a person's watch. Raises NotFound."""
        found = self.documents.find_one_and_delete({"_id": identifier, "person": person}, session=self.session)
        if found is None:
            raise NotFound("You have no such watch.")
        return _watch(found)

    def remove_all(self, person: str) -> None:
        """Delete all watches of a person."""
        self.documents.delete_many({"person": person}, session=self.session)

    def watches_for(self, interests: str, person: str) -> bool:
        """Whether a person watches for this set of interests."""
        wanted = {"set": interests, "person": person}
        return self.documents.find_one(wanted, {"_id": 1}, session=self.session) is not None

    def people_for(self, interests: str, after: str, limit: int) -> list[str]:
        """People who watch for this set, in order of their ids, from after one on."""
        people: dict[str, None] = {}
        while len(people) < limit:
            wanted = {"set": interests, "person": {"$gt": after}}
            found = self.documents.find(wanted, {"person": 1, "_id": 0}, session=self.session)
            watching = [one["person"] for one in found.sort(BY_SET).limit(limit - len(people))]
            if not watching:
                break
            people |= dict.fromkeys(watching)
            after = watching[-1]
        return list(people)

    def of_sets(self, sets: Iterable[str], after: Place | None, limit: int) -> list[Watch]:
        """Watches for any of these sets, in order (BY_SET), from after a place on."""
        wanted = {"set": {"$in": [one for one in sets if after is None or one >= after[0]]}}
        found = self.documents.find({"$and": [wanted, beyond(BY_SET, after)]}, session=self.session)
        return [_watch(one) for one in found.sort(BY_SET).limit(limit)]

    def hold(self, identifiers: Iterable[str]) -> list[Watch]:
        """The watches with these ids that are still there, each one version on: nobody deletes them meanwhile."""
        wanted = {"_id": {"$in": list(identifiers)}}
        self.documents.update_many(wanted, {"$inc": {"version": 1}}, session=self.session)
        return [_watch(one) for one in self.documents.find(wanted, session=self.session)]

    def of_people_for(self, interests: str, persons: Sequence[str]) -> list[Watch]:
        """The watches of these people for a set."""
        wanted = {"set": interests, "person": {"$in": list(persons)}}
        return [_watch(one) for one in self.documents.find(wanted, session=self.session)]

    def save_interests(self, watches: Iterable[Watch]) -> None:
        """Keep what these watches are for now."""
        writes = [UpdateOne({"_id": one.id}, {"$set": {"interests": one.interests, "set": one.set}}) for one in watches]
        self.documents.bulk_write(writes, ordered=False, session=self.session)

    def move(self, person: str, home: Mapping[str, Any]) -> None:
        """Note where a person is at home now (watches.model.home_of)."""
        self.documents.update_many({"person": person}, {"$set": dict(home)}, session=self.session)
        around: dict[str, Any] = {"$unset": {"around": 1}}
        if home["location"]:
            around = {"$set": {"around": _around(home["location"])}}
        self.documents.update_many({"person": person, "near": None}, around, session=self.session)


class MatchedGroups(Repository):
    """Groups as they were when watches were told of them last: `aspect` is None for one that nobody was to hear of."""

    collection = "matched_groups"

    def find(self, group: str) -> tuple[int, Aspect | None]:
        """The version that a group had then, and its aspect; (0, None) for one that is new."""
        found = self.documents.find_one({"_id": group}, session=self.session)
        if found is None:
            return 0, None
        aspect = found["aspect"]
        return found["version"], aspect and Aspect(**{**aspect, "interests": frozenset(aspect["interests"])})

    def save(self, group: str, version: int, aspect: Aspect | None) -> None:
        """Note that all watches were told of a group as it is in this version, unless that was done for a later one."""
        if self.find(group)[0] >= version:
            return
        kept = aspect and {**asdict(aspect), "interests": sorted(aspect.interests)}
        document = {"_id": group, "schema": 1, "version": version, "aspect": kept}
        self.documents.replace_one({"_id": group}, document, upsert=True, session=self.session)


class Matches(Repository):
    """Which watch was told of which group (`_id` is both), so that it is told once."""

    collection = "matches"
    indexes = (IndexModel([("watch", ASCENDING), ("group", ASCENDING)]),)

    def told(self, watches: Iterable[str], group: str) -> set[str]:
        """Those of the watches that were told of a group."""
        wanted = {"_id": {"$in": [f"{one}:{group}" for one in watches]}}
        return {one["watch"] for one in self.documents.find(wanted, {"watch": 1}, session=self.session)}

    def add(self, watches: Sequence[str], group: str) -> None:
        """Note that watches are told of a group."""
        documents = [{"_id": f"{one}:{group}", "schema": 1, "watch": one, "group": group} for one in watches]
        self.documents.insert_many(documents, session=self.session)

    def groups_of(self, watches: Iterable[str]) -> dict[str, list[str]]:
        """The groups that watches were told of, by watch."""
        found = self.documents.find({"watch": {"$in": list(watches)}}, session=self.session)
        groups: dict[str, list[str]] = {}
        for one in found:
            groups.setdefault(one["watch"], []).append(one["group"])
        return groups

    def remove(self, watches: Iterable[str]) -> None:
        """Forget what watches were told of."""
        self.documents.delete_many({"watch": {"$in": list(watches)}}, session=self.session)


def _around(point: Mapping[str, float]) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [round(point["lon"], COARSE), round(point["lat"], COARSE)]}


def _watch(document: Mapping[str, Any]) -> Watch:
    return Watch(id=document["_id"], **{name: document[name] for name in Watch.__slots__ if name != "id"})
