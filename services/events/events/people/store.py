"""The projection of people: how they are called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from chassis.store import Projection


class People(Projection):
    """What is known of each person."""

    collection = "people"
    indexes = [IndexModel([("handle", ASCENDING), ("sequence", DESCENDING)])]

    def by_handles(self, handles: Iterable[str]) -> dict[str, str]:
        """The ids of the persons with these handles, by handle; those that are not known are missing."""
        found = self.documents.find({"handle": {"$in": list(handles)}}, {"handle": 1}, session=self.session)
        return {document["handle"]: document["_id"] for document in found}

    def named(self, persons: Iterable[str]) -> dict[str, dict[str, str]]:
        """How these persons are called (id, handle, display_name), by id; those that are not known are missing."""
        found = self.documents.find({"_id": {"$in": list(persons)}, "erased": False}, session=self.session)
        return {document["_id"]: _named(document) for document in found}

    def gone(self, persons: Iterable[str]) -> set[str]:
        """The ids of those of these persons who erased themselves."""
        found = self.documents.find({"_id": {"$in": list(persons)}, "erased": True}, {"_id": 1}, session=self.session)
        return {document["_id"] for document in found}

    def hold(self, person: str | None) -> dict[str, str] | None:
        """How a person is called (None for who is not known or erased), kept from being erased until this has committed."""
        known = {"_id": person, "erased": False}
        held = self.documents.find_one_and_update(known, {"$inc": {"held": 1}}, session=self.session)
        return None if held is None else _named(held)

    def note(self, person: dict[str, Any], sequence: int) -> None:
        """Write what a message of this sequence says, unless a newer one is known."""
        seen = {"handle": person["handle"], "display_name": person["display_name"], "erased": False}
        self.project(person["id"], sequence, seen)

    def erase(self, person: str, sequence: int) -> None:
        """Keep nothing of a person but that they are gone, so that a late message does not bring them back."""
        self.project(person, sequence, {"handle": None, "display_name": None, "erased": True})


def _named(document: dict[str, Any]) -> dict[str, str]:
    return {"id": document["_id"], "handle": document["handle"], "display_name": document["display_name"]}
