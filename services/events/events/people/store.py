"""The projection of people: how they are called, and what they have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne

from chassis.store import Projection
from events.icebreakers.model import Attendee

ONE_BATCH = 2_500
"""So many documents come at once, without asking for more."""

NOTHING: dict[str, Any] = {"interests": [], "background": "", "icebreakers": False}
"""What is known of a person beside the name, where nothing is."""


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

    def hold_all(self, persons: Sequence[str]) -> None:
        """Keep these persons, known or not, from being erased by another unit of work until this one has committed."""
        held = [UpdateOne({"_id": person}, {"$inc": {"held": 1}}, upsert=True) for person in persons]
        if held:
            self.documents.bulk_write(held, ordered=False, session=self.session)

    def hold(self, person: str | None) -> dict[str, str] | None:
        """How a person is called (None for who is not known or erased), kept from being erased until this has committed."""
        known = {"_id": person, "erased": False}
        held = self.documents.find_one_and_update(known, {"$inc": {"held": 1}}, session=self.session)
        return None if held is None else _named(held)

    def open_to_meet(self, persons: Iterable[str]) -> list[Attendee]:
        """Those of these persons who opted in to icebreakers."""
        which = {"_id": {"$in": list(persons)}, "icebreakers": True}
        shown = {"handle": 1, "display_name": 1, "interests": 1, "background": 1}
        return [_met(one) for one in self.documents.find(which, shown, session=self.session, batch_size=ONE_BATCH)]

    def met(self, person: str) -> Attendee | None:
        """A person as others may meet them."""
        found = self.documents.find_one({"_id": person, "erased": False}, session=self.session)
        return None if found is None else _met(found)

    def held_about(self, person: str) -> dict[str, Any] | None:
        """All that is known of a person."""
        found = self.documents.find_one({"_id": person, "erased": False}, session=self.session)
        return (
            None if found is None else {**_named(found), **{name: found.get(name, NOTHING[name]) for name in NOTHING}}
        )

    def note(self, person: dict[str, Any], sequence: int) -> None:
        """Write what a message of this sequence says, unless a newer one is known."""
        seen = {"handle": person["handle"], "display_name": person["display_name"], "erased": False}
        self.project(person["id"], sequence, {**seen, **{name: person.get(name, NOTHING[name]) for name in NOTHING}})

    def erase(self, person: str, sequence: int) -> None:
        """Keep nothing of a person but that they are gone, so that a late message does not bring them back."""
        self.project(person, sequence, {"handle": None, "display_name": None, **NOTHING, "erased": True})


def _met(document: dict[str, Any]) -> Attendee:
    # Of somebody noted by an older release there is only the name, until the projection is built anew.
    known = {name: document.get(name) or NOTHING[name] for name in ("interests", "background")}
    return Attendee(document["_id"], document["handle"], document["display_name"], **known)


def _named(document: dict[str, Any]) -> dict[str, str]:
    return {"id": document["_id"], "handle": document["handle"], "display_name": document["display_name"]}
