"""The rules about sessions: how long they last, how refresh tokens rotate, how often one may try to sign in."""

from __future__ import annotations

import hashlib
import math
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chassis.ids import new_id
from chassis.problems import AuthenticationRequired, TooManyRequests

ATTEMPTS_WITHIN = timedelta(minutes=15)
HANDLE, ADDRESS = "handle", "address"
_WHOSE = {HANDLE: "with this handle", ADDRESS: "from this address"}


class WrongCredentials(AuthenticationRequired):
    """401: the same for an unknown handle and for a wrong password."""

    def __init__(self) -> None:
        super().__init__("Handle and password do not belong together.")


class TooManyAttempts(TooManyRequests):
    """429: a handle was tried too often, whoever tried it, or too much was tried from an address."""

    def __init__(self, whose: str, headers: dict[str, str]) -> None:
        super().__init__(f"Too many attempts to sign in {_WHOSE[whose]}. Wait before you try again.")
        self.extra_headers = headers


class SpentToken(AuthenticationRequired):
    """401: a refresh token was used again, so its successor may be in false hands: the session has to end."""

    def __init__(self, session: str) -> None:
        super().__init__("This refresh token was used before, so its session has ended. Sign in again.")
        self.session = session


@dataclass(slots=True)
class Session:
    """A person signed in somewhere."""

    id: str
    person: str
    created_at: datetime
    refreshed_at: datetime
    expires_at: datetime


@dataclass(slots=True)
class RefreshToken:
    """One link of the chain of tokens by which a session goes on; only its hash is kept."""

    id: str
    session: str
    spent: bool
    expires_at: datetime


def begin(person: str, now: datetime, lasts: timedelta) -> Session:
    """A new session of a person."""
    return Session(new_id("ses"), person, created_at=now, refreshed_at=now, expires_at=now + lasts)


def new_secret(prefix: str) -> str:
    """An unguessable text of 256 random bits."""
    return prefix + secrets.token_urlsafe(32)


def hash_of(secret: str) -> str:
    """Under which a random secret is kept: too random to be guessed, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def refresh_token_of(session: Session, secret: str) -> RefreshToken:
    """The token, to be kept, that this secret is."""
    return RefreshToken(hash_of(secret), session.id, spent=False, expires_at=session.expires_at)


def refresh(session: Session | None, token: RefreshToken | None, now: datetime, lasts: timedelta) -> Session:
    """The session as it goes on by this token. Raises SpentToken, or AuthenticationRequired when it has ended."""
    if session is None or token is None or min(session.expires_at, token.expires_at) <= now:
        raise AuthenticationRequired("This refresh token is not valid any more. Sign in again.")
    if token.spent:
        raise SpentToken(session.id)
    return replace(session, refreshed_at=now, expires_at=now + lasts)


def check_attempts(whose: str, attempts: int, until: datetime, now: datetime, allowed: int) -> None:
    """Raises TooManyAttempts when as many attempts to sign in failed as are allowed in a span that ends at `until`.

    `whose` attempts: those with a HANDLE, or from an ADDRESS.
    """
    if attempts < allowed:
        return
    seconds = max(1, math.ceil((until - now).total_seconds()))
    policy = f"sign-in-{whose}"
    raise TooManyAttempts(
        whose,
        {
            "Retry-After": str(seconds),
            "RateLimit-Policy": f'"{policy}";q={allowed};w={int(ATTEMPTS_WITHIN.total_seconds())}',
            "RateLimit": f'"{policy}";r=0;t={seconds}',
        },
    )
