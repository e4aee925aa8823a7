"""Groups in MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pymongo import IndexModel, ReplaceOne
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from chassis.store import Repository
from chassis.together import Together
from groups.groups.model import FIELDS, Group, Viewer
from groups.interests.store import some_with
from groups.search.model import pairs_of, size_of, words_to_find

_PLAIN = tuple(name for name in FIELDS if name != "id")
NOT_SHOWN = {"words": 0, "pairs": 0, "at": 0, "listed": 0, "size": 0, "held": 0}


Sight = tuple[str, str | None]
"""What somebody wants to see: the id or slug of a group; the id of who looks, or None."""


class SlugTaken(Exception):
    """Another group got this slug in the same moment."""


class Groups(Repository):
    """Groups by id and slug; and by interest, where searches do not find them (see search.store)."""

    collection = "groups"
    indexes = (IndexModel("slug", unique=True), IndexModel("interests", partialFilterExpression={"listed": False}))

    def __init__(self, database: Database[dict[str, Any]], session: ClientSession | None = None) -> None:
        super().__init__(database, session)
        if session is None:
            # Reading one group is what is asked for most. Those who wait for it at the same time are served together,
            # which takes less than half the time that each on their own take.
            self.waiting: Together[Sight, Group | None] = Together(self._see, most=50)

    def add(self, group: Group) -> None:
        """Keep a new group. Raises SlugTaken."""
        try:
            self.documents.insert_one(document_of(group), session=self.session)
        except DuplicateKeyError:
            raise SlugTaken(group.slug) from None

    def save(self, group: Group) -> None:
        """Keep what changed."""
        self.documents.replace_one({"_id": group.id}, document_of(group), session=self.session)

    def save_all(self, groups: Iterable[Group]) -> None:
        """Keep what changed of several groups."""
        writes = [ReplaceOne({"_id": one.id}, document_of(one)) for one in groups]
        if writes:
            self.documents.bulk_write(writes, ordered=False, session=self.session)

    def has_slug(self, slug: str) -> bool:
        """Whether a group has this slug."""
        return self.documents.find_one({"slug": slug}, {"_id": 1}, session=self.session) is not None

    def seen_by(self, reference: str, person: str | None) -> Group | None:
        """The group with this id or slug, with what the person is in it, or None."""
        if self.session is None:
            return self.waiting.do("groups", (reference, person))
        return self._see_one(reference, person)

    def hold(self, group: Group) -> None:
        """Note that a group, which was read in this transaction, is going to change.

        Of two transactions that hold a group, one begins again at once, and not only when all its work is done. Whoever may
        not know of the group is refused before: writing takes time, and that would tell it from one that is not there.
        """
        self.documents.update_one({"_id": group.id}, {"$inc": {"held": 1}}, session=self.session)

    def _see_one(self, reference: str, person: str | None) -> Group | None:
        """What one caller wants to see, in one round trip."""
        steps: list[dict[str, Any]] = [{"$match": {"_id" if _is_id(reference) else "slug": reference}}]
        steps.append({"$project": NOT_SHOWN})
        if person is not None:
            steps.append({"$set": {"viewer": {"$concat": ["$_id", ":", person]}}})
            steps.append(
                {"$lookup": {"from": "members", "localField": "viewer", "foreignField": "_id", "as": "viewer"}}
            )
        for found in self.documents.aggregate(steps, session=self.session):
            return group_of(found, *found.get("viewer", ()))
        return None

    def _see(self, key: Any, wanted: Sequence[Sight]) -> list[Group | None]:
        """What several callers want to see, in two queries: what a query costs is mostly not its answer."""
        if len(wanted) == 1:
            return [self._see_one(*wanted[0])]
        references = {reference for reference, _ in wanted}
        ids = [one for one in references if _is_id(one)]
        slugs = [one for one in references if not _is_id(one)]
        by = [{name: {"$in": values}} for name, values in (("_id", ids), ("slug", slugs)) if values]
        groups: dict[str, dict[str, Any]] = {}
        for found in self.documents.find(by[0] if len(by) == 1 else {"$or": by}, NOT_SHOWN, session=self.session):
            groups[found["_id"]] = groups[found["slug"]] = found
        memberships: dict[Sight, str] = {
            (reference, person): f"{groups[reference]['_id']}:{person}"
            for reference, person in wanted
            if person is not None and reference in groups
        }
        viewers = {one["_id"]: one for one in self._memberships(list(memberships.values()))}
        return [
            group_of(groups[one[0]], viewers.get(memberships.get(one, ""))) if one[0] in groups else None
            for one in wanted
        ]

    def _memberships(self, ids: list[str]) -> Iterable[dict[str, Any]]:
        wanted = {"_id": {"$in": ids}}
        return self.database["members"].find(wanted, {"role": 1, "status": 1}, session=self.session) if ids else ()

    def several(self, identifiers: Iterable[str]) -> dict[str, Group]:
        """The groups with these ids, by id."""
        found = self.documents.find({"_id": {"$in": list(identifiers)}}, NOT_SHOWN, session=self.session)
        return {one["_id"]: group_of(one) for one in found}

    def with_interests(self, interests: Sequence[str], limit: int) -> list[str]:
        """The ids of some groups, listed or not, that have any of these interests."""
        return some_with(self, interests, "listed", limit)


def _is_id(reference: str) -> bool:
    return reference.startswith("grp_")


def document_of(group: Group) -> dict[str, Any]:
    """A group as it is kept: what it is, and what searches find it by."""
    document: dict[str, Any] = {"_id": group.id, "schema": 1}
    document |= {name: getattr(group, name) for name in _PLAIN}
    document["listed"] = group.listed
    document["size"] = size_of(group.member_count)
    document["pairs"] = pairs_of(group.interests)
    document["words"] = words_to_find(group.name, group.summary, *group.interests)
    location = group.place and group.place.get("location")
    if location:
        document["at"] = {"type": "Point", "coordinates": [location["lon"], location["lat"]]}
    return document


def group_of(document: Mapping[str, Any], membership: Mapping[str, Any] | None = None) -> Group:
    """The group that a document keeps, with what the caller is in it."""
    viewer = Viewer(membership["role"], membership["status"]) if membership else None
    return Group(id=document["_id"], viewer=viewer, **{name: document[name] for name in _PLAIN})
