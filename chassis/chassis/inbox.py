"""The inbox remembers which messages took effect, so that what arrives twice has its effect once.

The record is written in the transaction of the effect: both are there or neither is. It is kept for 30 days, which is
as long as the log can send a message again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pymongo import ASCENDING, IndexModel
from pymongo.errors import DuplicateKeyError
from pymongo.read_concern import ReadConcern

if TYPE_CHECKING:
    from pymongo.client_session import ClientSession
    from pymongo.database import Database

    from chassis.messages import Received

KEPT = timedelta(days=30)
COLLECTION = "inbox"
# The key (consumer, source, id) is the `_id`, whose index is unique by nature.
INDEXES = [IndexModel([("at", ASCENDING)], expireAfterSeconds=int(KEPT.total_seconds()))]


class AlreadyDone(Exception):
    """The message took effect before; there is nothing left to do."""


def accept(received: Received, database: Database[Any], session: ClientSession) -> None:
    """Note in a transaction that the message takes its effect for its consumer. Raises AlreadyDone when it did before.

    A message without a consumer is replayed from the log to build something anew: it takes effect whatever was before.
    """
    if not received.consumer:
        return
    try:
        database[COLLECTION].insert_one({"_id": _key(received), "at": received.now}, session=session)
    except DuplicateKeyError:
        raise AlreadyDone(f"{received.consumer} has done {received.id} of {received.source}") from None


def seen(received: Received, database: Database[Any]) -> bool:
    """Whether the message took effect for its consumer, and no election can undo that."""
    kept = database.get_collection(COLLECTION, read_concern=ReadConcern("majority"))
    return kept.find_one({"_id": _key(received)}, {"_id": 1}) is not None


def _key(received: Received) -> dict[str, str]:
    # MongoDB compares embedded documents field by field, in order: it is the same everywhere.
    return {"consumer": received.consumer, "source": received.source, "id": received.id}
