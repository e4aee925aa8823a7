"""Whatever is killed in the middle of what people do: all that was acknowledged took effect once, and so did what follows."""

import json
import os
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime

import amqp
import pytest

from chassis.connection import connect
from chassis.testing import SERVICES
from commonground import eventually, measures
from life import Life, check_once
from subscriber import Subscriber

SEED = int(os.environ.get("CG_SEED", "20261123"))
"""What is killed when depends on it; each test prints its own."""

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("name", ["groups", "events", "notifications", "gateway"])
def test_a_process_is_killed_again_and_again(town, name):
    with Life(town, SEED) as life:
        for _ in range(2):
            life.go_on(life.some())
            town.processes[name].kill()
            town.launch(name)
            town.wait_ready(name)
        life.go_on(10)
    check_once(town, life)


@pytest.mark.parametrize("name", SERVICES)
def test_the_process_that_publishes_is_killed_and_another_one_of_its_service_goes_on(town, name):
    other, address = town.add(name)
    try:
        with Life(town, SEED + 1) as life:
            life.go_on(life.some())
            leads = eventually(lambda: who_publishes(town, name, address), "one of them publishing", pause=0.2)
            assert leads == [town.addresses[name]], "the one that was there first"
            town.processes[name].kill()
            eventually(
                lambda: who_publishes(town, name, address) == [address], "the other one publishing", 30, pause=0.2
            )
            life.go_on(life.some())
        check_once(town, life)
    finally:
        other.kill()
        town.restart(name)


def who_publishes(town, name, address):
    """The addresses of those processes of a service that hold the lease of its outbox."""
    return [one for one in (town.addresses[name], address) if measures(one)["cg_outbox_leading"]]


def test_a_service_is_killed_again_and_again_while_it_catches_up(town):
    store = town.store("notifications")
    with Life(town, SEED + 5) as life:
        town.processes["notifications"].kill()
        life.go_on(80)
        for _ in range(3):
            done = store["inbox"].estimated_document_count() + life.some(20)
            town.launch("notifications")
            eventually(lambda done=done: store["inbox"].estimated_document_count() >= done, "catching up", 30)
            town.processes["notifications"].kill()
        town.launch("notifications")
    town.wait_ready("notifications")
    check_once(town, life)


@pytest.mark.parametrize("node", ["broker", "database"])
def test_what_they_all_stand_on_is_killed(town, node):
    pids = {name: process.pid for name, process in town.processes.items()}
    with Life(town, SEED + 2) as life:
        for _ in range(2):
            life.go_on(life.some())
            getattr(town, node).kill()
            getattr(town, node).start()
        life.go_on(10)
    check_once(town, life)
    assert {name: process.pid for name, process in town.processes.items() if process.is_running} == pids


def test_all_of_them_are_killed_at_random(town):
    with Life(town, SEED + 3) as life:
        parts = [*town.processes, "broker", "database"]
        life.random.shuffle(parts)
        for part in parts:
            life.go_on(life.some(10))
            if part in town.processes:
                town.processes[part].kill()
                town.launch(part)
            else:
                getattr(town, part).kill()
                getattr(town, part).start()
        life.go_on(10)
    for name in town.processes:
        town.wait_ready(name)
    check_once(town, life)


def test_every_fact_was_told_once_in_all_that_time(town):
    """On the wire a message may come again, with the same id; two ids for one fact would be two facts."""
    with Life(town, SEED + 4, clients=1) as life:
        life.go_on(15)
    check_once(town, life)
    facts = defaultdict(set)
    sequences = defaultdict(set)
    for one in all_that_was_told(town, life):
        envelope = one.envelope
        facts[envelope["type"], envelope["subject"], envelope["sequence"]].add(envelope["id"])
        sequences[envelope["subject"]].add(envelope["sequence"])
    assert not {fact: ids for fact, ids in facts.items() if len(ids) > 1}
    # Nothing was lost either: of each group and event, every version was told of.
    for subject, seen in sequences.items():
        if subject.startswith(("grp_", "evt_")):
            assert sorted(map(int, seen)) == list(range(1, len(seen) + 1)), subject


def test_everything_is_told_again_twice_and_backwards_and_nothing_comes_of_it(town):
    began = datetime.now(UTC)
    with Life(town, SEED + 6, clients=2) as life:
        life.go_on(30)
    check_once(town, life)
    told = [one for one in all_that_was_told(town, life) if datetime.fromisoformat(one.envelope["time"]) > began]
    assert len(told) > 30
    with closing(connect(town.broker.uri, "test")) as connection, connection.channel() as channel:
        for one in reversed(told):
            named = {name: one.properties[name] for name in ("message_id", "type")}
            body = json.dumps(one.envelope)
            for _ in range(2):
                again = amqp.Message(
                    body, **named, content_type=one.content_type, delivery_mode=2, application_headers=one.headers
                )
                channel.basic_publish(again, exchange="commonground.messages", routing_key=one.routing_key)
    check_once(town, life)


def all_that_was_told(town, life):
    """Every message since this platform began, as the log has it."""
    last = life.gatherings[-1].event["id"]
    uri = town.broker.uri_for("warehouse")
    with Subscriber(uri, "warehouse", None, stream="commonground.log", offset="first") as log:
        log.wait(lambda one: one.envelope["subject"] == last and ".cancelled." in one.routing_key, 1, 30)
        for one in log.heard:
            one.headers.pop("x-stream-offset", None)
        return list(log.heard)
