"""That mails were sent is noted for several together, whichever batch they are of."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chassis.ids import new_id
from notifications.mails import api, model
from notifications.mails.store import BATCH

NOW = datetime.now(UTC)


@pytest.fixture
def batches(store):
    """Two batches of mails that were claimed."""
    notice = {"_id": new_id("ntc"), "kind": "event.due"}
    store.mails.add([model.mail_of(notice, new_id("psn"), NOW, NOW) for _ in range(BATCH + 10)])
    yield store.mails.claim(NOW, 5)
    store.mails.documents.delete_many({"notice": notice["_id"]})


def noted(store):
    """How many mails are known to be sent."""
    return store.mails.documents.count_documents({"state": "sent"})


def test_mails_of_several_batches_are_noted_together(store, batches):
    assert [len(one.mails) for one in batches] == [BATCH, 10]
    assert api._note(store, [(one.token, one.mails[0].id) for one in batches]) == [None, None]
    assert noted(store) == 2
    document = store.mails.documents.find_one({"_id": batches[0].mails[0].id})
    assert "due_at" not in document and "claimed_by" not in document


def test_what_somebody_else_has_claimed_meanwhile_is_left_to_them(store, batches):
    store.mails.settle_sent(["another"], [batches[0].mails[0].id])
    assert noted(store) == 0


def test_mails_that_are_given_back_are_due_again(store, batches):
    first, second = ([replace(mail, due_at=NOW) for mail in one.mails] for one in batches)
    store.mails.settle(batches[0].token, first, NOW)
    store.mails.settle("another", second, NOW)
    assert len(store.mails.claim(NOW, 1)[0].mails) == BATCH
    assert store.mails.claim(NOW, 1) == []
