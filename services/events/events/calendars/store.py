"""Where the private addresses of calendars are kept: of each secret only what recognizes it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel

from chassis.store import Repository

SCHEMA = 1


class Calendars(Repository):
    """One private address for each person who asked for one."""

    collection = "calendars"
    indexes = [IndexModel([("digest", ASCENDING)], unique=True)]

    def renew(self, person: str, digest: str, now: datetime) -> None:
        """Give a person a new address; the one before leads nowhere from now on."""
        new = {"schema": SCHEMA, "digest": digest, "created_at": now}
        self.documents.update_one({"_id": person}, {"$set": new}, upsert=True, session=self.session)

    def owner(self, digest: str) -> str | None:
        """The id of the person whose calendar has this address."""
        found = self.documents.find_one({"digest": digest}, session=self.session)
        return None if found is None else found["_id"]

    def held_about(self, person: str) -> dict[str, Any] | None:
        """When a person's address was made."""
        return self.documents.find_one({"_id": person}, {"_id": 0, "created_at": 1}, session=self.session)

    def forget(self, person: str) -> None:
        """Keep no address of a person."""
        self.documents.delete_one({"_id": person}, session=self.session)
