"""API tokens in MongoDB, found by the hash of their secret."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from pymongo import ASCENDING, IndexModel

from chassis.problems import NotFound
from chassis.store import Repository
from groups.sessions.model import hash_of
from groups.tokens.model import Token


class Tokens(Repository):
    """API tokens; one that has expired vanishes."""

    collection = "tokens"
    indexes = (
        IndexModel("secret", unique=True),
        IndexModel([("person", ASCENDING), ("_id", ASCENDING)]),
        IndexModel("expires_at", expireAfterSeconds=0),
    )

    def add(self, token: Token, secret: str) -> None:
        """Keep a new token with the hash of its secret."""
        document = asdict(token)
        self.documents.insert_one(
            {"_id": document.pop("id"), "schema": 1, **document, "secret": hash_of(secret)}, session=self.session
        )

    def find(self, secret: str, now: datetime) -> Token | None:
        """The token whose secret this is, or None when there is none any more."""
        found = self.documents.find_one({"secret": hash_of(secret)}, session=self.session)
        token = found and _token(found)
        return token if token and (token.expires_at is None or token.expires_at > now) else None

    def of(self, person: str, after: str = "", limit: int = 0) -> list[Token]:
        """A person's tokens in the order they were made, from after an id on; `limit` 0 means all."""
        found = self.documents.find({"person": person, "_id": {"$gt": after}}, session=self.session)
        return [_token(one) for one in found.sort("_id", ASCENDING).limit(limit)]

    def remove(self, identifier: str, person: str) -> None:
        """End a person's token. Raises NotFound."""
        if not self.documents.delete_one({"_id": identifier, "person": person}, session=self.session).deleted_count:
            raise NotFound("You have no such token.")

    def remove_all(self, person: str) -> None:
        """End all tokens of a person."""
        self.documents.delete_many({"person": person}, session=self.session)


def _token(document: dict[str, Any]) -> Token:
    return Token(id=document["_id"], **{name: document[name] for name in Token.__slots__ if name != "id"})
