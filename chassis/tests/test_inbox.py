"""What arrives twice has its effect once, whatever happens between."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from chassis import inbox
from chassis.messages import Received


@pytest.fixture
def database(fresh_database):
    with MongoClient(fresh_database) as client:
        found = client.get_default_database()
        found[inbox.COLLECTION].create_indexes(inbox.INDEXES)
        found.create_collection("effects")
        yield found


def received(**other):
    now = datetime.now(UTC)
    one = Received(
        id="msg_1", source="/services/groups", type="t", subject="s", sequence=1, time=now, audience="public", data={},
        traceparent=None, now=now, consumer="events.note",
    )  # fmt: skip
    return replace(one, **other)


def take_effect(database, message, then=lambda: None):
    with database.client.start_session() as session, session.start_transaction():
        inbox.accept(message, database, session)
        database.effects.insert_one({"of": message.id}, session=session)
        then()


def test_a_message_takes_effect_once(database):
    take_effect(database, received())
    with pytest.raises(inbox.AlreadyDone):
        take_effect(database, received())
    assert database.effects.count_documents({}) == 1


@pytest.mark.parametrize("other", [{"consumer": "events.other"}, {"source": "/services/x"}, {"id": "msg_2"}])
def test_another_consumer_source_or_id_is_another_effect(database, other):
    take_effect(database, received())
    take_effect(database, received(**other))
    assert database.effects.count_documents({}) == 2


def test_what_is_rolled_back_was_not_seen(database):
    with pytest.raises(ZeroDivisionError):
        take_effect(database, received(), then=lambda: 1 / 0)
    assert not inbox.seen(received(), database)
    take_effect(database, received())
    assert inbox.seen(received(), database)


def test_of_two_at_the_same_time_one_has_to_try_again(database):
    def meanwhile():
        with pytest.raises(OperationFailure) as met:
            take_effect(database, received())
        assert met.value.has_error_label("TransientTransactionError")

    take_effect(database, received(), then=meanwhile)
    assert database.effects.count_documents({}) == 1


def test_a_message_without_a_consumer_is_replayed_and_always_takes_effect(database):
    take_effect(database, received(consumer=""))
    take_effect(database, received(consumer=""))
    assert database.effects.count_documents({}) == 2


def test_a_record_goes_after_30_days(database):
    take_effect(database, received())
    assert database[inbox.COLLECTION].index_information()["at_1"]["expireAfterSeconds"] == 30 * 24 * 3600
    assert database[inbox.COLLECTION].find_one()["at"] is not None
