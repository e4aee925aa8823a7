"""The projection of attendance: one document for each event and person, so that however often it is told, it counts once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from chassis.store import Projection


class Attendances(Projection):
    """Who came to which event, by person and group."""

    collection = "attendances"
    indexes = (IndexModel([("person", ASCENDING), ("group", ASCENDING)]),)

    def note(self, group: str, person: str, event: Mapping[str, Any], sequence: int) -> None:
        """Write that a person came to an event (`{id, title, starts_at, time_zone}`) of a group."""
        came = {"group": group, "person": person, "event": dict(event)}
        self.project(f"{event['id']}:{person}", sequence, came)

    def count(self, group: str, person: str, most: int) -> int:
        """How many events of a group a person came to; `most`, where it is more."""
        if most == 0:
            return 0
        wanted = {"person": person, "group": group}
        return self.documents.count_documents(wanted, limit=most, session=self.session)

    def all_of(self, person: str) -> list[dict[str, Any]]:
        """All events that a person came to: `{group, event}`."""
        found = self.documents.find({"person": person}, session=self.session)
        return [{"group": one["group"], "event": one["event"]} for one in found]

    def shared_by(self, one: str, other: str) -> list[dict[str, Any]]:
        """The events that two people came to, the last first: `{group, event}`."""
        steps: list[dict[str, Any]] = [
            {"$match": {"person": {"$in": [one, other]}}},
            {
                "$group": {
                    "_id": "$event.id",
                    "people": {"$addToSet": "$person"},
                    "group": {"$first": "$group"},
                    "event": {"$first": "$event"},
                }
            },
            {"$match": {"people": {"$all": [one, other]}}},
            {"$sort": {"event.starts_at": DESCENDING, "_id": DESCENDING}},
        ]
        return list(self.documents.aggregate(steps, session=self.session))

    def forget(self, person: str) -> None:
        """Keep no attendance of a person."""
        self.documents.delete_many({"person": person}, session=self.session)
