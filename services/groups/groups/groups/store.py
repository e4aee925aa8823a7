"""Groups in MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError

from chassis.store import Repository
from groups.groups.model import FIELDS, Group, Viewer
from groups.search.model import pairs_of, size_of, words

_PLAIN = tuple(name for name in FIELDS if name != "id")
_FOR_SEARCHES = {"words": 0, "pairs": 0, "at": 0, "listed": 0, "size": 0}


class SlugTaken(Exception):
    """Another group got this slug in the same moment."""


class Groups(Repository):
    """Groups by id and slug."""

    collection = "groups"
    indexes = (IndexModel("slug", unique=True),)

    def add(self, group: Group) -> None:
        """Keep a new group. Raises SlugTaken."""
        try:
            self.documents.insert_one(document_of(group), session=self.session)
        except DuplicateKeyError:
            raise SlugTaken(group.slug) from None

    def save(self, group: Group) -> None:
        """Keep what changed."""
        self.documents.replace_one({"_id": group.id}, document_of(group), session=self.session)

    def has_slug(self, slug: str) -> bool:
        """Whether a group has this slug."""
        return self.documents.find_one({"slug": slug}, {"_id": 1}, session=self.session) is not None

    def seen_by(self, reference: str, person: str | None) -> Group | None:
        """The group with this id or slug, with what the person is in it, or None. In one round trip: the hot path."""
        by = "_id" if reference.startswith("grp_") else "slug"
        if person is None:
            found = self.documents.find_one({by: reference}, _FOR_SEARCHES, session=self.session)
            return group_of(found) if found else None
        pipeline: list[dict[str, Any]] = [
            {"$match": {by: reference}},
            {"$project": _FOR_SEARCHES},
            {"$set": {"viewer": {"$concat": ["$_id", ":", person]}}},
            {"$lookup": {"from": "members", "localField": "viewer", "foreignField": "_id", "as": "viewer"}},
        ]
        for found in self.documents.aggregate(pipeline, session=self.session):
            return group_of(found, found["viewer"][0] if found["viewer"] else None)
        return None

    def several(self, identifiers: Iterable[str]) -> dict[str, Group]:
        """The groups with these ids, by id."""
        found = self.documents.find({"_id": {"$in": list(identifiers)}}, _FOR_SEARCHES, session=self.session)
        return {one["_id"]: group_of(one) for one in found}


def document_of(group: Group) -> dict[str, Any]:
    """A group as it is kept: what it is, and what searches find it by."""
    document: dict[str, Any] = {"_id": group.id, "schema": 1}
    document |= {name: getattr(group, name) for name in _PLAIN}
    document["listed"] = group.listed
    document["size"] = size_of(group.member_count)
    document["pairs"] = pairs_of(group.interests)
    document["words"] = words(group.name, group.summary, *group.interests)
    location = group.place and group.place.get("location")
    if location:
        document["at"] = {"type": "Point", "coordinates": [location["lon"], location["lat"]]}
    return document


def group_of(document: Mapping[str, Any], membership: Mapping[str, Any] | None = None) -> Group:
    """The group that a document keeps, with what the caller is in it."""
    viewer = Viewer(membership["role"], membership["status"]) if membership else None
    return Group(id=document["_id"], viewer=viewer, **{name: document[name] for name in _PLAIN})
