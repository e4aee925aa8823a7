"""Deliveries in MongoDB: what is pushed (letters), to which webhook (deliveries), and who is at it (lanes).

A lane is all that waits for one webhook. It belongs to one process at a time, for a while: so an endpoint is sent one message
at a time, one that hangs holds up nobody else, and what a killed process held goes on elsewhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import Binary
from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne
from pymongo.errors import BulkWriteError

from chassis.problems import NotFound
from chassis.store import Repository
from notifications.deliveries.model import ERASED, KEPT, QUEUED, Delivery, Health, Letter

SCHEMA = 1
LEASE = timedelta(seconds=30)
"""How long a lane belongs to a process: longer than a round takes (see deliveries.api), with room for clocks that differ."""
_DUPLICATE = 11_000
_PAST = datetime(1970, 1, 1, tzinfo=UTC)


class Letters(Repository):
    """What is pushed of each message that some webhook wants: once, however many do."""

    collection = "letters"
    indexes = (
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, name="expires"),
        IndexModel([("people", ASCENDING)], name="who_is_named"),
    )

    def add(self, letter: Letter, now: datetime) -> None:
        """Keep a letter, unless it is there."""
        document = {**asdict(letter), "body": Binary(letter.body), "schema": SCHEMA, "expires_at": now + KEPT}
        self.documents.update_one({"_id": letter.key}, {"$setOnInsert": document}, upsert=True, session=self.session)

    def get(self, keys: Collection[str]) -> dict[str, Letter]:
        """The letters that are still there, by key."""
        found = self.documents.find({"_id": {"$in": list(keys)}}, session=self.session)
        return {one["_id"]: Letter(**{name: one[name] for name in Letter.__slots__}) for one in found}

    def forget(self, person: str) -> None:
        """Delete what names a person, but for the letter that they erased themselves."""
        wanted = {"people": person, "type": {"$ne": ERASED}}
        self.documents.delete_many(wanted, session=self.session)


class Deliveries(Repository):
    """Each message for each webhook, once: the id is made of both (deliveries.model.delivery_of)."""

    collection = "deliveries"
    indexes = (
        IndexModel([("webhook", ASCENDING), ("_id", DESCENDING)], name="log"),
        IndexModel(
            [("webhook", ASCENDING), ("due_at", ASCENDING), ("_id", ASCENDING)],
            partialFilterExpression={"status": QUEUED},
            name="due",
        ),
        IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0, name="expires"),
    )

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Keep deliveries; those that are there stay as they are."""
        try:
            self.documents.insert_many([_document(one) for one in deliveries], ordered=False, session=self.session)
        except BulkWriteError as fault:
            if any(error["code"] != _DUPLICATE for error in fault.details["writeErrors"]):
                raise

    def save(self, pairs: Sequence[tuple[Delivery, Delivery]]) -> None:
        """Keep what became of deliveries, as (before, after). One that was changed meanwhile stays as it is."""
        writes = []
        for before, after in pairs:
            unchanged = {"_id": before.id, "attempts": before.attempts, "due_at": before.due_at}
            writes.append(UpdateOne(unchanged, {"$set": _changing(after)}))
        if writes:
            self.documents.bulk_write(writes, ordered=False, session=self.session)

    def of(self, webhook: str, before: str | None, limit: int) -> list[Delivery]:
        """The log of a webhook, the newest first, from before an id on."""
        wanted = {"webhook": webhook, **({"_id": {"$lt": before}} if before else {})}
        found = self.documents.find(wanted, session=self.session).sort("_id", DESCENDING)
        return [_delivery(one) for one in found.limit(limit)]

    def get(self, identifier: str, webhook: str) -> Delivery:
        """A delivery to a webhook. Raises NotFound."""
        found = self.documents.find_one({"_id": identifier, "webhook": webhook}, session=self.session)
        if found is None:
            raise NotFound("There is no such delivery, or not any more.")
        return _delivery(found)

    def forget(self, webhook: str) -> None:
        """Delete all that was, or was to be, pushed to a webhook."""
        self.documents.delete_many({"webhook": webhook}, session=self.session)


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane that belongs to this process, and what waits in it first."""

    webhook: str
    holder: str
    health: Health
    waiting: Sequence[Delivery]


@dataclass(frozen=True, slots=True)
class Release:
    """What is to be kept when a lane is given back: how its endpoint does, and when something is due, if anything is."""

    lane: Lane
    health: Health
    due_at: datetime | None


class Lanes(Repository):
    """For each webhook when it is to be looked at (`due_at`, missing when nothing waits), and whose it is, until when.

    `heard` is whether something was queued since it was taken, so that who gives a lane back does not put that to sleep.
    """

    collection = "lanes"
    indexes = (IndexModel([("is_failing", ASCENDING), ("due_at", ASCENDING)], name="due"),)

    def add(self, webhook: str) -> None:
        """Make the lane of a new webhook."""
        document = {"_id": webhook, "schema": SCHEMA, "heard": False, "holder": None, "until": _PAST}
        self.documents.insert_one({**document, **_health_document(Health())}, session=self.session)

    def remove(self, webhook: str) -> None:
        """Delete the lane of a webhook."""
        self.documents.delete_one({"_id": webhook}, session=self.session)

    def wake(self, webhooks: Sequence[str], now: datetime) -> None:
        """Have lanes looked at, since something is queued in them: now, or when their endpoints have rested."""
        soonest = {"$max": ["$rests_until", {"$min": ["$due_at", now]}]}
        change = [{"$set": {"due_at": soonest, "heard": True}}]
        wanted: dict[str, Any] = {"_id": {"$in": list(webhooks)}}
        if self.session is None:  # In a transaction, who looks anyway may look before others see what is queued.
            looked_at_anyway = {"due_at": {"$lte": now}, "until": {"$lte": now}}
            looked_at_again = {"heard": True, "until": {"$gt": now}}
            wanted["$nor"] = [looked_at_anyway, looked_at_again]
        self.documents.update_many(wanted, change, session=self.session)

    def begin_anew(self, webhook: str, now: datetime) -> None:
        """Have a lane looked at now, as if its endpoint had never failed."""
        change = {"due_at": now, "heard": True, **_health_document(Health())}
        self.documents.update_one({"_id": webhook}, {"$set": change}, session=self.session)

    def claim(self, now: datetime, most: int, look_at: int) -> list[Lane]:
        """Take lanes that are due and nobody's, with so much of what waits in them, the longest due first.

        Those of failing endpoints take half of the places that are left at most: however many hang, there is a place for
        those that do not.
        """
        found = self._due(now, most, is_failing=False)
        found += self._due(now, (most - len(found)) // 2, is_failing=True)
        if not found:
            return []
        holder = secrets.token_hex(8)
        free = {"_id": {"$in": found}, "until": {"$lte": now}}
        taken = {"holder": holder, "until": now + LEASE, "heard": False}
        self.documents.update_many(free, {"$set": taken}, session=self.session)
        waiting = [
            {"$match": {"status": QUEUED}},
            {"$sort": {"due_at": ASCENDING, "_id": ASCENDING}},
            {"$limit": look_at},
        ]
        lookup = {"from": Deliveries.collection, "localField": "_id", "foreignField": "webhook", "as": "waiting"}
        mine = {"$match": {"_id": {"$in": found}, "holder": holder}}
        lanes = self.documents.aggregate([mine, {"$lookup": {**lookup, "pipeline": waiting}}], session=self.session)
        return [Lane(one["_id"], holder, _health(one), [_delivery(each) for each in one["waiting"]]) for one in lanes]

    def release(self, releases: Iterable[Release], now: datetime) -> None:
        """Give lanes back, to be looked at when something is due; at once where something came meanwhile."""
        writes = []
        for one in releases:
            later = _rested(one.health, one.due_at) if one.due_at else "$$REMOVE"
            due = {"$cond": ["$heard", _rested(one.health, now), later]}
            change = {"until": _PAST, "holder": None, "due_at": due, **_health_document(one.health)}
            writes.append(UpdateOne({"_id": one.lane.webhook, "holder": one.lane.holder}, [{"$set": change}]))
        self.documents.bulk_write(writes, ordered=False, session=self.session)

    def _due(self, now: datetime, most: int, *, is_failing: bool) -> list[str]:
        if most < 1:
            return []
        wanted = {"is_failing": is_failing, "due_at": {"$lte": now}, "until": {"$lte": now}}
        found = self.documents.find(wanted, {"_id": 1}, session=self.session).sort("due_at", ASCENDING)
        return [one["_id"] for one in found.limit(most)]


_DELIVERY = tuple(name for name in Delivery.__slots__ if name != "id")
_FIXED = ("webhook", "letter", "message", "type", "created_at")
_HEALTH = tuple(Health.__slots__)


def _document(delivery: Delivery) -> dict[str, Any]:
    fields = {name: value for name in _DELIVERY if (value := getattr(delivery, name)) is not None}
    return {"_id": delivery.id, "schema": SCHEMA, **fields, "expires_at": delivery.created_at + KEPT}


def _changing(delivery: Delivery) -> dict[str, Any]:
    return {name: getattr(delivery, name) for name in _DELIVERY if name not in _FIXED}


def _delivery(found: Mapping[str, Any]) -> Delivery:
    return Delivery(id=found["_id"], **{name: found[name] for name in _DELIVERY if name in found})


def _rested(health: Health, at: datetime) -> datetime:
    return max(at, health.rests_until) if health.rests_until else at


def _health(found: Mapping[str, Any]) -> Health:
    return Health(*(found[name] for name in _HEALTH))


def _health_document(health: Health) -> dict[str, Any]:
    return {**asdict(health), "is_failing": health.failures > 0}
