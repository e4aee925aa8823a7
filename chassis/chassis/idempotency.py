"""`Idempotency-Key`: the same request twice has one effect and one answer, whatever crashes in between.

The record is written in the transaction of the effect, so there is no state "running" that a crash could leave behind: a second
request that comes meanwhile meets the uncommitted record as a write conflict. Whoever reads the database learns neither the key
nor the request nor the answer from a record: they are hashed, or sealed with the key itself (an answer can hold a token).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from chassis.problems import IdempotencyInProgress, IdempotencyMismatch, MalformedRequest

if TYPE_CHECKING:
    from pymongo.client_session import ClientSession
    from pymongo.database import Database

    from chassis.endpoints import Call

KEPT = timedelta(hours=24)
COLLECTION = "idempotency"
INDEXES = [IndexModel([("expires_at", ASCENDING)], expireAfterSeconds=0)]
_WRITE_CONFLICT = 112
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claim:
    """One caller's use of one key for one request."""

    id: bytes
    fingerprint: bytes
    seal: bytes
    now: datetime

    @classmethod
    def of(cls, call: Call) -> Claim:
        """The claim that a call makes by its key: 1 to 255 visible ASCII characters. Raises MalformedRequest."""
        key = call.idempotency_key or ""
        if not _VISIBLE_ASCII.fullmatch(key):
            raise MalformedRequest("Idempotency-Key takes 1 to 255 visible ASCII characters.")
        scope = call.person.id if call.person else "anyone"
        request = b"\n".join([call.endpoint.encode(), call.target.encode(), call.query.encode(), call.body])
        return cls(
            id=hashlib.sha256(f"{scope}\n{key}".encode()).digest(),
            fingerprint=hmac.digest(key.encode(), request, "sha256"),
            seal=hmac.digest(key.encode(), b"seal\n" + scope.encode(), "sha256"),
            now=call.now,
        )


def stake(claim: Claim, database: Database[Any], session: ClientSession) -> None:
    """Write the record's place, first thing in the transaction. Raises IdempotencyInProgress when another holds it."""
    try:
        database[COLLECTION].insert_one(
            {"_id": claim.id, "fingerprint": claim.fingerprint, "expires_at": claim.now + KEPT}, session=session
        )
    except DuplicateKeyError:
        # The first one committed since we looked: the caller's next try is answered with its answer.
        raise IdempotencyInProgress("It has just finished. Repeat this request for its answer.") from None
    except OperationFailure as fault:
        if fault.code == _WRITE_CONFLICT:
            raise IdempotencyInProgress("Wait for its answer, or repeat this request a little later.") from None
        raise


def keep(claim: Claim, answer: bytes, database: Database[Any], session: ClientSession) -> None:
    """Put the answer into the record, last thing in the transaction."""
    nonce = os.urandom(12)
    sealed = nonce + AESGCM(claim.seal).encrypt(nonce, answer, claim.id)
    database[COLLECTION].update_one({"_id": claim.id}, {"$set": {"answer": sealed}}, session=session)


def recall(claim: Claim, database: Database[Any]) -> bytes | None:
    """The answer that this request got before, or None. Raises IdempotencyMismatch when the key was used for another request."""
    found = database[COLLECTION].find_one({"_id": claim.id, "expires_at": {"$gt": claim.now}})
    if found is None:
        return None
    if not hmac.compare_digest(found["fingerprint"], claim.fingerprint):
        raise IdempotencyMismatch("Use a new key for a new request.")
    sealed: bytes = found["answer"]
    return AESGCM(claim.seal).decrypt(sealed[:12], sealed[12:], claim.id)
