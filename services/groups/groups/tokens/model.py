"""The rules about API tokens: what they are allowed, and for how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chassis.ids import new_id
from chassis.problems import NotAllowed

PREFIX = "cg_"


@dataclass(slots=True)
class Token:
    """What another system has in order to act for a person; only the hash of the secret is kept."""

    id: str
    person: str
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None


def make(person: str, session: str | None, wanted: Mapping[str, Any], now: datetime) -> Token:
    """A new token for a person who is signed in. Raises NotAllowed for a token: none may give away what it has."""
    if session is None:
        raise NotAllowed("An API token cannot make another. Sign in to make one.")
    days = wanted.get("expires_in_days")
    expires_at = None if days is None else now + timedelta(days=days)
    return Token(new_id("tok"), person, wanted["name"], wanted["scopes"], created_at=now, expires_at=expires_at)
