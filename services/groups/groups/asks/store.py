"""Asks and offers in MongoDB."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from chassis.store import Repository
from groups.asks.model import RESOLVED, Ask, Offer
from groups.paging import beyond

NEWEST_FIRST = [("_id", DESCENDING)]
OLDEST_FIRST = [("_id", ASCENDING)]


class Asks(Repository):
    """Asks by group, the newest first; by person; and by whom they thank."""

    collection = "asks"
    indexes = (
        IndexModel([("group", ASCENDING), *NEWEST_FIRST]),
        IndexModel([("person", ASCENDING)]),
        IndexModel([("thanked", ASCENDING)]),
    )

    def add(self, ask: Ask) -> None:
        """Keep a new ask."""
        self.documents.insert_one(_document(ask), session=self.session)

    def save(self, ask: Ask) -> None:
        """Keep what changed."""
        self.documents.replace_one({"_id": ask.id}, _document(ask), session=self.session)

    def find(self, identifier: str) -> Ask | None:
        """The ask with this id."""
        found = self.documents.find_one({"_id": identifier}, session=self.session)
        return _ask(found) if found else None

    def hold(self, ask: Ask) -> None:
        """Note that an ask, which was read in this transaction, is going to change: of two, one begins again at once."""
        self.documents.update_one({"_id": ask.id}, {"$inc": {"held": 1}}, session=self.session)

    def of_group(self, group: str, after: list[str] | None, limit: int) -> list[Ask]:
        """The asks of a group, the newest first, from after a place (an id) on."""
        found = self.documents.find({"$and": [{"group": group}, beyond(NEWEST_FIRST, after)]}, session=self.session)
        return [_ask(one) for one in found.sort(NEWEST_FIRST).limit(limit)]

    def all_of(self, person: str) -> list[Ask]:
        """All asks of a person."""
        return [_ask(one) for one in self.documents.find({"person": person}, session=self.session)]

    def thanking(self, person: str) -> list[str]:
        """The ids of the asks that thank a person."""
        return [one["_id"] for one in self.documents.find({"thanked": person}, {"_id": 1}, session=self.session)]

    def forget(self, person: str) -> None:
        """Have a person's asks be of someone who left, who needs no help any more, and be thanked nowhere."""
        left: list[dict[str, Any]] = [
            {
                "$set": {
                    "person": None,
                    "status": RESOLVED,
                    "resolved_at": {"$ifNull": ["$resolved_at", "$$NOW"]},
                    "version": {"$add": ["$version", 1]},
                }
            }
        ]
        self.documents.update_many({"person": person}, left, session=self.session)
        self.documents.update_many(
            {"thanked": person}, {"$pull": {"thanked": person}, "$inc": {"version": 1}}, session=self.session
        )


class Offers(Repository):
    """Offers by ask, the oldest first, and by person."""

    collection = "offers"
    indexes = (
        IndexModel([("ask", ASCENDING), *OLDEST_FIRST]),
        IndexModel([("person", ASCENDING), ("ask", ASCENDING)]),
    )

    def add(self, offer: Offer) -> None:
        """Keep a new offer."""
        self.documents.insert_one(_document(offer), session=self.session)

    def find(self, identifier: str) -> Offer | None:
        """The offer with this id."""
        found = self.documents.find_one({"_id": identifier}, session=self.session)
        return _offer(found) if found else None

    def of_ask(self, ask: str, after: list[str] | None, limit: int) -> list[Offer]:
        """The offers to an ask, the oldest first, from after a place (an id) on."""
        found = self.documents.find({"$and": [{"ask": ask}, beyond(OLDEST_FIRST, after)]}, session=self.session)
        return [_offer(one) for one in found.sort(OLDEST_FIRST).limit(limit)]

    def made_by(self, ask: str, persons: list[str]) -> set[str]:
        """Which of these people made an offer to an ask."""
        wanted = {"person": {"$in": persons}, "ask": ask}
        return {one["person"] for one in self.documents.find(wanted, {"person": 1}, session=self.session)}

    def all_of(self, person: str) -> list[Offer]:
        """All offers of a person."""
        return [_offer(one) for one in self.documents.find({"person": person}, session=self.session)]

    def forget(self, person: str) -> None:
        """Have a person's offers be of someone who left."""
        self.documents.update_many({"person": person}, {"$set": {"person": None}}, session=self.session)


def _document(one: Ask | Offer) -> dict[str, Any]:
    values = asdict(one)
    return {"_id": values.pop("id"), "schema": 1, **values}


def _ask(document: dict[str, Any]) -> Ask:
    return Ask(id=document["_id"], **{name: document[name] for name in Ask.__slots__ if name != "id"})


def _offer(document: dict[str, Any]) -> Offer:
    return Offer(id=document["_id"], **{name: document[name] for name in Offer.__slots__ if name != "id"})
