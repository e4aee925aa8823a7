"""What commits is published; a document in the outbox is a message ready for the wire."""

import json
from datetime import UTC, datetime

import pytest
from amqp.serialization import decode_properties_basic
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import fields
from pymongo import MongoClient

from chassis import outbox
from chassis.messages import Message, Received
from chassis.schemas import Schema

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Data(Schema):
    text = fields.String(required=True)


class Said(Message):
    """Somebody said something."""

    type = "things.thing.said.v1"
    data = Data
    example = {"text": "hello"}


@given(st.text(), st.sampled_from(["public", "group", "person"]), st.none() | st.just(TRACE))
def test_a_document_is_the_message_that_a_consumer_reads(text, audience, traceparent):
    said = Said({"text": text}, subject="thg_1", sequence=7, audience=audience)
    document = outbox.document(said.envelope(traceparent))
    received = Received.decode(document["body"])
    assert (received.id, received.type) == (document["_id"], "commonground.things.thing.said.v1")
    assert (received.subject, received.sequence, received.audience) == ("thg_1", 7, audience)
    assert (received.data, received.traceparent) == ({"text": text}, traceparent)
    assert document["key"] == "things.thing.said.v1"


def test_the_properties_are_those_that_the_design_promises():
    envelope = Said({"text": "x"}, subject="thg_1", sequence=1).envelope(TRACE)
    properties, _ = decode_properties_basic(outbox.document(envelope)["properties"], 0)
    assert properties == {
        "content_type": "application/cloudevents+json; charset=utf-8",
        "application_headers": {"traceparent": TRACE, "audience": "public"},
        "delivery_mode": 2,
        "message_id": envelope["id"],
        "timestamp": int(datetime.fromisoformat(envelope["time"]).timestamp()),
        "type": "commonground.things.thing.said.v1",
    }
    assert abs(properties["timestamp"] - datetime.now(UTC).timestamp()) < 10


def test_what_is_handed_to_one_service_goes_to_its_inbox():
    class Confided(Said):
        """Somebody said something to the notebook alone."""

        to = "notebook"

    envelope = Confided({"text": "x"}, subject="thg_1", sequence=1, audience="private").envelope(None)
    assert outbox.document(envelope, Confided.to)["queue"] == "commonground.notebook.inbox"
    assert "queue" not in outbox.document(envelope)


def test_only_trace_and_audience_go_along_as_headers():
    envelope = Said({"text": "x"}, subject="thg_1", sequence=1).envelope(None) | {"nameko.secret": "x", "other": "y"}
    properties, _ = decode_properties_basic(outbox.document(envelope)["properties"], 0)
    assert properties["application_headers"] == {"audience": "public"}


def test_messages_stand_in_the_order_in_which_they_were_published(fresh_database):
    messages = [Said({"text": str(number)}, subject="thg_1", sequence=number) for number in range(100)]
    with MongoClient(fresh_database) as client, client.start_session() as session:
        database = client.get_default_database()
        with session.start_transaction():
            outbox.add(messages[:50], None, database, session)
            outbox.add(messages[50:], None, database, session)
        found = [json.loads(one["body"])["sequence"] for one in database[outbox.COLLECTION].find().sort("_id")]
    assert found == [str(number) for number in range(100)]


def test_what_is_rolled_back_is_not_there(fresh_database):
    with MongoClient(fresh_database) as client, client.start_session() as session:
        database = client.get_default_database()
        with pytest.raises(ZeroDivisionError), session.start_transaction():
            outbox.add([Said({"text": "x"}, subject="thg_1", sequence=1)], None, database, session)
            1 / 0  # noqa: B018
        assert database[outbox.COLLECTION].count_documents({}) == 0


def test_a_commit_nudges_the_relays_of_this_process():
    nudged = []
    outbox.nudges.add(nudge := lambda: nudged.append(1))
    outbox.committed()
    outbox.nudges.discard(nudge)
    outbox.committed()
    assert nudged == [1]
