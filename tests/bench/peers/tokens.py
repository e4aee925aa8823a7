"""The platform's own access tokens, JWTs signed with ES256, verified for every request, as the tools' guides show it."""

from __future__ import annotations

import json
import os
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

AUDIENCE = "commonground"
_CLAIMS = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": AUDIENCE},
    aud={"essential": True, "value": AUDIENCE},
    sub={"essential": True},
    exp={"essential": True},
)


def public_keys() -> KeySet:
    """The platform's public keys, from the environment."""
    return KeySet.import_key_set(json.loads(os.environ["PEER_JWKS"]))


def claims_of(authorization: str | None, keys: KeySet) -> dict[str, Any] | None:
    """What the token in an Authorization header says, or None if there is none that is valid now."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        claims = jwt.decode(token, keys, algorithms=["ES256"]).claims
        _CLAIMS.validate(claims)
    except JoseError:
        return None
    return claims
