"""The outbox holds what a transaction publishes until the relay has done it: what commits is published, nothing else.

A document is a message ready for the wire: the relay copies bytes and makes none.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from amqp.serialization import dumps
from pymongo import IndexModel

from chassis import topology
from chassis.messages import CONTENT_TYPE, PREFIX

if TYPE_CHECKING:
    from pymongo.client_session import ClientSession
    from pymongo.database import Database

    from chassis.messages import Message

COLLECTION = "outbox"
# It is read in the order of `_id`, the message's id, which is the order of time.
INDEXES: Sequence[IndexModel] = ()

PERSISTENT = 2
# Which properties are there, by their bits (AMQP 0-9-1, section 4.2.6.1): content-type, headers, delivery-mode,
# message-id, timestamp, type.
_FLAGS = struct.pack(">H", 1 << 15 | 1 << 13 | 1 << 12 | 1 << 7 | 1 << 6 | 1 << 5)

nudges: set[Callable[[], None]] = set()
"""What the relays of this process want called after a commit."""


def add(messages: Sequence[Message], traceparent: str | None, database: Database[Any], session: ClientSession) -> None:
    """Put messages into the outbox, in a transaction."""
    made = [document(one.envelope(one.traceparent or traceparent), one.to) for one in messages]
    database[COLLECTION].insert_many(made, session=session)


def committed() -> None:
    """Tell the relays of this process that there is something to publish. Does no I/O."""
    for nudge in nudges:
        nudge()


def document(envelope: dict[str, Any], to: str | None = None) -> dict[str, Any]:
    """The document of an envelope: `_id` (the message's id), `key` (routing key), `properties` and `body` (bytes).

    What is handed `to` one service has the `queue` to which it goes, past all exchanges.
    """
    handed = {"queue": topology.inbox_of(to)} if to else {}
    return {
        **handed,
        "_id": envelope["id"],
        "key": envelope["type"].removeprefix(PREFIX),
        "properties": _properties(envelope),
        "body": json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode(),
    }


def _properties(envelope: dict[str, Any]) -> bytes:
    """The AMQP properties as they stand in a content header: flags, then values (AMQP 0-9-1, section 4.2.6.1)."""
    headers = {name: envelope[name] for name in ("traceparent", "audience") if name in envelope}
    time = datetime.fromisoformat(envelope["time"])
    values = [CONTENT_TYPE, headers, PERSISTENT, envelope["id"], time, envelope["type"]]
    return _FLAGS + bytes(dumps("sFosTs", values))
