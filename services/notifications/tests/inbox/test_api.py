"""People read their inboxes: what is theirs, page by page, and what they have read."""

import pytest

from chassis.ids import new_id
from chassis.schemas import Cursor

NO_NOTICE = "ntc_00000000000000000000000000"


def schedule(world, group, *titles):
    """One event after another."""
    for title in titles:
        world.scheduled(group, world.event(group, title), by=world.ana)


def read(world, who, **body):
    answer = world.service.api.post("/v1/inbox/read", body, as_=who)
    assert answer.status == 204, answer.body


def everything(world, who, limit):
    """All pages of an inbox."""
    pages, params = [], {"limit": limit}
    while True:
        page = world.ask("/v1/inbox", who, **params).json()
        pages.append([item["title"] for item in page["items"]])
        if page["next"] is None:
            return pages
        params["cursor"] = page["next"]


def test_an_inbox_is_merged_from_all_that_one_belongs_to_newest_first(world, kittens):
    hockey = world.group("Hockey Fans")
    world.joined(hockey, world.ben, "organizer")
    game = world.event(hockey, "Game night")
    world.answered(hockey, game, world.ben, "waitlisted")
    schedule(world, kittens, "Brunch")
    world.joined(hockey, world.chris)
    world.changed(hockey, game, by=world.chris)
    world.promoted(hockey, game, world.ben)
    titles = ["You are in: Game night", "Changed: Game night", "Chris joined Hockey Fans", "New: Brunch"]
    assert world.titles(world.ben) == titles


def test_pages_have_each_notice_once_whatever_is_added_meanwhile(world, kittens):
    schedule(world, kittens, *"abcde")
    first = world.ask("/v1/inbox", world.ben, limit=2)
    schedule(world, kittens, "f")
    second = world.ask("/v1/inbox", world.ben, limit=2, cursor=first.json()["next"])
    third = world.ask("/v1/inbox", world.ben, limit=2, cursor=second.json()["next"])
    titles = [item["title"] for page in (first, second, third) for item in page.json()["items"]]
    assert titles == [f"New: {title}" for title in "edcba"]
    assert third.json()["next"] is None
    assert first.headers["Link"] == f'</v1/inbox?limit=2&cursor={first.json()["next"]}>; rel="next"'


def test_who_left_sees_no_more_what_the_group_was_told_and_who_comes_back_begins_anew(world, kittens):
    schedule(world, kittens, "Brunch")
    world.left(kittens, world.ben)
    assert world.titles(world.ben) == []
    world.joined(kittens, world.ben)
    schedule(world, kittens, "Yoga")
    assert world.titles(world.ben) == ["New: Yoga"]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("left", []),
        ("removed", ["You are no longer a member of Kittens and Bacon"]),
        ("banned", ["You cannot take part in Kittens and Bacon"]),
    ],
)
def test_who_is_out_of_a_private_group_sees_nothing_that_concerns_it_but_that_they_were_removed(world, what, told):
    group = world.group(visibility="private")
    event = world.event(group)
    world.founded(group)
    world.joined(group, world.ben)
    world.answered(group, event, world.ben, "waitlisted")
    world.promoted(group, event, world.ben)
    world.changed(group, event, by=world.ana)
    assert len(world.inbox(world.ben)) == 2
    assert world.unread(world.ben) == 2
    world.left(group, world.ben, what)
    world.scheduled(group, world.event(group, "Yoga"))
    assert world.titles(world.ben) == told
    assert world.titles(world.ben, group=group["id"]) == told
    assert world.unread(world.ben) == len(told)


def test_who_left_a_public_group_still_hears_of_the_events_they_come_to(world, kittens):
    event = world.event(kittens)
    world.answered(kittens, event, world.ben, "going")
    world.left(kittens, world.ben)
    world.cancelled(kittens, event, by=world.ana)
    assert world.titles(world.ben) == ["Cancelled: Bacon brunch"]


def test_a_new_organizer_hears_of_those_who_join_from_then_on(world, kittens):
    world.joined(kittens, world.chris)
    world.role_changed(kittens, world.ben, "organizer")
    world.joined(kittens, world.dora)
    assert world.titles(world.ben, kind="member.joined") == ["Dora joined Kittens and Bacon"]
    world.role_changed(kittens, world.ben, "member")
    assert world.titles(world.ben, kind="member.joined") == []


def test_notices_of_one_kind_or_one_group_by_id_or_slug_can_be_asked_for(world, kittens):
    hockey = world.group("Hockey Fans")
    world.founded(hockey)
    world.joined(hockey, world.ben)
    game = world.event(hockey, "Game night")
    schedule(world, kittens, "Brunch")
    world.scheduled(hockey, game)
    world.promoted(hockey, game, world.ben)
    assert world.titles(world.ben, kind="event.scheduled") == ["New: Game night", "New: Brunch"]
    assert world.titles(world.ben, kind="rsvp.promoted") == ["You are in: Game night"]
    assert world.titles(world.ben, group=hockey["id"]) == ["You are in: Game night", "New: Game night"]
    assert world.titles(world.ben, group=hockey["slug"], kind="event.scheduled") == ["New: Game night"]
    assert world.titles(world.ben, group="no-such-group") == []


def test_a_group_can_be_asked_for_by_its_new_slug_once_it_has_one(world, kittens):
    schedule(world, kittens, "Brunch")
    renamed = {**kittens, "slug": kittens["slug"] + "-2"}
    world.tell("groups.group.updated.v1", kittens["id"], {"group": renamed, "changed": ["slug"]})
    assert world.titles(world.ben, group=renamed["slug"]) == ["New: Brunch"]
    assert world.titles(world.ben, group=kittens["slug"]) == []


def test_single_notices_are_read(world, kittens):
    schedule(world, kittens, *"abc")
    c, b, a = world.inbox(world.ben)
    assert world.unread(world.ben) == 3
    read(world, world.ben, ids=[b["id"]])
    assert [item["read"] for item in world.inbox(world.ben)] == [False, True, False]
    assert [item["id"] for item in world.inbox(world.ben, unread="true")] == [c["id"], a["id"]]
    assert world.unread(world.ben) == 2


def test_all_up_to_one_is_read_and_stays_read(world, kittens):
    schedule(world, kittens, *"abc")
    _, b, a = world.inbox(world.ben)
    read(world, world.ben, up_to=b["id"])
    read(world, world.ben, up_to=a["id"])
    assert world.titles(world.ben, unread="true") == ["New: c"]
    assert world.unread(world.ben) == 1
    schedule(world, kittens, "d")
    assert world.unread(world.ben) == 2


def test_what_one_person_reads_is_unread_for_others(world, kittens):
    world.joined(kittens, world.chris)
    schedule(world, kittens, "Brunch")
    [item] = world.inbox(world.ben)
    read(world, world.ben, up_to=item["id"])
    assert world.unread(world.ben) == 0
    assert world.unread(world.chris) == 1


def test_reading_what_is_not_ones_own_has_no_effect_and_tells_nothing(world, kittens):
    schedule(world, kittens, "Brunch")
    [item] = world.inbox(world.ben)
    answers = [
        world.service.api.post("/v1/inbox/read", {"ids": [id_]}, as_=world.eve) for id_ in (item["id"], NO_NOTICE)
    ]
    assert [(one.status, one.body, one.headers) for one in answers] == [(204, b"", {})] * 2
    world.joined(kittens, world.eve)
    assert world.unread(world.ben) == 1
    held = world.ask("/v1/me/export/notifications", world.eve).json()
    assert held["read"] == {"up_to": "", "ids": []}


def test_what_is_yet_to_come_cannot_be_read(world, kittens):
    read(world, world.ben, up_to="ntc_7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
    held = world.ask("/v1/me/export/notifications", world.ben).json()
    assert held["read"]["up_to"] < "ntc_1"


def test_one_page_after_another_leads_through_all(world, kittens):
    schedule(world, kittens, *"abcde")
    assert everything(world, world.ben, 2) == [["New: e", "New: d"], ["New: c", "New: b"], ["New: a"]]
    assert everything(world, world.ben, 5) == [[f"New: {title}" for title in "edcba"]]


@pytest.mark.parametrize("path", ["/v1/inbox", "/v1/inbox/summary", "/v1/me/export/notifications"])
def test_an_inbox_is_for_those_signed_in(world, path):
    answer = world.ask(path, None)
    assert (answer.status, answer.problem) == (401, "authentication-required")


@pytest.mark.parametrize(
    "params",
    [
        {"kind": "spam"},
        {"unread": "perhaps"},
        {"limit": "0"},
        {"limit": "101"},
        {"cursor": "!"},
        {"cursor": Cursor.encode(["a", "b"])},
        {"cursor": Cursor.encode(["not an id"])},
        {"cursor": Cursor.encode([{"$gt": ""}])},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_query_that_makes_no_sense_is_refused(world, params):
    answer = world.ask("/v1/inbox", world.ana, **params)
    assert (answer.status, answer.problem) == (400, "malformed-request")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": [NO_NOTICE] * 101},
        {"ids": ["evt_00000000000000000000000000"]},
        {"ids": [{"$gt": ""}]},
        {"ids": NO_NOTICE},
        {"up_to": "yesterday"},
        {"up_to": NO_NOTICE + "\n"},
        {"up_to": None},
        {"up_to": NO_NOTICE, "ids": [NO_NOTICE]},
        {"until": NO_NOTICE},
    ],
    ids=lambda body: str(body)[:40],
)
def test_a_mark_that_makes_no_sense_is_refused_and_changes_nothing(world, kittens, body):
    schedule(world, kittens, "Brunch")
    answer = world.service.api.post("/v1/inbox/read", body, as_=world.ben)
    assert (answer.status, answer.problem) == (422, "invalid")
    assert answer.json()["errors"]
    assert world.unread(world.ben) == 1


def test_a_body_that_is_no_json_is_refused(world):
    answer = world.service.api.call("POST", "/v1/inbox/read", as_=world.ana, body=b"{")
    assert (answer.status, answer.problem) == (400, "malformed-request")


def test_a_token_that_may_only_read_marks_nothing(world):
    answer = world.service.api.post(
        "/v1/inbox/read", {"up_to": new_id("ntc")}, as_=type(world.ana)(world.ana.id, "ana", "Ana", scopes=("read",))
    )
    assert (answer.status, answer.problem) == (403, "not-allowed")
