"""Keeps how people stand to groups and events, and what is needed of groups: projections built from messages."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pymongo import ASCENDING, IndexModel

from chassis.store import Projection
from notifications.audiences.model import Standing

SCHEMA = 1


class Standings(Projection):
    """One document for each person and group, and for each person and event that they ever answered.

    Not one per person: then what happens to a person in several groups at once would meet in one document. Nobody asks
    who is in an audience, only in which audiences one person is.
    """

    collection = "standings"
    indexes = [IndexModel([("person", ASCENDING)], name="of_a_person")]

    def get(self, person: str, to: str, group: str) -> Standing:
        """How the person stands to the group or event; as one who has never been there if nothing is known."""
        found = self.documents.find_one({"_id": _key(person, to)}, session=self.session)
        return _standing(found) if found else Standing(person, to, group)

    def save(self, standing: Standing) -> None:
        """Keep a standing."""
        fields = {name: getattr(standing, name) for name in _FIELDS}
        document = {"_id": _key(standing.person, standing.to), "schema": SCHEMA, **fields}
        self.documents.replace_one({"_id": document["_id"]}, document, upsert=True, session=self.session)

    def of(self, person: str) -> list[Standing]:
        """All standings of a person."""
        return [_standing(found) for found in self.documents.find({"person": person}, _WANTED, session=self.session)]

    def forget(self, person: str) -> None:
        """Delete all standings of a person."""
        self.documents.delete_many({"person": person}, session=self.session)


class Groups(Projection):
    """What inboxes need of a group beside what each notice says itself: its address, and whether it is private."""

    collection = "groups"
    indexes = [IndexModel([("slug", ASCENDING)], name="by_slug")]

    def named(self, group: str) -> list[str]:
        """The ids of the groups that `group`, an id or a slug, can mean: at most one but while a slug changes hands."""
        found = self.documents.find({"slug": group}, {"_id": 1}, session=self.session)
        return [group, *(one["_id"] for one in found)]

    def private(self, groups: Collection[str]) -> set[str]:
        """Which of these groups are private."""
        if not groups:
            return set()
        found = self.documents.find(
            {"_id": {"$in": list(groups)}, "visibility": "private"}, {"_id": 1}, session=self.session
        )
        return {one["_id"] for one in found}


_FIELDS = tuple(Standing.__dataclass_fields__)
_WANTED = {"_id": 0, **dict.fromkeys(_FIELDS, 1)}


def _key(person: str, to: str) -> str:
    return f"{person}/{to}"


def _standing(found: dict[str, Any]) -> Standing:
    return Standing(*(found[name] for name in _FIELDS))
