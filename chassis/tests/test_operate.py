"""What an operator does with parked messages and projections: nothing is lost, nothing is done twice, everything is said."""

import json
import time

import pytest

from chassis.testing import wait_until


@pytest.fixture
def park(bus, listen):
    """Park messages: they fail as often as they are tried, until the listener is another one."""

    def parked(*texts):
        service = listen()
        ids = []
        for text in texts:
            before = bus.count(bus.queue("parked"))
            ids.append(bus.tell("", data={"txt": text}))
            wait_until(lambda before=before: bus.count(bus.queue("parked")) == before + 1, 20)
        service.stop()
        return ids

    return parked


def mend(bus, message):
    """The message as its publisher should have sent it, with the same id."""
    return bus.tell("mended", id=message)


def test_parked_messages_are_listed_oldest_first_and_stay(bus, park, operate):
    ids = park("a", "b", "c")
    for _ in range(3):
        done = operate("parked", "list", "--service", bus.name)
        assert done.returncode == 0, done.stderr
        assert [line.split()[0] for line in done.stdout.splitlines()] == ids
        assert "its data lacks what is needed" in done.stdout
    wait_until(lambda: bus.count(bus.queue("parked")) == 3)


def test_one_is_shown_with_all_that_is_known_of_it(bus, park, operate):
    _, second = park("a", "b")
    done = operate("parked", "show", second, "--service", bus.name)
    assert f"commonground.{bus.told}" in done.stdout
    assert f"{bus.name}.act" in done.stdout
    assert json.loads(done.stdout.partition("\n\n")[2])["data"] == {"txt": "b"}


def test_one_is_replayed_and_takes_effect(bus, listen, operate):
    listen()
    message = bus.tell("fail 4")  # four times: the replay is the first to succeed
    wait_until(lambda: bus.count(bus.queue("parked")) == 1, 20)
    done = operate("parked", "replay", message, "--service", bus.name)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["message"] == "parked message replayed"
    wait_until(lambda: bus.effects() == ["fail 4"], 20)
    assert bus.count(bus.queue("parked")) == 0


def test_a_replayed_message_is_tried_as_often_as_a_new_one(bus, listen, operate):
    listen()
    message = bus.tell("fail 7")
    wait_until(lambda: bus.count(bus.queue("parked")) == 1, 20)
    operate("parked", "replay", message, "--service", bus.name)
    wait_until(lambda: bus.effects() == ["fail 7"], 20)
    assert bus.database.tries.find_one()["count"] == 8


def test_all_are_replayed_each_once(bus, park, operate):
    ids = park("a", "b", "c")
    done = operate("parked", "replay", "--all", "--service", bus.name)
    assert done.returncode == 0, done.stderr
    assert bus.count(bus.queue("parked")) == 0
    assert [one.properties["message_id"] for one in bus.take(bus.queue("inbox"))] == ids


def test_replaying_all_ends_even_if_all_are_parked_again(bus, park, listen, operate):
    ids = park("a", "b")
    listen()
    done = operate("parked", "replay", "--all", "--service", bus.name)
    assert len(done.stdout.splitlines()) == 2
    wait_until(lambda: bus.count(bus.queue("parked")) == 2)
    assert {one.properties["message_id"] for one in bus.take(bus.queue("parked"))} == set(ids)


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
    for action in (["show", "msg_x"], ["replay", "msg_x"], ["drop", "msg_x", "--reason", "r"]):
        done = operate("parked", *action, "--service", bus.name)
        assert done.returncode == 1
        assert "No message msg_x is parked" in done.stderr
        assert "Traceback" not in done.stderr
    wait_until(lambda: bus.count(bus.queue("parked")) == 1)
    assert operate("parked", "list", "--service", "nobody").returncode == 1


def test_the_topology_is_declared_by_a_command_as_often_as_one_likes(bus, operate):
    for _ in range(2):
        done = operate("topology", bus.name)
        assert done.returncode == 0, done.stderr
    for queue in topology_queues(bus):
        bus.connection.channel().queue_delete(queue)


def topology_queues(bus):
    from chassis import topology

    return [one.name for one in topology.queues_of(bus.name)]


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


def test_messages_that_arrive_during_a_rebuild_are_in_the_new_projection(bus, listen, operate):
    import threading

    listen()
    ended = threading.Event()
    told = []

    def tell():
        while not ended.is_set():
            number = len(told)
            bus.tell(f"version {number}", subject=f"thg_{number % 20}", sequence=str(number))
            told.append(number)
            time.sleep(0.005)

    teller = threading.Thread(target=tell)
    teller.start()
    try:
        done = operate("rebuild", "listener:Listener", "latest")
    finally:
        ended.set()
        teller.join()
    assert done.returncode == 0, done.stderr
    newest = {f"thg_{number % 20}": f"version {number}" for number in told}
    wait_until(lambda: {one["_id"]: one["text"] for one in bus.database.latest.find()} == newest, 20)


@pytest.mark.parametrize("projection", ["effects", "nothing"])
def test_only_a_projection_can_be_built_anew(bus, operate, projection):
    done = operate("rebuild", "listener:Listener", projection)
    assert done.returncode == 1
    assert "It has: latest" in done.stderr
