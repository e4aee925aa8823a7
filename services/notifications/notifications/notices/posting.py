"""Posts notices one after the other, whichever processes made them: who has seen one has seen all before it, or can.

An id that a transaction makes for itself says nothing of the order in which transactions commit: a smaller one may become
visible after a greater one was read, and whoever goes on from there would miss it for ever. So a notice is first made (a
draft, in the transaction of the message that it tells of) and then posted, with others that wait, in a transaction that
all who post must write one document in. There it gets its id, which is greater than that of every notice that is to be
seen, by whatever clock. Reading, resuming and marking as read can go by ids alone.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pymongo.errors import DuplicateKeyError, PyMongoError

from chassis.ids import id_after
from chassis.timers import Tick
from notifications.notices.model import Draft, Notice
from notifications.notices.schemas import NoticePosted
from notifications.stream.model import topics_for

log = logging.getLogger(__name__)

POSTING = "posting"
"""The turn of those who post, and of those who must not be beside them, within a process."""
AT_ONCE = 50
"""How many notices are posted in one transaction at most."""
MEETINGS = 50
"""How often to begin again because another process was posting; then what is left waits for the timer, or for that process."""


def post_drafts(store: Any, live: Any) -> None:
    """Post all that waits to be, and wake those who listen. What cannot be posted, with the database away, is posted later."""
    with store.turns.take(POSTING):
        try:
            while store.drafts.any():
                live.news(_post_some(store))
        except PyMongoError as fault:
            log.warning("notices wait to be posted", extra={"fault": str(fault)})


def _post_some(store: Any) -> list[str]:
    """Post the oldest drafts; gives the topics of those who may have to hear of them."""
    for meeting in range(MEETINGS):
        try:
            return _post(store)
        except PyMongoError as fault:
            # The first two of all make the document both.
            if not (fault.has_error_label("TransientTransactionError") or isinstance(fault, DuplicateKeyError)):
                raise
            time.sleep(random.uniform(0, min(0.002 * (meeting + 1), 0.02)))
    return []


def _post(store: Any) -> list[str]:
    topics: list[str] = []
    with store.transaction(Tick()) as tx:
        last = tx.posting.hold()
        drafts: Sequence[Draft] = tx.drafts.oldest(AT_ONCE)
        forgotten = tx.forgotten.among({one for draft in drafts for one in draft.notice.people})
        for draft in drafts:
            notice = draft.notice.without(forgotten)
            if notice is not None:
                last = id_after(last, "ntc")
                _add(tx, replace(draft, notice=replace(notice, id=last)))
                topics += topics_for(notice.audience.keys, notice.group["id"] if notice.group else None)
        tx.drafts.remove(drafts)
        tx.posting.reached(last)
    return topics


def _add(tx: Any, draft: Draft) -> None:
    notice: Notice = draft.notice
    tx.notices.append(notice)
    posted = NoticePosted(notice, subject=notice.id, sequence=1, audience=draft.told)
    posted.traceparent = draft.traceparent
    tx.publish(posted)
