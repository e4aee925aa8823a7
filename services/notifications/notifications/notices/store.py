"""Writes notices: one document each, whatever the size of its audience. The inbox reads them.

`audience` is the key of one audience, or the keys of several people or events, each of which stands in the index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from pymongo import ASCENDING, IndexModel

from chassis.ids import first_id_at
from chassis.store import Repository
from notifications.audiences.model import ALWAYS, Audience, audience_named, several_named
from notifications.notices.model import Draft, Notice
from notifications.notices.words import made, remade

SCHEMA = 1


class Drafts(Repository):
    """Notices that are made but not posted, for the few milliseconds until they are (see posting)."""

    collection = "drafts"

    def add(self, draft: Draft) -> None:
        """Have a notice posted."""
        document = {**_document(draft.notice), "told": draft.told, "traceparent": draft.traceparent}
        self.documents.insert_one(document, session=self.session)

    def any(self) -> bool:
        """Whether there is anything to post."""
        return self.documents.find_one({}, {"_id": 1}, session=self.session) is not None

    def oldest(self, limit: int) -> list[Draft]:
        """At most `limit` drafts, in the order in which they were made."""
        found = self.documents.find({}, sort=[("_id", ASCENDING)], limit=limit, session=self.session)
        return [Draft(_notice(one), one["told"], one["traceparent"]) for one in found]

    def remove(self, drafts: Collection[Draft]) -> None:
        """Forget drafts that are posted now."""
        self.documents.delete_many({"_id": {"$in": [one.notice.id for one in drafts]}}, session=self.session)


class Posting(Repository):
    """Which notice was posted last: one document, which all write who post, so that none of them can overlap."""

    collection = "posting"

    def hold(self) -> str:
        """Keep all others from posting until this unit of work ends; gives the id of the last notice.

        Two that hold it at once meet in this document, and MongoDB lets one of them begin again, knowing what the other did.
        """
        found = self.documents.find_one_and_update(
            {"_id": _LAST}, {"$inc": {"times": 1}}, upsert=True, session=self.session
        )
        return (found or {}).get("last") or self._newest()

    def reached(self, last: str) -> None:
        """This is the last notice now."""
        self.documents.update_one({"_id": _LAST}, {"$set": {"last": last}}, session=self.session)

    def last(self) -> str:
        """The id of the last notice that was posted, BEGINNING before the first. All with smaller ids are posted too."""
        found = self.documents.find_one({"_id": _LAST}, session=self.session)
        return (found or {}).get("last") or self._newest()

    def _newest(self) -> str:
        found: dict[str, Any] | None = self.database[Notices.collection].find_one(
            {}, {"_id": 1}, sort=[("_id", -1)], session=self.session
        )
        return str(found["_id"]) if found else BEGINNING


_LAST = "notices"
BEGINNING = first_id_at("ntc", ALWAYS)
"""A place before all notices."""


class Notices(Repository):
    """All notices. They are never changed but to forget a person."""

    collection = "notices"
    indexes = [IndexModel([("not_for", ASCENDING)], name="who_is_named")]

    def append(self, notice: Notice) -> None:
        """Keep a notice that is posted just now (see posting): its id is greater than that of all others."""
        self.documents.insert_one(_document(notice), session=self.session)

    def find(self, notice: str) -> dict[str, Any] | None:
        """A notice, as it is kept."""
        return next(self.those([notice]), None)

    def those(self, notices: Collection[str]) -> Iterator[dict[str, Any]]:
        """These notices, as they are kept."""
        return iter(self.documents.find({"_id": {"$in": list(notices)}}, session=self.session))

    def between(self, after: str, until: str, limit: int) -> list[dict[str, Any]]:
        """At most `limit` notices that were posted after one and up to another one, in order, for whomever they are."""
        place = {"$gt": after, "$lte": until}
        found = self.documents.find({"_id": place}, sort=[("_id", ASCENDING)], limit=limit, session=self.session)
        return list(found)

    def concerning(self, person: str) -> Iterator[dict[str, Any]]:
        """The notices that were told this person by themselves, and those about what they did."""
        for query in ({"audience": Audience("person", person).key}, {"not_for": person}):
            yield from self.documents.find(query, {"audience": 0, "not_for": 0}, session=self.session)

    def forget(self, person: str) -> None:
        """Delete what was told the person alone or names them, and the person from all else."""
        own = Audience("person", person).key
        to_others_too = {"audience": own, "audience.1": {"$exists": True}}
        self.documents.update_many(to_others_too, {"$pull": {"audience": own}}, session=self.session)
        self.documents.delete_many({"audience": own}, session=self.session)
        self.documents.delete_many({"not_for": person, "names": person}, session=self.session)
        self.documents.update_many({"not_for": person}, {"$pull": {"not_for": person}}, session=self.session)


def _document(notice: Notice) -> dict[str, Any]:
    keys = notice.audience.keys
    return {
        "_id": notice.id,
        "schema": SCHEMA,
        "audience": keys[0] if len(keys) == 1 else list(keys),
        "kind": notice.kind,
        "title": str(notice.title),
        "body": str(notice.body),
        "words": {"title": made(notice.title), "body": made(notice.body)},
        "group": notice.group,
        "subject": notice.subject,
        "at": notice.at,
        "not_for": list(notice.not_for),
        "names": notice.names,
    }


def _notice(document: dict[str, Any]) -> Notice:
    told = document["audience"]
    return Notice(
        kind=document["kind"],
        audience=audience_named(told) if isinstance(told, str) else several_named(told),
        title=remade(document["words"]["title"]),
        body=remade(document["words"]["body"]),
        group=document["group"],
        subject=document["subject"],
        at=document["at"],
        not_for=tuple(document["not_for"]),
        names=document["names"],
        id=document["_id"],
    )
