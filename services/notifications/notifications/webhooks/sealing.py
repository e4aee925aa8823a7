"""Seals the secrets of webhooks, so that whoever reads the database, or a backup of it, cannot sign in our name.

A signature needs the secret itself, so a hash cannot take its place. The keys come from the operator and are not in the database.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_OPEN, _SEALED = "open:", "sealed:"
_NONCE = 12


class Lost(Exception):
    """A secret that none of the keys opens."""


class Seal:
    """Seals with the first of the operator's keys and opens with any, so that a new key is put before the old one.

    Without keys secrets are kept as they are.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._boxes = [AESGCM(hashlib.sha256(key.encode()).digest()) for key in keys]

    def close(self, secret: str, webhook: str) -> str:
        """The secret as it is kept for a webhook, for whose id alone it opens."""
        if not self._boxes:
            return _OPEN + secret
        nonce = os.urandom(_NONCE)
        return (
            _SEALED
            + base64.b64encode(nonce + self._boxes[0].encrypt(nonce, secret.encode(), webhook.encode())).decode()
        )

    def open(self, kept: str, webhook: str) -> str:
        """The secret. Raises Lost."""
        if kept.startswith(_OPEN):
            return kept.removeprefix(_OPEN)
        sealed = base64.b64decode(kept.removeprefix(_SEALED))
        for box in self._boxes:
            try:
                return box.decrypt(sealed[:_NONCE], sealed[_NONCE:], webhook.encode()).decode()
            except InvalidTag:
                continue
        raise Lost(f"no key of CG_WEBHOOK_KEYS opens the secret of {webhook}")
