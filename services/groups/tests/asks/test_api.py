"""Asks and offers, over the wire."""

from datetime import UTC, datetime, timedelta

import pytest

PREFIX = "commonground.groups."
ASK = {"title": "Who has a ladder?", "body": "For *one* day", "kind": "hands"}


def ref(person):
    return {"id": person.id, "handle": person.handle, "display_name": person.caller.display_name}


@pytest.fixture
def ask(api):
    """Ask a group: `ask(group, ben)`."""

    def ask(group, person, **fields):
        answer = api.post(f"/v1/groups/{group.id}/asks", {**ASK, **fields}, as_=person.caller)
        assert answer.status == 201, answer.body
        return answer.json()

    return ask


@pytest.fixture
def offer(api):
    """Offer help: `offer(ask, chris)`."""

    def offer(ask, person, body="I have one"):
        answer = api.post(f"/v1/asks/{ask['id']}/offers", {"body": body}, as_=person.caller)
        assert answer.status == 201, answer.body
        return answer.json()

    return offer


@pytest.fixture
def four(register, found, join):
    """A group of Ana, Ben and Chris, and Eve, who is not in it."""
    ana, ben, chris, eve = (register(name) for name in ("ana", "ben", "chris", "eve"))
    group = found(ana)
    join(group, ben, chris)
    return group, ana, ben, chris, eve


def test_a_member_asks_and_the_group_hears_of_it(api, four, messages):
    group, _, ben, chris, _ = four
    answer = api.post(f"/v1/groups/{group.slug}/asks", ASK, as_=ben.caller)
    ask = answer.json()
    assert (answer.status, answer.headers["Location"], answer.headers["ETag"]) == (201, f"/v1/asks/{ask['id']}", '"1"')
    reference = {"id": group.id, "slug": group.slug, "name": group.name}
    shown = {"group": reference, "person": ref(ben), "status": "open", "thanked": [], "offers": 0, "version": 1}
    assert ask == {**ask, **ASK, **shown, "resolved_at": None}
    read = api.get(f"/v1/asks/{ask['id']}", as_=chris.caller)
    assert (read.status, read.json(), read.headers["ETag"]) == (200, ask, '"1"')
    [told] = messages(ask["id"], 1)
    assert (told["type"], told["sequence"], told["audience"]) == (PREFIX + "ask.opened.v1", "1", "group")
    about = {"id": ask["id"], "title": ASK["title"], "kind": "hands"}
    assert told["data"] == {"group": reference, "person": ref(ben), "ask": about}


@pytest.mark.parametrize(
    "body",
    [{}, {**ASK, "title": "ab"}, {**ASK, "kind": "money"}, {**ASK, "body": "x" * 5001}, {**ASK, "status": "open"}],
)
def test_a_wrong_ask_is_refused(api, four, body):
    group, _, ben, _, _ = four
    assert api.post(f"/v1/groups/{group.id}/asks", body, as_=ben.caller).problem == "invalid"


def test_the_same_key_asks_once(api, four):
    group, _, ben, _, _ = four
    answers = [api.post(f"/v1/groups/{group.id}/asks", ASK, as_=ben.caller, idempotency_key="a") for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert len(api.get(f"/v1/groups/{group.id}/asks", as_=ben.caller).json()["items"]) == 1


def test_who_is_not_warm_is_told_what_is_missing_attends_and_asks_again(api, register, found, join, attend, data):
    ana, ben = register("ana"), register("ben")
    group, other = found(ana, ask_after={"days": 7, "events": 2}), found(ana)
    join(group, ben)
    path = f"/v1/groups/{group.id}/asks"

    def remaining():
        refused = api.post(path, ASK, as_=ben.caller)
        assert (refused.status, refused.problem) == (403, "warm-up-needed")
        return refused.json()["remaining"]

    assert remaining() == {"days": 7, "events": 2}
    attend(group, f"evt_1{group.id}", ben, times=3)
    attend(other, f"evt_9{group.id}", ben)
    attend(group, f"evt_8{group.id}", ana)
    assert remaining() == {"days": 7, "events": 1}
    ago = datetime.now(UTC) - timedelta(days=7)
    data.members.update_one({"_id": f"{group.id}:{ben.id}"}, {"$set": {"joined_at": ago}})
    assert remaining() == {"days": 0, "events": 1}
    attend(group, f"evt_2{group.id}", ben, heard=False)
    assert api.post(path, ASK, as_=ben.caller).status == 201


def test_only_members_see_asks_and_offers(api, four, ask, offer):
    group, _, ben, chris, eve = four
    asked = ask(group, ben)
    offer(asked, chris)
    calls = [
        ("GET", f"/v1/groups/{group.id}/asks", None),
        ("POST", f"/v1/groups/{group.id}/asks", ASK),
        ("GET", f"/v1/asks/{asked['id']}", None),
        ("PATCH", f"/v1/asks/{asked['id']}", {"status": "resolved"}),
        ("GET", f"/v1/asks/{asked['id']}/offers", None),
        ("POST", f"/v1/asks/{asked['id']}/offers", {"body": "Me"}),
    ]
    for method, path, body in calls:
        assert api.call(method, path, body, as_=eve.caller).problem == "not-allowed", path
        assert api.call(method, path, body).problem == "authentication-required", path


def test_an_ask_in_a_private_group_is_what_no_ask_is(api, register, found, ask):
    ana, eve = register("ana"), register("eve")
    asked = ask(found(ana, visibility="private"), ana)
    for method, rest, body in [
        ("GET", "", None),
        ("PATCH", "", {"status": "resolved"}),
        ("GET", "/offers", None),
        ("POST", "/offers", {"body": "Me"}),
    ]:
        hidden = api.call(method, f"/v1/asks/{asked['id']}{rest}", body, as_=eve.caller)
        nothing = api.call(method, f"/v1/asks/ask_0{rest}", body, as_=eve.caller)
        assert (hidden.status, hidden.problem) == (404, "not-found")
        assert {**hidden.json(), "instance": 0} == {**nothing.json(), "instance": 0}


def test_asks_are_listed_newest_first_page_by_page(api, four, ask):
    group, ana, ben, _, _ = four
    asks = [ask(group, (ana, ben)[n % 2], title=f"Ask {n}") for n in range(5)]
    first = api.get(f"/v1/groups/{group.id}/asks?limit=2", as_=ben.caller)
    ask(group, ben)
    rest = api.get(f"/v1/groups/{group.id}/asks?limit=9&cursor={first.json()['next']}", as_=ben.caller).json()
    assert first.json()["items"] + rest["items"] == asks[::-1]
    assert (rest["next"], "next" in first.headers["Link"]) == (None, True)
    assert api.get(f"/v1/groups/{group.id}/asks?cursor=x", as_=ben.caller).problem == "malformed-request"


def test_offers_go_to_the_asker_and_are_listed_first_first(api, four, ask, offer, messages):
    group, ana, ben, chris, _ = four
    asked = ask(group, ben)
    offers = [offer(asked, chris), offer(asked, ana, "Me too"), offer(asked, chris, "Two")]
    assert offers[0] == {**offers[0], "ask": asked["id"], "person": ref(chris), "body": "I have one"}
    path = f"/v1/asks/{asked['id']}/offers"
    first = api.get(path + "?limit=2", as_=ben.caller).json()
    rest = api.get(path + f"?limit=2&cursor={first['next']}", as_=ben.caller).json()
    assert first["items"] + rest["items"] == offers
    told = messages(asked["id"], 4)[1:]
    assert {one["type"] for one in told} == {PREFIX + "offer.made.v1"}
    assert [one["sequence"] for one in told] == ["2", "3", "4"]
    assert (told[0]["data"]["person"], told[0]["data"]["asker"], told[0]["audience"]) == (ref(chris), ref(ben), "group")
    seen = api.get(f"/v1/asks/{asked['id']}", as_=ben.caller).json()
    assert (seen["offers"], seen["version"]) == (3, 4)


def test_nobody_offers_to_their_own_ask_or_to_a_resolved_one(api, four, ask):
    group, _, ben, chris, _ = four
    asked = ask(group, ben)
    path = f"/v1/asks/{asked['id']}"
    own = api.post(path + "/offers", {"body": "Me"}, as_=ben.caller)
    assert (own.status, own.problem) == (409, "own-ask")
    assert api.patch(path, {"status": "resolved"}, as_=ben.caller).status == 200
    late = api.post(path + "/offers", {"body": "Me"}, as_=chris.caller)
    assert (late.status, late.problem) == (409, "already-resolved")


def test_many_offers_at_once_are_all_made_and_told_of_once(api, four, ask, messages):
    group, ana, ben, chris, _ = four
    asked = ask(group, ben)
    path = f"/v1/asks/{asked['id']}/offers"
    sent = [api.send("POST", path, {"body": f"{n}"}, as_=(ana, chris)[n % 2].caller) for n in range(12)]
    assert {api.receive(number).status for number in sent} == {201}
    assert [one["sequence"] for one in messages(asked["id"], 13)] == [str(n) for n in range(1, 14)]
    assert len(api.get(path, as_=ben.caller).json()["items"]) == 12


def test_the_asker_resolves_and_thanks_who_helped(api, four, ask, offer, messages):
    group, ana, ben, chris, _ = four
    asked = ask(group, ben)
    offer(asked, chris)
    path = f"/v1/asks/{asked['id']}"
    stale = api.patch(path, {"status": "resolved"}, as_=ben.caller, if_match='"1"')
    assert stale.problem == "precondition-failed"
    patch = {"status": "resolved", "thanked": [chris.handle, ana.handle]}
    answer = api.patch(path, patch, as_=ben.caller, if_match='"2"')
    assert (answer.status, answer.headers["ETag"]) == (200, '"3"')
    resolved = answer.json()
    assert (resolved["status"], resolved["thanked"]) == ("resolved", [chris.handle, ana.handle])
    assert resolved["resolved_at"] == resolved["updated_at"]
    told = messages(asked["id"], 3)[2]
    assert (told["type"], told["sequence"], told["audience"]) == (PREFIX + "ask.resolved.v1", "3", "group")
    assert (told["data"]["person"], told["data"]["thanked"]) == (ref(ben), [ref(chris), ref(ana)])
    assert "by" not in told["data"]
    again = api.patch(path, patch, as_=ben.caller)
    assert (again.status, again.json()) == (200, resolved)


def test_who_moderates_may_resolve_and_the_asker_thanks_later(api, four, ask, messages):
    group, ana, ben, chris, _ = four
    asked = ask(group, ben)
    path = f"/v1/asks/{asked['id']}"
    assert api.patch(path, {"status": "resolved"}, as_=chris.caller).problem == "not-allowed"
    assert api.patch(path, {"thanked": [chris.handle]}, as_=ana.caller).problem == "not-allowed"
    assert api.patch(path, {"status": "resolved"}, as_=ana.caller).status == 200
    assert api.patch(path, {"thanked": [chris.handle]}, as_=ben.caller).json()["thanked"] == [chris.handle]
    resolved, thanked = messages(asked["id"], 3)[1:]
    assert (resolved["data"]["person"], resolved["data"]["by"], resolved["data"]["thanked"]) == (ref(ben), ref(ana), [])
    assert (thanked["data"]["thanked"], thanked["sequence"]) == ([ref(chris)], "3")
    assert api.patch(path, {"thanked": None}, as_=ben.caller).json()["thanked"] == []


@pytest.mark.parametrize("who", ["eve", "ben", "nobody"])
def test_only_others_who_can_have_helped_are_thanked(api, four, ask, who):
    group, _, ben, _, eve = four
    handle = {"eve": eve.handle, "ben": ben.handle, "nobody": "nobody_at_all"}[who]
    asked = ask(group, ben)
    refused = api.patch(f"/v1/asks/{asked['id']}", {"thanked": [handle]}, as_=ben.caller)
    assert (refused.problem, refused.json()["errors"][0]["pointer"]) == ("invalid", "/thanked/0")


@pytest.mark.parametrize("patch", [{}, {"status": "open"}, {"title": "New"}, {"thanked": ["x"] * 51}])
def test_a_wrong_patch_is_refused(api, four, ask, patch):
    group, _, ben, _, _ = four
    assert api.patch(f"/v1/asks/{ask(group, ben)['id']}", patch, as_=ben.caller).problem == "invalid"


def test_who_offered_and_left_the_group_can_still_be_thanked(api, four, ask, offer):
    group, _, ben, chris, _ = four
    asked = ask(group, ben)
    offer(asked, chris)
    api.delete(f"/v1/groups/{group.id}/members/me", as_=chris.caller)
    assert api.patch(f"/v1/asks/{asked['id']}", {"thanked": [chris.handle]}, as_=ben.caller).status == 200


def test_in_an_archived_group_asks_are_read_only(api, four, ask):
    group, ana, ben, chris, _ = four
    asked = ask(group, ben)
    assert api.delete(f"/v1/groups/{group.id}", as_=ana.caller).status == 204
    path = f"/v1/asks/{asked['id']}"
    assert api.get(path, as_=chris.caller).status == 200
    assert api.post(f"/v1/groups/{group.id}/asks", ASK, as_=ben.caller).problem == "already-archived"
    assert api.post(path + "/offers", {"body": "Me"}, as_=chris.caller).problem == "already-archived"
    assert api.patch(path, {"status": "resolved"}, as_=ben.caller).problem == "already-archived"


def test_what_somebody_asked_and_offered_is_exported(api, four, ask, offer, attend):
    group, _, ben, chris, _ = four
    asked, other = ask(group, ben), ask(group, chris)
    offered = offer(other, ben)
    attend(group, f"evt_{group.id}", ben)
    export = api.get("/v1/me/export", as_=ben.caller).json()
    assert [(one["id"], one["group"], one["body"]) for one in export["asks"]] == [(asked["id"], group.id, ASK["body"])]
    assert [(one["id"], one["ask"]) for one in export["offers"]] == [(offered["id"], other["id"])]
    assert [(one["group"], one["event"]["id"]) for one in export["attendances"]] == [(group.id, f"evt_{group.id}")]


def test_who_erases_themselves_is_someone_who_left(api, four, ask, offer, attend, data):
    group, _, ben, chris, _ = four
    asked, other = ask(group, ben), ask(group, chris)
    offer(asked, chris)
    offer(other, ben)
    api.patch(f"/v1/asks/{other['id']}", {"thanked": [ben.handle]}, as_=chris.caller)
    attend(group, f"evt_{group.id}", ben)
    assert api.delete("/v1/me", as_=ben.caller).status == 204
    seen = api.get(f"/v1/asks/{asked['id']}", as_=chris.caller).json()
    assert (seen["person"], seen["title"], seen["status"], seen["version"]) == (None, ASK["title"], "resolved", 3)
    assert api.get(f"/v1/asks/{other['id']}", as_=chris.caller).json()["thanked"] == []
    [left] = api.get(f"/v1/asks/{other['id']}/offers", as_=chris.caller).json()["items"]
    assert (left["person"], left["body"]) == (None, "I have one")
    attend(group, f"evt_2{group.id}", ben)
    for collection in (data.asks, data.offers, data.attendances):
        assert ben.id not in str(list(collection.find({"group": group.id})))
