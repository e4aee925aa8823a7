"""Posts notices one after the other, whichever processes made them: who has seen one has seen all before it, or can.

An id that a transaction makes for itself says nothing of the order in which transactions commit: a smaller one may become
visible after a greater one was read, and whoever goes on from there would miss it for ever. So a notice gets its id in a
transaction that all who post must write one document in: it is greater than that of every notice that is to be seen, by
whatever clock. Reading, resuming and marking as read can go by ids alone.

That is the transaction of the message that it tells of, while nobody else is posting. Otherwise the notice is made there
(a draft), and posted right after it, together with the others that wait.
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
from chassis.messages import Received
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


def post(store: Any, live: Any, cause: Received, draft: Draft) -> None:
    """Post what a message tells of: in its own transaction if nobody else is posting, else with the others that wait."""
    if store.turns.free(POSTING):
        try:
            with store.transaction(cause, turn=POSTING) as tx:
                topics = _add(tx, [draft])
            live.news(topics)
            return
        except PyMongoError as fault:
            if not _met_another(fault):
                raise
    with store.transaction(cause) as tx:
        tx.drafts.add(draft)
    post_drafts(store, live)


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
            with store.transaction(Tick()) as tx:
                drafts = tx.drafts.oldest(AT_ONCE)
                topics = _add(tx, drafts)
                tx.drafts.remove(drafts)
            return topics
        except PyMongoError as fault:
            if not _met_another(fault):
                raise
            time.sleep(random.uniform(0, min(0.002 * (meeting + 1), 0.02)))
    return []


def _met_another(fault: PyMongoError) -> bool:
    # The first two of all make the document both.
    return fault.has_error_label("TransientTransactionError") or isinstance(fault, DuplicateKeyError)


def _add(tx: Any, drafts: Sequence[Draft]) -> list[str]:
    """Add notices after the last one; gives the topics of those who may have to hear of them."""
    topics: list[str] = []
    last = tx.posting.hold()
    forgotten = tx.forgotten.among({one for draft in drafts for one in draft.notice.people})
    for draft in drafts:
        notice = draft.notice.without(forgotten)
        if notice is not None:
            last = id_after(last, "ntc")
            notice = replace(notice, id=last)
            tx.notices.append(notice)
            tx.publish(_posted(notice, draft))
            topics += topics_for(notice.audience.keys, notice.group["id"] if notice.group else None)
    tx.posting.reached(last)
    return topics


def _posted(notice: Notice, draft: Draft) -> NoticePosted:
    posted = NoticePosted(notice, subject=notice.id, sequence=1, audience=draft.told)
    posted.traceparent = draft.traceparent
    return posted
