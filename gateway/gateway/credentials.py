"""Says who calls: verifies access tokens (RFC 7519), has API tokens and sessions checked, remembers both a while."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from chassis.problems import AuthenticationRequired, DeadlineExceeded, Problem, Unavailable
from gateway.contracts import BadContract, Contracts, Identity, question

log = logging.getLogger(__name__)

ALGORITHMS = ["ES256"]
API_TOKEN = "cg_"  # noqa: S105  what API tokens begin with
CHECK_SECONDS = 30.0
"""How long the answer about a session or an API token is relied on: access ends at most this long after signing out."""
RETRY_SECONDS = 5.0
"""How long to leave the identity service alone when it did not answer."""
TRUST_SECONDS = 900.0
"""How long an API token stays good when nobody can be asked about it: as long as an access token lives."""
REFUSED_SECONDS = 10.0
QUESTION_SECONDS = 2.0
SKEW_SECONDS = 30
"""How far ahead the clock of the identity service may be."""
LONGEST = 4096
MOST = 20_000
"""How many credentials, sessions and refusals are remembered, each."""

V = TypeVar("V")


class InvalidToken(AuthenticationRequired):
    """401: credentials were sent, and they are false or expired (RFC 6750, section 3.1)."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.extra_headers = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{detail}"'}


class UnknownKey(Exception):
    """A token is signed with a key that is not known (yet)."""


@dataclass(slots=True)
class Standing:
    """Whether a session or an API token is good, as far as is known."""

    good: bool = False
    confirmed_at: float = 0.0
    check_at: float = 0.0
    checking: threading.Lock = field(default_factory=threading.Lock)

    def confirm(self, at: float) -> None:
        """Note that it was good at a time."""
        self.good = True
        if at > self.confirmed_at:
            self.confirmed_at, self.check_at = at, at + CHECK_SECONDS


@dataclass(slots=True)
class Credential:
    """What an Authorization header was found to mean."""

    caller: dict[str, Any]
    until: float
    standing: Standing
    question: dict[str, str]


class Credentials:
    """Turns Authorization headers into callers: `{"id", "handle", "display_name", "scopes", "session"}`."""

    def __init__(self, contracts: Contracts, now: Callable[[], float] = time.time) -> None:
        self.contracts, self.now = contracts, now
        self._identity: Identity | None = None
        self._keys: dict[str, ECKey] = {}
        self._known: dict[str, Credential] = {}
        self._sessions: dict[str, Standing] = {}
        self._refused: dict[str, tuple[float, str]] = {}
        self._refreshed_at = 0.0

    def remembered(self, authorization: str) -> dict[str, Any] | None:
        """The caller, if it is known without asking or computing anything."""
        known = self._known.get(authorization)
        if known is None:
            return None
        now = self.now()
        if known.until > now and known.standing.good and known.standing.check_at > now:
            return known.caller
        return None

    def verify(self, authorization: str) -> dict[str, Any]:
        """The caller. Raises InvalidToken, or Unavailable when what it takes to know is away."""
        identity = self._current_identity()
        refused = self._refused.get(authorization)
        if refused is not None and refused[0] > self.now():
            raise InvalidToken(refused[1])
        try:
            known = self._known.get(authorization) or self._read(_token(authorization), identity)
            if known.until <= self.now():
                raise InvalidToken("The token has expired.")
            self._check(known, identity)
        except InvalidToken as fault:
            self._known.pop(authorization, None)
            _remember(self._refused, authorization, (self.now() + REFUSED_SECONDS, fault.detail))
            raise
        if authorization not in self._known:
            _remember(self._known, authorization, known)
        return known.caller

    def until(self, authorization: str) -> float:
        """Until when credentials that were verified are good at most, in seconds since the epoch."""
        known = self._known.get(authorization)
        return known.until if known else self.now()

    def confirm(self, session: str) -> None:
        """Make sure that a session has not ended. Raises InvalidToken, or Unavailable when nobody can tell."""
        standing = self._sessions.get(session)
        if standing is None:
            standing = Standing()
            _remember(self._sessions, session, standing)
        self._check(Credential({}, float("inf"), standing, {"session": session}), self._current_identity())

    def _current_identity(self) -> Identity:
        identity = self.contracts.identity
        if identity is None:
            raise Unavailable("Nobody can say who you are just now. Try again soon.")
        if identity is not self._identity:
            if self._identity is None or identity.jwks != self._identity.jwks:
                # A key that is gone takes its tokens with it.
                self._known.clear()
                self._refused.clear()
                self._keys = _keys(identity.jwks)
            self._identity = identity
        return identity

    def _read(self, token: str, identity: Identity) -> Credential:
        if token.startswith(API_TOKEN):
            return Credential({}, float("inf"), Standing(), {"token": token})
        try:
            return self._read_access_token(token, identity)
        except UnknownKey:
            identity = self._with_new_keys(identity)
        try:
            return self._read_access_token(token, identity)
        except UnknownKey:
            raise InvalidToken("The token is signed with a key that is not known here.") from None

    def _with_new_keys(self, identity: Identity) -> Identity:
        """The keys may have been changed just now: ask for them, but not for every token that somebody makes up."""
        now = self.now()
        if now - self._refreshed_at >= RETRY_SECONDS:
            self._refreshed_at = now
            try:
                self.contracts.refresh(identity.service)
            except (Problem, BadContract):
                pass
        return self._current_identity()

    def _read_access_token(self, token: str, identity: Identity) -> Credential:
        try:
            claims = jwt.decode(token, self._key, algorithms=ALGORITHMS).claims
            registry = jwt.JWTClaimsRegistry(
                lambda: int(self.now()),
                iss={"essential": True, "value": identity.issuer},
                aud={"essential": True, "value": identity.audience},
                exp={"essential": True},
            )
            # A token is never good for longer than it says, but may come from a clock that is ahead.
            registry.validate({name: value for name, value in claims.items() if name not in ("iat", "nbf")})
            begins = max(_number(claims, "iat"), _number({"nbf": 0, **claims}, "nbf"))
            session = _text(claims, "sid")
            caller = {
                "id": _text(claims, "sub"),
                "handle": _text(claims, "handle"),
                "display_name": _text(claims, "name"),
                "scopes": _text(claims, "scope").split(),
                "session": session,
            }
        except (JoseError, ValueError, TypeError) as fault:
            log.info("a token was refused", extra={"fault": f"{type(fault).__name__}: {fault}"})
            expired = "expired" in type(fault).__name__.lower()
            raise InvalidToken("The token has expired." if expired else "The token is not one of ours.") from None
        if begins > self.now() + SKEW_SECONDS:
            raise InvalidToken("The token is not valid yet.")
        return Credential(caller, claims["exp"], self._session(session, begins), {"session": session})

    def _key(self, obj: Any) -> ECKey:
        key = self._keys.get(obj.headers().get("kid"))
        if key is None:
            raise UnknownKey()
        return key

    def _session(self, session: str, issued_at: float) -> Standing:
        """What is known of a session. That a token was issued for it says that it was good then."""
        standing = self._sessions.get(session)
        if standing is None:
            standing = Standing()
            _remember(self._sessions, session, standing)
            standing.confirm(min(issued_at, self.now()))
        elif standing.good:
            standing.confirm(min(issued_at, self.now()))
        return standing

    def _check(self, known: Credential, identity: Identity) -> None:
        """Ask whether a session or token is still good, if not asked lately. Raises InvalidToken, Unavailable."""
        standing = known.standing
        with standing.checking:
            if standing.check_at <= self.now():
                self._ask(known, identity)
        if not standing.good:
            what = "session" if "session" in known.question else "token"
            raise InvalidToken(f"The {what} has ended." if what == "session" else "The token is not one of ours.")

    def _ask(self, known: Credential, identity: Identity) -> None:
        standing, now = known.standing, self.now()
        try:
            answer = self._introspect(known.question, identity)
        except (Unavailable, DeadlineExceeded) as fault:
            if not standing.confirmed_at or ("token" in known.question and now - standing.confirmed_at > TRUST_SECONDS):
                raise Unavailable("Your token cannot be checked just now. Try again soon.") from fault
            # An access token stays good until it expires: who cannot be asked must not sign everybody out.
            log.warning("a credential cannot be checked", extra={"fault": fault.detail})
            standing.check_at = now + RETRY_SECONDS
            return
        if answer.get("active") is not True:
            standing.good, standing.check_at = False, float("inf")
            return
        standing.confirm(now)
        if "token" in known.question:
            known.caller = answer["caller"]
            if answer.get("expires_at"):
                known.until = datetime.fromisoformat(answer["expires_at"]).timestamp()

    def _introspect(self, content: dict[str, str], identity: Identity) -> dict[str, Any]:
        deadline = time.time() + QUESTION_SECONDS
        head = question(identity.introspect, "introspection", deadline)
        status, _, body = self.contracts.call(identity.service, head, json.dumps(content).encode(), deadline)
        if status != 200:
            log.error("introspection failed", extra={"status": status})
            raise Unavailable()
        answer: dict[str, Any] = json.loads(body)
        return answer


def _token(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise InvalidToken("Only Bearer tokens are accepted.")
    token = token.strip()
    if not token or len(token) > LONGEST:
        raise InvalidToken("The token is not one of ours.")
    return token


def _keys(jwks: dict[str, Any]) -> dict[str, ECKey]:
    """The public keys that can verify access tokens, by their id."""
    found = {}
    for one in jwks["keys"]:
        if one.get("kty") == "EC" and one.get("crv") == "P-256" and one.get("kid"):
            found[one["kid"]] = ECKey.import_key(one)
    return found


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is no text")
    return value


def _number(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is no number")
    return value


def _remember(found: dict[str, V], key: str, value: V) -> None:
    """Keep a value; the one that came first goes when there are too many. It is asked for again if it is still used."""
    found.pop(key, None)
    if len(found) >= MOST:
        del found[next(iter(found))]
    found[key] = value
