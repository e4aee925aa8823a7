"""Nothing committed stays unpublished, whatever dies when; what is published twice has the same id."""

import json
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from chassis import outbox
from chassis.testing import wait_until

pytestmark = pytest.mark.kills_nodes

MANY = [str(number) for number in range(120)]


@pytest.fixture
def relay(bus, start_process):
    """Start a relay of the bus' service, to die at a point."""

    def start(point="never"):
        env = {"CG_AMQP_URI": bus.broker.uri, "CG_MONGO_URI": bus.mongo_uri, "PYTHONPATH": str(Path(__file__).parent)}
        return start_process([sys.executable, "-m", "relaying", bus.name, point], env)

    return start


def is_empty(bus):
    return bus.database[outbox.COLLECTION].count_documents({}) == 0


def test_what_stands_in_the_outbox_is_published_in_order_as_it_was_written(bus, relay):
    queue = bus.hear()
    written = bus.fill(*MANY)
    bodies = {one["_id"]: one["body"] for one in bus.database[outbox.COLLECTION].find()}
    relay()
    wait_until(lambda: is_empty(bus), 20)
    taken = bus.take(queue)
    assert [one.properties["message_id"] for one in taken] == written
    assert all(one.body == bodies[one.properties["message_id"]] for one in taken)
    assert {one.delivery_info["routing_key"] for one in taken} == {bus.told}
    assert {one.properties["delivery_mode"] for one in taken} == {2}


def test_what_is_handed_to_one_service_stands_in_its_inbox_and_nowhere_else(bus, relay):
    everywhere, inbox = bus.hear(), bus.queue("inbox")
    bus.connection.channel().queue_declare(inbox, durable=True, auto_delete=False)
    envelope = bus.envelope("private")
    bus.database[outbox.COLLECTION].insert_one(outbox.document(envelope, bus.name))
    bus.fill("public")
    relay()
    wait_until(lambda: is_empty(bus), 20)
    assert [one.properties["message_id"] for one in bus.take(inbox)] == [envelope["id"]]
    assert [json.loads(one.body)["data"]["text"] for one in bus.take(everywhere)] == ["public"]


def test_a_message_larger_than_a_frame_arrives_whole(bus, relay):
    queue = bus.hear()
    bus.fill("small", "long " * 100_000, "")
    bodies = [one["body"] for one in bus.database[outbox.COLLECTION].find().sort("_id")]
    relay()
    wait_until(lambda: is_empty(bus), 20)
    assert [one.body for one in bus.take(queue)] == bodies


def test_what_another_process_writes_is_published_at_once(bus, relay):
    queue = bus.hear()
    bus.fill("first")
    relay()
    wait_until(lambda: bus.count(queue) == 1, 20)
    waits = []
    for _ in range(10):
        time.sleep(0.13)  # out of step with the sweep
        started = time.monotonic()
        before = bus.count(queue)
        bus.fill("another")
        wait_until(lambda before=before: bus.count(queue) > before, 5)
        waits.append(time.monotonic() - started)
    assert sorted(waits)[5] < 0.25  # the sweep alone would take half a second


@pytest.mark.parametrize("point", ["read", "sent", "confirmed", "deleted"])
def test_killed_between_any_two_steps_it_loses_nothing(bus, relay, point):
    queue = bus.hear()
    written = bus.fill(*MANY)
    assert relay(point).wait(20) == -signal.SIGKILL
    if point != "deleted":
        assert bus.database[outbox.COLLECTION].count_documents({}) == len(MANY)
    relay()
    wait_until(lambda: is_empty(bus), 20)
    taken = [one.properties["message_id"] for one in bus.take(queue)]
    assert set(taken) == set(written)
    # What had arrived and was not deleted is sent again, with the id it had.
    assert len(taken) == 120 if point == "read" else len(taken) >= (170 if point == "confirmed" else 120)


def test_one_process_publishes_at_a_time_and_another_takes_over_when_it_dies(bus, relay):
    queue = bus.hear()
    bus.fill("a")
    first = relay()
    wait_until(lambda: is_empty(bus), 20)
    second = relay()
    wait_until(lambda: bus.database.leases.count_documents({}) == 1)
    holder = bus.database.leases.find_one()["holder"]
    end = time.monotonic() + 3  # longer than the lease lasts unless it is renewed
    while time.monotonic() < end:
        bus.fill("b")
        assert bus.database.leases.find_one()["holder"] == holder
        time.sleep(0.1)
    first.kill()
    bus.fill("c")
    wait_until(lambda: is_empty(bus), 20)
    assert bus.database.leases.find_one()["holder"] != holder
    assert second.is_running
    ids = [one.properties["message_id"] for one in bus.take(queue)]
    assert len(ids) == len(set(ids))


def test_asked_to_end_it_publishes_what_is_there_and_gives_the_lease_back(bus, relay):
    queue = bus.hear()
    one = relay()
    wait_until(lambda: bus.database.leases.count_documents({}) == 1, 20)
    one.send(signal.SIGSTOP)
    bus.fill(*MANY)
    one.send(signal.SIGTERM)
    one.send(signal.SIGCONT)
    assert one.wait(20) == 0
    assert is_empty(bus)
    assert bus.count(queue) == len(MANY)
    assert bus.database.leases.count_documents({}) == 0


def test_what_nobody_takes_stays_and_is_tried_again_and_holds_up_nothing(bus, relay):
    topology_gone = bus.connection.channel()
    topology_gone.exchange_unbind("commonground.messages", f"commonground.{bus.name}", "#")
    queue = topology_gone.queue_declare(auto_delete=False, exclusive=False, arguments={"x-expires": 120_000}).queue
    topology_gone.queue_bind(queue, f"commonground.{bus.name}", "other.thing.v1")
    unroutable = bus.fill("nobody hears this")
    process = relay()
    wait_until(lambda: process.tail().count("the broker did not take messages") >= 2, 20)
    routable = outbox.document(bus.envelope("heard", type="commonground.other.thing.v1"))
    bus.database[outbox.COLLECTION].insert_one(routable)
    wait_until(lambda: bus.count(queue) == 1, 10)
    assert [one["_id"] for one in bus.database[outbox.COLLECTION].find()] == unroutable
    topology_gone.queue_bind(queue, f"commonground.{bus.name}", "#")
    wait_until(lambda: is_empty(bus), 10)
    assert {one.properties["message_id"] for one in bus.take(queue)} == {*unroutable, routable["_id"]}


def test_it_waits_for_an_exchange_that_does_not_exist_yet(bus, relay):
    bus.connection.channel().exchange_delete(f"commonground.{bus.name}")
    bus.fill("patience")
    process = relay()
    wait_until(lambda: bus.database.leases.find_one() is not None, 20)
    time.sleep(0.5)
    assert process.is_running
    assert not is_empty(bus)
    bus.declare()
    queue = bus.hear()
    wait_until(lambda: is_empty(bus), 20)
    assert bus.count(queue) <= 1


@pytest.mark.slow
def test_a_broker_that_is_killed_midway_costs_no_message(bus, relay):
    channel = bus.connection.channel()
    queue = channel.queue_declare(
        f"{bus.name}.kept", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum", "x-expires": 300_000}
    ).queue
    channel.queue_bind(queue, f"commonground.{bus.name}", "#")
    written = set()
    writing = threading.Event()

    def write():
        while not writing.is_set():
            written.update(bus.fill(*MANY))
            time.sleep(0.3)

    writer = threading.Thread(target=write)
    relay()
    bus.declared_at = time.monotonic()
    bus.let_the_broker_remember()
    writer.start()
    wait_until(lambda: bus.count(queue) > 300, 20)
    bus.broker.kill()
    bus.broker.start()
    writing.set()
    writer.join()
    wait_until(lambda: is_empty(bus), 40)
    found = set()
    while found != written:
        taken = bus.take(queue)
        assert taken or found == written
        found |= {one.properties["message_id"] for one in taken}


def test_a_database_that_restarts_midway_costs_no_message(bus, relay, database):
    queue = bus.hear()
    written = bus.fill(*MANY * 20)
    relay()
    wait_until(lambda: bus.count(queue) > 0, 20)
    database.kill()
    database.start()
    wait_until(lambda: is_empty(bus), 40)
    assert {one.properties["message_id"] for one in bus.take(queue)} == set(written)
