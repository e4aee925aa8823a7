"""Keeps mails until they are sent, and for a while after; and when digests are due.

A mail is claimed by moving its time: who takes it makes it due again a little later, and has sent it by then, or died.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, IndexModel, UpdateOne
from pymongo.errors import ConnectionFailure

from chassis.store import Repository
from notifications.mails.model import DROPPED, SENT, WHATS, Digest, Mail, Rhythm, code_mail, code_mail_id

SCHEMA = 1
LEASE = timedelta(seconds=60)
"""For how long a mail is claimed. Who claimed it begins to send it within a third of that, which takes a third at most."""
NOTE_SECONDS = 20.0
"""For how long it is tried to keep that mails were sent: their claims last as long."""
BATCH = 250
KEPT = timedelta(days=30)
"""How long it is known what became of a mail."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Mails that one process has claimed."""

    token: str
    mails: list[Mail]


class Mails(Repository):
    """All mails of the last 30 days, and those that are still to be sent."""

    collection = "mails"
    indexes = [
        IndexModel(
            [("what", ASCENDING), ("due_at", ASCENDING)],
            name="due",
            partialFilterExpression={"due_at": {"$type": "date"}},
        ),
        IndexModel([("person", ASCENDING)], name="of_a_person"),
        IndexModel([("ended_at", ASCENDING)], name="ended", expireAfterSeconds=int(KEPT.total_seconds())),
    ]

    def add(self, mails: Collection[Mail]) -> None:
        """Have mails sent when they are due."""
        if mails:
            self.documents.insert_many([_document(one) for one in mails], session=self.session)

    def add_code(self, person: str, now: datetime) -> None:
        """Have a new code mailed, in place of one that is still to be."""
        mail = code_mail(person, now)
        self.documents.replace_one({"_id": mail.id}, _document(mail), upsert=True, session=self.session)

    def drop_code(self, person: str) -> None:
        """Have no code mailed that is still to be."""
        self.documents.delete_one({"_id": code_mail_id(person)}, session=self.session)

    def claim(self, now: datetime, most: int) -> list[Batch]:
        """At most so many batches of mails that are due, the most urgent first, each claimed for LEASE."""
        found: list[Batch] = []
        for what in WHATS:
            while len(found) < most and (batch := self._claim(what, now)).mails:
                found.append(batch)
        return found

    def _claim(self, what: str, now: datetime) -> Batch:
        due = {"what": what, "due_at": {"$lte": now}}
        found = list(self.documents.find(due, sort=[("due_at", ASCENDING)], limit=BATCH))
        token = secrets.token_hex(8)
        if not found:
            return Batch(token, [])
        ids = [one["_id"] for one in found]
        claimed = {"$set": {"due_at": now + LEASE, "claimed_by": token}}
        done = self.documents.update_many({"_id": {"$in": ids}, "due_at": {"$lte": now}}, claimed)
        if done.modified_count < len(ids):
            # Another process was there too, and has the others.
            found = list(self.documents.find({"_id": {"$in": ids}, "claimed_by": token}))
        return Batch(token, [_mail(one) for one in found])

    def settle(self, token: str, mails: Iterable[Mail], now: datetime) -> None:
        """Keep what became of mails that were claimed by this token, unless somebody else has them by now."""
        changes = [UpdateOne({"_id": one.id, "claimed_by": token}, _settled(one, now)) for one in mails]
        if changes:
            self.documents.bulk_write(changes, ordered=False, session=self.session)

    def settle_sent(self, tokens: Collection[str], ids: Collection[str]) -> None:
        """Keep that mails that were claimed by these tokens were sent just now.

        What is forgotten is sent again, so a database that is away is waited for, up to ConnectionFailure after NOTE_SECONDS.
        """
        sent = {"state": SENT, "reason": None, "ended_at": datetime.now(UTC)}
        mine = {"_id": {"$in": list(ids)}, "claimed_by": {"$in": list(tokens)}}
        until = time.monotonic() + NOTE_SECONDS
        while True:
            try:
                self.documents.update_many(mine, {"$set": sent, "$unset": {"claimed_by": "", "due_at": ""}})
                return
            except ConnectionFailure:
                if time.monotonic() > until:
                    raise

    def known(self, ids: Collection[str]) -> set[str]:
        """Which of these mails there are, but for those that nobody wanted any more."""
        wanted = {"_id": {"$in": list(ids)}, "state": {"$ne": DROPPED}}
        return {one["_id"] for one in self.documents.find(wanted, {"_id": 1}, session=self.session)}

    def of(self, person: str) -> list[Mail]:
        """All mails to a person."""
        return [_mail(one) for one in self.documents.find({"person": person}, session=self.session)]

    def forget(self, person: str) -> None:
        """Delete all mails to a person."""
        self.documents.delete_many({"person": person}, session=self.session)


class Digests(Repository):
    """When digests are due: a document for each person who gets mail and each rhythm."""

    collection = "digests"
    indexes = [
        IndexModel([("due_at", ASCENDING)], name="due"),
        IndexModel([("person", ASCENDING)], name="of_a_person"),
    ]

    def due(self, now: datetime, limit: int) -> list[tuple[str, Rhythm]]:
        """Whose digests are due, of which rhythm; at most so many."""
        found = self.documents.find({"due_at": {"$lte": now}}, sort=[("due_at", ASCENDING)], limit=limit)
        return [(one["person"], one["rhythm"]) for one in found]

    def get(self, person: str, rhythm: Rhythm) -> Digest | None:
        """A person's digest, if they get mail."""
        found = self.documents.find_one({"_id": f"{person}.{rhythm}"}, session=self.session)
        return _digest(found) if found else None

    def of(self, person: str) -> list[Digest]:
        """All digests of a person."""
        return [_digest(one) for one in self.documents.find({"person": person}, session=self.session)]

    def save(self, digest: Digest) -> None:
        """Keep a digest."""
        document = {"schema": SCHEMA, **asdict(digest)}
        self.documents.replace_one(
            {"_id": f"{digest.person}.{digest.rhythm}"}, document, upsert=True, session=self.session
        )

    def forget(self, person: str) -> None:
        """Delete a person's digests."""
        self.documents.delete_many({"person": person}, session=self.session)


_FIELDS = tuple(name for name in Mail.__slots__ if name != "id")


def _settled(mail: Mail, now: datetime) -> dict[str, Any]:
    seen = {"attempts": mail.attempts, "state": mail.state, "reason": mail.reason}
    if mail.due_at is not None:
        return {"$set": {**seen, "due_at": mail.due_at}, "$unset": {"claimed_by": ""}}
    return {"$set": {**seen, "ended_at": now}, "$unset": {"claimed_by": "", "due_at": ""}}


def _document(mail: Mail) -> dict[str, Any]:
    return {"_id": mail.id, "schema": SCHEMA, **{name: getattr(mail, name) for name in _FIELDS}}


def _mail(document: dict[str, Any]) -> Mail:
    values: dict[str, Any] = {name: document.get(name) for name in _FIELDS}
    return Mail(id=document["_id"], **values)


def _digest(document: dict[str, Any]) -> Digest:
    return Digest(**{name: document[name] for name in Digest.__slots__})
