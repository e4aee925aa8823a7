"""The rules of deliveries: who may see a message, what is pushed, when again, and when there is no use in that."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from ulid import ULID

from chassis.ids import new_id

Status = Literal["queued", "delivered", "failed", "withheld"]
QUEUED: Status = "queued"
DELIVERED: Status = "delivered"
FAILED: Status = "failed"
WITHHELD: Status = "withheld"
STATUSES: Sequence[Status] = (QUEUED, DELIVERED, FAILED, WITHHELD)

_S, _M, _H = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
PAUSES = (5 * _S, 1 * _M, 5 * _M, 30 * _M, 2 * _H, 6 * _H, 12 * _H, 21 * _H, 30 * _H)
"""How long to wait after the first, second, … failed attempt: ten attempts within three days."""
JITTER = 0.1
"""By which part a pause is longer or shorter, by chance, so that those who failed together do not come back together."""

LONGEST_REST = timedelta(seconds=60)
"""How long an endpoint that fails is left alone at most, whatever waits for it."""
LONGEST_ASKED = timedelta(hours=1)
"""The same, where it asks to be left alone."""
PATIENCE = timedelta(days=5)
"""After how long without any success a webhook is disabled."""

LARGEST_BODY = 20_000
"""Bytes of a body at most; of a larger message only its attributes are pushed."""
KEPT = timedelta(days=30)
"""How long a delivery stands in the log and can be had again."""

GONE_CODE = 410
PING = "commonground.notifications.ping.v1"
ERASED = "commonground.groups.person.erased.v1"
_PERSON = re.compile(rb"\bpsn_[0-9A-Z]{26}\b")


# -- who may see it


@dataclass(frozen=True, slots=True)
class Letter:
    """What is pushed of one message: the body, and what decides who may see it.

    `audience` is the message's; `group` is the group that it is about, `person` the one person whom it concerns. `people` are all
    who stand in it.
    """

    id: str
    source: str
    type: str
    audience: str
    group: str | None
    person: str | None
    body: bytes
    people: tuple[str, ...] = ()

    @property
    def is_farewell(self) -> bool:
        """Whether it tells that somebody erased themselves: the one thing that is told of them then."""
        return self.type == ERASED

    @property
    def key(self) -> str:
        """What a message is known by for ever."""
        return f"{self.source} {self.id}"


def letter_of(raw: bytes) -> Letter | None:
    """What is pushed of a message (its envelope as it came); None for one that no webhook receives.

    Which group it is about, or which one person it concerns, has to stand in it: where that is not plain, nobody
    receives it. A message that lists people is for nobody, since none of them may learn of the others.
    """
    envelope = json.loads(raw)
    data = envelope.get("data")
    if not isinstance(data, Mapping):
        return None
    audience, group, person = envelope.get("audience"), _id(data.get("group")), None
    if isinstance(told := data.get("audience"), Mapping):  # a notice was posted
        group = _id(told) if told.get("type") == "group" else group
        person = _id(told) if told.get("type") == "person" else None
    elif "people" not in data:
        person = _id(data.get("person"))
    known = {"public": True, "group": group is not None, "person": person is not None}
    if not known.get(audience, False):
        return None
    return Letter(
        id=envelope["id"],
        source=envelope["source"],
        type=envelope["type"],
        audience=audience,
        group=group,
        person=person if audience == "person" else None,
        body=body_of(raw, envelope),
        people=tuple(sorted({one.decode() for one in _PERSON.findall(raw)})),
    )


def may_see(letter: Letter, owner: str, *, member: bool, private: bool) -> bool:
    """Whether a webhook's owner may see a message now: `member` of the group that it is about, which is `private`, or not.

    What concerns a private group is for its members alone, whatever it was when the message was sent.
    """
    if private and not member:
        return False
    match letter.audience:
        case "public":
            return True
        case "group":
            return member
        case _:
            return letter.person == owner


def _id(named: Any) -> str | None:
    found = named.get("id") if isinstance(named, Mapping) else None
    return found if isinstance(found, str) and found else None


# -- what is pushed


def body_of(raw: bytes, envelope: Mapping[str, Any]) -> bytes:
    """The body for a message: its envelope as it came or, of one that is too large, its attributes without the data.

    `dataleftout` then says so. (CloudEvents 1.0: attribute names of 20 letters at most.)
    """
    if len(raw) < LARGEST_BODY:
        return raw
    left = {name: value for name, value in envelope.items() if name not in ("data", "datacontenttype")}
    return _json({**left, "dataleftout": True})


def ping(webhook: str, person: str, now: datetime) -> Letter:
    """A message that is made up to try a webhook; nobody else ever hears of it."""
    identifier = new_id("msg")
    envelope = {
        "specversion": "1.0",
        "id": identifier,
        "source": "/services/notifications",
        "type": PING,
        "subject": webhook,
        "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "sequence": str(int(now.timestamp() * 1000)),
        "audience": "person",
        "data": {"webhook": webhook},
    }
    return Letter(identifier, str(envelope["source"]), PING, "person", None, person, _json(envelope))


def headers_of(letter: Letter, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks, with a signature for each secret that holds.

    https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    """
    stamp = str(int(now.timestamp()))
    signed = f"{letter.id}.{stamp}.".encode() + letter.body
    return {
        "webhook-id": letter.id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(_signature(one, signed) for one in secrets),
        "content-type": "application/cloudevents+json; charset=utf-8",
        "user-agent": "CommonGround-Webhooks",
    }


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


# -- when, and when again


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message for one webhook: what became of it, and when it is due (None when nothing more is to be done).

    `attempts` counts all, `left` those that may still be made.
    """

    id: str
    webhook: str
    letter: str
    message: str
    type: str
    created_at: datetime
    due_at: datetime | None
    status: Status = QUEUED
    attempts: int = 0
    left: int = len(PAUSES) + 1
    attempted_at: datetime | None = None
    response_code: int | None = None
    response_ms: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: the status of the answer or, without one, the `problem`; and how long it took.

    `asked` is for how long the endpoint wants to be left alone.
    """

    code: int | None
    problem: str | None
    ms: int
    asked: timedelta = timedelta(0)

    @property
    def arrived(self) -> bool:
        """Whether the endpoint took it."""
        return self.code is not None and 200 <= self.code < 300


def deliveries_of(letter: Letter, webhooks: Iterable[str], now: datetime, *, once: bool = False) -> list[Delivery]:
    """The deliveries of a message to webhooks: the same, with the same ids, however often they are made.

    An id is a ULID of the message's time, in which a hash of message and webhook takes the place of chance. `once`: without
    retries.
    """
    key, moment, left = letter.key, _milliseconds_of(letter.id) << 80, 1 if once else len(PAUSES) + 1
    found = []
    for webhook in webhooks:
        hashed = hashlib.sha256(f"{webhook} {key}".encode()).digest()[:10]
        identifier = f"dlv_{ULID.from_int(moment | int.from_bytes(hashed, 'big'))}"
        found.append(Delivery(identifier, webhook, key, letter.id, letter.type, now, now, left=left))
    return found


def _milliseconds_of(message: str) -> int:
    """When a message was made, as its id says."""
    try:
        return int(ULID.from_str(message.rpartition("_")[2])) >> 80
    except ValueError:
        return 0


def after(delivery: Delivery, outcome: Outcome, now: datetime, chance: float) -> Delivery:
    """The delivery after an attempt. `chance`, from 0 to 1, makes the pause before the next one longer or shorter."""
    left, status, due_at = delivery.left - 1, QUEUED, None
    if outcome.arrived:
        status = DELIVERED
    elif left < 1 or outcome.code == GONE_CODE:
        status = FAILED
    else:
        due_at = now + PAUSES[-left] * (1 - JITTER + 2 * JITTER * chance)
    return replace(
        delivery,
        status=status,
        attempts=delivery.attempts + 1,
        left=left,
        attempted_at=now,
        response_code=outcome.code,
        response_ms=outcome.ms,
        problem=outcome.problem,
        due_at=due_at,
    )


def withhold(delivery: Delivery) -> Delivery:
    """The delivery of what the webhook's owner may not see, or not any more."""
    return replace(delivery, status=WITHHELD, due_at=None, problem="You may not see this message, or not any more.")


def lose(delivery: Delivery) -> Delivery:
    """The delivery of a message that is not kept any more: it is too old, or names somebody who erased themselves."""
    return replace(delivery, status=FAILED, due_at=None, problem="This message is not kept any more.")


def again(delivery: Delivery, now: datetime) -> Delivery:
    """The delivery from the beginning, now, whatever came of it; its attempts are counted on."""
    once = delivery.type == PING
    return replace(delivery, status=QUEUED, due_at=now, left=1 if once else len(PAUSES) + 1)


# -- how an endpoint does


@dataclass(frozen=True, slots=True)
class Health:
    """How the endpoint of a webhook does: how many attempts in a row failed, since when, and until when it is left alone."""

    failures: int = 0
    failing_since: datetime | None = None
    rests_until: datetime | None = None


def health_after(health: Health, outcome: Outcome, now: datetime, chance: float) -> Health:
    """How an endpoint does after an attempt. One that fails is left alone for 1 s, 2 s, 4 s, … up to a minute, or as it asks."""
    if outcome.arrived:
        return Health()
    rest = min(timedelta(seconds=2 ** min(health.failures, 10)), LONGEST_REST) * (1 - JITTER * chance)
    return Health(health.failures + 1, health.failing_since or now, now + max(rest, outcome.asked))


def pause_asked(retry_after: str | None, now: datetime) -> timedelta:
    """For how long an answer asks to be left alone: `Retry-After` as seconds or a time (RFC 9110, section 10.2.3), in bounds."""
    nothing = timedelta(0)
    if retry_after is None:
        return nothing
    try:
        is_number = retry_after.isdecimal()
        asked = timedelta(seconds=int(retry_after)) if is_number else parsedate_to_datetime(retry_after) - now
    except (ValueError, TypeError, OverflowError):
        return nothing
    return min(max(asked, nothing), LONGEST_ASKED)


def is_hopeless(health: Health, now: datetime) -> bool:
    """Whether an endpoint has failed for so long that there is no use in going on."""
    return health.failing_since is not None and now - health.failing_since >= PATIENCE
