"""Passwords as argon2id hashes (RFC 9106), computed in a thread so that everybody else goes on."""

from __future__ import annotations

from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from chassis.threads import in_thread

# With two passes, what OWASP's Password Storage Cheat Sheet asks for; each hash names its own, so it can be raised at any time.
MEMORY_KIB = 19_456


def hash_password(password: str, memory_kib: int) -> str:
    """The hash to keep of a password; to make it takes this much memory, and time in proportion."""
    return in_thread(_hasher(memory_kib).hash, password)


def is_password(password: str, kept: str | None, memory_kib: int) -> bool:
    """Whether this is the password of which `kept` is the hash; without a hash it is not, after as long a time."""
    matches = in_thread(_verify, password, kept or _of_nobody(memory_kib))
    return matches and kept is not None


@cache
def _hasher(memory_kib: int) -> PasswordHasher:
    return PasswordHasher(time_cost=2, memory_cost=memory_kib, parallelism=1)


@cache
def _of_nobody(memory_kib: int) -> str:
    return _hasher(memory_kib).hash("whoever signs in with an unknown handle waits as long as everybody else")


def _verify(password: str, kept: str) -> bool:
    try:
        return PasswordHasher().verify(kept, password)
    except VerificationError:
        return False
