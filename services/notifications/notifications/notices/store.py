"""Writes notices: one document each, whatever the size of its audience. The inbox reads them."""

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
        document = {
            "_id": notice.id,
            "schema": SCHEMA,
            "audience": notice.audience.key,
            "kind": notice.kind,
            "title": notice.title,
            "body": notice.body,
            "group": notice.group,
            "subject": notice.subject,
            "at": notice.at,
            "not_for": list(notice.not_for),
        }
        self.documents.insert_one(document, session=self.session)

    def concerning(self, person: str) -> Iterator[dict[str, Any]]:
        """The notices that went to this person alone, and those about what they did."""
        own = {"audience": Audience("person", person).key}
        yield from self.documents.find(own, session=self.session)
        yield from self.documents.find({"not_for": person}, session=self.session)

    def forget(self, person: str) -> None:
        """Delete what went to the person alone or tells of them, and the person from what they did."""
        self.documents.delete_many({"audience": Audience("person", person).key}, session=self.session)
        self.documents.delete_many({"not_for": person, "subject.id": person}, session=self.session)
        self.documents.update_many({"not_for": person}, {"$pull": {"not_for": person}}, session=self.session)
