"""A mail is sent once, whatever dies when: there is one window, between the server's answer and our note of it."""

import time
from datetime import UTC, datetime
from threading import Event

import pytest

from chassis.store import open_store
from chassis.testing import wait_until
from notifications.mails.store import BATCH
from notifications.service import Notifications
from postoffice import settings_for

pytestmark = pytest.mark.kills_nodes


@pytest.fixture
def start(run_service, fresh_database, office):
    """Start a service that sends mail, on a database of the test's own."""
    env = {"CG_MONGO_URI": fresh_database, **settings_for(office)}
    return lambda: run_service("notifications", env=env)


@pytest.fixture
def own(start, make_post, fresh_database):
    """The world of one test, whose service may die; Ben gets his mail there."""
    store = open_store(fresh_database, "notifications", Notifications.store.repositories)
    store.make_indexes()
    world = make_post(start(), store, fresh_database)
    world.verified(world.ben)
    yield world
    store.client.close()


def notice_of(own):
    """What is kept of the mail that tells Ben of his seat."""
    found = list(own.store.mails.documents.find({"person": own.ben.id, "what": "notice"}))
    return found[0] if found else None


def restart(own, start):
    """Start the service again, at a time when what the dead one had claimed is free, and its lease of the outbox over."""
    own.store.database.leases.delete_many({})
    claimed = {"claimed_by": {"$exists": True}}
    own.store.mails.documents.update_many(claimed, {"$set": {"due_at": datetime.now(UTC)}})
    own.service = start()


def seated(own):
    """Ben gets a seat."""
    group = own.group()
    own.promoted(group, own.event(group), own.ben)


def another(own):
    """Ben gets another mail, behind all that waits for him."""
    own.matched(own.group(), own.ben)
    wait_until(
        lambda: own.office.to(own.address(own.ben))[-1]["Subject"].startswith("A group for"), what="another mail"
    )


def test_killed_after_claiming_a_mail_and_before_sending_it_the_mail_is_sent_once(own, start):
    address = own.address(own.ben)
    reached, go_on = Event(), Event()
    own.office.on_recipient = lambda to: (reached.set(), go_on.wait(10)) if to == address else None
    seated(own)
    assert reached.wait(10)
    assert notice_of(own)["claimed_by"]
    own.service.kill()
    own.office.on_recipient = lambda to: None
    go_on.set()
    assert len(own.office.to(address)) == 1
    restart(own, start)
    another(own)
    told = [mail["Subject"] for mail in own.office.to(address)[1:]]
    assert told == ["You are in: Bacon brunch", told[-1]]
    assert notice_of(own)["state"] == "sent"


def test_killed_after_the_mail_is_known_to_be_sent_it_is_not_sent_again(own, start):
    seated(own)
    wait_until(lambda: (notice_of(own) or {}).get("state") == "sent", what="noting it")
    own.service.kill()
    restart(own, start)
    another(own)
    assert len(own.office.to(own.address(own.ben))) == 3


def test_killed_before_the_answer_is_noted_the_mail_may_come_again_as_the_same_mail(own, start):
    address = own.address(own.ben)
    own.office.on_arrival = lambda to: own.service.kill() if to == address else None
    seated(own)
    own.office.wait_for(address, 2)
    wait_until(lambda: not own.service.process.is_running, what="the kill")
    own.office.on_arrival = lambda to: None
    assert notice_of(own)["state"] is None
    restart(own, start)
    another(own)
    first, again = own.office.to(address)[1:3]
    assert first["Message-ID"] == again["Message-ID"]
    assert len(own.office.to(address)) == 4


def everybody(own, count):
    """So many people, each with an address that was verified."""
    people = [own.person(f"reader{number}") for number in range(count)]
    mailbox = own.store.mailboxes.documents.find_one({"_id": own.ben.id})
    address = [{"_id": one.id, "address": own.address(one), "key": one.id} for one in people]
    own.store.mailboxes.documents.insert_many([{**mailbox, **one} for one in address])
    return people


def test_killed_while_it_sends_over_several_connections_one_mail_of_each_may_come_again(own, start):
    people, group = everybody(own, BATCH + 50), own.group()
    event = own.event(group)
    own.publish(*(own.answered(group, event, one, "going", held=True) for one in people))
    own.settled()
    addresses = {own.address(one) for one in people}
    connections = []

    def told():
        return [to for to, _ in own.office.arrived if to in addresses]

    def kill(to):
        if len(told()) == 100:
            connections.extend(one for one in own.office.transports if not one.is_closing())
            own.service.kill()

    own.office.on_arrival = kill
    own.due(group, event)
    wait_until(lambda: not own.service.process.is_running, what="the kill")
    known = own.store.mails.documents.count_documents({"what": "notice", "state": "sent"})
    restart(own, start)
    wait_until(lambda: not own.store.mails.documents.find_one({"what": "notice", "state": None}), 30, "the last mail")
    assert set(told()) == addresses
    again = len(told()) - len(addresses)
    assert again <= len(connections), (
        f"{again} mails came again of {len(connections)} connections; {known} were known to be sent"
    )


def test_while_the_database_is_away_what_was_sent_is_not_forgotten(own, database):
    address = own.address(own.ben)
    own.office.on_arrival = lambda to: database.kill() if to == address else None
    seated(own)
    own.office.wait_for(address, 2)
    own.office.on_arrival = lambda to: None
    time.sleep(2)  # so that noting it has been tried, and has failed
    database.start()
    wait_until(lambda: (notice_of(own) or {}).get("state") == "sent", 30, "noting it")
    another(own)
    assert len(own.office.to(address)) == 3


def test_of_several_processes_that_are_killed_and_come_back_each_digest_is_made_once(own, start):
    people = everybody(own, 30)
    digest = own.store.digests.documents.find_one({"_id": f"{own.ben.id}.weekly"})
    now = datetime.now(UTC)
    for one in people:
        own.store.digests.documents.insert_one(
            {**digest, "_id": f"{one.id}.weekly", "person": one.id, "after": "", "due_at": now}
        )
    second = start()
    third = start()
    made = lambda: own.store.mails.documents.count_documents({"what": "digest"})  # noqa: E731
    wait_until(made, 20, "the first digest")
    own.service.kill()
    second.kill()
    restart(own, start)
    wait_until(lambda: made() == len(people), 20, "all digests")
    wait_until(lambda: not own.store.digests.documents.find_one({"due_at": {"$lte": datetime.now(UTC)}}), 20)
    third.kill()
    assert made() == len(people)
