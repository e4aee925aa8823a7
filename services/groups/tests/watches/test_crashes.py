"""Telling watchers, while the service that does so is killed. It has a service of its own, which shares no queue."""

import json
from contextlib import contextmanager

import pytest
from pymongo import MongoClient

from chassis.api_client import Person
from chassis.connection import connect
from chassis.testing import wait_until


@contextmanager
def hearing(uri):
    """What watchers are told: each message once, though it may come twice with the same id."""
    connection = connect(uri, "test")
    channel = connection.channel()
    queue = channel.queue_declare(exclusive=True).queue
    channel.queue_bind(queue, "commonground.messages", "groups.watch.matched.v1")
    seen = {}

    def note(message):
        one = json.loads(message.body)
        seen[one["id"]] = one

    channel.basic_consume(queue, no_ack=True, callback=note)

    def heard():
        try:
            while True:
                connection.drain_events(timeout=0.1)
        except TimeoutError:
            return list(seen.values())

    try:
        yield heard
    finally:
        connection.close()


@pytest.mark.slow
def test_all_hear_of_a_group_once_though_the_service_is_killed_while_it_tells_them(
    run_groups, fresh_database, topology, many_watch
):
    service = run_groups()
    with MongoClient(fresh_database, tz_aware=True) as client, hearing(topology.uri) as heard:
        data = client.get_default_database()
        watches = many_watch(data, "kittens", 4_000)
        profile = {"handle": "ana", "display_name": "Ana", "password": "correct horse battery"}
        ana = Person(service.api.post("/v1/people", profile).json()["id"], "ana", "Ana")
        wanted = {"name": "Both", "interests": ["kittens"], "scope": "virtual"}
        assert service.api.post("/v1/groups", wanted, as_=ana).status == 201
        wait_until(lambda: data.matches.count_documents({}) >= 1_000, what="telling")
        service.kill()
        assert data.matches.count_documents({}) < len(watches)
        run_groups()
        # What the killed process had begun holds its documents for some seconds.
        wait_until(lambda: data.matched_groups.find_one() is not None, 60, "telling all")
        wait_until(lambda: data.outbox.find_one() is None, 30, "publishing")
        wait_until(lambda: len(heard()) >= len(watches), 30, "hearing")
        assert sorted(one["data"]["watch_id"] for one in heard()) == sorted(watches)
