"""What the service answers for streams: what the inbox shows, in order, to all at once as to each alone."""

import json
from datetime import timedelta

import pytest

from chassis.ids import first_id_at, made_at
from chassis.testing import wait_until
from chassis.timers import Tick
from notifications.inbox.api import view_of, views_of


def opened(world, who, last_id=None):
    """What a stream is answered when it opens."""
    answer = world.service.api.call("GET", "/v1/stream", as_=who, last_event_id=last_id)
    assert answer.status == 200, answer.body
    return answer.json()


def told(answer):
    return [json.loads(one["data"]) for one in answer["items"]]


def onwards(world, after, *people, until=None):
    body = {"after": after, "until": until, "people": [one.id for one in people]}
    return world.service.api.internal("follow_stream", body).json()


def test_a_stream_begins_now_and_says_where_to_go_on(world, kittens):
    assert opened(world, world.ana)["items"] == []
    assert opened(world, world.ana)["after"] == world.store.posting.last()


def test_who_comes_back_is_told_what_the_inbox_shows_since_oldest_first(world, kittens):
    begin = opened(world, world.ben)["after"]
    for number in range(5):
        world.scheduled(kittens, world.event(kittens, f"Brunch {number}"), by=world.ana if number % 2 else world.ben)
    world.matched(kittens, world.ben)
    answer = opened(world, world.ben, begin)
    assert told(answer) == world.inbox(world.ben)[: len(answer["items"])][::-1]
    assert [one["title"] for one in told(answer)] == ["New: Brunch 1", "New: Brunch 3", world.titles(world.ben)[0]]
    assert opened(world, world.ben, answer["items"][0]["id"])["items"] == answer["items"][1:]
    assert not answer["more"]


def test_what_was_missed_is_told_page_by_page(world, kittens):
    begin = opened(world, world.ben)["after"]
    held = [world.matched(kittens, world.ben, held=True) for _ in range(130)]
    world.publish(*held)
    world.settled()
    first = opened(world, world.ben, begin)
    assert (len(first["items"]), first["more"], first["after"]) == (100, True, first["items"][-1]["id"])
    rest = opened(world, world.ben, first["after"])
    assert (len(rest["items"]), rest["more"]) == (30, False)
    together = onwards(world, begin, world.ben)
    assert together["items"] == [{**one, "people": [world.ben.id]} for one in first["items"]]
    assert (together["more"], together["until"]) == (True, first["after"])


@pytest.mark.parametrize("last_id", ["nonsense", "ntc_", "grp_01JD8Z6M8Q2V5T7W9Y1A3C5E7G"])
def test_what_is_no_id_of_a_notice_is_refused(world, last_id):
    answer = world.service.api.call("GET", "/v1/stream", as_=world.ana, last_event_id=last_id)
    assert (answer.status, answer.json()["type"]) == (400, "/problems/malformed-request")


def test_who_says_to_have_heard_what_is_yet_to_come_begins_now(world):
    last = world.store.posting.last()
    ahead = first_id_at("ntc", made_at(last) + timedelta(days=1))
    assert opened(world, world.ana, ahead)["after"] == last


def test_all_who_listen_are_told_together_what_each_inbox_shows(world, kittens):
    """Whatever people are in, want and did: asked for all at once and for each alone, the same is new."""
    private, event = world.group("Secret Bacon", visibility="private"), world.event(kittens)
    world.founded(private)
    world.joined(private, world.ana, "organizer")
    world.joined(private, world.chris)
    begin = world.store.posting.last()
    world.scheduled(kittens, event, by=world.ana)
    world.answered(kittens, event, world.dora, "going")
    world.scheduled(private, world.event(private, "Secret brunch"))
    world.removed(private, world.chris)
    world.joined(kittens, world.chris)
    for preferences in ({"groups": {kittens["id"]: "mute"}}, {"defaults": {"watch.matched": {"inbox": False}}}):
        who = world.ben if "groups" in preferences else world.dora
        assert world.service.api.patch("/v1/me/notices", preferences, as_=who).status == 200
    world.changed(kittens, event, by=world.ana)
    world.cancelled(kittens, event, by=world.ana)
    world.asked(kittens, world.chris, {"id": "ask_1", "title": "Ladder?", "kind": "hands"})
    world.advertised(private, world.dora, world.eve)
    for one in (world.ana, world.dora):
        world.matched(kittens, one)
    world.left(kittens, world.ben)
    people = [world.ana, world.ben, world.chris, world.dora, world.eve]
    read = world.inbox(world.ana)[1]["id"]
    assert world.service.api.post("/v1/inbox/read", {"ids": [read]}, as_=world.ana).status == 204
    together = onwards(world, begin, *people)
    for one in people:
        alone = opened(world, one, begin)["items"]
        assert [(item["id"], item["data"]) for item in together["items"] if one.id in item["people"]] == [
            (item["id"], item["data"]) for item in alone
        ], one.handle
        topics = set(opened(world, one)["topics"])
        assert not alone or topics & set(together["topics"]), "woken for it"
    assert sum(len(item["people"]) for item in together["items"]) >= 9
    mine = [json.loads(item["data"]) for item in together["items"] if world.ana.id in item["people"]]
    assert [item["id"] for item in mine if item["read"]] == [read]


def test_a_view_made_for_many_is_the_view_of_each(world, kittens):
    people = [world.ana.id, world.ben.id, world.eve.id]
    assert views_of(world.store, people) == {one: view_of(world.store, one) for one in people}


def test_up_to_a_place_no_more_is_told_than_that(world, kittens):
    begin = world.store.posting.last()
    for number in range(3):
        world.scheduled(kittens, world.event(kittens, f"Brunch {number}"))
    all_of_it = onwards(world, begin, world.ben)
    second = all_of_it["items"][1]["id"]
    part = onwards(world, begin, world.ben, until=second)
    assert (part["items"], part["until"], part["more"]) == (all_of_it["items"][:2], second, False)
    nobody = onwards(world, begin)
    assert (nobody["items"], nobody["topics"]) == ([], [f"group:{kittens['id']}"])


def test_a_ticket_lets_in_whom_it_was_made_for_once(world):
    made = world.service.api.post("/v1/stream/tickets", as_=world.ana)
    assert (made.status, made.json()["expires_in"]) == (201, 60)
    ticket = {"ticket": made.json()["ticket"]}
    assert ticket["ticket"] not in str(list(world.store.tickets.documents.find()))
    [first, second] = [world.service.api.internal("redeem_ticket", ticket).json()["caller"] for _ in range(2)]
    assert (first["id"], first["handle"], second) == (world.ana.id, "ana", None)


def test_a_ticket_lets_nobody_in_after_a_minute(world):
    caller = {"id": world.ana.id}
    now = Tick().now
    for ticket, seconds in (("fresh", 1), ("old", 0), ("older", -9)):
        world.store.tickets.add(ticket, caller, now + timedelta(seconds=seconds))
    assert world.store.tickets.take("older", now) is None
    assert world.store.tickets.take("old", now) is None
    assert world.store.tickets.take("fresh", now) == caller


def test_with_a_person_their_tickets_go(world):
    world.service.api.post("/v1/stream/tickets", as_=world.eve)
    world.erased(world.eve)
    wait_until(lambda: not world.store.tickets.documents.find_one({"caller.id": world.eve.id}))
