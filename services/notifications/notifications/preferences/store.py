"""Keeps what people said they want to hear of: one document each, of those who said anything."""

from __future__ import annotations

from collections.abc import Collection
from datetime import time
from typing import Any

from chassis.store import Repository
from notifications.preferences.model import Preferences, QuietHours

SCHEMA = 1


class PreferencesStore(Repository):
    """Preferences by person."""

    collection = "preferences"

    def get(self, person: str) -> Preferences:
        """What the person said; nothing if nothing is known."""
        return self.of([person])[person]

    def of(self, people: Collection[str]) -> dict[str, Preferences]:
        """What each of these people said."""
        found = self.documents.find({"_id": {"$in": list(people)}}, session=self.session)
        return {person: Preferences(person) for person in people} | {one["_id"]: _preferences(one) for one in found}

    def save(self, preferences: Preferences) -> None:
        """Keep what a person said."""
        quiet = preferences.quiet
        document = {
            "schema": SCHEMA,
            # A list, since the names of kinds have dots.
            "kinds": [{"kind": kind, **wanted} for kind, wanted in preferences.kinds.items()],
            "groups": dict(preferences.groups),
            "quiet": quiet and {"from": quiet.begin.isoformat("minutes"), "to": quiet.end.isoformat("minutes")},
            "version": preferences.version,
        }
        self.documents.replace_one({"_id": preferences.person}, document, upsert=True, session=self.session)

    def forget(self, person: str) -> None:
        """Delete what the person said."""
        self.documents.delete_one({"_id": person}, session=self.session)


def _preferences(document: dict[str, Any]) -> Preferences:
    quiet = document["quiet"]
    return Preferences(
        person=document["_id"],
        kinds={one.pop("kind"): one for one in document["kinds"]},
        groups=document["groups"],
        quiet=quiet and QuietHours(time.fromisoformat(quiet["from"]), time.fromisoformat(quiet["to"])),
        version=document["version"],
    )
