"""Writes notices: one document each, whatever the size of its audience. The inbox reads them.

`audience` is the key of one audience, or the keys of several people, each of which stands in the index.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pymongo import ASCENDING, IndexModel

from chassis.store import Repository
from notifications.audiences.model import Audience
from notifications.notices.model import Notice

SCHEMA = 1


class Notices(Repository):
    """All notices. They are never changed but to forget a person."""

    collection = "notices"
    indexes = [IndexModel([("not_for", ASCENDING)], name="who_is_named")]

    def add(self, notice: Notice) -> None:
        """Post a notice."""
        keys = notice.audience.keys
        document = {
            "_id": notice.id,
            "schema": SCHEMA,
            "audience": keys[0] if len(keys) == 1 else list(keys),
            "kind": notice.kind,
            "title": notice.title,
            "body": notice.body,
            "group": notice.group,
            "subject": notice.subject,
            "at": notice.at,
            "not_for": list(notice.not_for),
            "names": notice.names,
        }
        self.documents.insert_one(document, session=self.session)

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
