"""People in MongoDB."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from pymongo import IndexModel, ReturnDocument
from pymongo.errors import DuplicateKeyError

from chassis.problems import AuthenticationRequired, NotFound
from chassis.store import Repository
from groups.interests.store import some_with
from groups.people.model import HandleTaken, Person

WITHOUT_PASSWORD = {"password": 0, "held": 0}


class People(Repository):
    """Profiles by id and handle; the hash of a password stays in here unless it is asked for.

    By interest as well, where promotions do not look for them (see promotions.store).
    """

    collection = "people"
    indexes = (
        IndexModel("handle", unique=True),
        IndexModel("interests", partialFilterExpression={"allow_promotions": False}),
    )

    def add(self, person: Person, password: str) -> None:
        """Keep a new person with the hash of their password. Raises HandleTaken."""
        try:
            self.documents.insert_one({**_document(person), "password": password}, session=self.session)
        except DuplicateKeyError:
            raise HandleTaken(f"Somebody is called {person.handle} already. Choose another handle.") from None

    def save(self, person: Person) -> None:
        """Keep what changed."""
        document = _document(person)
        self.documents.update_one({"_id": document.pop("_id")}, {"$set": document}, session=self.session)

    def get(self, identifier: str) -> Person:
        """The person who calls, by id. Raises AuthenticationRequired when they have erased themselves."""
        found = self.documents.find_one({"_id": identifier}, WITHOUT_PASSWORD, session=self.session)
        if found is None:
            raise AuthenticationRequired("This person is not here any more.")
        return _person(found)

    def hold(self, identifier: str) -> Person:
        """Like `get`, and nobody can erase them until this transaction has ended: one of the two begins again."""
        found = self.documents.find_one_and_update(
            {"_id": identifier},
            {"$inc": {"held": 1}},
            projection=WITHOUT_PASSWORD,
            return_document=ReturnDocument.AFTER,
            session=self.session,
        )
        if found is None:
            raise AuthenticationRequired("This person is not here any more.")
        return _person(found)

    def hold_all(self, identifiers: Iterable[str]) -> dict[str, Person]:
        """Hold several people; those who are here, by id."""
        wanted = {"_id": {"$in": list(identifiers)}}
        self.documents.update_many(wanted, {"$inc": {"held": 1}}, session=self.session)
        found = self.documents.find(wanted, WITHOUT_PASSWORD, session=self.session)
        return {one["_id"]: _person(one) for one in found}

    def by_handle(self, handle: str) -> Person:
        """The person with this handle. Raises NotFound."""
        found = self.documents.find_one({"handle": handle}, WITHOUT_PASSWORD, session=self.session)
        if found is None:
            raise NotFound("There is nobody with this handle.")
        return _person(found)

    def ids_of(self, handles: Iterable[str]) -> dict[str, str]:
        """The ids of the people with these handles, by handle; of whom there is none is left out."""
        found = self.documents.find({"handle": {"$in": list(handles)}}, {"handle": 1}, session=self.session)
        return {one["handle"]: one["_id"] for one in found}

    def references(self, identifiers: Iterable[str]) -> dict[str, dict[str, str]]:
        """How lists name these people, by id: `{id, handle, display_name}`. Who is not here any more is left out."""
        found = self.documents.find(
            {"_id": {"$in": list(identifiers)}}, {"handle": 1, "display_name": 1}, session=self.session
        )
        return {
            one["_id"]: {"id": one["_id"], "handle": one["handle"], "display_name": one["display_name"]}
            for one in found
        }

    def with_interests(self, interests: Sequence[str], limit: int) -> list[str]:
        """The ids of some people who have any of these interests."""
        return some_with(self, interests, "allow_promotions", limit)

    def with_password(self, handle: str) -> tuple[Person, str] | None:
        """The person with this handle and the hash of their password, or None."""
        found = self.documents.find_one({"handle": handle}, {"held": 0}, session=self.session)
        return (_person(found), found["password"]) if found else None

    def still_has_password(self, identifier: str, kept: str) -> bool:
        """Whether this is the hash of the person's password; it stays so until this transaction has ended."""
        wanted = {"_id": identifier, "password": kept}
        return self.documents.update_one(wanted, {"$inc": {"held": 1}}, session=self.session).matched_count > 0

    def set_password(self, identifier: str, password: str) -> None:
        """Keep the hash of a new password."""
        self.documents.update_one({"_id": identifier}, {"$set": {"password": password}}, session=self.session)

    def erase(self, identifier: str) -> None:
        """Keep nothing of this person."""
        self.documents.delete_one({"_id": identifier}, session=self.session)


def _document(person: Person) -> dict[str, Any]:
    document = asdict(person)
    location = person.place and person.place.get("location")
    # None is in no index of places.
    document["at"] = location and {"type": "Point", "coordinates": [location["lon"], location["lat"]]}
    return {"_id": document.pop("id"), "schema": 1, **document}


def _person(document: dict[str, Any]) -> Person:
    fields = {name: value for name, value in document.items() if name in Person.__slots__}
    return Person(id=document["_id"], **fields)
