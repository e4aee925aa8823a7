"""People say what they want to hear of; their inbox and the count of what is unread follow at once."""

import pytest

from chassis.ids import new_id
from notifications.inbox.api import view_of
from notifications.notices.model import KINDS

PATH = "/v1/me/notices"


@pytest.fixture
def hockey(world):
    """Another group that Ben is in."""
    group = world.group("Hockey Fans")
    world.joined(group, world.ben)
    return group


def prefer(world, who, patch, status=200):
    answer = world.service.api.patch(PATH, patch, as_=who)
    assert answer.status == status, answer.body
    return answer.json()


def ask_of(title="Who has a ladder?"):
    return {"id": new_id("ask"), "title": title, "kind": "hands"}


def test_who_said_nothing_hears_of_all_as_usual(world):
    answer = world.ask(PATH, world.eve)
    assert answer.json() == {
        "defaults": {name: {"inbox": True, "email": kind.email} for name, kind in KINDS.items()},
        "groups": {},
        "quiet_hours": None,
        "version": 1,
    }
    assert answer.headers["ETag"] == '"1"'


def test_what_one_says_is_kept_and_merged_and_null_takes_it_back(world):
    group, other = new_id("grp"), new_id("grp")
    prefer(world, world.ana, {"defaults": {"ask.opened": {"email": "off"}}, "groups": {group: "mute"}})
    prefer(world, world.ana, {"defaults": {"ask.opened": {"inbox": False}}, "groups": {other: "highlights"}})
    kept = prefer(world, world.ana, {"quiet_hours": {"from": "22:00", "to": "07:30"}})
    assert kept["defaults"]["ask.opened"] == {"inbox": False, "email": "off"}
    assert kept["groups"] == {group: "mute", other: "highlights"}
    assert kept["quiet_hours"] == {"from": "22:00", "to": "07:30"}
    assert prefer(world, world.ana, {"quiet_hours": {"to": "08:00"}})["quiet_hours"]["from"] == "22:00"
    back = prefer(
        world,
        world.ana,
        {"defaults": {"ask.opened": {"inbox": None}}, "groups": {group: None, other: "all"}, "quiet_hours": None},
    )
    assert back["defaults"]["ask.opened"] == {"inbox": True, "email": "off"}
    assert (back["groups"], back["quiet_hours"]) == ({other: "all"}, None)
    assert prefer(world, world.ana, {"defaults": None, "groups": None})["groups"] == {}
    assert world.ask(PATH, world.ana).json()["defaults"]["ask.opened"]["email"] == KINDS["ask.opened"].email
    assert world.ask(PATH, world.ben).json()["version"] == 1


def test_a_change_of_an_old_version_is_refused(world):
    prefer(world, world.ana, {"groups": {new_id("grp"): "mute"}})
    answer = world.service.api.patch(PATH, {"groups": None}, as_=world.ana, if_match='"1"')
    assert (answer.status, answer.problem) == (412, "precondition-failed")
    assert world.service.api.patch(PATH, {"groups": None}, as_=world.ana, if_match='"2"').status == 200


def test_a_muted_group_is_heard_of_nowhere_until_it_is_wanted_again(world, kittens, hockey):
    event = world.event(kittens)
    world.answered(kittens, event, world.ben, "waitlisted")
    world.promoted(kittens, event, world.ben)
    world.changed(kittens, event, by=world.ana)
    world.scheduled(kittens, world.event(kittens, "Yoga"), by=world.ana)
    world.scheduled(hockey, world.event(hockey, "Game night"))
    assert world.unread(world.ben) == 4
    prefer(world, world.ben, {"groups": {kittens["id"]: "mute"}})
    assert world.titles(world.ben) == ["New: Game night"]
    assert world.titles(world.ben, group=kittens["id"]) == []
    assert world.unread(world.ben) == 1
    prefer(world, world.ben, {"groups": {kittens["id"]: None}})
    assert world.unread(world.ben) == 4


def test_who_wants_the_highlights_of_a_group_hears_nothing_else_of_it(world, kittens, hockey):
    world.role_changed(kittens, world.ben, "organizer", by=world.ana)
    world.asked(kittens, world.ana, ask_of())
    world.joined(kittens, world.chris)
    world.scheduled(kittens, world.event(kittens), by=world.ana)
    world.asked(hockey, world.chris, ask_of("Who has a puck?"))
    prefer(world, world.ben, {"groups": {kittens["id"]: "highlights"}})
    expected = ["Chris asks: Who has a puck?", "New: Bacon brunch", "You are an organizer of Kittens and Bacon now"]
    assert world.titles(world.ben) == expected
    assert world.unread(world.ben) == 3


def test_a_kind_that_is_not_wanted_in_the_inbox_is_not_there_and_not_counted(world, kittens):
    world.asked(kittens, world.ana, ask_of())
    world.scheduled(kittens, world.event(kittens), by=world.ana)
    prefer(world, world.ben, {"defaults": {"ask.opened": {"inbox": False}}})
    assert world.titles(world.ben) == ["New: Bacon brunch"]
    assert world.titles(world.ben, kind="ask.opened") == []
    assert world.unread(world.ben) == 1


def test_whether_somebody_sees_a_notice_now_is_one_question(world, kittens):
    world.scheduled(kittens, world.event(kittens), by=world.ana)
    [item] = world.inbox(world.ben)
    notice = world.store.notices.documents.find_one({"_id": item["id"]})
    sees = lambda who: view_of(world.store, who.id).shows(notice)  # noqa: E731
    assert (sees(world.ben), sees(world.ana), sees(world.eve)) == (True, False, False)
    prefer(world, world.ben, {"groups": {kittens["id"]: "mute"}})
    assert not sees(world.ben)


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"defaults": {"spam": {"inbox": False}}}, "/defaults/spam"),
        ({"defaults": {"ask.opened": {"email": "hourly"}}}, "/defaults/ask.opened"),
        ({"defaults": {"ask.opened": {"email": True}}}, "/defaults/ask.opened"),
        ({"defaults": {"ask.opened": {"inbox": "no"}}}, "/defaults/ask.opened"),
        ({"defaults": {"ask.opened": {"sms": True}}}, "/defaults/ask.opened"),
        ({"defaults": {"ask.opened": "off"}}, "/defaults/ask.opened"),
        ({"defaults": ["ask.opened"]}, "/defaults"),
        ({"groups": {"kittens-and-bacon": "mute"}}, "/groups/kittens-and-bacon"),
        ({"groups": {"grp_01JD8Z6M8Q2V5T7W9Y1A3C5E7H": "loud"}}, "/groups/grp_"),
        ({"groups": {"grp_01JD8Z6M8Q2V5T7W9Y1A3C5E7H": {"$gt": ""}}}, "/groups/grp_"),
        ({"groups": {"grp_01JD8Z6M8Q2V5T7W9Y1A3C5E7H\n": "mute"}}, "/groups/grp_"),
        ({"groups": {"$where": "mute"}}, "/groups/$where"),
        ({"groups": "mute"}, "/groups"),
        ({"quiet_hours": {"from": "22:00"}}, "/quiet_hours/to"),
        ({"quiet_hours": {"from": "22:00", "to": "22:00"}}, "/quiet_hours/to"),
        ({"quiet_hours": {"from": "24:00", "to": "07:00"}}, "/quiet_hours/from"),
        ({"quiet_hours": {"from": "22:00", "to": "7 am"}}, "/quiet_hours/to"),
        ({"quiet_hours": {"from": 22, "to": 7}}, "/quiet_hours/from"),
        ({"quiet_hours": {"from": "22:00", "to": "07:00", "zone": "UTC"}}, "/quiet_hours/zone"),
        ({"quiet_hours": "nights"}, "/quiet_hours"),
        ({"language": "en"}, "/language"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(world, patch, pointer):
    refused = prefer(world, world.ana, patch, status=422)
    assert refused["type"] == "/problems/invalid"
    assert refused["errors"][0]["pointer"].startswith(pointer)
    assert world.ask(PATH, world.ana).json()["version"] == 1


def test_preferences_are_for_those_signed_in(world):
    assert world.ask(PATH, None).status == world.service.api.patch(PATH, {}).status == 401
