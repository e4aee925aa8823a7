"""Members in MongoDB."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, ReplaceOne

from chassis.store import Repository
from groups.groups.model import Viewer
from groups.members.model import ACTIVE, RANK, Membership
from groups.paging import beyond

OF_GROUP = [("rank", ASCENDING), ("joined_at", ASCENDING), ("person", ASCENDING)]
OF_PERSON = [("joined_at", DESCENDING), ("group", DESCENDING)]

Place = tuple[int, datetime, str]
"""Where a page of members begins: rank, time of joining, person."""


class Members(Repository):
    """Memberships by group and person (`_id` is both), by group in the order of lists, by person the newest first."""

    collection = "members"
    indexes = (
        IndexModel([("group", ASCENDING), ("status", ASCENDING), *OF_GROUP]),
        IndexModel([("person", ASCENDING), ("status", ASCENDING), *OF_PERSON]),
    )

    def save(self, membership: Membership) -> None:
        """Keep a membership, new or changed."""
        self.documents.replace_one({"_id": membership.id}, _document(membership), upsert=True, session=self.session)

    def save_all(self, memberships: Iterable[Membership]) -> None:
        """Keep memberships, new or changed."""
        writes = [ReplaceOne({"_id": one.id}, _document(one), upsert=True) for one in memberships]
        self.documents.bulk_write(writes, ordered=False, session=self.session)

    def remove(self, membership: Membership) -> None:
        """Forget a membership."""
        self.documents.delete_one({"_id": membership.id}, session=self.session)

    def remove_all(self, person: str) -> None:
        """Forget all memberships of a person, whatever their status."""
        self.documents.delete_many({"person": person}, session=self.session)

    def find(self, group: str, person: str) -> Membership | None:
        """The membership of a person in a group, whatever its status, or None."""
        found = self.documents.find_one({"_id": f"{group}:{person}"}, session=self.session)
        return _membership(found) if found else None

    def of_people(self, group: str, persons: Iterable[str]) -> dict[str, Membership]:
        """The memberships of people in a group, whatever their status, by person."""
        found = self.documents.find({"_id": {"$in": [f"{group}:{one}" for one in persons]}}, session=self.session)
        return {one["person"]: _membership(one) for one in found}

    def known(self, group: str, persons: Iterable[str]) -> set[str]:
        """Which of these people are in a group, wait for it, or were removed or banned."""
        wanted = {"_id": {"$in": [f"{group}:{one}" for one in persons]}}
        return {one["person"] for one in self.documents.find(wanted, {"person": 1}, session=self.session)}

    def viewers(self, groups: Iterable[str], person: str) -> dict[str, Viewer]:
        """What a person is in each of these groups, by group."""
        keys = [f"{group}:{person}" for group in groups]
        found = self.documents.find({"_id": {"$in": keys}}, {"group": 1, "role": 1, "status": 1}, session=self.session)
        return {one["group"]: Viewer(one["role"], one["status"]) for one in found}

    def of_group(self, group: str, status: str, role: str | None, after: Place | None, limit: int) -> list[Membership]:
        """Organizers, moderators, members of a group, each in the order they joined, from after a place on."""
        wanted = {"group": group, "status": status, **({"rank": RANK[role]} if role else {})}
        found = self.documents.find({"$and": [wanted, beyond(OF_GROUP, after)]}, session=self.session)
        return [_membership(one) for one in found.sort(OF_GROUP).limit(limit)]

    def of_person(self, person: str, after: tuple[datetime, str] | None, limit: int) -> list[Membership]:
        """The groups a person is in, joined last first, from after a place (time of joining, group) on."""
        wanted = {"person": person, "status": ACTIVE}
        found = self.documents.find({"$and": [wanted, beyond(OF_PERSON, after)]}, session=self.session)
        return [_membership(one) for one in found.sort(OF_PERSON).limit(limit)]

    def shared_by(self, one: str, other: str, most: int) -> list[str]:
        """The ids of the groups that two people are in, those first that the later of them joined last."""
        steps: list[dict[str, Any]] = [
            {"$match": {"person": {"$in": [one, other]}, "status": ACTIVE}},
            {"$group": {"_id": "$group", "people": {"$addToSet": "$person"}, "since": {"$max": "$joined_at"}}},
            {"$match": {"people": {"$all": [one, other]}}},
            {"$sort": {"since": DESCENDING, "_id": DESCENDING}},
            {"$limit": most},
        ]
        return [found["_id"] for found in self.documents.aggregate(steps, session=self.session)]

    def all_of(self, person: str) -> list[Membership]:
        """All memberships of a person, whatever their status."""
        return [_membership(one) for one in self.documents.find({"person": person}, session=self.session)]


def _document(membership: Membership) -> dict[str, Any]:
    return {"_id": membership.id, "schema": 1, **asdict(membership), "rank": RANK[membership.role]}


def _membership(document: dict[str, Any]) -> Membership:
    values: dict[str, Any] = {name: document.get(name) for name in Membership.__slots__}
    return Membership(**values)
