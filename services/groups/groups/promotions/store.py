"""Promotions in MongoDB: what was promoted when, whom a promotion has still to reach, and who may be reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, GEOSPHERE, IndexModel

from chassis.store import Repository
from groups.groups.model import Group
from groups.promotions.model import CHUNK, Promotion
from groups.search.model import EARTH_KM, REACH_KM

KEPT_SECONDS = 24 * 3600
"""How long the chunks of a promotion are kept at most that, for whatever reason, does not go on."""
AT_ONCE = 2_000
ALLOWED = {"allow_promotions": True}


class Promotions(Repository):
    """Promotions by group, the newest first, and by who promotes."""

    collection = "promotions"
    indexes = (IndexModel([("group", ASCENDING), ("at", DESCENDING)]), IndexModel([("by", ASCENDING)]))

    def add(self, promotion: Promotion) -> None:
        """Keep a new promotion."""
        self.documents.insert_one(_document(promotion), session=self.session)

    def save(self, promotion: Promotion) -> None:
        """Keep what changed."""
        self.documents.replace_one({"_id": promotion.id}, _document(promotion), session=self.session)

    def find(self, identifier: str) -> Promotion | None:
        """The promotion with this id."""
        found = self.documents.find_one({"_id": identifier}, session=self.session)
        return _promotion(found) if found else None

    def last_of(self, group: str) -> datetime | None:
        """When a group was promoted last."""
        found = self.documents.find_one({"group": group}, {"at": 1}, sort=[("at", DESCENDING)], session=self.session)
        return found["at"] if found else None

    def all_of(self, person: str) -> list[Promotion]:
        """All promotions by a person."""
        return [_promotion(one) for one in self.documents.find({"by": person}, session=self.session)]

    def forget(self, person: str) -> None:
        """Have a person's promotions be by someone who left."""
        self.documents.update_many({"by": person}, {"$set": {"by": None}}, session=self.session)


class PromotionChunks(Repository):
    """Whom promotions have still to reach: the ids of up to CHUNK people a document, numbered from 0."""

    collection = "promotion_chunks"
    indexes = (
        IndexModel([("promotion", ASCENDING), ("number", ASCENDING)], unique=True),
        IndexModel([("at", ASCENDING)], expireAfterSeconds=KEPT_SECONDS),
    )

    def add(self, promotion: Promotion, first: int, audience: Sequence[str]) -> int:
        """Keep more of an audience, in chunks from this number on; the number of the next."""
        chunks = [audience[start : start + CHUNK] for start in range(0, len(audience), CHUNK)]
        if chunks:
            self.documents.insert_many(
                [
                    {"promotion": promotion.id, "number": number, "people": people, "at": promotion.at, "schema": 1}
                    for number, people in enumerate(chunks, first)
                ],
                session=self.session,
            )
        return first + len(chunks)

    def take(self, promotion: Promotion) -> list[str] | None:
        """The next chunk, which is kept no longer, or None where there is no more."""
        wanted = {"promotion": promotion.id, "number": promotion.taken}
        found = self.documents.find_one_and_delete(wanted, session=self.session)
        return found["people"] if found else None

    def drop(self, promotion: Promotion) -> None:
        """Keep none of them."""
        self.documents.delete_many({"promotion": promotion.id}, session=self.session)


class Audiences(Repository):
    """People as promotions find them. `promoted_at` is when they received one last, of whatever group."""

    collection = "people"
    indexes = (
        IndexModel([("interests", ASCENDING), ("place.country", ASCENDING)], partialFilterExpression=ALLOWED),
        IndexModel([("interests", ASCENDING), ("at", GEOSPHERE)], partialFilterExpression=ALLOWED),
    )

    def of(self, group: Group) -> Iterator[list[dict[str, Any]]]:
        """Who may like a group and lives in its reach, members too: those who share most interests first.

        `{_id, promoted_at}` of each, some people at a time, so that it takes no more memory than those.
        """
        shared = {"$size": {"$setIntersection": ["$interests", group.interests]}}
        steps: list[dict[str, Any]] = [
            {"$match": audience_of(group)},
            {"$project": {"shared": shared, "promoted_at": 1}},
            {"$sort": {"shared": DESCENDING, "_id": ASCENDING}},
        ]
        some: list[dict[str, Any]] = []
        for one in self.documents.aggregate(steps, allowDiskUse=True, batchSize=AT_ONCE, session=self.session):
            some.append(one)
            if len(some) == AT_ONCE:
                yield some
                some = []
        if some:
            yield some

    def still(self, persons: Sequence[str]) -> list[dict[str, Any]]:
        """Those of these people who are here and allow promotions, in their order.

        `{_id, handle, display_name, promoted_at}` of each.
        """
        wanted = {"_id": {"$in": list(persons)}, **ALLOWED}
        found = self.documents.find(wanted, {"handle": 1, "display_name": 1, "promoted_at": 1}, session=self.session)
        by_id = {one["_id"]: one for one in found}
        return [by_id[one] for one in persons if one in by_id]

    def claim(self, persons: Iterable[str], now: datetime) -> None:
        """Write that these people receive a promotion. Of two transactions that claim the same, one begins again."""
        wanted = {"_id": {"$in": list(persons)}}
        self.documents.update_many(wanted, {"$set": {"promoted_at": now}}, session=self.session)

    def promoted_at(self, person: str) -> datetime | None:
        """When a person received a promotion last."""
        found = self.documents.find_one({"_id": person}, {"promoted_at": 1}, session=self.session)
        return found.get("promoted_at") if found else None


def audience_of(group: Group) -> dict[str, Any]:
    """The query for who allows promotions, shares an interest with a group and lives in its reach.

    That is everybody for a virtual group, and its country for a national one. A local or regional group reaches as far
    around its place as a search finds it; where the group or the person does not say where exactly that is, those whose
    place has the same name (or, for a regional group, is in the same region).
    """
    where: dict[str, Any] = {**ALLOWED, "interests": {"$in": group.interests}}
    place = group.place or {}
    if group.scope == "virtual":
        return where
    where["place.country"] = place["country"]
    if group.scope == "national":
        return where
    named = {"place.name": place["name"]}
    if group.scope == "regional" and place.get("region"):
        named = {"place.region": place["region"]}
    location = place.get("location")
    if location is None:
        return {**where, **named}
    del where["place.country"]
    around = [[location["lon"], location["lat"]], REACH_KM[group.scope] / EARTH_KM]
    near = {"at": {"$geoWithin": {"$centerSphere": around}}}
    return {"$or": [{**where, **near}, {**where, "place.country": place["country"], **named, "at": None}]}


def _document(promotion: Promotion) -> dict[str, Any]:
    values = asdict(promotion)
    return {"_id": values.pop("id"), "schema": 1, **values}


def _promotion(document: dict[str, Any]) -> Promotion:
    return Promotion(id=document["_id"], **{name: document[name] for name in Promotion.__slots__ if name != "id"})
