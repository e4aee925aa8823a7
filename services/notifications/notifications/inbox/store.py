"""Merges the notices of all of a person's audiences when they are read, newest first, and keeps what was read."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby, islice
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.cursor import Cursor

from chassis.store import Repository
from notifications.audiences.model import Audience
from notifications.inbox.model import Reader, View
from notifications.notices.model import FAREWELLS, HIGHLIGHTS

SCHEMA = 1

MERGED = 200
"""How many audiences one query merges. MongoDB gives up merging by index, and sorts in memory, beyond this.

https://www.mongodb.com/docs/v6.0/reference/method/cursor.sort/ (internalQueryMaxScansToExplode)
"""

NEWEST = "newest_of_an_audience"

_SHOWN = dict.fromkeys(("kind", "title", "body", "group", "subject"), 1)

Query = dict[str, Any]
Floors = dict[str, list[str]]


FEW_PAGES = 4
"""How many pages' worth of notices are sorted rather than merged."""


class Ends:
    """Where the newest page ended, of those who looked last in this process: a guess where it may end when they look again."""

    def __init__(self, most: int = 10_000) -> None:
        self.most, self._ends = most, dict[str, str]()

    def of(self, person: str) -> str | None:
        """The id of the last notice of somebody's newest page."""
        return self._ends.get(person)

    def remember(self, person: str, notice: str) -> None:
        """Keep it, and forget who has not looked for longest if there are too many."""
        self._ends.pop(person, None)
        self._ends[person] = notice
        if len(self._ends) > self.most:
            del self._ends[next(iter(self._ends))]


_ends = Ends()


class Inbox(Repository):
    """The notices, as they are read."""

    collection = "notices"
    indexes = [IndexModel([("audience", ASCENDING), ("_id", DESCENDING)], name=NEWEST)]

    def newest(self, view: View, before: str | None, limit: int) -> list[dict[str, Any]]:
        """At most `limit` notices of the view, newest first, from those older than the id `before`."""
        if not view.audiences:
            return []
        if before or not view.is_whole:
            return self._newest_by_index(view, before, limit)
        found = self._newest_since_last_time(view, limit) or self._newest_by_index(view, None, limit)
        if len(found) == limit:
            _ends.remember(view.person, found[-1]["_id"])
        return found

    def _newest_since_last_time(self, view: View, limit: int) -> list[dict[str, Any]]:
        """The newest notices, if where their page ended last time is low enough today, and not too low; otherwise none.

        What is at or above any id is all there is to merge if it is enough, and little of it is sorted faster than merged.
        """
        end = _ends.of(view.person)
        if end is None:
            return []
        query = {"audience": {"$in": list(view.audiences)}, "_id": {"$gte": end}, **_rest(view)}
        most = FEW_PAGES * limit
        found = self.documents.find(query, {**_seen_by(view), **_SHOWN}, hint=NEWEST, session=self.session).limit(most)
        few = list(found)
        seen = sorted((one for one in few if _sees(view, one)), key=lambda one: one["_id"], reverse=True)
        return seen[:limit] if len(few) < most and len(seen) >= limit else []

    def _newest_by_index(self, view: View, before: str | None, limit: int) -> list[dict[str, Any]]:
        """First all audiences are asked for what is above the lowest floor of all: one short query, and nearly always
        right, for the newest notices are newer than one's memberships. If it found anything from before the reader
        belonged there, each audience is asked from its own floor.
        """
        parts = [{view.floor(): part} for part in _cut(list(view.audiences), MERGED)]
        found = _newest([self._find(view, part, before).limit(limit) for part in parts], limit)
        if all(_sees(view, one) for one in found):
            return found
        return self._newest_exactly(view, before, limit)

    def oldest(self, view: View, limit: int) -> list[dict[str, Any]]:
        """At most `limit` notices of the view, oldest first."""
        with ExitStack() as open_cursors:
            cursors = [
                open_cursors.enter_context(self._find(view, part, None, ASCENDING).batch_size(limit))
                for part in _cut_floors(view.floors(), MERGED)
            ]
            seen = [(one for one in cursor if _sees(view, one)) for cursor in cursors]
            return list(islice(heapq.merge(*seen, key=lambda one: one["_id"]), limit))

    def _newest_exactly(self, view: View, before: str | None, limit: int) -> list[dict[str, Any]]:
        with ExitStack() as open_cursors:
            cursors = [
                open_cursors.enter_context(self._find(view, part, before).batch_size(limit))
                for part in _cut_floors(view.floors(), MERGED)
            ]
            return _newest([(one for one in cursor if _sees(view, one)) for cursor in cursors], limit)

    def count(self, view: View, most: int) -> int:
        """How many notices the view has, counted up to `most`."""
        counted: set[str] = set()
        for part in _cut_floors(view.floors(), MERGED):
            found = self.documents.find(
                _query(view, part), _seen_by(view), hint=NEWEST, batch_size=most, session=self.session
            )
            with found:
                seen = (one["_id"] for one in found if _sees(view, one))
                counted.update(islice(seen, most - len(counted)))
        return len(counted)

    def among(self, view: View, notices: Collection[str]) -> list[str]:
        """Which of these notices are in the view."""
        if not view.audiences:
            return []
        query = {"_id": {"$in": list(notices)}, "audience": {"$in": list(view.audiences)}, **_rest(view)}
        found = self.documents.find(query, _seen_by(view), hint="_id_", session=self.session)
        return [one["_id"] for one in found if _sees(view, one)]

    def _find(self, view: View, floors: Floors, before: str | None, order: int = DESCENDING) -> Cursor[dict[str, Any]]:
        query = _query(view, floors, before)
        wanted = {**_seen_by(view), **_SHOWN}
        return self.documents.find(query, wanted, sort=[("_id", order)], hint=NEWEST, session=self.session)


class Readers(Repository):
    """What people have read: one document each."""

    collection = "readers"

    def get(self, person: str) -> Reader:
        """What the person has read; nothing if nothing is known."""
        found = self.documents.find_one({"_id": person}, session=self.session)
        return Reader(person, found["up_to"], frozenset(found["marks"])) if found else Reader(person)

    def who_read(self, people: Collection[str], notices: Collection[str]) -> dict[str, Reader]:
        """What those of these people have read who have read any of these notices."""
        if not people or not notices:
            return {}
        any_of_them = [{"up_to": {"$gte": min(notices)}}, {"marks": {"$in": list(notices)}}]
        found = self.documents.find({"_id": {"$in": list(people)}, "$or": any_of_them}, session=self.session)
        return {one["_id"]: Reader(one["_id"], one["up_to"], frozenset(one["marks"])) for one in found}

    def save(self, reader: Reader) -> None:
        """Keep what a person has read."""
        document = {"schema": SCHEMA, "up_to": reader.up_to, "marks": sorted(reader.marks)}
        self.documents.replace_one({"_id": reader.person}, document, upsert=True, session=self.session)

    def forget(self, person: str) -> None:
        """Delete what a person has read."""
        self.documents.delete_one({"_id": person}, session=self.session)


def _query(view: View, floors: Floors, before: str | None = None) -> Query:
    ceiling = {"$lt": before} if before else {}
    branches = [
        {"audience": {"$in": audiences}, "_id": {"$gt": floor, **ceiling}} for floor, audiences in floors.items()
    ]
    # By itself a branch needs no $or, without which the query takes a tenth less time.
    which = branches[0] if len(branches) == 1 else {"$or": branches}
    return {**which, **_rest(view)}


def _rest(view: View) -> Query:
    """What is decided notice by notice."""
    rest: Query = {"not_for": {"$ne": view.person}}
    if unwanted := list(_unwanted(view)):
        rest["$nor"] = unwanted
    if view.groups is not None:
        rest["group.id"] = {"$in": list(view.groups)}
    if view.kind:
        rest["kind"] = view.kind
    return rest


def _unwanted(view: View) -> Iterator[Query]:
    """What the view leaves out, whomever it was told; see View.shows."""
    if view.hidden:
        yield {"group.id": {"$in": list(view.hidden)}, "kind": {"$nin": list(FAREWELLS)}}
    if view.highlights:
        yield {"group.id": {"$in": list(view.highlights)}, "kind": {"$nin": list(HIGHLIGHTS)}}
    if view.muted:
        yield {"group.id": {"$in": list(view.muted)}}
    if view.silent:
        yield {"kind": {"$in": list(view.silent)}}


def _seen_by(view: View) -> dict[str, Any]:
    """What decides whether a notice is in the view. Of several people whom it is told, only who looks is shown."""
    me = Audience("person", view.person).key
    of_several = {"$cond": [{"$in": [me, "$audience"]}, [me], "$audience"]}
    return {"at": 1, "audience": {"$cond": [{"$isArray": "$audience"}, of_several, ["$audience"]]}}


def _sees(view: View, notice: dict[str, Any]) -> bool:
    return view.sees(notice["_id"], notice["audience"], notice["at"])


def _newest(sorted_notices: Sequence[Iterable[dict[str, Any]]], limit: int) -> list[dict[str, Any]]:
    merged = heapq.merge(*sorted_notices, key=lambda one: one["_id"], reverse=True)
    # What is told to those of several events may have been found for two of them.
    once = (next(same) for _, same in groupby(merged, key=lambda one: one["_id"]))
    return list(islice(once, limit))


def _cut(audiences: list[str], size: int) -> Iterator[list[str]]:
    for start in range(0, len(audiences), size):
        yield audiences[start : start + size]


def _cut_floors(floors: Floors, size: int) -> Iterator[Floors]:
    """The floors in parts of at most `size` audiences each."""
    pairs = [(audience, floor) for floor, audiences in floors.items() for audience in audiences]
    for start in range(0, len(pairs), size):
        part: Floors = {}
        for audience, floor in pairs[start : start + size]:
            part.setdefault(floor, []).append(audience)
        yield part
