"""The codes of invitations: who manages a group can read them again, who reads the database cannot.

A code is derived from the invitation's id and the signing key, and the database keeps its hash. So it holds whatever happens to
the key, but can be shown only while the key from which it was made is among the signing keys.
"""

from __future__ import annotations

import base64
import hmac

from groups.invitations.model import Invitation
from groups.sessions.model import hash_of
from groups.sessions.signing import keys_of

_BYTES = 16


def new_code(pem: str, identifier: str) -> str:
    """The code of a new invitation with this id: 128 bits that nobody can guess without the first of the signing keys."""
    return _codes(pem, identifier)[0]


def code_of(pem: str, invitation: Invitation) -> str | None:
    """The code of an invitation, or None when the signing key from which it was made is gone."""
    return next((code for code in _codes(pem, invitation.id) if hash_of(code) == invitation.code), None)


def _codes(pem: str, identifier: str) -> list[str]:
    secrets = (str(key.as_dict(private=True)["d"]) for key in keys_of(pem))
    made = (hmac.digest(secret.encode(), f"invitation\n{identifier}".encode(), "sha256") for secret in secrets)
    return [base64.b32encode(one[:_BYTES]).decode().rstrip("=").lower() for one in made]
