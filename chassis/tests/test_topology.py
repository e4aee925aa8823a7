"""What stands on the broker, where it leads, and who may do what with it."""

import json

import amqp
import pytest

from chassis import topology
from chassis.connection import connect
from chassis.live import Live
from chassis.testing import wait_until


@pytest.fixture
def account(bus):
    """Connect with an account of the run's broker."""
    opened = []

    def open_as(name):
        opened.append(connect(bus.broker.uri_for(name), name))
        return opened[-1]

    yield open_as
    for one in opened:
        one.close()


def publish(connection, exchange, key, audience="public"):
    channel = connection.channel()
    message = amqp.Message(b"x", application_headers={"audience": audience})
    channel.basic_publish_confirm(message, exchange=exchange, routing_key=key, mandatory=True)
    channel.close()


def subscribe(connection, exchange, key="#"):
    channel = connection.channel()
    queue = channel.queue_declare(exclusive=True).queue
    channel.queue_bind(queue, exchange, key)
    return channel, queue


def test_declaring_again_changes_nothing(bus):
    for _ in range(2):
        topology.declare(bus.connection, topology.shared([bus.name]))
        topology.declare(bus.connection, topology.queues_of(bus.name, (0.2, 0.4, 0.8)))


def test_everything_a_service_publishes_reaches_all_and_the_log(bus):
    channel, queue = subscribe(bus.connection, "commonground.messages")
    publish(bus.connection, f"commonground.{bus.name}", f"{bus.name}.thing.told.v1", "group")
    wait_until(lambda: channel.basic_get(queue, no_ack=True) is not None)


@pytest.mark.parametrize(("audience", "heard"), [("public", True), ("group", False), ("person", False), (None, False)])
def test_only_what_is_public_reaches_the_public(bus, audience, heard):
    channel, queue = subscribe(bus.connection, "commonground.public", f"{bus.name}.#")
    marker, marked = subscribe(bus.connection, "commonground.messages", f"{bus.name}.#")
    publish(bus.connection, f"commonground.{bus.name}", f"{bus.name}.thing.told.v1", audience)
    wait_until(lambda: marker.basic_get(marked, no_ack=True) is not None)
    assert (channel.basic_get(queue, no_ack=True) is not None) == heard


def test_a_queue_gets_only_the_types_it_is_bound_to(bus):
    topology.declare(bus.connection, topology.queues_of(bus.name, (0.2, 0.4, 0.8)))
    topology.declare(bus.connection, topology.bindings_of(bus.name, ["a.b.v1"]))
    publish(bus.connection, f"commonground.{bus.name}", "a.b.v1")
    publish(bus.connection, f"commonground.{bus.name}", "a.c.v1")
    wait_until(lambda: bus.count(bus.queue("inbox")) == 1)
    assert [one.delivery_info["routing_key"] for one in bus.take(bus.queue("inbox"))] == ["a.b.v1"]


def test_a_message_taken_too_often_without_being_settled_is_parked_and_never_lost(bus):
    topology.declare(bus.connection, topology.queues_of(bus.name, (0.2, 0.4, 0.8)))
    channel = bus.connection.channel()
    channel.basic_publish(amqp.Message(b"poison", message_id="msg_1"), "", bus.queue("inbox"))
    wait_until(lambda: bus.count(bus.queue("inbox")) == 1)
    for _ in range(topology.DELIVERY_LIMIT + 1):
        taken = channel.basic_get(bus.queue("inbox"))
        channel.basic_reject(taken.delivery_tag, requeue=True)
    wait_until(lambda: bus.count(bus.queue("parked")) == 1)
    # Looking at it any number of times does not drop it.
    for _ in range(topology.DELIVERY_LIMIT + 5):
        taken = channel.basic_get(bus.queue("parked"))
        channel.basic_reject(taken.delivery_tag, requeue=True)
    assert bus.take(bus.queue("parked"))[0].body == b"poison"


def test_a_mismatch_names_the_thing_what_it_is_and_what_it_should_be(bus):
    topology.declare(
        bus.connection, [topology.Queue(bus.queue("parked"), {"x-queue-type": "quorum", "x-delivery-limit": 5})]
    )
    with pytest.raises(
        topology.Mismatch, match=rf"{bus.queue('parked')} .* x-delivery-limit = '5'; .* declares '1000000000'"
    ):
        topology.declare(bus.connection, topology.queues_of(bus.name))


def test_an_exchange_of_another_type_is_a_mismatch(bus):
    with pytest.raises(topology.Mismatch, match=r"type = 'topic'; this release declares 'fanout'"):
        topology.declare(bus.connection, [topology.Exchange(f"commonground.{bus.name}", "fanout")])


def test_what_is_missing_is_named(bus):
    with pytest.raises(topology.Missing, match=r"exchange commonground\.nowhere does"):
        topology.declare(
            bus.connection, [topology.Binding("commonground.nowhere", "commonground.messages", to_exchange=True)]
        )
    with pytest.raises(topology.Missing, match=r"exchange commonground\.nowhere does"):
        topology.expect(bus.connection, "commonground.nowhere", "commonground.log")
    with pytest.raises(topology.Missing, match=r"queue commonground\.nowhere does"):
        topology.expect(bus.connection, "commonground.messages", "commonground.nowhere")


# -- permissions


def allowed(account, do):
    """Whether the broker lets an account do something."""
    channel = account.channel()
    try:
        do(channel)
    except amqp.exceptions.AccessRefused:
        return False
    channel.close()
    return True


def refused(connection, exchange):
    channel = connection.channel()
    with pytest.raises(amqp.exceptions.AccessRefused):
        channel.basic_publish_confirm(amqp.Message(b"x"), exchange=exchange, routing_key="x")


def test_a_service_declares_its_own_queues_and_binds_them_to_all_messages(account):
    topology.declare(account("groups"), topology.queues_of("groups"))
    topology.declare(account("groups"), topology.bindings_of("groups", ["a.b.v1"]))


def test_a_service_publishes_to_its_own_exchange_and_no_other(bus, account):
    topology.expect(account("groups"), "commonground.groups", "commonground.log")
    publish(account("groups"), "commonground.groups", "groups.test.v1")
    for other in ("commonground.events", "commonground.messages", "commonground.public", "commonground.audience"):
        refused(account("groups"), other)
    refused(account("groups"), "commonground.live.events")


def test_a_service_can_neither_read_nor_bind_nor_declare_what_is_not_its_own(bus, account):
    topology.declare(bus.connection, topology.queues_of("events"))
    groups = account("groups")
    theirs = "commonground.events.inbox"
    assert not allowed(groups, lambda channel: channel.basic_get(theirs))
    assert not allowed(groups, lambda channel: channel.queue_bind(theirs, "commonground.messages", "#"))
    assert not allowed(groups, lambda channel: channel.queue_delete(theirs))
    assert not allowed(groups, lambda channel: channel.queue_delete("commonground.log"))
    assert not allowed(groups, lambda channel: channel.exchange_delete("commonground.groups"))
    assert not allowed(groups, lambda channel: channel.exchange_declare("commonground.groups.mine", "topic"))
    assert not allowed(
        groups, lambda channel: channel.exchange_bind("commonground.messages", "commonground.groups", "#")
    )


def test_the_gateway_sees_no_message(account):
    gateway = account("gateway")
    subscribe(gateway, "commonground.contracts")
    for exchange in ("commonground.messages", "commonground.public"):
        assert not allowed(gateway, lambda channel, exchange=exchange: subscribe_on(channel, exchange))
    refused(gateway, "commonground.groups")


def test_a_service_wakes_the_gateway_and_nobody_else_does(account):
    gateway, woken = account("gateway"), []
    channel = gateway.channel()
    queue = channel.queue_declare(exclusive=True).queue
    for topic in ("person:ana", "group:kittens"):
        channel.queue_bind(queue, "commonground.live.groups", topic)
    channel.basic_consume(queue, no_ack=True, callback=lambda message: woken.append(json.loads(message.body)))
    live = Live()
    live.exchange = topology.live_of("groups")
    live.channel = account("groups").channel()
    live.news(["person:ben"])
    live.news(["person:ana", "group:kittens", "person:ben"])
    gateway.drain_events(timeout=5)
    assert woken == [["group:kittens", "person:ana", "person:ben"]], "once, though two of its topics are waited for"
    refused(account("gateway"), "commonground.live.groups")
    assert not allowed(account("newsletter"), lambda channel: subscribe_on(channel, "commonground.live.groups"))


def subscribe_on(channel, exchange, queue=""):
    queue = channel.queue_declare(queue, exclusive=True).queue
    channel.queue_bind(queue, exchange, "#")


@pytest.mark.parametrize(
    ("name", "exchange", "may"),
    [
        ("newsletter", "commonground.public", True),
        ("newsletter", "commonground.messages", False),
        ("warehouse", "commonground.messages", True),
        ("warehouse", "commonground.groups", False),
    ],
)
def test_a_subscriber_hears_what_it_is_trusted_with(account, name, exchange, may):
    assert allowed(account(name), lambda channel: subscribe_on(channel, exchange, f"subscriber.{name}.test")) == may


def test_a_subscriber_reads_the_public_log_from_its_beginning(bus, account):
    publish(bus.connection, f"commonground.{bus.name}", "x.y.v1")
    connection = account("newsletter")
    channel = connection.channel()
    channel.basic_qos(0, 10, False)
    heard = []
    channel.basic_consume("commonground.public.log", callback=heard.append, arguments={"x-stream-offset": "first"})
    connection.drain_events(timeout=5)
    assert heard
    assert not allowed(account("newsletter"), lambda channel: channel.basic_consume("commonground.log"))
