"""Sessions, refresh tokens and attempts to sign in, in MongoDB; each vanishes when its time is over."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pymongo import IndexModel

from chassis.store import Repository
from groups.sessions.model import ATTEMPTS_WITHIN, RefreshToken, Session, hash_of


class Sessions(Repository):
    """Sessions by id; one that has ended is not here."""

    collection = "sessions"
    indexes = (IndexModel("person"), IndexModel("expires_at", expireAfterSeconds=0))

    def save(self, session: Session) -> None:
        """Keep a session, new or refreshed."""
        document = _document(session)
        self.documents.replace_one({"_id": session.id}, document, upsert=True, session=self.session)

    def find(self, identifier: str) -> Session | None:
        """The session, or None when it has ended."""
        found = self.documents.find_one({"_id": identifier}, session=self.session)
        return Session(**_values(found)) if found else None

    def of(self, person: str) -> list[Session]:
        """All sessions of a person, the oldest first."""
        found = self.documents.find({"person": person}, session=self.session)
        return sorted((Session(**_values(one)) for one in found), key=lambda one: one.id)

    def end(self, identifier: str) -> None:
        """End a session."""
        self.documents.delete_one({"_id": identifier}, session=self.session)

    def end_all(self, person: str, but: str | None = None) -> None:
        """End all sessions of a person, but for one."""
        self.documents.delete_many({"person": person, "_id": {"$ne": but}}, session=self.session)


class RefreshTokens(Repository):
    """Refresh tokens by their hash. Spent ones stay until they would have expired, so that their use again is seen."""

    collection = "refresh_tokens"
    indexes = (IndexModel("expires_at", expireAfterSeconds=0),)

    def add(self, token: RefreshToken) -> None:
        """Keep a new token."""
        self.documents.insert_one(_document(token), session=self.session)

    def find(self, secret: str) -> RefreshToken | None:
        """The token that this secret is, or None."""
        found = self.documents.find_one({"_id": hash_of(secret)}, session=self.session)
        return RefreshToken(**_values(found)) if found else None

    def spend(self, token: RefreshToken) -> None:
        """Note that it was used. Of two transactions that do so at once, one begins again and sees it spent."""
        self.documents.update_one({"_id": token.id}, {"$set": {"spent": True}}, session=self.session)


class Attempts(Repository):
    """How often it failed to sign in with a handle, whether it exists or not, or from an address (`whose`: which of the two)."""

    collection = "sign_in_attempts"
    indexes = (IndexModel("until", expireAfterSeconds=0),)

    def made(self, whose: str, name: str, now: datetime) -> tuple[int, datetime]:
        """How many attempts failed in a span of time, and when that ends."""
        found = self.documents.find_one({"_id": _key(whose, name), "until": {"$gt": now}})
        return (found["attempts"], found["until"]) if found else (0, now)

    def count(self, whose: str, name: str, now: datetime) -> None:
        """Count one more that failed."""
        over = {"$lte": [{"$ifNull": ["$until", now]}, now]}
        attempts = {"$cond": [over, 1, {"$add": ["$attempts", 1]}]}
        until = {"$cond": [over, now + ATTEMPTS_WITHIN, "$until"]}
        self.documents.update_one(
            {"_id": _key(whose, name)}, [{"$set": {"attempts": attempts, "until": until}}], upsert=True
        )

    def forget(self, whose: str, name: str) -> None:
        """Begin to count anew."""
        self.documents.delete_one({"_id": _key(whose, name)})


def _key(whose: str, name: str) -> str:
    # Neither has a line break in it.
    return hash_of(f"{whose}\n{name}")


def _document(kept: Session | RefreshToken) -> dict[str, Any]:
    document = asdict(kept)
    return {"_id": document.pop("id"), "schema": 1, **document}


def _values(document: dict[str, Any]) -> dict[str, Any]:
    return {("id" if name == "_id" else name): value for name, value in document.items() if name != "schema"}
