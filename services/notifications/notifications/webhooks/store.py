"""Webhooks in MongoDB, found by the patterns of the types they want, and how many each person has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReturnDocument

from chassis.problems import NotFound
from chassis.store import Repository
from notifications.webhooks.model import ACTIVE, Secret, Webhook

SCHEMA = 1


class Webhooks(Repository):
    """All webhooks; `patterns` are those of their types (webhooks.model.pattern_of)."""

    collection = "webhooks"
    indexes = (
        IndexModel([("patterns", ASCENDING), ("status", ASCENDING), ("group", ASCENDING)], name="by_pattern"),
        IndexModel([("person", ASCENDING), ("_id", DESCENDING)], name="of_a_person"),
    )

    def add(self, webhook: Webhook) -> None:
        """Keep a new webhook."""
        self.documents.insert_one(_document(webhook), session=self.session)

    def save(self, webhook: Webhook) -> None:
        """Keep a webhook as it is now."""
        self.documents.replace_one({"_id": webhook.id}, _document(webhook), session=self.session)

    def find(self, identifier: str) -> Webhook | None:
        """A webhook, whosever it is."""
        found = self.documents.find_one({"_id": identifier}, session=self.session)
        return _webhook(found) if found else None

    def those(self, identifiers: Iterable[str]) -> dict[str, Webhook]:
        """The webhooks with these ids that are there, by id."""
        found = self.documents.find({"_id": {"$in": list(identifiers)}}, session=self.session)
        return {one["_id"]: _webhook(one) for one in found}

    def get(self, identifier: str, person: str) -> Webhook:
        """A person's webhook. Raises NotFound."""
        found = self.find(identifier)
        if found is None or found.person != person:
            raise NotFound("You have no such webhook.")
        return found

    def of(self, person: str, before: str | None = None, limit: int = 0) -> list[Webhook]:
        """A person's webhooks, the newest first, from before an id on; `limit` 0 means all."""
        wanted = {"person": person, **({"_id": {"$lt": before}} if before else {})}
        found = self.documents.find(wanted, session=self.session)
        return [_webhook(one) for one in found.sort("_id", DESCENDING).limit(limit)]

    def wanting(
        self, selectors: Sequence[str], group: str | None, person: str | None, at_once: int
    ) -> Iterator[list[tuple[str, str]]]:
        """The active webhooks with one of these patterns, for all groups or this one; those of `person` alone if given.

        Gives ids with their owners, in chunks.
        """
        wanted: dict[str, Any] = {"patterns": {"$in": list(selectors)}, "status": ACTIVE}
        wanted["group"] = {"$in": [None, group]} if group else None
        if person is not None:
            wanted["person"] = person
        chunk: list[tuple[str, str]] = []
        for one in self.documents.find(wanted, {"person": 1}, session=self.session, batch_size=at_once):
            chunk.append((one["_id"], one["person"]))
            if len(chunk) == at_once:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def remove(self, identifier: str) -> None:
        """Delete a webhook."""
        self.documents.delete_one({"_id": identifier}, session=self.session)

    def forget(self, person: str) -> None:
        """Delete all webhooks of a person."""
        self.documents.delete_many({"person": person}, session=self.session)


class Owners(Repository):
    """How many webhooks each person has: counted in one document, so that two at once cannot have one too many."""

    collection = "webhook_owners"

    def one_more(self, person: str) -> int:
        """Count another one; says how many there were before."""
        found = self.documents.find_one_and_update(
            {"_id": person},
            {"$inc": {"webhooks": 1}, "$setOnInsert": {"schema": SCHEMA}},
            upsert=True,
            return_document=ReturnDocument.BEFORE,
            session=self.session,
        )
        return found["webhooks"] if found else 0

    def one_less(self, person: str) -> None:
        """Count one less."""
        self.documents.update_one({"_id": person}, {"$inc": {"webhooks": -1}}, session=self.session)

    def forget(self, person: str) -> None:
        """Forget a person."""
        self.documents.delete_one({"_id": person}, session=self.session)


def _document(webhook: Webhook) -> dict[str, Any]:
    document = asdict(webhook)
    return {"_id": document.pop("id"), "schema": SCHEMA, **document, "patterns": webhook.patterns}


def _webhook(found: dict[str, Any]) -> Webhook:
    fields = {name: found[name] for name in Webhook.__slots__ if name != "id"}
    fields |= {"types": tuple(found["types"]), "secrets": tuple(Secret(**one) for one in found["secrets"])}
    return Webhook(id=found["_id"], **fields)
