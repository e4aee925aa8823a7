"""What happens in groups and events becomes notices, each once, for those who should hear of it."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import amqp
import pytest
from pymongo import MongoClient

from chassis.ids import new_id
from chassis.testing import wait_until
from notifications.audiences.model import ALWAYS, Audience, Standing, join
from notifications.inbox.model import View
from notifications.notices.model import Draft, Notice

START = datetime(2026, 11, 23, 17, tzinfo=UTC)


@pytest.fixture
def heard(channel: Any) -> Iterator[Any]:
    """What notifications publish, as another system hears it: a function that gives all messages so far."""
    listening = channel.connection.channel()
    queue = listening.queue_declare("", exclusive=True).queue
    listening.queue_bind(queue, "commonground.messages", "notifications.#")
    messages: list[dict[str, Any]] = []

    def get() -> list[dict[str, Any]]:
        while (message := listening.basic_get(queue, no_ack=True)) is not None:
            messages.append(json.loads(message.body))
        return messages

    yield get
    try:
        listening.close()
    except amqp.AMQPError:
        pass


def test_nobody_hears_that_a_group_was_founded(world):
    group = world.group()
    world.founded(group)
    world.joined(group, world.ana, "organizer")
    assert world.titles(world.ana) == []


def test_organizers_hear_who_joined_and_members_do_not(world, kittens):
    world.joined(kittens, world.chris)
    assert world.titles(world.ana) == ["Chris joined Kittens and Bacon", "Ben joined Kittens and Bacon"]
    assert world.titles(world.ben) == []
    assert world.titles(world.chris) == []


def test_an_organizer_who_lets_somebody_in_does_not_hear_of_it_but_the_others_do(world, kittens):
    world.role_changed(kittens, world.ben, "organizer")
    world.joined(kittens, world.chris, by=world.ana)
    assert world.titles(world.ana) == ["Ben joined Kittens and Bacon"]
    assert world.titles(world.ben, kind="member.joined") == ["Chris joined Kittens and Bacon"]


def test_members_hear_of_a_new_event_but_not_who_scheduled_it_nor_others(world, kittens):
    event = world.event(kittens)
    world.scheduled(kittens, event, by=world.ana)
    [item] = world.inbox(world.ben)
    assert item == {
        "id": item["id"],
        "kind": "event.scheduled",
        "title": "New: Bacon brunch",
        "body": "Tuesday, 1 December 2026, 19:00 (America/New_York), with Kittens and Bacon",
        "group": {name: kittens[name] for name in ("id", "slug", "name")},
        "subject": {"type": "event", "id": event["id"], "href": f"/v1/events/{event['id']}"},
        "at": "2026-11-23T18:00:04Z",
        "read": False,
    }
    assert item["id"].startswith("ntc_")
    assert world.titles(world.ana, kind="event.scheduled") == []
    assert world.titles(world.eve) == []


def test_what_the_platform_did_is_told_to_all(world, kittens):
    world.scheduled(kittens, world.event(kittens, hosts=[world.ana.handle]))
    assert world.titles(world.ana, kind="event.scheduled") == ["New: Bacon brunch"]
    assert world.titles(world.ben) == ["New: Bacon brunch"]


@pytest.mark.parametrize("what", ["changed", "cancelled"])
@pytest.mark.parametrize("status", ["going", "waitlisted", "maybe"])
def test_who_answered_hears_what_becomes_of_the_event_and_others_do_not(world, kittens, what, status):
    event = world.event(kittens)
    world.joined(kittens, world.chris)
    world.answered(kittens, event, world.ben, status)
    world.answered(kittens, event, world.chris, "not_going")
    getattr(world, what)(kittens, event, by=world.ana)
    assert world.titles(world.ben) == [f"{what.capitalize()}: Bacon brunch"]
    assert world.titles(world.chris) == []
    assert world.titles(world.ana, kind=f"event.{what}") == []


def test_who_gave_the_event_up_hears_no_more_of_it(world, kittens):
    event = world.event(kittens)
    world.answered(kittens, event, world.ben, "going")
    world.answered(kittens, event, world.ben, "not_going", was="going")
    world.cancelled(kittens, event, by=world.ana)
    assert world.titles(world.ben) == []


def test_a_series_is_told_once_to_the_group(world, kittens):
    events = [world.event(kittens) for _ in range(3)]
    several = {"recurrence": "FREQ=WEEKLY;INTERVAL=2", "tells_of": [event["id"] for event in events]}
    world.scheduled(kittens, events[0], by=world.ana, data=several)
    for event in events[1:]:
        world.scheduled(kittens, event, by=world.ana, data={"told_with": events[0]["id"]})
    (notice,) = world.inbox(world.ben, kind="event.scheduled")
    assert notice["subject"]["id"] == events[0]["id"] and notice["body"].endswith("It repeats every 2 weeks")


@pytest.mark.parametrize("what", ["changed", "cancelled"])
def test_what_is_done_to_several_events_is_told_once_to_who_answered_any_of_them(world, kittens, heard, what):
    events = [world.event(kittens) for _ in range(3)]
    for who in (world.chris, world.dora):
        world.joined(kittens, who)
    for event in events:
        world.answered(kittens, event, world.ben, "going")
    world.answered(kittens, events[2], world.chris, "maybe")
    ids = [event["id"] for event in events]
    tell = getattr(world, what)
    tell(kittens, events[0], by=world.ana, data={"tells_of": ids})
    for event in events[1:]:
        tell(kittens, event, by=world.ana, data={"told_with": ids[0]})
    title = f"{what.capitalize()}: Bacon brunch"
    for who in (world.ben, world.chris):
        assert world.titles(who, kind=f"event.{what}") == [title] and world.titles(who).count(title) == 1
        assert world.unread(who) == len(world.titles(who))
    assert world.titles(world.dora, kind=f"event.{what}") == []
    (posted,) = [one["data"] for one in heard() if one["data"].get("kind") == f"event.{what}"]
    assert posted["audience"] == {"type": "events", "ids": ids}


def test_what_is_done_to_several_events_is_counted_once_however_many_one_answered(world, kittens):
    events = [world.event(kittens) for _ in range(230)]
    for event in events:
        world.publish(world.answered(kittens, event, world.ben, "going", held=True))
    world.settled()
    ids = [event["id"] for event in events[15:215]]
    world.changed(kittens, events[15], by=world.ana, data={"tells_of": ids})
    assert len(world.titles(world.ben, kind="event.changed")) == 1
    assert world.unread(world.ben) == len(world.titles(world.ben, limit=100)) == 1


def test_who_is_asked_again_hears_that_the_event_was_moved(world, kittens):
    event = world.event(kittens)
    world.answered(kittens, event, world.ben, "going")
    moved = world.changed(kittens, event, by=world.ana, held=True)
    world.answered(kittens, event, world.ben, "not_going", was="going", data={"asked_again": True})
    world.publish(moved)
    world.settled()
    assert world.titles(world.ben) == ["Changed: Bacon brunch"]
    world.due(kittens, event)
    world.cancelled(kittens, event, by=world.ana)
    assert world.titles(world.ben) == ["Cancelled: Bacon brunch", "Changed: Bacon brunch"]


def test_who_was_promoted_hears_of_it_even_if_nothing_else_is_known_of_them(world):
    group = world.group()
    world.promoted(group, world.event(group), world.dora)
    assert world.titles(world.dora) == ["You are in: Bacon brunch"]


# -- what happens to one person


def test_who_was_let_in_hears_it_and_who_joined_by_themselves_does_not(world, kittens):
    world.joined(kittens, world.chris, by=world.ana)
    world.joined(kittens, world.dora)
    [item] = world.inbox(world.chris)
    assert (item["kind"], item["title"]) == ("join.approved", "Welcome to Kittens and Bacon")
    assert item["subject"] == {"type": "group", "id": kittens["id"], "href": f"/v1/groups/{kittens['id']}"}
    assert world.titles(world.dora) == []


def test_who_was_not_let_in_hears_it(world, kittens):
    world.declined(kittens, world.eve, by=world.ana)
    assert world.titles(world.eve, kind="join.declined") == ["Your request to join Kittens and Bacon was declined"]
    assert world.titles(world.ana, kind="join.declined") == []


@pytest.mark.parametrize("what", ["removed", "banned"])
def test_who_was_removed_hears_that_and_nothing_more(world, kittens, what):
    world.scheduled(kittens, world.event(kittens))
    world.removed(kittens, world.ben, what, by=world.ana)
    world.scheduled(kittens, world.event(kittens, "Kitten yoga"))
    [item] = world.inbox(world.ben)
    assert (item["kind"], item["group"]["id"]) == (f"member.{what}", kittens["id"])
    assert world.titles(world.ana, kind=f"member.{what}") == []


@pytest.mark.parametrize("visibility", ["unlisted", "private"])
def test_who_is_banned_from_a_group_that_they_may_not_know_of_hears_it_only_if_they_have_been_in_it(world, visibility):
    group = world.group(visibility=visibility)
    world.founded(group, audience="group")
    world.joined(group, world.ben, audience="group")
    for one in (world.ben, world.eve):
        world.removed(group, one, "banned", audience="group")
    assert world.titles(world.ben) == ["You cannot take part in Kittens and Bacon"]
    assert world.titles(world.eve) == []


def test_who_is_banned_from_a_public_group_hears_it_even_if_they_have_never_been_in_it(world, kittens):
    world.removed(kittens, world.eve, "banned")
    assert world.titles(world.eve) == ["You cannot take part in Kittens and Bacon"]


def test_who_got_another_role_hears_it_and_who_stepped_down_does_not(world, kittens):
    world.role_changed(kittens, world.ben, "moderator", by=world.ana)
    world.role_changed(kittens, world.ana, "member")
    assert world.titles(world.ben) == ["You are a moderator of Kittens and Bacon now"]
    assert world.titles(world.ana, kind="member.role_changed") == []


def test_who_takes_over_a_group_that_was_left_to_them_hears_it(world, kittens):
    world.role_changed(kittens, world.ben, "organizer")
    [item] = world.inbox(world.ben)
    assert item["title"] == "You are an organizer of Kittens and Bacon now"
    assert item["body"].startswith("Its last organizer is gone")


# -- what happens in a group


def test_organizers_and_moderators_hear_who_would_like_to_join_and_members_do_not(world, kittens):
    world.joined(kittens, world.chris)
    world.role_changed(kittens, world.chris, "moderator", by=world.ana)
    world.requested(kittens, world.eve, "I have two kittens.")
    for one in (world.ana, world.chris):
        [item] = world.inbox(one, kind="join.requested")
        assert (item["title"], item["body"]) == ("Eve would like to join Kittens and Bacon", "I have two kittens.")
        assert item["subject"] == {"type": "person", "id": world.eve.id, "href": "/v1/people/eve"}
    assert world.titles(world.ben) == world.titles(world.eve) == []


def test_members_hear_that_their_group_is_archived_but_not_who_did_it(world, kittens):
    world.archived(kittens, by=world.ana)
    assert world.titles(world.ben) == ["Kittens and Bacon is archived"]
    assert world.titles(world.ana, kind="group.archived") == []


@pytest.fixture
def ask():
    return {"id": new_id("ask"), "title": "Who has a ladder?", "kind": "hands"}


def test_members_hear_who_asks_for_help_and_the_asker_hears_who_offers_it(world, kittens, ask):
    world.joined(kittens, world.chris)
    world.asked(kittens, world.ben, ask)
    world.offered(kittens, world.chris, ask, asker=world.ben)
    [opened] = world.inbox(world.chris)
    assert opened["title"] == "Ben asks: Who has a ladder?"
    assert opened["body"] == "Helping hands are wanted in Kittens and Bacon. Can you help?"
    assert opened["subject"] == {"type": "ask", "id": ask["id"], "href": f"/v1/asks/{ask['id']}"}
    assert world.titles(world.ana, kind="ask.opened") == [opened["title"]]
    assert world.titles(world.ben) == ["Chris offers help: Who has a ladder?"]


def test_an_offer_of_which_the_asker_is_not_known_or_offers_it_themselves_is_told_nobody(world, kittens, ask):
    world.offered(kittens, world.chris, ask, asker=None)
    world.offered(kittens, world.ben, ask, asker=world.ben)
    assert [world.titles(one, kind="offer.made") for one in (world.ana, world.ben, world.chris)] == [[], [], []]


def test_those_who_helped_hear_that_they_are_thanked(world, kittens, ask):
    world.resolved(kittens, world.ben, ask, world.chris, world.dora, world.ben)
    assert world.titles(world.chris) == world.titles(world.dora) == ["Ben thanks you: Who has a ladder?"]
    assert world.titles(world.ben) == world.titles(world.eve) == []


def test_an_ask_that_is_resolved_without_thanks_is_told_nobody(world, kittens, ask):
    world.resolved(kittens, world.ben, ask)
    assert world.titles(world.ana, kind="ask.resolved") == world.titles(world.ben) == []


# -- what is told several people


def test_who_watched_hears_of_the_group_that_matches(world, kittens):
    world.matched(kittens, world.dora)
    [item] = world.inbox(world.dora)
    assert item["kind"] == "watch.matched"
    assert item["title"] == "A group for kittens and bacon: Kittens and Bacon"
    assert item["subject"] == {"type": "group", "id": kittens["id"], "href": f"/v1/groups/{kittens['id']}"}
    assert world.titles(world.eve) == []


def test_all_who_watch_for_the_same_hear_how_many_they_are(world):
    world.risen(world.ben, world.dora, world.eve, demand="dmd_1")
    for one in (world.ben, world.dora, world.eve):
        [item] = world.inbox(one)
        assert item["title"] == "3 people are looking for kittens and bacon: found it?"
        assert item["group"] is None
        href = "/v1/demand?interest=kittens&interest=bacon"
        assert item["subject"] == {"type": "demand", "id": "dmd_1", "href": href}
    assert world.inbox(world.ana) == []


def test_people_hear_what_an_organizer_has_to_say_and_each_reads_it_by_themselves(world, kittens):
    world.advertised(kittens, world.chris, world.dora)
    [item] = world.inbox(world.chris)
    assert (item["title"], item["body"]) == ("You may like Kittens and Bacon", "Come and cook with us!")
    assert item["group"]["id"] == kittens["id"]
    world.service.api.post("/v1/inbox/read", {"ids": [item["id"]]}, as_=world.chris)
    assert (world.unread(world.chris), world.unread(world.dora)) == (0, 1)
    assert world.titles(world.ana, kind="promotion.sent") == world.titles(world.eve) == []


def test_what_is_told_several_people_is_shown_by_kind_and_by_group(world, kittens):
    world.risen(world.chris, world.dora)
    world.advertised(kittens, world.chris, world.dora)
    assert world.titles(world.dora, kind="promotion.sent") == ["You may like Kittens and Bacon"]
    assert world.titles(world.dora, group=kittens["slug"]) == ["You may like Kittens and Bacon"]
    assert len(world.titles(world.dora, kind="demand.risen")) == 1


def test_a_notice_to_500_people_is_one_document_and_one_message(world, kittens, heard, writes):
    people = [world.person(f"person{number}") for number in range(500)]
    assert writes(lambda: world.advertised(kittens, *people)) == {"i notices": 1, "i inbox": 1, "i outbox": 1}
    [item] = world.inbox(people[499])
    wait_until(lambda: any(one["subject"] == item["id"] for one in heard()), what="notice.posted")
    [message] = [one for one in heard() if one["subject"] == item["id"]]
    assert message["audience"] == "person"
    assert message["data"]["audience"] == {"type": "people", "ids": [one.id for one in people]}


def test_who_is_going_is_reminded_and_nobody_else(world, kittens):
    event = world.event(kittens)
    world.joined(kittens, world.chris)
    world.joined(kittens, world.dora)
    world.answered(kittens, event, world.ben, "going")
    world.answered(kittens, event, world.chris, "waitlisted")
    world.answered(kittens, event, world.dora, "maybe")
    world.due(kittens, event, "PT24H")
    assert [world.titles(one, kind="event.due") for one in (world.ben, world.chris, world.dora, world.eve)] == [
        ["A day to go: Bacon brunch"],
        [],
        [],
        [],
    ]
    promoted = world.promoted(kittens, event, world.chris)
    due = world.due(kittens, event, "PT1H")
    world.publish(due, promoted)
    assert world.titles(world.ben, kind="event.due") == ["An hour to go: Bacon brunch", "A day to go: Bacon brunch"]
    assert world.titles(world.chris, kind="event.due") == ["An hour to go: Bacon brunch"]
    world.answered(kittens, event, world.ben, "maybe", was="going")
    assert world.titles(world.ben, kind="event.due") == []


def test_a_message_that_comes_again_is_not_told_again(world, kittens):
    message = world.scheduled(kittens, world.event(kittens), by=world.ana)
    world.publish(message, message)
    world.settled()
    world.publish(message)
    world.scheduled(kittens, world.event(kittens, "Kitten yoga"), by=world.ana)
    assert world.titles(world.ben) == ["New: Kitten yoga", "New: Bacon brunch"]


def test_a_notice_that_arrives_before_its_reader_is_known_as_a_member_is_there(world):
    group = world.group()
    joined = world.joined(group, world.ben, held=True)
    world.scheduled(group, world.event(group))
    assert world.titles(world.ben) == []
    world.publish(joined)
    assert world.titles(world.ben) == ["New: Bacon brunch"]


def test_what_happened_before_somebody_joined_is_not_told_them_even_if_it_arrives_later(world, kittens):
    scheduled = world.scheduled(kittens, world.event(kittens), held=True)
    world.joined(kittens, world.eve)
    world.publish(scheduled)
    world.settled()
    world.scheduled(kittens, world.event(kittens, "Kitten yoga"))
    assert world.titles(world.eve) == ["New: Kitten yoga"]
    assert world.titles(world.ben) == ["New: Kitten yoga", "New: Bacon brunch"]
    assert world.unread(world.eve) == 1


def test_a_late_message_that_somebody_joined_does_not_undo_their_leaving(world, kittens):
    joined = world.joined(kittens, world.eve, held=True)
    world.left(kittens, world.eve)
    world.publish(joined)
    world.scheduled(kittens, world.event(kittens))
    assert world.titles(world.eve) == []


def test_that_a_notice_was_posted_is_published_without_its_words(world, kittens, heard):
    event = world.event(kittens)
    world.scheduled(kittens, event, by=world.ana)
    [item] = world.inbox(world.ben)
    wait_until(lambda: any(one["subject"] == item["id"] for one in heard()), what="notice.posted")
    [message] = [one for one in heard() if one["subject"] == item["id"]]
    assert message["type"] == "commonground.notifications.notice.posted.v1"
    assert message["audience"] == "public"
    assert message["data"] == {
        "notice_id": item["id"],
        "kind": "event.scheduled",
        "audience": {"type": "group", "id": kittens["id"]},
        "subject": item["subject"],
    }


def test_nothing_is_published_about_those_who_have_erased_themselves(world, kittens, heard):
    world.erased(world.ben)
    world.advertised(kittens, world.ben)
    world.requested(kittens, world.ben)
    world.advertised(kittens, world.ben, world.dora)
    [item] = world.inbox(world.dora)
    wait_until(lambda: any(one["subject"] == item["id"] for one in heard()), what="notice.posted")
    kinds = {one["data"]["kind"] for one in heard() if world.ben.id in str(one)}
    assert kinds <= {"member.joined"}  # which was before


@pytest.mark.parametrize(
    ("tell", "audience"),
    [
        ("joined", "group"),
        ("requested", "group"),
        ("promoted", "person"),
        ("removed", "person"),
        ("scheduled", "group"),
    ],
)
def test_who_may_not_know_of_the_thing_may_not_know_of_its_notice(world, heard, tell, audience):
    group = world.group(visibility="private")
    event = world.event(group)
    match tell:
        case "joined":
            world.joined(group, world.eve)
        case "requested":
            world.requested(group, world.eve)
        case "removed":
            world.removed(group, world.eve)
            event = group
        case "promoted":
            world.promoted(group, event, world.eve)
        case _:
            world.scheduled(group, event, audience="group")
    concerned = {event["id"], world.eve.id}
    wait_until(lambda: any(one["data"]["subject"]["id"] in concerned for one in heard()), what="notice.posted")
    [message] = [one for one in heard() if one["data"]["subject"]["id"] in concerned]
    assert message["audience"] == audience


@pytest.fixture
def writes(database: Any, world: Any) -> Iterator[Callable[[Callable[[], object]], Counter[str]]]:
    """What the service writes while something is done, by operation and collection, from the replica set's log."""
    client: MongoClient[dict[str, Any]] = MongoClient(database.uri)
    oplog = client["local"]["oplog.rs"]

    def written(act: Callable[[], object]) -> Counter[str]:
        last = next(oplog.find().sort("$natural", -1).limit(1))["ts"]
        act()
        entries = oplog.find({"ts": {"$gt": last}})
        single = [one for entry in entries for one in entry["o"].get("applyOps", [entry])]
        found = Counter(f"{one['op']} {one['ns']}".replace(world.store.database.name + ".", "") for one in single)
        return Counter({what: times for what, times in found.items() if what in EFFECTS})

    yield written
    client.close()


# The relay's part, which deletes from the outbox in batches and keeps its lease, is not the notice's.
EFFECTS = [f"{how} {what}" for how in "iud" for what in ("groups", "standings", "notices", "readers", "inbox")] + [
    "i outbox"
]


def test_a_notice_to_a_hundred_thousand_takes_as_many_writes_as_one_to_a_hundred(world, writes):
    taken = []
    for members in (100, 100_000):
        group = world.group()
        fill(world, group["id"], members)
        taken.append(writes(lambda group=group: world.scheduled(group, world.event(group))))
    assert taken[0] == taken[1] == {"i notices": 1, "i inbox": 1, "i outbox": 1}


def fill(world, group, members):
    """So many members of a group, as their messages would have made them: one of them, made again by the database."""
    one = join(Standing("", group, group), 1, "member", START)._asdict()
    person = {"$concat": [new_id("psn"), {"$toString": "$number"}]}
    same = {name: {"$literal": value} for name, value in one.items() if name != "person"}
    made = {"_id": {"$concat": [person, "/", group]}, "schema": {"$literal": 1}, "person": person, **same}
    for start in range(0, members, 10_000):
        numbers = {"$range": [start, min(start + 10_000, members)]}
        steps = [{"$documents": [{"number": numbers}]}, {"$unwind": "$number"}, {"$project": made}]
        world.store.database.aggregate([*steps, {"$merge": {"into": "standings"}}])
        # It takes a while on a busy machine, and the broker gives up those of whom it hears nothing for a minute.
        world.channel.connection.send_heartbeat()


def test_a_message_that_lacks_what_a_notice_needs_is_parked_and_holds_up_nothing(world, kittens, channel):
    world.publish(world.tell("events.event.scheduled.v1", new_id("evt"), {"event": {"id": "evt_x"}}, held=True))
    world.published.clear()  # it will have no effect
    world.scheduled(kittens, world.event(kittens))
    assert world.titles(world.ben) == ["New: Bacon brunch"]
    parked = lambda: channel.basic_get("commonground.notifications.parked")  # noqa: E731
    wait_until(parked, what="the parked message")


def test_what_a_process_left_unposted_when_it_ended_is_posted_by_the_next(world, kittens):
    notice = Notice("watch.matched", Audience("person", world.dora.id), "Left over", "", None, {}, START)
    world.store.drafts.add(Draft(notice, "person", None))
    wait_until(lambda: not world.store.drafts.any(), 5, "posting what was left over")
    [item] = world.store.inbox.newest(View({notice.audience.key: ALWAYS}, world.dora.id), None, 9)
    assert item["title"] == "Left over"
