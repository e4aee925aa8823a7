"""How long credentials are relied on, with a clock that is turned by hand."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from chassis.health import Health
from chassis.problems import Unavailable
from gateway.contracts import Contract, Contracts
from gateway.credentials import Credentials, InvalidToken


class Identity:
    """What an identity service says, without a broker in between."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", parameters={"kid": "first"})
        self.digest = 0
        self.asked: list[dict[str, str]] = []
        self.active = True
        self.away = False
        self.caller: dict[str, Any] | None = None
        self.expires_at: str | None = None

    def call(
        self, service: str, head: dict[str, Any], body: bytes, deadline: float
    ) -> tuple[int, dict[str, str], bytes]:
        if self.away:
            raise Unavailable()
        if head["endpoint"] == "contract":
            return 200, {}, json.dumps(self.contract()).encode()
        self.asked.append(json.loads(body))
        answer = {"active": self.active, "caller": self.caller, "expires_at": self.expires_at}
        return 200, {}, json.dumps(answer).encode()

    def contract(self) -> dict[str, Any]:
        self.digest += 1
        keys = {"keys": [self.key.as_dict(private=True)]}
        identity = {"issuer": "cg", "audience": "cg", "jwks": keys, "introspect": "introspect"}
        return {"service": "people", "digest": str(self.digest), "routes": [], "identity": identity}

    def token(self, at: float, **claims: Any) -> str:
        said = {
            "iss": "cg",
            "aud": "cg",
            "sub": "psn_1",
            "handle": "ana",
            "name": "Ana",
            "sid": "ses_1",
            "scope": "read",
        }
        said |= {"iat": int(at), "exp": int(at) + 900, **claims}
        return "Bearer " + jwt.encode({"alg": "ES256", "kid": self.key.kid}, said, self.key)


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def identity() -> Identity:
    return Identity()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def contracts(identity: Identity) -> Contracts:
    contracts = Contracts(["people"], identity.call, Health())
    contracts._take(Contract.read("people", identity.contract()))
    return contracts


@pytest.fixture
def caller(contracts: Contracts, clock: Clock) -> Callable[[str], Any]:
    """Who an Authorization header says is calling, as the application asks."""
    credentials = Credentials(contracts, clock)
    return lambda authorization: credentials.remembered(authorization) or credentials.verify(authorization)


def test_private_keys_are_neither_kept_nor_published(contracts):
    assert "d" not in contracts.identity.jwks["keys"][0]


def test_a_session_is_asked_about_every_30_s_and_no_more_often(identity, clock, caller):
    token = identity.token(clock.now)
    for _ in range(100):
        assert caller(token)["id"] == "psn_1"
        clock.now += 1
    assert 2 <= len(identity.asked) <= 4


def test_access_ends_within_30_s_of_signing_out(identity, clock, caller):
    token = identity.token(clock.now)
    caller(token)
    identity.active = False
    clock.now += 29
    caller(token)
    clock.now += 2
    with pytest.raises(InvalidToken):
        caller(token)


def test_a_session_that_ended_stays_ended_for_all_its_tokens(identity, clock, caller):
    first = identity.token(clock.now)
    caller(first)
    identity.active = False
    clock.now += 31
    with pytest.raises(InvalidToken):
        caller(first)
    identity.active = True
    with pytest.raises(InvalidToken):
        caller(identity.token(clock.now))


def test_an_access_token_outlives_the_identity_service_until_it_expires(identity, clock, caller):
    token = identity.token(clock.now)
    caller(token)
    identity.away = True
    clock.now += 890
    assert caller(token)
    clock.now += 11
    with pytest.raises(InvalidToken):
        caller(token)


def test_the_identity_service_is_left_alone_for_a_while_when_it_is_away(identity, clock, caller, contracts):
    token = identity.token(clock.now)
    caller(token)
    calls: list[float] = []

    def away(*args: Any) -> Any:
        calls.append(clock.now)
        raise Unavailable()

    contracts.call = away
    clock.now += 31
    for _ in range(20):
        caller(token)
        clock.now += 0.5
    assert 2 <= len(calls) <= 3


def test_an_api_token_is_trusted_for_15_minutes_without_the_identity_service(identity, clock, caller):
    identity.caller = {"id": "psn_2", "handle": "bot", "display_name": "Bot", "scopes": ["read"], "session": None}
    assert caller("Bearer cg_x") == identity.caller
    identity.away = True
    clock.now += 800
    assert caller("Bearer cg_x") == identity.caller
    clock.now += 120
    with pytest.raises(Unavailable):
        caller("Bearer cg_x")


def test_an_api_token_changes_and_ends_within_30_s(identity, clock, caller):
    identity.caller = {"id": "psn_2", "handle": "bot", "display_name": "Bot", "scopes": ["read"], "session": None}
    caller("Bearer cg_x")
    identity.caller = {**identity.caller, "scopes": []}
    clock.now += 31
    assert caller("Bearer cg_x")["scopes"] == []
    identity.active = False
    clock.now += 31
    with pytest.raises(InvalidToken):
        caller("Bearer cg_x")


def test_an_api_token_ends_when_it_said_it_would(identity, clock, caller):
    identity.caller = {"id": "psn_2", "handle": "bot", "display_name": "Bot", "scopes": ["read"], "session": None}
    identity.expires_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now + 10))
    assert caller("Bearer cg_x")
    clock.now += 12
    identity.away = True
    with pytest.raises(InvalidToken):
        caller("Bearer cg_x")


def test_a_new_key_is_fetched_when_a_token_needs_it(identity, clock, caller):
    old = identity.token(clock.now)
    caller(old)
    identity.key = ECKey.generate_key("P-256", parameters={"kid": "second"})
    assert caller(identity.token(clock.now))["id"] == "psn_1"
    with pytest.raises(InvalidToken):
        caller(old)


def test_made_up_keys_do_not_make_the_gateway_ask_each_time(identity, clock, caller):
    other = Identity()
    other.key = ECKey.generate_key("P-256", parameters={"kid": "made-up"})
    before = identity.digest
    for number in range(10):
        with pytest.raises(InvalidToken):
            caller(other.token(clock.now, jti=str(number)))
    assert identity.digest == before + 1


def test_without_an_identity_nobody_can_tell(identity, clock):
    credentials = Credentials(Contracts(["people"], identity.call, Health()), clock)
    with pytest.raises(Unavailable):
        credentials.verify(identity.token(clock.now))


def test_memory_is_bounded(identity, clock, contracts, monkeypatch):
    monkeypatch.setattr("gateway.credentials.MOST", 5)
    credentials = Credentials(contracts, clock)
    for number in range(20):
        credentials.verify(identity.token(clock.now, sid=f"ses_{number}"))
    assert len(credentials._known) == len(credentials._sessions) == 5
