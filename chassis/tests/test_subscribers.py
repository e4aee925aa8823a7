"""What an operator does with the accounts of other systems, and what such an account may and may not do."""

from contextlib import closing
from urllib.parse import urlsplit

import amqp
import pytest

from chassis import topology
from chassis.connection import connect
from chassis.operate import Refused
from chassis.subscribers import Subscriber, Subscribers
from chassis.testing import wait_until

ALL_EXCHANGES = [
    "commonground.groups",
    "commonground.messages",
    "commonground.public",
    "commonground.audience",
    "amq.topic",
    "",
]


@pytest.fixture
def subscribers(topology):
    """The accounts of other systems on the run's broker."""
    return Subscribers(topology.uri, topology.api)


@pytest.fixture
def account(subscribers):
    """Make an account that goes with the test: `account("crm")` gives its address."""
    made = []

    def make(name, trusted=False):
        made.append(name)
        return subscribers.add(name, trusted)

    yield make
    for name in made:
        if name in [one.name for one in subscribers.each()]:
            subscribers.revoke(name)


@pytest.fixture
def command(topology, run_command):
    """Run an operator's command: `command("list")`."""

    def run(*arguments, **env):
        given = {"CG_AMQP_URI": topology.uri, "CG_AMQP_API": topology.api, **env}
        return run_command("chassis", "subscribers", *arguments, **given)

    return run


def refused(address, do):
    """Whether the broker answers ACCESS_REFUSED (403) to what is done on a channel of this account."""
    with closing(connect(address, "test")) as connection:
        channel = connection.channel()
        try:
            do(channel)
        except amqp.exceptions.AccessRefused:
            return True
        return False


def a_message():
    return amqp.Message(b"{}", delivery_mode=2)


def test_the_command_prints_an_address_once_that_hears_what_is_public(command, topology, bus):
    said = command("add", "newsletter-2")
    assert said.returncode == 0, said.stderr
    (address,) = said.stdout.splitlines()
    password = urlsplit(address).password
    assert password and password not in said.stderr
    listed = command("list")
    assert "newsletter-2  public" in listed.stdout.splitlines() and password not in listed.stdout
    with closing(connect(address, "test")) as connection:
        channel = connection.channel()
        channel.queue_declare("subscriber.newsletter-2", durable=True, auto_delete=False)
        channel.queue_bind("subscriber.newsletter-2", "commonground.public", "#")
        bus.put(b"{}", application_headers={"audience": "group"})
        bus.put(b"[]", application_headers={"audience": "public"})
        wait_until(lambda: (heard := channel.basic_get("subscriber.newsletter-2")) and bytes_of(heard) == b"[]")

    revoked = command("revoke", "newsletter-2")
    assert (revoked.returncode, revoked.stdout.strip()) == (
        0,
        "newsletter-2 is revoked and disconnected; queues deleted: 1.",
    )
    with pytest.raises(amqp.AccessRefused):
        connect(address, "test")
    assert "newsletter-2" not in command("list").stdout
    with closing(connect(topology.uri, "test")) as operator, pytest.raises(amqp.NotFound):
        operator.channel().queue_declare("subscriber.newsletter-2", passive=True)


def test_who_is_revoked_while_listening_is_disconnected(account, subscribers):
    connection = connect(account("crm"), "test")
    connection.channel().queue_declare("subscriber.crm.live", exclusive=True)
    assert subscribers.revoke("crm") == 0  # its only queue goes with its connection
    with pytest.raises((amqp.AMQPError, OSError)):
        connection.drain_events(timeout=10)
    connection.collect()


@pytest.mark.parametrize("name", ["", "-x", "News", "news.letter", "a b", "x" * 51, "a/b", "..", "ana\n"])
def test_a_name_that_could_not_name_a_queue_of_ones_own_is_refused(subscribers, name):
    with pytest.raises(Refused, match="cannot be a subscriber's name"):
        subscribers.add(name)


@pytest.mark.parametrize("name", ["operator", "groups", "gateway"])
def test_no_other_account_is_made_anew_listed_or_revoked_as_a_subscribers(subscribers, topology, name):
    with pytest.raises(Refused, match=f"has an account {name} already"):
        subscribers.add(name)
    with pytest.raises(Refused, match=f"no subscriber {name}"):
        subscribers.revoke(name)
    assert name not in [one.name for one in subscribers.each()]
    connect(topology.uri_for(name), "test").close()


def test_a_name_is_given_once_until_it_is_revoked(account, subscribers):
    first = account("crm")
    with pytest.raises(Refused, match="already"):
        subscribers.add("crm")
    connect(first, "test").close()
    subscribers.revoke("crm")
    assert account("crm", trusted=True) != first
    assert Subscriber("crm", trusted=True) in subscribers.each()


def test_a_wrong_account_and_an_api_that_is_away_are_said_with_what_to_do(command, topology, account):
    plain = command("list", CG_AMQP_URI=account("crm"))
    assert (plain.returncode, "crm of CG_AMQP_URI may not administer" in plain.stderr) == (1, True)
    away = command("list", CG_AMQP_API="http://127.0.0.1:9")
    assert (away.returncode, "rabbitmq-plugins enable rabbitmq_management" in away.stderr) == (1, True)
    assert urlsplit(topology.uri).password not in plain.stderr + away.stderr


def test_a_queue_that_is_never_read_keeps_the_newest_and_no_more_than_the_disk_can_bear(
    account, subscribers, bus, monkeypatch
):
    assert topology.SUBSCRIBER_LIMITS["max-length-bytes"] == 1_000_000_000
    with monkeypatch.context() as patched:
        patched.setitem(topology.SUBSCRIBER_LIMITS, "max-length-bytes", 250)
        address = account("crm")
    with closing(connect(address, "test")) as connection:
        channel = connection.channel()
        channel.queue_declare("subscriber.crm", durable=True, auto_delete=False)
        channel.queue_bind("subscriber.crm", "commonground.public", "#")
        for number in range(9):
            bus.put(str(number).encode() * 100, application_headers={"audience": "public"})
        wait_until(lambda: bus.count("subscriber.crm") == 2)
        assert bytes_of(channel.basic_get("subscriber.crm")) == b"7" * 100
    subscribers.revoke("crm")
    account("crm")  # the limit stands again as it was


def bytes_of(message):
    return message.body if isinstance(message.body, bytes) else message.body.encode()


# -- what such an account may not do, each tried on the real broker


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("exchange", ALL_EXCHANGES)
def test_a_subscriber_publishes_nowhere(account, exchange, trusted):
    address = account("crm", trusted)
    assert refused(
        address,
        lambda channel: channel.basic_publish_confirm(a_message(), exchange=exchange, routing_key="subscriber.crm"),
    )


@pytest.mark.parametrize("trusted", [False, True])
def test_a_subscriber_declares_binds_and_deletes_nothing_but_its_own_queues(account, trusted):
    address = account("crm", trusted)
    for name in ("commonground.crm", "subscriber", "subscriber.crmx", "mine", ""):
        assert refused(address, lambda channel, name=name: channel.queue_declare(name, exclusive=True)), name
    for name in ("commonground.crm", "subscriber.other", "mine"):
        assert refused(address, lambda channel, name=name: channel.exchange_declare(name, "topic")), name
    for exchange in ("commonground.public", "commonground.groups"):
        assert refused(address, lambda channel, exchange=exchange: channel.exchange_delete(exchange)), exchange
        assert refused(
            address, lambda channel, exchange=exchange: channel.exchange_bind("commonground.messages", exchange, "#")
        ), exchange
    for queue in ("commonground.log", "commonground.public.log"):
        assert refused(address, lambda channel, queue=queue: channel.queue_delete(queue)), queue


def test_a_subscriber_cannot_have_the_broker_publish_for_it(account):
    address = account("crm")
    for exchange in ("", "commonground.public", "commonground.groups"):
        arguments = {
            "x-dead-letter-exchange": exchange,
            "x-dead-letter-routing-key": "commonground.groups.inbox",
            "x-message-ttl": 1,
        }
        assert refused(
            address,
            lambda channel, arguments=arguments: channel.queue_declare("subscriber.crm.ttl", arguments=arguments),
        ), exchange


@pytest.mark.parametrize("exchange", ["commonground.messages", "commonground.groups", "commonground.audience"])
def test_what_is_not_public_is_for_those_who_are_trusted(account, exchange):
    def bind(channel):
        queue = channel.queue_declare("subscriber.crm.all", exclusive=True).queue
        channel.queue_bind(queue, exchange, "#")

    def read(channel):
        channel.basic_qos(0, 1, False)
        channel.basic_consume("commonground.log", arguments={"x-stream-offset": "first"})

    address = account("crm")
    assert refused(address, bind) and refused(address, read)


def test_one_that_is_trusted_hears_all_messages_and_their_log(account):
    address = account("warehouse-2", trusted=True)
    with closing(connect(address, "test")) as connection:
        channel = connection.channel()
        channel.queue_declare("subscriber.warehouse-2", exclusive=True)
        channel.queue_bind("subscriber.warehouse-2", "commonground.messages", "#")
        channel.basic_qos(0, 1, False)
        heard = []
        channel.basic_consume("commonground.log", callback=heard.append, arguments={"x-stream-offset": "first"})
    assert refused(address, lambda channel: channel.basic_get("commonground.groups.inbox"))


def test_a_subscriber_reaches_no_queue_of_another_ones(account, topology):
    address = account("crm")
    with closing(connect(account("crm-2"), "test")) as other, closing(connect(topology.uri, "test")) as operator:
        theirs = "subscriber.crm-2"
        other.channel().queue_declare(theirs, durable=True, auto_delete=False)
        unnamed = operator.channel().queue_declare(exclusive=False, auto_delete=False).queue
        for queue in (theirs, unnamed, "commonground.groups.inbox", "commonground.groups.parked"):
            for attempt in (
                lambda channel, queue=queue: channel.basic_get(queue),
                lambda channel, queue=queue: channel.basic_consume(queue),
                lambda channel, queue=queue: channel.queue_bind(queue, "commonground.public", "#"),
                lambda channel, queue=queue: channel.queue_purge(queue),
                lambda channel, queue=queue: channel.queue_delete(queue),
            ):
                assert refused(address, attempt), queue
        operator.channel().queue_delete(unnamed)
