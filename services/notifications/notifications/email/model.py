"""Decides which address of a person is mailed to: one that they proved to read, until it has refused three times."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chassis.problems import Conflict, TooManyRequests

CODE_LASTS = timedelta(minutes=30)
TRIES = 5
"""How often a code may be guessed."""
CODES_PER_HOUR = 5
"""How many codes are mailed, to one person and to one address, whoever asks."""
HARD_BOUNCES = 3
"""After how many refusals for good, one after the other, nothing more is sent to an address."""

# The address specification of RFC 5322, section 3.4.1, as far as mail servers commonly take it; no comments, no quotes.
_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,63}", re.ASCII
)


class NothingToVerify(Conflict):
    """409: no code is out, it is too old, or it was guessed too often."""

    slug, title = "nothing-to-verify", "There is no code to verify"

    def __init__(self) -> None:
        super().__init__("No code that still counts was mailed. Give the address again, and a new one is mailed.")


class TooManyCodes(TooManyRequests):
    """429: too many codes were mailed within an hour."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"At most {CODES_PER_HOUR} codes are mailed in an hour. Try again in {seconds} s.")
        self.extra_headers = {
            "Retry-After": str(seconds),
            "RateLimit-Policy": f'"codes";q={CODES_PER_HOUR};w=3600',
            "RateLimit": f'"codes";r=0;t={seconds}',
        }


@dataclass(frozen=True, slots=True)
class Code:
    """A code that was mailed, as it is kept: nobody can read it there."""

    salt: bytes
    digest: bytes
    sent_at: datetime
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where a person gets mail, and wants to."""

    person: str
    address: str | None = None
    """The address that they proved to read."""
    wanted: str | None = None
    """Another one that they gave."""
    code: Code | None = None
    bounces: int = 0
    """How often the address has refused mail for good, one after the other."""
    given: int = 0
    """The sequence of the newest message that told of an address."""
    key: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    """Whoever has it may end the person's mail, and nothing else: it is in the mail itself."""

    @property
    def ended(self) -> bool:
        """Whether nothing more is sent to the address."""
        return self.bounces >= HARD_BOUNCES

    @property
    def active(self) -> str | None:
        """The address that mail goes to, if any."""
        return None if self.ended else self.address


def is_address(text: str) -> bool:
    """Whether mail can be sent there: one plain address, without a name."""
    return len(text) <= 254 and ".." not in text and _ADDRESS.fullmatch(text) is not None


def give(mailbox: Mailbox, address: str) -> Mailbox:
    """The person wants their mail at this address, and will prove that they read it. Until then the old one counts."""
    return replace(mailbox, wanted=address, code=None)


def take_over(mailbox: Mailbox, address: str | None, sequence: int) -> Mailbox:
    """The person's profile has this address now, or none. What it said before and what is known already changes nothing."""
    if sequence <= mailbox.given:
        return mailbox
    noted = replace(mailbox, given=sequence)
    if address is None:
        return replace(noted, address=None, wanted=None, code=None, bounces=0)
    return noted if address in (mailbox.address, mailbox.wanted) or not is_address(address) else give(noted, address)


def new_code() -> str:
    """Six digits, as one can type them."""
    return f"{secrets.randbelow(1_000_000):06}"


def kept(code: str, now: datetime) -> Code:
    """A code as it is kept. This takes a while (scrypt, RFC 7914): a million would take hours, and it lasts half of one."""
    salt = secrets.token_bytes(16)
    return Code(salt, _digest(code, salt), now)


def is_code(guess: str, code: Code) -> bool:
    """Whether a guess is the code. This takes a while too."""
    return hmac.compare_digest(_digest(guess, code.salt), code.digest)


def guessable(mailbox: Mailbox, now: datetime) -> Code:
    """The code that can be verified now. Raises NothingToVerify."""
    code = mailbox.code
    if mailbox.wanted is None or code is None or code.tries >= TRIES or now >= code.sent_at + CODE_LASTS:
        raise NothingToVerify()
    return code


def guessed(mailbox: Mailbox, right: bool) -> Mailbox:
    """The mailbox after a guess: the address counts from now on, or a try is gone."""
    assert mailbox.code is not None
    if right:
        return replace(mailbox, address=mailbox.wanted, wanted=None, code=None, bounces=0)
    return replace(mailbox, code=replace(mailbox.code, tries=mailbox.code.tries + 1))


def _digest(code: str, salt: bytes) -> bytes:
    return hashlib.scrypt(code.encode(), salt=salt, n=2**14, r=8, p=1, dklen=32)
