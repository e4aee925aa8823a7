"""The rules of webhooks: which addresses and types one may name, how many, what a secret is and how long it holds."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from typing import Any, Literal
from urllib.parse import urlsplit

from chassis.ids import new_id
from chassis.problems import Conflict, Invalid
from notifications.webhooks.addresses import Networks, address_in, is_allowed, is_permitted

Status = Literal["active", "disabled"]
ACTIVE: Status = "active"
DISABLED: Status = "disabled"

GONE = "gone"
FAILING = "failing"
BY_OWNER = "by_owner"
REASONS = (GONE, FAILING, BY_OWNER)
"""Why a webhook is disabled: its endpoint said 410; it failed for too long; its owner wanted so."""

LONGEST_URL = 2_000
MOST_TYPES = 50
OVERLAP = timedelta(hours=24)
"""How long a secret holds after there is a new one."""
MOST_SECRETS = 5
"""How many secrets of a webhook hold at the same time, at most; each makes a signature."""
SECRET_PREFIX = "whsec_"  # noqa: S105
SECRET_BYTES = 32

_ANY = "*"
_PREFIX = "commonground."
_VERSION = re.compile(r"v[1-9][0-9]*")
PATTERN = r"^(commonground\.)?(\*|[a-z][a-z0-9_]*)(\.(\*|[a-z][a-z0-9_]*)){0,7}$(?!\n)"
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]", re.ASCII)
_URL = re.compile(r"[\x21-\x7e]+")
_PLAIN, _SAFE = "http", "https"


class TooManyWebhooks(Conflict):
    """One has as many webhooks as one may have."""

    slug, title = "too-many-webhooks", "You have as many webhooks as you may have"


class WebhookDisabled(Conflict):
    """Nothing is sent to a webhook that is disabled."""

    slug, title = "webhook-disabled", "This webhook is disabled"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as it is kept (see sealing), and until when it holds; None for the newest, which holds until there is another."""

    sealed: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address to which a person has messages pushed. `secrets` are the newest first."""

    id: str
    person: str
    url: str
    types: tuple[str, ...]
    group: str | None
    secrets: tuple[Secret, ...] = field(repr=False)
    created_at: datetime
    updated_at: datetime
    status: Status = ACTIVE
    reason: str | None = None
    disabled_at: datetime | None = None
    version: int = 1

    @property
    def is_active(self) -> bool:
        """Whether messages are pushed to it."""
        return self.status == ACTIVE

    @property
    def patterns(self) -> list[str]:
        """What it is found by: see `selectors`."""
        return sorted({pattern_of(one) for one in self.types})

    def secrets_at(self, now: datetime) -> list[str]:
        """The secrets that hold now, sealed, the newest first."""
        return [one.sealed for one in self.secrets if one.until is None or one.until > now]


def make(
    identifier: str, person: str, wanted: Mapping[str, Any], group: str | None, sealed: str, now: datetime
) -> Webhook:
    """A new webhook of a person, with its secret as it is kept (`sealed`). The URL that is `wanted` was checked before."""
    return Webhook(
        id=identifier,
        person=person,
        url=wanted["url"],
        types=tuple(wanted["types"]),
        group=group,
        secrets=(Secret(sealed),),
        created_at=now,
        updated_at=now,
    )


def change(webhook: Webhook, wanted: Mapping[str, Any], now: datetime) -> Webhook:
    """The webhook as its owner wants it: `url`, `types`, `group` (an id or None) and `status`, as far as given."""
    changed = replace(
        webhook,
        url=wanted.get("url", webhook.url),
        types=tuple(wanted.get("types", webhook.types)),
        group=wanted.get("group", webhook.group),
    )
    match wanted.get("status", webhook.status):
        case webhook.status:
            pass
        case "disabled":
            changed = replace(changed, status=DISABLED, reason=BY_OWNER, disabled_at=now)
        case _:
            changed = replace(changed, status=ACTIVE, reason=None, disabled_at=None)
    return webhook if changed == webhook else replace(changed, updated_at=now, version=webhook.version + 1)


def disable(webhook: Webhook, reason: str, now: datetime) -> Webhook:
    """The webhook with nothing pushed to it any more. What waits goes on waiting, until it is active again."""
    return _next(replace(webhook, status=DISABLED, reason=reason, disabled_at=now), now)


def rotate(webhook: Webhook, sealed: str, now: datetime) -> Webhook:
    """The webhook with a new secret; the one before holds for a day, and those before that as long as was said then."""
    newest, *older = webhook.secrets
    kept = [replace(newest, until=now + OVERLAP), *(one for one in older if one.until and one.until > now)]
    return _next(replace(webhook, secrets=(Secret(sealed), *kept[: MOST_SECRETS - 1])), now)


def _next(webhook: Webhook, now: datetime) -> Webhook:
    return replace(webhook, updated_at=now, version=webhook.version + 1)


def new_identifier() -> str:
    """The id of a new webhook."""
    return new_id("whk")


def new_secret() -> str:
    """A secret as Standard Webhooks has it: `whsec_` and base64 of random bytes."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_number(has: int, most: int) -> None:
    """Raises TooManyWebhooks where a person who `has` so many may not have another."""
    if has >= most:
        raise TooManyWebhooks(f"You may have {most}. Delete one that you do not need.", most=most)


def check_active(webhook: Webhook) -> None:
    """Raises WebhookDisabled where nothing is pushed to it."""
    if not webhook.is_active:
        raise WebhookDisabled('Nothing is sent to it. Set its `status` to "active" first.', reason=webhook.reason)


# -- addresses


def check_url(url: str, allowed: Networks) -> str | None:
    """Raises Invalid for a URL to which nothing is pushed: only https, or http where the operator allows the address.

    Gives the host that has to be resolved before that can be said, for http to a name; else None.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("This is no URL.") from None
    if not _URL.fullmatch(url) or parts.scheme not in (_PLAIN, _SAFE) or not _HOST.fullmatch(_bracketed(host)):
        raise _refused("Give an https URL in ASCII, such as https://example.org/hooks; other hosts as xn--….")
    if "@" in parts.netloc:
        raise _refused("A URL must not carry a name or password: check the signature of what you receive.")
    if "#" in url:
        raise _refused("A URL of an endpoint has no fragment.")
    if port is not None and port not in (80, 443) and port < 1024:
        raise _refused("Use port 443, 80, or one from 1024 on.")
    address = address_in(host)
    if parts.scheme == _PLAIN and not (is_allowed(address, allowed) if address else allowed):
        raise _refused("Use https. http is for addresses that the operator of this platform allows.")
    if address is not None and not is_permitted(address, allowed):
        raise _refused("This address is not on the open internet.")
    return host if parts.scheme == _PLAIN and address is None else None


def plain_name_refused() -> Invalid:
    """What one is told whose http URL names a host outside of what the operator allows."""
    return _refused(
        "Use https. This host is not, or not only, at an address that the operator of this platform allows."
    )


def _refused(detail: str) -> Invalid:
    return Invalid.at("/url", detail)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


# -- types


def pattern_of(wanted: str) -> str:
    """What a webhook is found by, of a type as its owner wrote it: without prefix, with any version where it names none."""
    words = wanted.removeprefix(_PREFIX).split(".")
    if words[-1] != _ANY and not _VERSION.fullmatch(words[-1]):
        words.append(_ANY)
    return ".".join(words)


@cache
def selectors(type_: str) -> list[str]:
    """All patterns that select a type of message: `*` stands for a word, and at the end for all words that follow.

    So the webhooks for a message are found by an index, however many there are: 23 patterns select a type of four words.
    """
    words = type_.removeprefix(_PREFIX).split(".")
    found: set[str] = set()
    for length in range(1, len(words) + 1):
        choices: Iterable[tuple[str, ...]] = product(*((word, _ANY) for word in words[:length]))
        found.update(".".join(one) for one in choices if length == len(words) or one[-1] == _ANY)
    return sorted(found)
