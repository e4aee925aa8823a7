"""Keeps how people stand to groups and events, and what is needed of groups: projections built from messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from operator import itemgetter
from typing import Any

from pymongo import ASCENDING, IndexModel

from chassis.store import Projection
from notifications.audiences.model import Standing

SCHEMA = 1

AT_ONCE = 10_000
"""How many standings one answer of MongoDB brings; otherwise it is 101 at first, and who is in more waits twice."""


class Standings(Projection):
    """One document for each person and group, and for each person and event that they ever answered.

    Not one per person: then what happens to a person in several groups at once would meet in one document. Who is in an
    audience is asked by nobody but the mail, in chunks.
    """

    collection = "standings"
    indexes = [
        IndexModel([("person", ASCENDING), ("group", ASCENDING)], name="of_a_person_in_a_group"),
        IndexModel([("to", ASCENDING), ("_id", ASCENDING)], name="in_a_place"),
    ]

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
        return self.of_all([person])[person]

    def those(self, people: Collection[str], places: Collection[str]) -> dict[str, list[Standing]]:
        """How these people stand to these groups and events, by person."""
        keys = [_key(person, to) for person in people for to in places]
        by_person: dict[str, list[Standing]] = {}
        for one in self.documents.find({"_id": {"$in": keys}}, _WANTED, session=self.session):
            by_person.setdefault(one["person"], []).append(_standing(one))
        return by_person

    def next_in(self, to: Sequence[str], after: str, limit: int) -> tuple[list[str], str]:
        """Who is in a group, or answered any of several events: the next of them after a place in the list, each once.

        Gives so many at most, and the place to go on after: "" is its beginning and its end.
        """
        query = {"to": {"$in": list(to)}, "_id": {"$gt": after}}
        found = list(self.documents.find(query, sort=[("_id", ASCENDING)], limit=limit, session=self.session))
        present = list(dict.fromkeys(one["person"] for one in found if _standing(one).present))
        if len(found) < limit:
            return present, ""
        last = found[-1]
        # Who was found may stand to more of these events: that is passed over.
        return present, f"{last['person']}{_BEHIND}" if last["person"] in present else last["_id"]

    def present(self, pairs: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Those of these pairs, of a person and a group or event, where the person is in it now."""
        if not pairs:
            return set()
        keys = [_key(person, to) for person, to in pairs]
        found = self.documents.find({"_id": {"$in": keys}}, _WANTED, session=self.session)
        return {(one.person, one.to) for one in map(_standing, found) if one.present}

    def of_all(self, people: Collection[str], groups: Collection[str] | None = None) -> dict[str, list[Standing]]:
        """All standings of each of these people, or those to these groups and their events."""
        found: dict[str, list[Standing]] = {person: [] for person in people}
        query: dict[str, Any] = {"person": {"$in": list(people)}}
        if groups is not None:
            query["group"] = {"$in": list(groups)}
        for one in self.documents.find(query, _WANTED, batch_size=AT_ONCE, session=self.session):
            found[one["person"]].append(_standing(one))
        return found

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

    def visibilities(self, groups: Collection[str]) -> dict[str, str]:
        """The visibility of each of these groups of which something is known, by id."""
        found = self.documents.find({"_id": {"$in": list(groups)}}, {"visibility": 1}, session=self.session)
        return {one["_id"]: one["visibility"] for one in found}

    def private(self, groups: Collection[str]) -> set[str]:
        """Which of these groups are private."""
        if not groups:
            return set()
        found = self.documents.find(
            {"_id": {"$in": list(groups)}, "visibility": "private"}, {"_id": 1}, session=self.session
        )
        return {one["_id"] for one in found}


_FIELDS = Standing._fields
_values = itemgetter(*_FIELDS)
_WANTED = {"_id": 0, **dict.fromkeys(_FIELDS, 1)}


_BEHIND = chr(ord("/") + 1)
"""After a person's id it makes what is behind all keys of that person, and before those of the next."""


def _key(person: str, to: str) -> str:
    return f"{person}/{to}"


def _standing(found: dict[str, Any]) -> Standing:
    return Standing._make(_values(found))
