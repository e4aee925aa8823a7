"""The projections of groups and memberships."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from chassis.store import Projection
from events.groups.model import STRANGER, Group, Membership


class Groups(Projection):
    """What is known of each group."""

    collection = "groups"
    indexes = [IndexModel([("slug", ASCENDING), ("sequence", DESCENDING)])]

    def find(self, name: str) -> Group | None:
        """The group with this id or slug."""
        if name.startswith("grp_"):
            return _group(self.documents.find_one({"_id": name}, session=self.session))
        # Where two messages about one slug came out of order, the one that was renamed later has it.
        return _group(self.documents.find_one({"slug": name}, sort=[("sequence", DESCENDING)], session=self.session))

    def archive(self, group: str) -> None:
        """Write that a group is archived. It is for good, so it holds whatever else comes before or after."""
        self.documents.update_one({"_id": group}, {"$set": {"archived": True}}, upsert=True, session=self.session)

    def hold(self, group: str) -> Group | None:
        """The group, kept from being changed by another unit of work until this one has committed."""
        return _group(self.documents.find_one_and_update({"_id": group}, {"$inc": {"held": 1}}, session=self.session))


class Memberships(Projection):
    """What is known of each person in each group, also of those who are in it no more."""

    collection = "memberships"
    indexes = [IndexModel([("person_id", ASCENDING), ("status", ASCENDING)])]

    def note(self, group: str, person: str, sequence: int, status: str, role: str | None) -> None:
        """Write what a message of this sequence says, unless a newer one is known."""
        seen = {"group_id": group, "person_id": person, "status": status, "role": role}
        self.project(_key(group, person), sequence, seen)

    def get(self, group: str, person: str | None) -> Membership:
        """The membership of a person (None for somebody not signed in) in a group."""
        if person is None:
            return STRANGER
        return _membership(self.documents.find_one({"_id": _key(group, person)}, session=self.session))

    def of(self, group: str, persons: Iterable[str]) -> dict[str, Membership]:
        """The memberships of several persons in a group; those of whom nothing is known are strangers."""
        keys = {_key(group, person): person for person in persons}
        found = dict.fromkeys(keys.values(), STRANGER)
        for document in self.documents.find({"_id": {"$in": list(keys)}}, session=self.session):
            found[keys[document["_id"]]] = _membership(document)
        return found

    def groups_of(self, person: str) -> list[str]:
        """The ids of the groups that a person is in."""
        found = self.documents.find({"person_id": person, "status": "active"}, {"group_id": 1}, session=self.session)
        return [document["group_id"] for document in found]

    def held_about(self, person: str) -> list[dict[str, Any]]:
        """All that is known of a person's memberships."""
        found = self.documents.find({"person_id": person}, session=self.session)
        return [{"group": one["group_id"], "status": one["status"], "role": one["role"]} for one in found]

    def forget(self, person: str) -> None:
        """Keep nothing of a person."""
        self.documents.delete_many({"person_id": person}, session=self.session)


def _key(group: str, person: str) -> str:
    return f"{group}:{person}"


def _group(document: dict[str, Any] | None) -> Group | None:
    # A group of which only the end is known is not known.
    if document is None or "name" not in document:
        return None
    return Group(
        id=document["_id"],
        slug=document["slug"],
        name=document["name"],
        visibility=document["visibility"],
        interests=document["interests"],
        archived=document.get("archived", False),
        sequence=document["sequence"],
    )


def _membership(document: dict[str, Any] | None) -> Membership:
    if document is None:
        return STRANGER
    return Membership(document["status"], document["role"], document["sequence"])
