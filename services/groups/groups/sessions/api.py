"""Endpoints for signing in, staying so and signing out, and for the gateway, which asks who a token speaks for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from chassis.addresses import network_of
from chassis.endpoints import ANYONE, SIGNED_IN, Call, endpoint
from chassis.problems import NotAllowed, TooManyRequests, Unavailable
from chassis.turns import TooLong
from groups.people.model import Person
from groups.people.schemas import NewPassword
from groups.sessions import model
from groups.sessions.passwords import hash_password, is_password
from groups.sessions.schemas import Credentials, Introspecting, Introspection, Refreshing, SignedIn
from groups.sessions.signing import LIFETIME, SCOPE, access_token


class AnotherPassword(NotAllowed):
    """403: they are signed in, but do not know their password."""

    def __init__(self) -> None:
        super().__init__("The current password is another one.")


class SessionsApi:
    """Signing in and out."""

    store: Any
    settings: Any

    @endpoint(
        "POST",
        "/v1/sessions",
        body=Credentials,
        returns=SignedIn,
        status=201,
        access=ANYONE,
        idempotent=True,
        limit="300/minute",
        problems=(TooManyRequests,),
    )
    def sign_in(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Sign in with handle and password."""
        person, kept = self._recognize(call, body["handle"], body["password"])
        with self.store.transaction(call, turn=person.id) as tx:
            # Who changes the password ends all sessions that there are, and none may begin by the old one after that.
            if not tx.people.still_has_password(person.id, kept):
                raise model.WrongCredentials()
            return self._go_on(tx, call, person, model.begin(person.id, call.now, self._lasts))

    @endpoint(
        "POST", "/v1/sessions/refresh", body=Refreshing, returns=SignedIn, status=201, access=ANYONE, idempotent=True
    )
    def refresh_session(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Go on with a session: new tokens for a refresh token.

        The refresh token is spent by this. A spent one that is used again ends the whole session. Send an
        `Idempotency-Key`, and the same request can be repeated when its answer was lost.
        """
        try:
            with self.store.transaction(call) as tx:
                token = tx.refresh_tokens.find(body["refresh_token"])
                session = model.refresh(token and tx.sessions.find(token.session), token, call.now, self._lasts)
                tx.refresh_tokens.spend(token)
                return self._go_on(tx, call, tx.people.get(session.person), session)
        except model.SpentToken as refusal:
            # Outside the unit of work, which a refusal undoes.
            self.store.sessions.end(refusal.session)
            raise

    @endpoint("DELETE", "/v1/sessions/current", status=204, access=SIGNED_IN)
    def sign_out(self, call: Call) -> None:
        """Sign out: the refresh token ends at once, the access token within 60 seconds."""
        if call.caller.session is None:
            raise NotAllowed("An API token has no session. To end the token itself, delete it from /v1/tokens.")
        self.store.sessions.end(call.caller.session)

    @endpoint("PUT", "/v1/me/password", body=NewPassword, status=204, access=SIGNED_IN, problems=(TooManyRequests,))
    def change_password(self, call: Call, body: dict[str, Any]) -> None:
        """Choose a new password; all other sessions end."""
        try:
            person, kept = self._recognize(call, call.caller.handle, body["current"])
        except model.WrongCredentials:
            raise AnotherPassword() from None
        password = hash_password(body["new"], self.settings.password_memory_kib)
        with self.store.transaction(call, turn=person.id) as tx:
            if not tx.people.still_has_password(person.id, kept):
                raise AnotherPassword()
            tx.people.set_password(person.id, password)
            tx.sessions.end_all(person.id, but=call.caller.session)

    @endpoint("POST", "/internal/introspect", body=Introspecting, returns=Introspection, access=ANYONE, internal=True)
    def introspect(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Say for the gateway whether an API token or a session still holds, and for whom."""
        if "token" in body:
            token = self.store.tokens.find(body["token"], call.now)
            return self._described(token and token.person, token and token.scopes, None, token and token.expires_at)
        session = self.store.sessions.find(body.get("session", ""))
        if session is None or session.expires_at <= call.now:
            return self._described(None)
        return self._described(session.person, SCOPE.split(), session.id, session.expires_at)

    # -- parts of the above

    @property
    def _lasts(self) -> timedelta:
        return timedelta(days=self.settings.session_days)

    def _recognize(self, call: Call, handle: str, password: str) -> tuple[Person, str]:
        """The person with this handle and password, and its hash. Raises WrongCredentials, TooManyAttempts."""
        if not self.settings.rate_limits:
            return self._known(handle, password)
        try:
            # One after another with one handle, or as many could be tried at once as there are calls at a time.
            with self.store.turns.take(f"sign-in {handle}", max(call.time_left() - 0.5, 0)):
                return self._try(call, handle, password)
        except TooLong:
            raise Unavailable("Too many attempts at once. Try again soon.") from None

    def _try(self, call: Call, handle: str, password: str) -> tuple[Person, str]:
        """Like `_recognize`, and counts it where it fails."""
        attempts = {
            model.HANDLE: (handle, self.settings.sign_ins_per_handle),
            model.ADDRESS: (network_of(call.address), self.settings.sign_ins_per_address),
        }
        for whose, (name, allowed) in attempts.items():
            made, until = self.store.attempts.made(whose, name, call.now)
            model.check_attempts(whose, made, until, call.now, allowed)
        try:
            found = self._known(handle, password)
        except model.WrongCredentials:
            for whose, (name, _) in attempts.items():
                self.store.attempts.count(whose, name, call.now)
            raise
        self.store.attempts.forget(model.HANDLE, handle)
        return found

    def _known(self, handle: str, password: str) -> tuple[Person, str]:
        found: tuple[Person, str] | None = self.store.people.with_password(handle)
        if not is_password(password, found and found[1], self.settings.password_memory_kib) or found is None:
            raise model.WrongCredentials()
        return found

    def _go_on(self, tx: Any, call: Call, person: Person, session: model.Session) -> dict[str, Any]:
        """Keep the session with a new refresh token, and show both tokens."""
        secret = model.new_secret("cgr_")
        tx.sessions.save(session)
        tx.refresh_tokens.add(model.refresh_token_of(session, secret))
        return {
            "access_token": access_token(self.settings.signing_key, person, session.id, call.now),
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
            "refresh_token": secret,
            "person": person,
        }

    def _described(
        self, person: str | None, scopes: Any = (), session: str | None = None, until: Any = None
    ) -> dict[str, Any]:
        known = person and self.store.people.references([person]).get(person)
        if not known:
            return {"active": False, "caller": None, "expires_at": None}
        return {"active": True, "caller": {**known, "scopes": scopes, "session": session}, "expires_at": until}
