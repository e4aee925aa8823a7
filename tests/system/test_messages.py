"""Messages on the wire are what other systems are promised: envelope, properties, topology, audience, order, replay."""

import re
from datetime import UTC, datetime

import amqp
import jsonschema
import pytest

from chassis.connection import connect
from commonground import eventually
from people import a_key, an_event, done

ATTRIBUTES = {
    *("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "sequence"),
    *("traceparent", "audience", "data"),
}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def scene(platform, person, subscribe):
    """What a subscriber, and one that is trusted, hear while Ana and Ben do all there is to do."""
    platform.wait_quiet(30)  # nothing from before comes between their subscribing
    public, everything = subscribe("#"), subscribe("#", trusted=True)
    ana, ben, chris = person("ana"), person("ben"), person("chris")
    done(ben.patch("/v1/me", {"about": "Hello", "interests": ["hockey"]}), 200)
    group = ana.founds()
    done(ana.patch(f"/v1/groups/{group['id']}", {"summary": "Not either/or"}), 200)
    ben.joins(group)
    chris.joins(group)
    done(ana.patch(f"/v1/groups/{group['id']}/members/{chris.handle}", {"role": "moderator"}), 200)
    event = ana.schedules(group, capacity=1, join_url="https://example.org/secret-link")
    ben.answers(event)
    chris.answers(event)
    ben.answers(event, "not_going")
    done(ana.patch(f"/v1/events/{event['id']}", {"title": "Brunch, later"}), 200)
    done(ana.post(f"/v1/events/{event['id']}/cancellation", {"reason": "snow"}), 200)
    assert ben.delete(f"/v1/groups/{group['id']}/members/me").status == 204
    assert chris.delete("/v1/me").status == 204
    everything.about(group["id"], 6)
    everything.about(event["id"], 7)
    everything.about(chris.id, 2)
    return public, everything, group, event


def test_every_fact_is_told_in_order_with_growing_sequence(scene):
    _, everything, group, event = scene

    def types(subject):
        return [one.envelope["type"].removeprefix("commonground.") for one in everything.about(subject)]

    assert types(group["id"])[:6] == [
        "groups.group.founded.v1",
        "groups.member.joined.v1",
        "groups.group.updated.v1",
        "groups.member.joined.v1",
        "groups.member.joined.v1",
        "groups.member.role_changed.v1",
    ]
    assert types(event["id"])[:7] == [
        "events.event.scheduled.v1",
        "events.rsvp.changed.v1",
        "events.rsvp.changed.v1",
        "events.rsvp.changed.v1",
        "events.rsvp.promoted.v1",
        "events.event.changed.v1",
        "events.event.cancelled.v1",
    ]
    last: dict[str, int] = {}
    for one in everything.heard:
        subject, sequence = one.envelope["subject"], int(one.envelope["sequence"])
        assert sequence > last.get(subject, -1), (one.envelope, last)
        last[subject] = sequence


def test_every_message_is_what_its_schema_says_and_carries_what_it_must(scene, http):
    _, everything, _, _ = scene
    assert len({one.envelope["type"] for one in everything.heard}) >= 12
    for one in everything.heard:
        envelope = one.envelope
        schema = done(http.get(envelope["dataschema"]), 200)
        jsonschema.validate(envelope, schema, jsonschema.Draft202012Validator)
        assert envelope["dataschema"] == f"/schemas/{envelope['type']}"
        assert set(envelope) == ATTRIBUTES
        assert re.fullmatch(r"msg_[0-9A-HJKMNP-TV-Z]{26}", envelope["id"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", envelope["time"])
        service = envelope["type"].split(".")[1]
        assert envelope["source"] == f"/services/{service}"
    ids = [one.envelope["id"] for one in everything.heard]
    assert len(ids) == len(set(ids))


def test_the_amqp_properties_say_what_the_envelope_says(scene):
    _, everything, _, _ = scene
    for one in everything.heard:
        envelope, properties = one.envelope, one.properties
        assert one.content_type.replace(" ", "") == "application/cloudevents+json;charset=utf-8"
        assert (properties["message_id"], properties["type"]) == (envelope["id"], envelope["type"])
        assert properties["delivery_mode"] == 2
        at = datetime.fromisoformat(envelope["time"])
        stamped = properties["timestamp"]
        assert (stamped if isinstance(stamped, int) else int(stamped.timestamp())) == int(at.timestamp())
        assert abs((datetime.now(UTC) - at).total_seconds()) < 120
        assert one.headers == {name: envelope[name] for name in ("traceparent", "audience")}
        assert one.routing_key == envelope["type"].removeprefix("commonground.")


def test_nothing_secret_is_told(scene, person):
    _, everything, _, _ = scene
    told = str([one.envelope for one in everything.heard])
    for secret in ("secret-link", "correct horse battery", "refresh_token", "cgr_", "@example.org"):
        assert secret not in told


def test_the_public_hears_what_is_public_and_nothing_else(scene):
    public, everything, *_ = scene
    expected = [one.envelope["id"] for one in everything.heard if one.envelope["audience"] == "public"]
    eventually(lambda: len(public.heard) >= len(expected), "the public hearing all of it")
    assert [one.envelope["id"] for one in public.heard] == expected
    assert {one.headers["audience"] for one in public.heard} == {"public"}
    heard = {one.envelope["type"] for one in public.heard}
    assert "commonground.groups.group.founded.v1" in heard
    assert "commonground.events.event.scheduled.v1" in heard
    # Who comes is the group's business, and a promotion one person's.
    assert not [one for one in heard if ".rsvp." in one]
    others = {one.envelope["audience"] for one in everything.heard} - {"public"}
    assert others == {"group", "person"}


def test_a_binding_selects_by_type(person, subscribe):
    joined, events, all_of_one = subscribe("groups.member.joined.v1"), subscribe("*.event.*.v1"), subscribe("events.#")
    ana = person("ana")
    group = ana.founds()
    event = ana.schedules(group)
    events.about(event["id"])
    all_of_one.about(event["id"])
    joined.about(group["id"])
    assert {one.routing_key for one in joined.heard} == {"groups.member.joined.v1"}
    assert {one.routing_key for one in events.heard} == {"events.event.scheduled.v1"}
    assert {one.routing_key.partition(".")[0] for one in all_of_one.heard} == {"events"}


def test_the_log_is_replayed_from_the_first_message_on(person, subscribe):
    live = subscribe("groups.#")
    ana = person("ana")
    groups = [ana.founds() for _ in range(3)]
    for group in groups:
        live.about(group["id"], 2)
    first, again = (subscribe(log="commonground.public.log", offset="first") for _ in range(2))
    for replay in (first, again):
        replay.about(groups[-1]["id"], 2)
    ids = [one.envelope["id"] for one in live.heard if one.envelope["subject"] in [one["id"] for one in groups]]
    assert len(ids) == 6
    for replay in (first, again):
        replayed = [one.envelope["id"] for one in replay.heard]
        assert [one for one in replayed if one in ids] == ids
        offsets = [one.headers["x-stream-offset"] for one in replay.heard]
        assert offsets == list(range(len(offsets)))
        assert {one.headers["audience"] for one in replay.heard} == {"public"}
    from_there = subscribe(log="commonground.public.log", offset=str_offset(first, ids[2]))
    from_there.about(groups[-1]["id"], 2)
    assert [one.envelope["id"] for one in from_there.heard if one.envelope["id"] in ids] == ids[2:]


def str_offset(replay, message):
    """The offset at which a replay had a message."""
    return next(one.headers["x-stream-offset"] for one in replay.heard if one.envelope["id"] == message)


def test_the_log_of_everything_is_for_those_who_are_trusted(platform, subscribe, person):
    ana = person("ana")
    group = ana.founds(visibility="unlisted")
    log = subscribe(log="commonground.log", trusted=True)
    assert {one.envelope["audience"] for one in log.about(group["id"], 2)} == {"group"}
    connection = connect(platform.broker.uri_for("newsletter"), "test")
    channel = connection.channel()
    own = channel.queue_declare("subscriber.newsletter.curious", exclusive=True).queue
    with pytest.raises(amqp.AccessRefused):
        channel.queue_bind(own, "commonground.messages", "#")
    channel = connection.channel()
    channel.basic_qos(0, 1, False)
    with pytest.raises(amqp.AccessRefused):
        channel.basic_consume("commonground.log", arguments={"x-stream-offset": "first"})
    connection.collect()


@pytest.mark.parametrize("account", ["newsletter", "warehouse"])
@pytest.mark.parametrize("exchange", ["commonground.groups", "commonground.messages", "commonground.public", ""])
def test_subscribers_write_nowhere(platform, account, exchange):
    connection = connect(platform.broker.uri_for(account), "test")
    channel = connection.channel()
    message = amqp.Message(b"{}", delivery_mode=2)
    with pytest.raises(amqp.AccessRefused):
        channel.basic_publish_confirm(message, exchange=exchange, routing_key="groups.group.founded.v1")
    connection.collect()


def test_a_service_cannot_speak_as_another_one(platform):
    connection = connect(platform.broker.uri_for("events"), "test")
    channel = connection.channel()
    message = amqp.Message(b"{}", delivery_mode=2)
    with pytest.raises(amqp.AccessRefused):
        channel.basic_publish_confirm(message, exchange="commonground.groups", routing_key="groups.group.founded.v1")
    connection.collect()


def test_a_trace_goes_from_the_request_through_all_services_messages(person, subscribe):
    everything = subscribe("#", trusted=True)
    ana, ben = person("ana"), person("ben")
    ben.joins(group := ana.founds())
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    answer = ana.post(f"/v1/groups/{group['id']}/events", an_event(), headers={"traceparent": parent}, key=a_key())
    event = done(answer, 201)
    (scheduled,) = everything.about(event["id"])
    notice = everything.wait(
        lambda one: one.envelope["type"].endswith(".notice.posted.v1") and event["id"] in str(one.data["subject"])
    )[0]
    for one in (scheduled, notice):
        version, trace, span, flags = one.envelope["traceparent"].split("-")
        assert (version, trace, flags) == ("00", TRACE, "01")
        assert int(span, 16)


def test_a_trace_context_that_is_none_is_not_continued_and_a_request_id_is_given_back(person, subscribe):
    everything = subscribe("groups.group.founded.v1", trusted=True)
    ana = person("ana")
    body = {"name": "Kittens", "interests": ["kittens"], "scope": "virtual"}
    answer = ana.post("/v1/groups", body, headers={"traceparent": "00-zz-zz-01", "X-Request-Id": "my-own-id"})
    group = done(answer, 201)
    assert answer.headers["x-request-id"] == "my-own-id"
    (founded,) = everything.about(group["id"])
    assert re.fullmatch(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", founded.envelope["traceparent"])
