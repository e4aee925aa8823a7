"""Keeps tickets for as long as they can be used: by the hash of their secret, which stands nowhere else."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from pymongo import IndexModel

from chassis.store import Repository

SCHEMA = 1


class Tickets(Repository):
    """Tickets that were not used yet."""

    collection = "tickets"
    indexes = [IndexModel("until", name="expired", expireAfterSeconds=0), IndexModel("caller.id", name="of_a_person")]

    def add(self, secret: str, caller: dict[str, Any], until: datetime) -> None:
        """Keep a ticket that lets somebody in until then."""
        document = {"_id": _hash(secret), "schema": SCHEMA, "caller": caller, "until": until}
        self.documents.insert_one(document, session=self.session)

    def take(self, secret: str, now: datetime) -> dict[str, Any] | None:
        """Who the ticket lets in, this once; None if it is none, or none any more."""
        found = self.documents.find_one_and_delete({"_id": _hash(secret)}, session=self.session)
        return found["caller"] if found and found["until"] > now else None

    def forget(self, person: str) -> None:
        """Delete a person's tickets."""
        self.documents.delete_many({"caller.id": person}, session=self.session)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
