"""Interests in MongoDB: how many public groups and people have each.

Everybody founds groups for the same few interests, so counts that were written with every group would be what all
transactions collide on. Each writes down its change instead, as a document of its own; whoever reads the counts adds up
what is new first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel, UpdateOne

from chassis.ids import new_id
from chassis.store import Repository
from groups.interests.model import Change, difference, total
from groups.paging import beyond

AT_ONCE = 2_000


class InterestChanges(Repository):
    """What changed and is not in the counts yet."""

    collection = "interest_changes"

    def note(self, what: str, before: Iterable[str], after: Iterable[str]) -> None:
        """Write down that a person or group (`what`: `people`, `groups`) had these interests and has those now."""
        added, dropped = difference(before, after)
        if added or dropped:
            document = {"_id": new_id("chg"), "what": what, "added": added, "dropped": dropped}
            self.documents.insert_one(document, session=self.session)

    def some(self) -> list[Change]:
        """The oldest of them."""
        found = self.documents.find(session=self.session).sort("_id", ASCENDING).limit(AT_ONCE)
        return [Change(one["_id"], one["what"], one["added"], one["dropped"]) for one in found]

    def remove(self, changes: list[Change]) -> None:
        """Forget changes. Of two transactions that forget the same ones, one begins again and finds them gone."""
        self.documents.delete_many({"_id": {"$in": [one.id for one in changes]}}, session=self.session)


ORDER = [("used", DESCENDING), ("_id", ASCENDING)]


class Interests(Repository):
    """Interests with their counts; `used` is the sum, by which they are listed."""

    collection = "interests"
    indexes = (IndexModel(ORDER),)

    def add_up(self, changes: list[Change]) -> None:
        """Count changes."""
        totals = {name: by for name, by in total(changes).items() if any(by.values())}
        if not totals:
            return
        writes = [
            UpdateOne(
                {"_id": name},
                {"$inc": {"groups": by["groups"], "people": by["people"], "used": by.total()}},
                upsert=True,
            )
            for name, by in sorted(totals.items())
        ]
        self.documents.bulk_write(writes, ordered=False, session=self.session)
        self.documents.delete_many({"_id": {"$in": list(totals)}, "used": {"$lte": 0}}, session=self.session)

    def used(self, names: Iterable[str]) -> dict[str, int]:
        """How many public groups and people have each of these interests, as far as that was added up."""
        found = self.documents.find({"_id": {"$in": list(names)}}, {"used": 1}, session=self.session)
        return {one["_id"]: one["used"] for one in found}

    def most_used(self, prefix: str, after: tuple[int, str] | None, limit: int) -> list[dict[str, Any]]:
        """Interests that begin with a prefix, most used first, from after a place on: `{name, groups, people}`."""
        wanted = {"_id": {"$regex": "^" + re.escape(prefix)}} if prefix else {}
        found = self.documents.find({"$and": [wanted, beyond(ORDER, after)]}, session=self.session)
        return [{**one, "name": one["_id"]} for one in found.sort(ORDER).limit(limit)]


def some_with(repository: Repository, interests: Iterable[str], half: str, limit: int) -> list[str]:
    """The ids of some documents of a repository that have any of these interests.

    The index of their interests is in two parts, for those of which the field `half` is true and for the others.
    """
    found: list[str] = []
    for value in (True, False):
        wanted = {half: value, "interests": {"$in": list(interests)}}
        some = repository.documents.find(wanted, {"_id": 1}, session=repository.session).limit(limit)
        found += [one["_id"] for one in some]
    return found
