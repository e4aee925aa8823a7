"""A person gets all that is held about them, and is forgotten when they erase themselves."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from chassis.ids import new_id
from chassis.messages import Received
from chassis.testing import wait_until
from notifications.audiences.store import Standings
from notifications.notices.store import Notices
from notifications.service import Notifications


@pytest.fixture
def kittens(world):
    """A group that Ana founded and Ben joined, whose brunch Ben waits for and then gets a seat at."""
    group = world.group()
    event = world.event(group)
    world.founded(group)
    world.joined(group, world.ana, "organizer")
    world.joined(group, world.ben)
    world.answered(group, event, world.ben, "waitlisted")
    world.promoted(group, event, world.ben)
    world.scheduled(group, world.event(group, "Yoga"), by=world.ben)
    return group


def held(world, who):
    world.settled()
    return world.ask("/v1/me/export/notifications", who).json()


def test_an_export_has_all_that_is_held_about_a_person_and_nothing_of_others(world, kittens):
    [seat] = world.inbox(world.ben, kind="rsvp.promoted")
    world.service.api.post("/v1/inbox/read", {"ids": [seat["id"]]}, as_=world.ben)
    world.registered(world.ben, time_zone="Europe/Berlin", locale="de")
    quiet = {"from": "22:00", "to": "07:00"}
    world.service.api.patch("/v1/me/notices", {"quiet_hours": quiet}, as_=world.ben)
    export = held(world, world.ben)
    assert export["person_id"] == world.ben.id
    assert export["profile"] == {"name": "Ben", "time_zone": "Europe/Berlin", "locale": "de"}
    assert export["preferences"]["quiet_hours"] == quiet
    standings = {one["to"][:4]: (one["group"], one["present"], one["role"]) for one in export["standings"]}
    assert standings == {"grp_": (kittens["id"], True, "member"), "evt_": (kittens["id"], True, "going")}
    assert export["read"] == {"up_to": "", "ids": [seat["id"]]}
    assert sorted(one["title"] for one in export["notices"]) == [
        "Ben joined Kittens and Bacon",
        "New: Yoga",
        "You are in: Bacon brunch",
    ]
    nothing = held(world, world.eve)
    assert nothing.pop("preferences")["groups"] == {}
    assert nothing.pop("mailbox") == {"address": None, "wanted": None, "bounces": 0}
    assert nothing == {
        "person_id": world.eve.id,
        "profile": None,
        "mails": [],
        "digests": [],
        "standings": [],
        "read": {"up_to": "", "ids": []},
        "notices": [],
        "webhooks": [],
    }


def test_a_person_who_erased_themselves_is_nowhere_any_more(world, kittens):
    world.joined(kittens, world.chris)
    world.registered(world.ben)
    world.service.api.patch("/v1/me/notices", {"groups": {kittens["id"]: "highlights"}}, as_=world.ben)
    world.erased(world.ben)
    export = held(world, world.ben)
    assert (export["standings"], export["notices"]) == ([], [])
    assert world.titles(world.ana) == ["New: Yoga", "Chris joined Kittens and Bacon"][::-1]
    for collection in ("standings", "notices", "readers", "groups", "preferences", "profiles"):
        documents = list(world.store.database[collection].find())
        assert world.ben.id not in str(documents)
        assert "Ben joined" not in str([one for one in documents if one.get("group", {}) == kittens])


def test_a_person_who_erased_themselves_is_in_no_list_and_no_words_and_others_keep_what_was_told_them(world, kittens):
    ask = {"id": new_id("ask"), "title": "Who has a ladder?", "kind": "hands"}
    world.advertised(kittens, world.ben, world.dora)
    world.risen(world.ben, world.dora, world.eve)
    world.resolved(kittens, world.chris, ask, world.ben, world.dora)
    world.matched(kittens, world.ben)
    world.joined(kittens, world.dora)
    world.asked(kittens, world.ben, ask)
    world.offered(kittens, world.ben, ask, asker=world.dora)
    world.resolved(kittens, world.ben, ask, world.dora)
    world.requested(kittens, world.ben)
    assert [one["kind"] for one in held(world, world.ben)["notices"] if one["group"] is None] == ["demand.risen"]
    world.erased(world.ben)
    assert held(world, world.ben)["notices"] == []
    assert world.titles(world.dora, kind="offer.made") == world.titles(world.dora, kind="ask.opened") == []
    assert world.titles(world.ana, kind="join.requested") == []
    for kind in ("promotion.sent", "demand.risen"):
        assert len(world.titles(world.dora, kind=kind)) == 1
    assert world.titles(world.dora, kind="ask.resolved") == ["Chris thanks you: Who has a ladder?"]
    for collection in ("standings", "notices", "readers", "groups", "preferences", "profiles"):
        documents = str(list(world.store.database[collection].find()))
        assert world.ben.id not in documents
        assert "Ben asks" not in documents and "Ben offers" not in documents and "Ben thanks" not in documents


def test_when_all_whom_it_was_told_have_erased_themselves_the_notice_is_gone(world, kittens):
    world.advertised(kittens, world.dora, world.eve)
    count = lambda: world.store.database["notices"].count_documents(  # noqa: E731
        {"kind": "promotion.sent", "group.id": kittens["id"]}
    )
    world.erased(world.dora)
    world.settled()
    assert count() == 1
    world.erased(world.eve)
    world.settled()
    assert count() == 0


def test_what_comes_late_about_an_erased_person_does_not_bring_them_back(world, kittens):
    hockey = world.group("Hockey Fans")
    world.joined(hockey, world.ana, "organizer")
    event = world.event(hockey)
    late = [
        world.joined(hockey, world.ben, held=True),
        world.answered(hockey, event, world.ben, "going", held=True),
        world.promoted(hockey, event, world.ben, held=True),
        world.requested(hockey, world.ben, held=True),
        world.advertised(hockey, world.ben, world.dora, held=True),
        world.scheduled(hockey, event, by=world.ben, held=True),
        world.registered(world.ben, held=True),
    ]
    world.erased(world.ben)
    world.publish(*late)
    answer = world.service.api.patch("/v1/me/notices", {"groups": {hockey["id"]: "mute"}}, as_=world.ben)
    assert (answer.status, answer.problem) == (401, "authentication-required")
    assert world.titles(world.ana, group=hockey["id"]) == ["New: Bacon brunch"]
    assert world.titles(world.dora, group=hockey["id"]) == ["You may like Hockey Fans"]
    assert world.ben.id not in str(list(world.store.database["notices"].find()))
    export = held(world, world.ben)
    assert (export["standings"], export["notices"], export["profile"]) == ([], [], None)
    assert export["preferences"]["groups"] == {}


def test_a_person_erased_while_messages_about_them_arrive_is_forgotten_too(world):
    group = world.group()
    world.joined(group, world.ana, "organizer")
    people = [world.person(f"person{number}") for number in range(60)]
    messages = []
    for one in people:
        event = world.event(group)
        about = [
            world.answered(group, event, one, "waitlisted", held=True),
            world.promoted(group, event, one, held=True),
            world.joined(world.group(), one, held=True),
        ]
        about.insert(len(messages) % 4, world.erased(one, held=True))
        messages.append(about)
    world.publish(*[one for about in messages for one in about])
    world.settled()
    ids = [one.id for one in people]
    for collection, query in {
        "standings": {"person": {"$in": ids}},
        "notices": {"$or": [{"audience": {"$in": ["person:" + id_ for id_ in ids]}}, {"subject.id": {"$in": ids}}]},
    }.items():
        # What was written at the same time is deleted just after its commit.
        wait_until(
            lambda c=collection, q=query: not world.store.database[c].find_one(q), what=f"forgetting {collection}"
        )


def receive(world, method, message, store=None):
    """Have a method receive a message, in this process, as if its store were another's if one is given."""
    service: Any = Notifications()
    service.store = store or world.store
    received = Received.decode(json.dumps(message.envelope).encode())
    [subscription] = getattr(Notifications, method).nameko_entrypoints
    fault = getattr(service, method)(
        replace(received, data=subscription.load(received), consumer=f"notifications.{method}")
    )
    assert fault is None


@pytest.mark.parametrize(
    ("repository", "write", "method", "forget"),
    [
        (Notices, "append", "tell_promoted", "forget_person"),
        (Notices, "append", "tell_joined", "forget_person"),
        (Notices, "append", "tell_promotion", "forget_person"),
        (Notices, "append", "tell_scheduled", "forget_person"),
        (Standings, "save", "note_joined", "forget_standings"),
        (Standings, "save", "note_answered", "forget_standings"),
    ],
)
def test_a_person_erased_between_a_write_about_them_and_its_commit_is_forgotten_too(
    world, another, monkeypatch, repository, write, method, forget
):
    group = world.group()
    event = world.event(group)
    message = {
        "tell_promoted": lambda: world.promoted(group, event, world.ben, held=True),
        "tell_joined": lambda: world.joined(group, world.ben, held=True),
        "tell_promotion": lambda: world.advertised(group, world.ben, world.dora, held=True),
        "tell_scheduled": lambda: world.scheduled(group, event, by=world.ben, held=True),
        "note_joined": lambda: world.joined(group, world.ben, held=True),
        "note_answered": lambda: world.answered(group, event, world.ben, "going", held=True),
    }[method]()
    erased = world.erased(world.ben, held=True)
    original = getattr(repository, write)
    erasing = threading.Thread(target=receive, args=(world, forget, erased, another()))

    def write_and_meet(self, written):
        original(self, written)
        if not erasing.ident:
            erasing.start()  # begins while the transaction of the write is open
            wait_until(lambda: world.store.forgotten.has(world.ben.id))

    monkeypatch.setattr(repository, write, write_and_meet)
    receive(world, method, message)
    erasing.join(20)
    for collection in ("standings", "notices"):
        assert world.ben.id not in str(list(world.store.database[collection].find()))
