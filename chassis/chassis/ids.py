"""Ids that are opaque, name their kind and sort by creation, whichever process makes them."""

from __future__ import annotations

from datetime import UTC, datetime
from threading import Lock

from ulid import ULID

_lock = Lock()
_last = 0


def new_id(kind: str) -> str:
    """A new id such as `grp_01JD…`: `kind`, an underscore, a ULID; within one process each is greater than the one before.

    Within a millisecond the ULID's random part counts up, as the ULID specification's "monotonicity" section says.
    """
    global _last
    with _lock:
        value = int(ULID())
        _last = value if value > _last else _last + 1
        return f"{kind}_{ULID.from_int(_last)}"


def id_after(last: str, kind: str) -> str:
    """A new id of `kind` that is greater than `last`, one of the same kind, whichever process made that, by whatever clock.

    `last` may be empty: then any new id is.
    """
    made = new_id(kind)
    return made if made > last else f"{kind}_{ULID.from_int(int(ULID.from_str(last.rpartition('_')[2])) + 1)}"


def made_at(identifier: str) -> datetime:
    """The time (UTC, to the millisecond) at which an id was made. Raises ValueError for what is no id of ours."""
    return ULID.from_str(identifier.rpartition("_")[2]).datetime.astimezone(UTC)


def first_id_at(kind: str, moment: datetime) -> str:
    """The smallest id of `kind` that could have been made at `moment`: a bound for range queries over ids."""
    return f"{kind}_{ULID.from_int(int(moment.timestamp() * 1000) << 80)}"
