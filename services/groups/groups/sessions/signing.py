"""Access tokens: JWTs (RFC 7519) that the gateway verifies with the public keys in our contract, without asking us."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

if TYPE_CHECKING:
    from groups.people.model import Person
    from groups.settings import GroupsSettings

ISSUER = AUDIENCE = "commonground"
ALGORITHM = "ES256"
LIFETIME = timedelta(minutes=15)
SCOPE = "read write subscribe"
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)


class NoSigningKey(ValueError):
    """CG_SIGNING_KEY holds no usable key."""


@lru_cache(maxsize=8)
def keys_of(pem: str) -> tuple[ECKey, ...]:
    """The private keys in a text of PEM blocks, in their order, each named by its thumbprint (RFC 7638)."""
    try:
        keys = tuple(ECKey.import_key(block) for block in _PEM.findall(pem))
    except (ValueError, JoseError) as fault:
        raise NoSigningKey(f"CG_SIGNING_KEY cannot be read: {fault}") from fault
    if not keys or not all(key.curve_name == "P-256" and key.is_private for key in keys):
        raise NoSigningKey("CG_SIGNING_KEY must hold private keys on the curve P-256, as PEM.")
    for key in keys:
        key.ensure_kid()
    return keys


def access_token(pem: str, person: Person, session: str, now: datetime) -> str:
    """A signed access token for a person's session, valid for LIFETIME from `now`."""
    key = keys_of(pem)[0]
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": person.id,
        "handle": person.handle,
        "name": person.display_name,
        "sid": session,
        "scope": SCOPE,
        "iat": int(now.timestamp()),
        "exp": int((now + LIFETIME).timestamp()),
    }
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key)


def identity(settings: GroupsSettings) -> dict[str, Any]:
    """What the gateway needs to know whom a token speaks of: part of this service's contract."""
    jwks = [{**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM} for key in keys_of(settings.signing_key)]
    return {"issuer": ISSUER, "audience": AUDIENCE, "jwks": {"keys": jwks}, "introspect": "introspect"}
