"""What an operator does with parked messages and projections: nothing is lost, nothing is done twice, everything is said."""

import json
import threading
import time

import amqp
import pytest

from chassis import topology
from chassis.operate import Parked, Refused
from chassis.testing import wait_until


@pytest.fixture
def park(bus):
    """Put messages among the parked ones, as the consumer does."""

    def parked(*texts):
        topology.declare(bus.connection, topology.queues_of(bus.name, (0.2, 0.4, 0.8)))
        channel = bus.connection.channel()
        ids = []
        for text in texts:
            envelope = bus.envelope(text)
            headers = {"audience": "public", "cg-attempts": 6, "cg-reason": "ValueError: no", "cg-consumer": "x.act"}
            message = amqp.Message(
                json.dumps(envelope).encode(),
                message_id=envelope["id"],
                type=envelope["type"],
                delivery_mode=2,
                application_headers={**headers, "cg-failed-at": "2026-11-23T18:00:00Z", "x-death": [{"count": 3}]},
            )
            channel.basic_publish_confirm(message, routing_key=bus.queue("parked"), mandatory=True)
            ids.append(envelope["id"])
        wait_until(lambda: bus.count(bus.queue("parked")) == len(ids))
        return ids

    return parked


def test_parked_messages_are_listed_oldest_first_and_stay(bus, park, operate):
    ids = park("a", "b", "c")
    for _ in range(2):
        done = operate("parked", "list", "--service", bus.name)
        assert done.returncode == 0, done.stderr
        assert [line.split()[0] for line in done.stdout.splitlines()] == ids
        assert "6 attempts  since 2026-11-23T18:00:00Z  x.act: ValueError: no" in done.stdout
    wait_until(lambda: bus.count(bus.queue("parked")) == 3)


def test_one_is_shown_with_all_that_is_known_of_it(bus, park, operate):
    _, second = park("a", "b")
    done = operate("parked", "show", second, "--service", bus.name)
    assert f"commonground.{bus.told}" in done.stdout
    assert "ValueError: no" in done.stdout
    assert json.loads(done.stdout.partition("\n\n")[2])["data"] == {"text": "b"}


def test_one_is_replayed_and_tried_as_often_as_a_new_one_and_takes_effect(bus, listen, operate):
    listen()
    message = bus.tell("fail 7")  # four tries, parked, and the last of four more succeeds
    wait_until(lambda: bus.count(bus.queue("parked")) == 1, 20)
    done = operate("parked", "replay", message, "--service", bus.name)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["message"] == "parked message replayed"
    wait_until(lambda: bus.effects() == ["fail 7"], 20)
    assert bus.database.tries.find_one()["count"] == 8
    assert bus.count(bus.queue("parked")) == 0


def test_all_are_replayed_each_once_as_if_new(bus, park, operate):
    ids = park("a", "b", "c")
    done = operate("parked", "replay", "--all", "--service", bus.name)
    assert done.returncode == 0, done.stderr
    assert bus.count(bus.queue("parked")) == 0
    replayed = bus.take(bus.queue("inbox"))
    assert [one.properties["message_id"] for one in replayed] == ids
    for one in replayed:
        assert {name: value for name, value in one.properties["application_headers"].items() if name[:2] != "x-"} == {
            "audience": "public"
        }


def test_replaying_all_ends_even_if_all_are_parked_again(bus, park):
    ids = park("a", "b")
    channel = bus.connection.channel()
    with Parked(bus.broker.uri, bus.name) as parked:
        for one in parked.each():
            parked.replay(one)
            channel.basic_publish_confirm(one.raw, routing_key=bus.queue("parked"))  # as if it had failed at once
    assert [one.properties["message_id"] for one in bus.take(bus.queue("inbox"))] == ids
    assert bus.count(bus.queue("parked")) == 2


def test_ended_between_replay_and_acknowledgement_it_stays_parked(bus, park):
    (message,) = park("a")
    with Parked(bus.broker.uri, bus.name) as parked:
        parked.channel.basic_ack = lambda *_: None
        for one in parked.each():
            parked.replay(one)
    wait_until(lambda: bus.count(bus.queue("parked")) == 1)
    assert [one.properties["message_id"] for one in bus.take(bus.queue("inbox"))] == [message]


def test_a_replay_that_cannot_arrive_leaves_the_message_parked(bus, park, operate):
    park("a")
    bus.connection.channel().queue_delete(bus.queue("inbox"))
    done = operate("parked", "replay", "--all", "--service", bus.name)
    assert done.returncode == 69
    assert "stays parked" in done.stderr
    wait_until(lambda: bus.count(bus.queue("parked")) == 1)


def test_one_is_dropped_with_a_reason_that_is_recorded(bus, park, operate):
    first, second = park("a", "b")
    done = operate("parked", "drop", first, "--reason", "sent by mistake", "--service", bus.name)
    record = json.loads(done.stdout)
    assert (record["id"], record["reason"], record["message"]) == (first, "sent by mistake", "parked message dropped")
    assert record["by"]
    wait_until(lambda: bus.count(bus.queue("parked")) == 1)
    assert bus.take(bus.queue("parked"))[0].properties["message_id"] == second


def test_dropping_takes_a_reason(bus, operate):
    done = operate("parked", "drop", "msg_1", "--service", bus.name)
    assert done.returncode == 2
    assert "--reason" in done.stderr


def test_what_is_not_there_is_said_and_changes_nothing(bus, park, operate):
    park("a")
    done = operate("parked", "drop", "msg_x", "--reason", "r", "--service", bus.name)
    assert done.returncode == 1
    assert "No message msg_x is parked" in done.stderr
    assert "Traceback" not in done.stderr
    wait_until(lambda: bus.count(bus.queue("parked")) == 1)
    with (
        Parked(bus.broker.uri, "nobody") as parked,
        pytest.raises(Refused, match=r"no queue commonground\.nobody\.parked"),
    ):
        list(parked.each())


def test_the_topology_is_declared_by_a_command_as_often_as_one_likes(bus, operate):
    for _ in range(2):
        done = operate("topology", bus.name)
        assert done.returncode == 0, done.stderr
    for queue in topology.queues_of(bus.name):
        bus.connection.channel().queue_delete(queue.name)


def test_a_projection_is_built_anew_from_the_log_while_the_service_runs(bus, listen, operate):
    listen()
    for number in range(50):
        for sequence in ("1", "3", "2"):
            bus.tell(f"version {sequence}", subject=f"thg_{number}", sequence=sequence)
    wait_until(lambda: len(bus.effects()) == 150, 30)
    bus.database.latest.update_many({}, {"$set": {"text": "spoilt", "sequence": 99}})
    bus.database.latest.insert_one({"_id": "thg_invented", "sequence": 1})
    done = operate("rebuild", "listener:Listener", "latest")
    assert done.returncode == 0, done.stderr
    assert "150 applied" in done.stdout
    found = {one["_id"]: one["text"] for one in bus.database.latest.find()}
    assert found == {f"thg_{number}": "version 3" for number in range(50)}
    # What happens once is not repeated, and the service goes on with the new one.
    assert len(bus.effects()) == 150
    bus.tell("version 4", subject="thg_0", sequence="4")
    wait_until(lambda: bus.database.latest.find_one({"_id": "thg_0"})["text"] == "version 4")
    assert not [name for name in bus.database.list_collection_names() if "rebuilt" in name]


@pytest.mark.slow
def test_messages_that_arrive_during_a_rebuild_are_in_the_new_projection(bus, listen, operate):
    listen()
    ended = threading.Event()
    told = []

    def tell():
        while not ended.is_set():
            number = len(told)
            bus.tell(f"version {number}", subject=f"thg_{number}")
            told.append(number)
            time.sleep(0.02)  # fifty a second: some arrive in each step of a rebuild, which takes seconds

    teller = threading.Thread(target=tell)
    teller.start()
    try:
        done = operate("rebuild", "listener:Listener", "latest")
    finally:
        ended.set()
        teller.join()
    assert done.returncode == 0, done.stderr
    every = {f"thg_{number}": f"version {number}" for number in told}
    wait_until(lambda: bus.count(bus.queue("inbox")) == 0, 20)
    wait_until(lambda: {one["_id"]: one["text"] for one in bus.database.latest.find()} == every, 20)


@pytest.mark.parametrize("projection", ["effects", "nothing"])
def test_only_a_projection_can_be_built_anew(bus, operate, projection):
    done = operate("rebuild", "listener:Listener", projection)
    assert done.returncode == 1
    assert "It has: latest" in done.stderr
