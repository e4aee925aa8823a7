"""Passwords as argon2id hashes (RFC 9106), computed in a thread so that everybody else goes on."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from chassis.threads import in_thread

# The parameters of OWASP's Password Storage Cheat Sheet; each hash names its own, so they can be raised at any time.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
_OF_NOBODY = _HASHER.hash("whoever signs in with an unknown handle waits as long as everybody else")


def hash_password(password: str) -> str:
    """The hash to keep of a password."""
    return in_thread(_HASHER.hash, password)


def is_password(password: str, kept: str | None) -> bool:
    """Whether this is the password of which `kept` is the hash; without a hash it is not, after as long a time."""
    matches = in_thread(_verify, password, kept or _OF_NOBODY)
    return matches and kept is not None


def _verify(password: str, kept: str) -> bool:
    try:
        return _HASHER.verify(kept, password)
    except VerificationError:
        return False
