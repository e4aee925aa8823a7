"""Keeps how to write to people, and who was forgotten, so that a message that comes late does not bring them back."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from chassis.store import Projection, Repository
from notifications.people.model import Profile


class Profiles(Projection):
    """What it takes to write to a person: how they are called, where they live, which language they read."""

    collection = "profiles"

    def find(self, person: str) -> Profile | None:
        """The person's profile, if it is known."""
        return self.of([person]).get(person)

    def of(self, people: Collection[str]) -> dict[str, Profile]:
        """The profiles of these people, of those of whom one is known."""
        found = self.documents.find({"_id": {"$in": list(people)}}, session=self.session)
        return {one["_id"]: Profile(one["name"], one["time_zone"], one["locale"]) for one in found}

    def forget(self, person: str) -> None:
        """Delete a person's profile."""
        self.documents.delete_one({"_id": person}, session=self.session)


class Forgotten(Repository):
    """The ids of people who erased themselves, and nothing more of them.

    Whoever forgets a person adds them here first, and deletes then. Whoever keeps something about a person looks here,
    and looks again after the commit, to delete it if need be: one of both sees what the other did, however they meet.
    """

    collection = "forgotten"

    def has(self, person: str) -> bool:
        """Whether the person erased themselves."""
        return self.documents.find_one({"_id": person}, {"_id": 1}, session=self.session) is not None

    def among(self, people: Collection[str]) -> set[str]:
        """Which of these people erased themselves."""
        if not people:
            return set()
        found = self.documents.find({"_id": {"$in": list(people)}}, {"_id": 1}, session=self.session)
        return {one["_id"] for one in found}

    def add(self, person: str, at: datetime) -> None:
        """Remember that the person erased themselves."""
        self.documents.update_one({"_id": person}, {"$setOnInsert": {"at": at}}, upsert=True, session=self.session)
