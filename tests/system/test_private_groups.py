"""A private group and its events answer 404 to who is no member, everywhere, and nothing public tells of them."""

import pytest

from commonground import eventually
from people import an_event, done


@pytest.fixture
def scene(person):
    """Ana with a private group in which Ben is, its event that Ben comes to, and Chris, who is a stranger."""
    ana, ben, chris = person("ana"), person("ben"), person("chris")
    topic = f"secret {ana.handle}"
    group = ana.founds(visibility="unlisted", interests=[topic])
    ben.joins(group)
    group = done(ana.patch(f"/v1/groups/{group['id']}", {"visibility": "private"}), 200)
    event = ana.schedules(group)
    ben.answers(event)
    return ana, ben, chris, group, event


def test_strangers_and_the_world_are_told_that_nothing_is_there(scene, http):
    _, _, chris, group, event = scene
    for who in (chris, http):
        for path in (
            f"/v1/groups/{group['id']}",
            f"/v1/groups/{group['slug']}",
            f"/v1/groups/{group['id']}/members",
            f"/v1/events?group={group['id']}",
            f"/v1/events/{event['id']}",
        ):
            answer = who.get(path)
            assert (answer.status, answer.problem) == (404, "not-found"), (path, answer)
    for method, path, content in (
        ("PATCH", f"/v1/groups/{group['id']}", {"name": "Mine"}),
        ("DELETE", f"/v1/groups/{group['id']}", None),
        ("POST", f"/v1/groups/{group['id']}/members", {}),
        ("DELETE", f"/v1/groups/{group['id']}/members/me", None),
        ("POST", f"/v1/groups/{group['id']}/events", an_event()),
        ("PATCH", f"/v1/events/{event['id']}", {"title": "Mine"}),
        ("POST", f"/v1/events/{event['id']}/cancellation", {}),
        ("PUT", f"/v1/events/{event['id']}/rsvps/me", {"answer": "going"}),
        ("GET", f"/v1/events/{event['id']}/rsvps", None),
    ):
        answer = chris.call(method, path, content)
        assert (answer.status, answer.problem) == (404, "not-found"), (method, path, answer)


def test_what_is_private_looks_just_like_what_is_not_there(scene):
    _, _, chris, group, event = scene
    for secret, nowhere in (
        (f"/v1/groups/{group['id']}", "/v1/groups/grp_01JDCM0Y0G0000000000000000"),
        (f"/v1/events/{event['id']}", "/v1/events/evt_01JDCM0Y0G0000000000000000"),
    ):
        there, not_there = chris.get(secret).json(), chris.get(nowhere).json()
        assert {**there, "instance": ""} == {**not_there, "instance": ""}


def test_no_search_or_feed_of_a_stranger_shows_it(scene, http):
    ana, _, chris, group, event = scene
    (topic,) = group["interests"]
    for who in (chris, http):
        assert who.items("/v1/groups", interest=topic) == []
        assert who.items("/v1/groups", q=ana.handle) == []
        assert [one for one in who.items("/v1/interests", prefix=topic) if one["groups"]] == []
        assert event["id"] not in [one["id"] for one in who.items("/v1/events", interest=topic)]
    for path in ("/v1/inbox", "/v1/me/groups", "/v1/me/events"):
        assert chris.items(path) == []


def test_members_see_all_of_it(scene):
    ana, ben, _, group, event = scene
    for who in (ana, ben):
        assert done(who.get(f"/v1/groups/{group['slug']}"), 200)["viewer"]["status"] == "active"
        assert len(who.items(f"/v1/groups/{group['id']}/members")) == 2
        assert [one["id"] for one in who.items("/v1/events", group=group["id"])] == [event["id"]]
        assert [one["person"]["handle"] for one in who.items(f"/v1/events/{event['id']}/rsvps")] == [ben.handle]
    eventually(lambda: [one for one in ben.inbox() if one["subject"]["id"] == event["id"]], "Ben hearing of the event")


def test_who_leaves_sees_it_no_more(scene):
    _, ben, _, group, event = scene
    eventually(lambda: ben.inbox(), "Ben hearing of the event")
    assert ben.delete(f"/v1/groups/{group['id']}/members/me").status == 204
    assert ben.get(f"/v1/groups/{group['id']}").status == 404
    eventually(lambda: ben.get(f"/v1/events/{event['id']}").status == 404, "the event being gone for Ben")
    eventually(lambda: ben.inbox() == [], "the notices being gone for Ben")
    assert ben.items("/v1/me/events") == []


def test_no_public_message_tells_of_it(person, subscribe):
    public, everything = subscribe("#"), subscribe("#", trusted=True)
    ana, ben = person("ana"), person("ben")
    group = ana.founds(visibility="unlisted")
    ben.joins(group)
    done(ana.patch(f"/v1/groups/{group['id']}", {"visibility": "private"}), 200)
    event = ana.schedules(group)
    ben.answers(event)
    everything.about(group["id"], 4)
    everything.about(event["id"], 2)
    loud = ana.founds()
    public.about(loud["id"], 2)  # whatever was public before it has arrived
    told = str([one.envelope for one in public.heard])
    for secret in (group["id"], group["slug"], group["name"], event["id"]):
        assert secret not in told
    for one in everything.heard:
        if one.envelope["subject"] in (group["id"], event["id"]):
            assert one.envelope["audience"] in ("group", "person")
