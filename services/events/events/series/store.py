"""Where series are kept: what they say of their occurrences, and which one is to be made next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateOne

from chassis.store import Repository
from events.events.model import Host
from events.series.model import Series
from events.series.recurrence import Rule

SCHEMA = 1

_KEPT = {one.name for one in fields(Series)} - {"id"}
_LOCAL = ("starts_at_local", "next")
_LENGTHS = ("lasts", "closes_before")


class AllSeries(Repository):
    """All series. Their occurrences are events."""

    collection = "series"
    indexes = [
        IndexModel([("extend_at", ASCENDING)]),
        IndexModel([("group_id", ASCENDING)]),
        IndexModel([("created_by", ASCENDING)]),
        IndexModel([("hosts.id", ASCENDING)]),
    ]

    def find(self, series: str) -> Series | None:
        """The series with this id."""
        return _series(self.documents.find_one({"_id": series}, session=self.session))

    def of_ids(self, ids: list[str]) -> dict[str, Series]:
        """The series with these ids, by id."""
        found = self.documents.find({"_id": {"$in": ids}}, session=self.session)
        return {document["_id"]: _known(document) for document in found}

    def take_turn(self, series: str) -> Series | None:
        """The series, kept from being changed by another unit of work until this one has committed."""
        held = {"$inc": {"turns": 1}}
        return _series(self.documents.find_one_and_update({"_id": series}, held, session=self.session))

    def add(self, series: Series) -> None:
        """Keep a new series."""
        self.documents.insert_one({"_id": series.id, **_document(series)}, session=self.session)

    def save(self, series: Series) -> None:
        """Keep a changed series."""
        self.documents.update_one({"_id": series.id}, {"$set": _document(series)}, session=self.session)

    def due(self, now: datetime, most: int) -> list[str]:
        """The ids of at most so many series of which an occurrence is to be made, the longest due first."""
        which = {"extend_at": {"$lte": now}}
        found = self.documents.find(which, {"_id": 1}, session=self.session).sort("extend_at").limit(most)
        return [document["_id"] for document in found]

    def growing_of_group(self, group: str) -> list[Series]:
        """The series of a group that have not ended."""
        growing = {"group_id": group, "next": {"$ne": None}}
        return [_known(document) for document in self.documents.find(growing, session=self.session)]

    def save_all(self, series: Sequence[Series]) -> None:
        """Keep changed series."""
        if series:
            writes = [UpdateOne({"_id": one.id}, {"$set": _document(one)}) for one in series]
            self.documents.bulk_write(writes, ordered=False, session=self.session)

    def forget(self, person: str) -> None:
        """Have no series name a person."""
        hosted = {"$pull": {"hosts": {"id": person}}, "$inc": {"version": 1}}
        self.documents.update_many({"hosts.id": person}, hosted, session=self.session)
        self.documents.update_many({"created_by": person}, {"$set": {"created_by": None}}, session=self.session)


def _document(series: Series) -> dict[str, Any]:
    document = {name: getattr(series, name) for name in _KEPT}
    for name in _LOCAL:
        document[name] = _text(document[name])
    for name in _LENGTHS:
        document[name] = None if document[name] is None else document[name].total_seconds()
    document["hosts"] = [asdict(host) for host in series.hosts]
    document["rule"] = {**asdict(series.rule), "until": _text(series.rule.until)}
    return {**document, "schema": SCHEMA}


def _series(document: dict[str, Any] | None) -> Series | None:
    return None if document is None else _known(document)


def _known(document: dict[str, Any]) -> Series:
    kept = {name: document[name] for name in _KEPT}
    for name in _LOCAL:
        kept[name] = _local(kept[name])
    for name in _LENGTHS:
        kept[name] = None if kept[name] is None else timedelta(seconds=kept[name])
    kept["hosts"] = [Host(**host) for host in kept["hosts"]]
    kept["rule"] = _rule(kept["rule"])
    return Series(id=document["_id"], **kept)


def _rule(kept: dict[str, Any]) -> Rule:
    rule: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    by_day = tuple((number, day) for number, day in rule["by_day"])
    return Rule(**{**rule, "until": _local(rule["until"]), "by_day": by_day})


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _local(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
