"""Watches in MongoDB."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pymongo import ASCENDING, IndexModel

from chassis.store import Repository


class Watches(Repository):
    """Watches by the set of interests they are for (`set`: in alphabetical order, one a line) and by person."""

    collection = "watches"
    indexes = (IndexModel([("set", ASCENDING), ("person", ASCENDING)]),)

    def watchers(self, interests: Iterable[str]) -> int:
        """How many people watch for exactly this set of interests."""
        wanted = "\n".join(sorted(set(interests)))
        people: list[dict[str, Any]] = [
            {"$match": {"set": wanted}},
            {"$group": {"_id": "$person"}},
            {"$count": "watchers"},
        ]
        for found in self.documents.aggregate(people, session=self.session):
            return int(found["watchers"])
        return 0
