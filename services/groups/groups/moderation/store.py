"""Reports and audit logs in MongoDB."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pymongo import ASCENDING, DESCENDING, IndexModel

from chassis.store import Repository
from groups.moderation.model import PERSON, Entry, Report
from groups.paging import beyond

NEWEST_FIRST = [("_id", DESCENDING)]


class Reports(Repository):
    """Reports by group, the newest first, and by the people in them."""

    collection = "reports"
    indexes = (
        IndexModel([("group", ASCENDING), *NEWEST_FIRST]),
        IndexModel("reporter"),
        IndexModel("handled_by"),
        IndexModel([("subject.id", ASCENDING), ("subject.type", ASCENDING)]),
    )

    def add(self, report: Report) -> None:
        """Keep a new report."""
        self.documents.insert_one(_document(report), session=self.session)

    def save(self, report: Report) -> None:
        """Keep what changed."""
        self.documents.replace_one({"_id": report.id}, _document(report), session=self.session)

    def find(self, identifier: str) -> Report | None:
        """The report with this id."""
        found = self.documents.find_one({"_id": identifier}, session=self.session)
        return _report(found) if found else None

    def hold(self, report: Report) -> None:
        """Note that a report, which was read in this transaction, is going to change: of two, one begins again at once."""
        self.documents.update_one({"_id": report.id}, {"$inc": {"held": 1}}, session=self.session)

    def of_group(self, group: str, after: list[str] | None, limit: int) -> list[Report]:
        """The reports of a group, the newest first, from after a place (an id) on."""
        found = self.documents.find({"$and": [{"group": group}, beyond(NEWEST_FIRST, after)]}, session=self.session)
        return [_report(one) for one in found.sort(NEWEST_FIRST).limit(limit)]

    def all_of(self, person: str) -> list[Report]:
        """All reports that a person made."""
        return [_report(one) for one in self.documents.find({"reporter": person}, session=self.session)]

    def all_about(self, person: str) -> list[Report]:
        """All reports about a person."""
        wanted = {"subject.id": person, "subject.type": PERSON}
        return [_report(one) for one in self.documents.find(wanted, session=self.session)]

    def forget(self, person: str) -> None:
        """Have reports name a person as someone who left."""
        for name in ("reporter", "handled_by"):
            self.documents.update_many({name: person}, {"$set": {name: None}}, session=self.session)
        about = {"subject.id": person, "subject.type": PERSON}
        self.documents.update_many(about, {"$set": {"subject.id": None}}, session=self.session)


class Audit(Repository):
    """Entries by group, the newest first, and by the people in them."""

    collection = "audit"
    indexes = (
        IndexModel([("group", ASCENDING), *NEWEST_FIRST]),
        IndexModel("by"),
        IndexModel("person"),
    )

    def add(self, entry: Entry) -> None:
        """Keep a new entry."""
        self.documents.insert_one(_document(entry), session=self.session)

    def of_group(self, group: str, after: list[str] | None, limit: int) -> list[Entry]:
        """The entries of a group, the newest first, from after a place (an id) on."""
        found = self.documents.find({"$and": [{"group": group}, beyond(NEWEST_FIRST, after)]}, session=self.session)
        return [_entry(one) for one in found.sort(NEWEST_FIRST).limit(limit)]

    def all_of(self, person: str) -> list[Entry]:
        """All entries by a person or about one."""
        wanted = {"$or": [{"by": person}, {"person": person}]}
        return [_entry(one) for one in self.documents.find(wanted, session=self.session)]

    def forget(self, person: str) -> None:
        """Have entries name a person as someone who left."""
        for name in ("by", "person"):
            self.documents.update_many({name: person}, {"$set": {name: None}}, session=self.session)


def _document(one: Report | Entry) -> dict[str, Any]:
    values = asdict(one)
    return {"_id": values.pop("id"), "schema": 1, **values}


def _entry(document: dict[str, Any]) -> Entry:
    return Entry(id=document["_id"], **{name: document[name] for name in Entry.__slots__ if name != "id"})


def _report(document: dict[str, Any]) -> Report:
    return Report(id=document["_id"], **{name: document[name] for name in Report.__slots__ if name != "id"})
