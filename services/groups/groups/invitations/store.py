"""Invitations in MongoDB, found by the hash of their code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne

from chassis.store import Repository
from groups.invitations.model import Invitation
from groups.paging import beyond

NEWEST_FIRST = [("_id", DESCENDING)]


class Invitations(Repository):
    """Invitations by code, and by group the newest first; one that has expired vanishes."""

    collection = "invitations"
    indexes = (
        IndexModel("code", unique=True),
        IndexModel([("group", ASCENDING), *NEWEST_FIRST]),
        IndexModel("expires_at", expireAfterSeconds=0),
    )

    def add(self, invitation: Invitation) -> None:
        """Keep a new invitation."""
        values = asdict(invitation)
        self.documents.insert_one({"_id": values.pop("id"), "schema": 1, **values}, session=self.session)

    def into(self, group: str, codes: Iterable[str]) -> dict[str, Invitation]:
        """The invitations into a group with these (hashes of) codes, by the hash."""
        wanted = {"code": {"$in": list(codes)}, "group": group}
        return {one["code"]: _invitation(one) for one in self.documents.find(wanted, session=self.session)}

    def count_uses(self, uses: Mapping[str, int]) -> None:
        """Count that so many came by each invitation (id)."""
        writes = [UpdateOne({"_id": one}, {"$inc": {"uses": by}}) for one, by in uses.items()]
        if writes:
            self.documents.bulk_write(writes, ordered=False, session=self.session)

    def of_group(self, group: str, now: datetime, after: list[str] | None, limit: int) -> list[Invitation]:
        """The invitations into a group that have not expired, the newest first, from after a place (an id) on."""
        wanted: dict[str, Any] = {"group": group, "expires_at": {"$gt": now}}
        found = self.documents.find({"$and": [wanted, beyond(NEWEST_FIRST, after)]}, session=self.session)
        return [_invitation(one) for one in found.sort(NEWEST_FIRST).limit(limit)]

    def remove(self, identifier: str, group: str) -> bool:
        """Forget an invitation into a group. Whether there was one."""
        gone = self.documents.delete_one({"_id": identifier, "group": group}, session=self.session)
        return gone.deleted_count > 0


def _invitation(document: dict[str, Any]) -> Invitation:
    return Invitation(id=document["_id"], **{name: document[name] for name in Invitation.__slots__ if name != "id"})
