"""Where the people of somebody's groups are as well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import DESCENDING

from chassis.store import Repository
from groups.members.model import ACTIVE

MOST_PEOPLE = 200
MOST_GROUPS_EACH = 20


class Companions(Repository):
    """Memberships of people who share groups with somebody."""

    collection = "members"

    def groups_of_others(self, groups: Sequence[str], person: str, limit: int) -> dict[str, int]:
        """Other groups of people who are in these groups, each with how many of them are in it, the most first.

        Of large groups some people stand for all, and of somebody in many groups some of them.
        """
        if not groups:
            return {}
        elsewhere: list[dict[str, Any]] = [
            {"$match": {"status": ACTIVE, "group": {"$nin": list(groups)}}},
            {"$sort": {"joined_at": DESCENDING, "group": DESCENDING}},
            {"$limit": MOST_GROUPS_EACH},
            {"$project": {"group": 1}},
        ]
        steps: list[dict[str, Any]] = [
            {"$match": {"group": {"$in": list(groups)}, "status": ACTIVE, "person": {"$ne": person}}},
            {"$limit": MOST_PEOPLE},
            {"$group": {"_id": "$person"}},
            {
                "$lookup": {
                    "from": self.collection,
                    "localField": "_id",
                    "foreignField": "person",
                    "pipeline": elsewhere,
                    "as": "elsewhere",
                }
            },
            {"$unwind": "$elsewhere"},
            {"$group": {"_id": "$elsewhere.group", "people": {"$sum": 1}}},
            {"$sort": {"people": DESCENDING, "_id": DESCENDING}},
            {"$limit": limit},
        ]
        return {one["_id"]: one["people"] for one in self.documents.aggregate(steps, session=self.session)}
