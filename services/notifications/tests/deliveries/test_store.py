"""Lanes belong to one process at a time, and nothing that is asked of the database goes without an index."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymongo import MongoClient, monitoring

from chassis.ids import new_id
from chassis.store import OpenStore
from chassis.timers import Tick
from notifications.deliveries import model
from notifications.deliveries.model import Health, Letter
from notifications.deliveries.store import LEASE, Release
from notifications.service import Notifications
from notifications.webhooks.model import make, selectors

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
MANY = 60
TYPE = "commonground.groups.member.joined.v1"
ASKING = ("find", "aggregate", "update", "delete")
IGNORED = ("lsid", "$clusterTime", "$db", "$readPreference", "txnNumber", "writeConcern", "readConcern")


class Commands(monitoring.CommandListener):
    """Keeps what is asked of the database."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in ASKING:
            self.kept.append(dict(event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to do."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to do."""


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def store(fresh_database: str, commands: Commands) -> Iterator[OpenStore]:
    """A store of this test's own, whose commands are kept."""
    client: MongoClient[dict[str, Any]] = MongoClient(fresh_database, tz_aware=True, event_listeners=[commands])
    opened = OpenStore(client, "notifications", Notifications.store.repositories)
    opened.make_indexes()
    yield opened
    client.close()


def a_letter() -> Letter:
    return Letter(new_id("msg"), "/services/groups", TYPE, "public", "grp_1", None, b"{}")


def a_webhook(store: OpenStore, person: str = "psn_1", types: str = "groups.*") -> str:
    identifier = new_id("whk")
    store.webhooks.add(make(identifier, person, {"url": "https://example.org/", "types": [types]}, None, "x", NOW))
    store.lanes.add(identifier)
    return identifier


def queue(store: OpenStore, webhooks: list[str], now: datetime = NOW) -> Letter:
    letter = a_letter()
    store.letters.add(letter, now)
    store.deliveries.add(model.deliveries_of(letter, webhooks, now))
    store.lanes.wake(webhooks, now)
    return letter


def claimed(store: OpenStore, now: datetime = NOW, most: int = 100) -> list[Any]:
    return sorted(store.lanes.claim(now, most, 21), key=lambda lane: lane.webhook)


class TestLanes:
    def test_one_that_is_claimed_is_nobody_elses_until_the_lease_is_over(self, store):
        webhook = a_webhook(store)
        assert claimed(store) == []
        letter = queue(store, [webhook])
        [lane] = claimed(store)
        assert [one.message for one in lane.waiting] == [letter.id]
        queue(store, [webhook])
        assert claimed(store, NOW + LEASE - timedelta(seconds=1)) == []
        [again] = claimed(store, NOW + LEASE)
        assert again.holder != lane.holder and len(again.waiting) == 2
        # Who lost it cannot give it back.
        store.lanes.release([Release(lane, Health(), None)], NOW + LEASE)
        assert claimed(store, NOW + LEASE) == []

    def test_what_is_queued_while_it_is_held_is_not_put_to_sleep(self, store):
        webhook = a_webhook(store)
        queue(store, [webhook])
        [lane] = claimed(store)
        queue(store, [webhook])
        queue(store, [webhook])
        store.lanes.release([Release(lane, Health(), None)], NOW)
        [lane] = claimed(store)
        store.lanes.release([Release(lane, Health(), None)], NOW)
        assert claimed(store, NOW + timedelta(days=1)) == []

    def test_what_is_queued_in_a_transaction_is_a_write_that_who_looks_too_early_collides_with(self, store):
        webhook = a_webhook(store)
        queue(store, [webhook])  # so that it would be looked at anyway, but perhaps before the transaction is over
        with store.transaction(Tick()) as tx:
            tx.lanes.wake([webhook], NOW)
            assert tx.lanes.documents.find_one({"_id": webhook}, session=tx.lanes.session)["heard"]

    def test_one_that_is_to_rest_rests_whatever_is_queued(self, store):
        webhook = a_webhook(store)
        queue(store, [webhook])
        [lane] = claimed(store)
        rests = Health(1, NOW, NOW + timedelta(seconds=10))
        queue(store, [webhook])
        store.lanes.release([Release(lane, rests, NOW + timedelta(seconds=5))], NOW)
        queue(store, [webhook])
        assert claimed(store, NOW + timedelta(seconds=9)) == []
        [lane] = claimed(store, NOW + timedelta(seconds=10))
        assert lane.health == rests

    def test_those_of_failing_endpoints_never_take_all_places(self, store):
        failing, fine = [a_webhook(store) for _ in range(8)], [a_webhook(store) for _ in range(2)]
        queue(store, failing)
        lanes = claimed(store)
        store.lanes.release([Release(one, Health(3, NOW, NOW), NOW) for one in lanes], NOW)
        assert len(claimed(store, most=4)) == 2
        queue(store, fine)
        assert {one.webhook for one in claimed(store, most=4)} > set(fine)
        assert claimed(store, most=1) == []

    def test_what_was_changed_meanwhile_stays_as_it_is(self, store):
        webhook = a_webhook(store)
        queue(store, [webhook])
        [before] = claimed(store)[0].waiting
        asked = model.again(before, NOW + timedelta(seconds=1))
        store.deliveries.save([(before, asked)])
        store.deliveries.save([(before, model.withhold(before))])
        [kept] = store.deliveries.of(webhook, None, 2)
        assert (kept.status, kept.due_at) == ("queued", NOW + timedelta(seconds=1))


def test_every_query_has_an_index(store, commands):
    webhooks = [a_webhook(store, f"psn_{n}", "groups.*" if n % 2 else "events.*") for n in range(MANY)]
    for _ in range(5):
        letter = queue(store, webhooks)
    commands.kept.clear()
    queue(store, webhooks[:3])
    lanes = claimed(store)
    store.lanes.release([Release(lanes[0], Health(1, NOW, NOW), NOW)], NOW)
    claimed(store)
    store.letters.get([letter.key])
    store.letters.forget("psn_1")
    list(store.webhooks.wanting(selectors(TYPE), "grp_1", None, 10))
    list(store.webhooks.wanting(selectors(TYPE), None, "psn_1", 10))
    store.webhooks.those(webhooks[:2])
    store.webhooks.of("psn_1", webhooks[3], 5)
    store.webhooks.save(store.webhooks.get(webhooks[1], "psn_1"))
    store.lanes.begin_anew(webhooks[1], NOW)
    [delivery, *_] = store.deliveries.of(webhooks[1], None, 3)
    store.deliveries.of(webhooks[1], delivery.id, 3)
    store.deliveries.get(delivery.id, webhooks[1])
    store.deliveries.save([(delivery, model.again(delivery, NOW))])
    store.owners.one_more("psn_1")
    store.owners.one_less("psn_1")
    store.standings.present([("psn_1", "grp_1")])
    store.groups.visibilities(["grp_1"])
    store.deliveries.forget(webhooks[1])
    for forgetting in (store.webhooks, store.owners):
        forgetting.forget("psn_1")
    store.webhooks.remove(webhooks[2])
    store.lanes.remove(webhooks[2])
    assert len(commands.kept) > 25
    for command in list(commands.kept):
        asked = {key: value for key, value in command.items() if key not in IGNORED}
        for many in ("updates", "deletes"):
            if many in asked:
                asked[many] = asked[many][:1]
        plan = store.database.command("explain", asked, verbosity="executionStats")
        said = str({key: value for key, value in plan.items() if key != "command"})
        assert "COLLSCAN" not in said, command
        assert "'SORT'" not in said, command
        # Of what is looked up for each lane, by the index in order.
        for stage in plan.get("stages", []):
            if "$lookup" in stage:
                assert stage["collectionScans"] == 0, stage
                assert stage["indexesUsed"] == ["due"], stage
                assert stage["totalDocsExamined"] <= 21 * MANY, stage
