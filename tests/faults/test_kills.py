"""Whatever is killed in the middle of what people do: all that was acknowledged took effect once, and so did what follows."""

import os
import re
import urllib.request
from collections import defaultdict

import pytest
from life import Life, check_once

from chassis.testing import SERVICES
from commonground import eventually
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
            leads = eventually(lambda: who_publishes(town, name, address), "one of them publishing")
            assert leads == [town.health(name).removesuffix("/health/ready")], "the one that was there first"
            town.processes[name].kill()
            eventually(lambda: who_publishes(town, name, address) == [address], "the other one publishing", 30)
            life.go_on(life.some())
        check_once(town, life)
    finally:
        other.kill()
        town.restart(name)


def who_publishes(town, name, address):
    """The addresses of those processes of a service that hold the lease of its outbox."""
    found = []
    for one in (town.health(name).removesuffix("/health/ready"), address):
        try:
            with urllib.request.urlopen(f"{one}/metrics", timeout=2) as answer:
                metrics = answer.read().decode()
        except OSError:
            continue
        if re.search(r"^\w*outbox_leading(\{.*\})? 1(\.0)?$", metrics, re.MULTILINE):
            found.append(one)
    return found


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
    last = life.gatherings[-1]
    uri = town.broker.uri_for("warehouse")
    with Subscriber(uri, "warehouse", None, stream="commonground.log", offset="first") as log:
        log.wait(lambda one: one.envelope["subject"] == last.event["id"] and ".cancelled." in one.routing_key, 1, 30)
        heard = list(log.heard)
    facts = defaultdict(set)
    sequences = defaultdict(set)
    for one in heard:
        envelope = one.envelope
        facts[envelope["type"], envelope["subject"], envelope["sequence"]].add(envelope["id"])
        sequences[envelope["subject"]].add(envelope["sequence"])
    assert not {fact: ids for fact, ids in facts.items() if len(ids) > 1}
    # Nothing was lost either: of each group and event, every version was told of.
    for subject, seen in sequences.items():
        if subject.startswith(("grp_", "evt_")):
            assert sorted(map(int, seen)) == list(range(1, len(seen) + 1)), subject
