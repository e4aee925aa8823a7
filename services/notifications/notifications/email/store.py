"""Keeps where people get their mail, and counts the codes that were mailed within an hour."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel

from chassis.store import Repository
from notifications.email.model import CODES_PER_HOUR, Code, Mailbox

SCHEMA = 1
HOUR = timedelta(hours=1)


class Mailboxes(Repository):
    """Where people get their mail: one document each, of those who ever gave an address."""

    collection = "mailboxes"
    indexes = [IndexModel([("key", ASCENDING)], name="by_key", unique=True)]

    def get(self, person: str) -> Mailbox:
        """The person's mailbox; an empty one if nothing is known."""
        found = self.documents.find_one({"_id": person}, session=self.session)
        return _mailbox(found) if found else Mailbox(person)

    def of(self, people: Collection[str]) -> dict[str, Mailbox]:
        """The mailboxes of those of these people who get mail."""
        found = self.documents.find({"_id": {"$in": list(people)}, "address": {"$ne": None}}, session=self.session)
        return {one.person: one for one in map(_mailbox, found) if one.active}

    def all_people(self, most: int) -> list[str] | None:
        """All who ever gave an address, if that are so many at most; else None."""
        if self.documents.estimated_document_count() > most:
            return None
        found = self.documents.find({"_id": {"$gt": ""}}, {"_id": 1}, limit=most + 1, session=self.session)
        people = [one["_id"] for one in found]
        return people if len(people) <= most else None

    def by_key(self, key: str) -> Mailbox | None:
        """The mailbox with this key."""
        found = self.documents.find_one({"key": key}, session=self.session)
        return _mailbox(found) if found else None

    def save(self, mailbox: Mailbox) -> None:
        """Keep a mailbox."""
        document = {"schema": SCHEMA, **asdict(mailbox)}
        self.documents.replace_one({"_id": document.pop("person")}, document, upsert=True, session=self.session)

    def note_code(self, mailbox: Mailbox, code: Code) -> bool:
        """Have this code count from now on, unless the person wants another address meanwhile. Says whether it does."""
        same = {"_id": mailbox.person, "wanted": mailbox.wanted}
        return bool(
            self.documents.update_one(same, {"$set": {"code": asdict(code)}}, session=self.session).matched_count
        )

    def note_bounce(self, mailbox: Mailbox) -> None:
        """The address refused mail for good."""
        self.documents.update_one(_same(mailbox), {"$inc": {"bounces": 1}}, session=self.session)

    def note_delivery(self, mailbox: Mailbox) -> None:
        """The address took mail."""
        if mailbox.bounces:
            self.documents.update_one(_same(mailbox), {"$set": {"bounces": 0}}, session=self.session)

    def forget(self, person: str) -> None:
        """Delete a person's mailbox."""
        self.documents.delete_one({"_id": person}, session=self.session)


class CodesSent(Repository):
    """Whom codes were mailed to within the last hour."""

    collection = "codes_sent"
    indexes = [
        IndexModel([("person", ASCENDING), ("at", ASCENDING)]),
        IndexModel([("address", ASCENDING), ("at", ASCENDING)]),
        IndexModel([("at", ASCENDING)], expireAfterSeconds=int(HOUR.total_seconds())),
    ]

    def seconds_to_wait(self, person: str, address: str, now: datetime) -> int:
        """In how many seconds a code may be mailed to the person at the address; 0 if it may be now."""
        waits = [0]
        for query in ({"person": person}, {"address": address.lower()}):
            recent = {**query, "at": {"$gt": now - HOUR}}
            found = list(
                self.documents.find(recent, {"at": 1}, sort=[("at", -1)], limit=CODES_PER_HOUR, session=self.session)
            )
            if len(found) == CODES_PER_HOUR:
                waits.append(int((found[-1]["at"] + HOUR - now).total_seconds()) + 1)
        return max(waits)

    def add(self, person: str, address: str, now: datetime) -> None:
        """A code is mailed."""
        self.documents.insert_one({"person": person, "address": address.lower(), "at": now}, session=self.session)

    def forget(self, person: str) -> None:
        """Delete what is counted of a person."""
        self.documents.delete_many({"person": person}, session=self.session)


def _same(mailbox: Mailbox) -> dict[str, Any]:
    return {"_id": mailbox.person, "address": mailbox.address}


def _mailbox(document: dict[str, Any]) -> Mailbox:
    values = {name: document[name] for name in Mailbox.__slots__ if name != "person"}
    code = values["code"]
    return replace(Mailbox(person=document["_id"], **values), code=code and Code(**code))
