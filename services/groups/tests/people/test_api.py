"""People, over the wire."""

import itertools
import json
from types import SimpleNamespace

import pytest

from chassis import topology
from chassis.api_client import Person
from chassis.connection import connect
from chassis.testing import wait_until

PLACE = {"name": "Washington", "country": "US", "region": "US-DC", "location": {"lat": 38.9, "lon": -77.0}}
PASSWORD = "correct horse battery"
NOBODY = Person("psn_01JDCM0Y0G0000000000000000", "nobody", "Nobody")
_numbers = itertools.count(1)


def newcomer(**given):
    return {"handle": f"new_{next(_numbers)}", "display_name": "New", "password": PASSWORD, **given}


def test_registering_answers_the_own_person_and_where_others_find_them(api):
    given = newcomer(interests=["#Kittens", "kittens", "BACON "], place=PLACE, email="ana@example.org", about="a\nb")
    answer = api.post("/v1/people", given)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/v1/people/{given['handle']}"
    assert answer.headers["ETag"] == '"1"'
    person = answer.json()
    assert person.pop("id").startswith("psn_")
    assert person.pop("joined_at") == person.pop("updated_at")
    assert person == {
        "handle": given["handle"],
        "display_name": "New",
        "email": "ana@example.org",
        "about": "a\nb",
        "background": "",
        "interests": ["kittens", "bacon"],
        "place": PLACE,
        "time_zone": "UTC",
        "locale": "en",
        "discoverable": True,
        "allow_promotions": True,
        "icebreakers": False,
        "version": 1,
    }


def test_registering_tells_others_what_they_may_know(api, messages):
    given = newcomer(interests=["kittens"], place=PLACE, email="ana@example.org", background="science")
    person = api.post("/v1/people", given).json()
    (told,) = messages(person["id"], 1)
    assert (told["type"], told["sequence"]) == ("commonground.groups.person.registered.v1", "1")
    assert told["audience"] == "public"
    assert told["data"] == {
        "person": {"id": person["id"], "handle": given["handle"], "display_name": "New"},
        "interests": ["kittens"],
        "place": {"name": "Washington", "country": "US"},
        "background": "science",
        "time_zone": "UTC",
        "locale": "en",
        "discoverable": True,
        "icebreakers": False,
    }


@pytest.mark.parametrize("text", ["👩‍🚀🇺🇸", "עברית ועוד", "日本語", "ما هذا", "e\u0301"])
def test_text_of_any_script_is_kept_in_nfc(api, text):
    import unicodedata

    person = api.post("/v1/people", newcomer(display_name=text, interests=[text])).json()
    assert person["display_name"] == unicodedata.normalize("NFC", text)
    assert person["interests"] == [unicodedata.normalize("NFKC", text).casefold()]


def test_a_handle_belongs_to_one_person(api, data):
    given = newcomer()
    assert api.post("/v1/people", given).status == 201
    again = api.post("/v1/people", given)
    assert (again.status, again.problem) == (409, "handle-taken")
    assert data.people.count_documents({"handle": given["handle"]}) == 1


def test_of_many_who_want_a_handle_at_once_one_gets_it(api, data):
    given = newcomer()
    sent = [api.send("POST", "/v1/people", given) for _ in range(8)]
    assert sorted(api.receive(number).status for number in sent) == [201] + [409] * 7
    assert data.people.count_documents({"handle": given["handle"]}) == 1


def test_registering_again_with_the_same_key_answers_the_same_person(api, data):
    given = newcomer()
    first = api.post("/v1/people", given, idempotency_key=given["handle"])
    second = api.post("/v1/people", given, idempotency_key=given["handle"])
    assert (first.status, second.status) == (201, 201)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.json() == second.json()


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"handle": "Ana"}, "/handle"),
        ({"handle": "an"}, "/handle"),
        ({"handle": "a" * 31}, "/handle"),
        ({"handle": "ana\n"}, "/handle"),
        ({"handle": "än_a"}, "/handle"),
        ({"display_name": ""}, "/display_name"),
        ({"display_name": "a\x00b"}, "/display_name"),
        ({"password": "too short"}, "/password"),
        ({"password": "x" * 201}, "/password"),
        ({"email": "not an address"}, "/email"),
        ({"interests": ["a" * 51]}, "/interests/0"),
        ({"interests": ["x", "\x07"]}, "/interests/1"),
        ({"interests": [f"i{n}" for n in range(51)]}, "/interests"),
        ({"interests": "kittens"}, "/interests"),
        ({"about": "x" * 2001}, "/about"),
        ({"background": "x" * 81}, "/background"),
        ({"place": {"name": "Washington"}}, "/place/country"),
        ({"place": {"name": "W", "country": "us"}}, "/place/country"),
        ({"place": {"name": "W", "country": "US", "location": {"lat": 91, "lon": 0}}}, "/place/location/lat"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"locale": "english"}, "/locale"),
        ({"version": 7}, "/version"),
        ({"icebreakers": True}, "/icebreakers"),
    ],
)
def test_a_wrong_profile_is_refused_with_where_it_is_wrong_and_nobody_is_registered(api, data, wrong, pointer):
    people = data.people.count_documents({})
    answer = api.post("/v1/people", newcomer(**wrong))
    assert (answer.status, answer.problem) == (422, "invalid")
    assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}
    assert data.people.count_documents({}) == people


def test_the_database_holds_no_password(api, data):
    given = newcomer(password="quite a secret phrase")
    person = api.post("/v1/people", given).json()
    kept = data.people.find_one({"_id": person["id"]})
    assert "quite a secret phrase" not in str(kept)
    assert kept["password"].startswith("$argon2id$")


def test_one_sees_oneself_whole(api, register):
    ana = register(place=PLACE, email="a@example.org")
    answer = api.get("/v1/me", as_=ana.caller)
    assert (answer.status, answer.json()) == (200, ana.profile)
    assert api.get("/v1/me", as_=ana.caller, if_none_match=answer.headers["ETag"]).status == 304


def test_nobody_sees_themselves_without_signing_in(api):
    answer = api.get("/v1/me")
    assert (answer.status, answer.problem) == (401, "authentication-required")


def test_a_token_of_somebody_who_is_gone_is_no_credential(api):
    assert api.get("/v1/me", as_=NOBODY).problem == "authentication-required"
    assert api.patch("/v1/me", {"about": "x"}, as_=NOBODY).problem == "authentication-required"


def test_others_see_the_public_person_alone(api, register):
    ana = register(place=PLACE, email="a@example.org", interests=["kittens"])
    for caller in (None, register("ben").caller, ana.caller):
        seen = api.get(f"/v1/people/{ana.handle}", as_=caller)
        assert seen.status == 200
        assert seen.json() == {
            "id": ana.id,
            "handle": ana.handle,
            "display_name": "Ana",
            "about": "",
            "background": "",
            "interests": ["kittens"],
            "place": {"name": "Washington", "country": "US"},
            "joined_at": ana.profile["joined_at"],
        }


@pytest.mark.parametrize("handle", ["nobody_has_this", "NOBODY", "$where", "a b", "x" * 500])
def test_an_unknown_handle_is_not_found(api, handle):
    assert api.get(f"/v1/people/{handle}").problem == "not-found"


def test_a_patch_changes_what_it_names_and_tells_others(api, register, messages):
    ana = register(place=PLACE, about="Hi")
    patch = {"display_name": "Ana B.", "place": {"name": "Georgetown"}, "about": None, "icebreakers": True}
    answer = api.patch("/v1/me", patch, as_=ana.caller)
    assert answer.status == 200
    changed = answer.json()
    assert changed["place"] == {**PLACE, "name": "Georgetown"}
    assert (changed["display_name"], changed["about"], changed["icebreakers"]) == ("Ana B.", "", True)
    assert changed["version"] == 2
    told = messages(ana.id, 2)[1]
    assert (told["type"], told["sequence"]) == ("commonground.groups.person.updated.v1", "2")
    assert told["data"]["person"]["display_name"] == "Ana B."
    assert told["data"]["place"] == {"name": "Georgetown", "country": "US"}


def test_a_patch_that_changes_nothing_takes_no_version(api, register, data):
    ana = register(about="Hi")
    outbox = data.outbox.count_documents({})
    answer = api.patch("/v1/me", {"about": "Hi", "place": None}, as_=ana.caller)
    assert answer.json() == ana.profile
    assert data.outbox.count_documents({}) <= outbox


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"display_name": None}, "/display_name"),
        ({"handle": "other"}, "/handle"),
        ({"password": PASSWORD}, "/password"),
        ({"place": {"name": "W"}}, "/place/country"),
        ({"discoverable": "yes"}, "/discoverable"),
        ({"interests": [1]}, "/interests/0"),
    ],
)
def test_a_wrong_patch_changes_nothing(api, register, patch, pointer):
    ana = register()
    answer = api.patch("/v1/me", patch, as_=ana.caller)
    assert (answer.status, answer.problem) == (422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert api.get("/v1/me", as_=ana.caller).json() == ana.profile


def test_a_patch_of_an_old_version_changes_nothing(api, register):
    ana = register()
    api.patch("/v1/me", {"about": "one"}, as_=ana.caller)
    answer = api.patch("/v1/me", {"about": "two"}, as_=ana.caller, if_match='"1"')
    assert (answer.status, answer.problem) == (412, "precondition-failed")
    assert api.get("/v1/me", as_=ana.caller).json()["about"] == "one"
    assert api.patch("/v1/me", {"about": "two"}, as_=ana.caller, if_match='"2"').status == 200


def test_two_patches_at_once_both_take_effect(api, register):
    ana = register()
    sent = [
        api.send("PATCH", "/v1/me", {name: "new"}, as_=ana.caller) for name in ("about", "background", "display_name")
    ]
    assert [api.receive(number).status for number in sent] == [200] * 3
    me = api.get("/v1/me", as_=ana.caller).json()
    assert (me["about"], me["background"], me["display_name"], me["version"]) == ("new", "new", "new", 4)


def test_messages_about_hidden_people_are_not_public(api, register, messages):
    ana = register()
    api.patch("/v1/me", {"discoverable": False}, as_=ana.caller)
    api.patch("/v1/me", {"about": "Now I say more."}, as_=ana.caller)
    assert [told["audience"] for told in messages(ana.id, 3)] == ["public", "public", "person"]


SECTIONS = {
    "people": ["person"],
    "sessions": ["sessions"],
    "tokens": ["tokens"],
    "members": ["memberships"],
    "asks": ["asks", "thanked_for"],
    "offers": ["offers"],
    "attendances": ["attendances"],
    "promotions": ["promotions"],
    "reports": ["reports", "reports_about"],
    "watches": ["watches"],
    "audit": ["audit"],
}
"""In which sections of an export stands what each collection holds about somebody."""


@pytest.fixture
def busy(api, register, found, join, attend, data):
    """Somebody called Zoraida who has done, and to whom was done, whatever there is; the group that they share with Ben."""

    def do(method, path, body=None, who=None):
        answer = api.call(method, path, body, as_=who)
        assert answer.status < 300, (method, path, answer.body)
        return answer.json() if answer.body else {}

    number = next(_numbers)
    marks = {
        "display_name": f"Zoraida {number}!",
        "email": f"zoraida{number}@example.org",
        "about": f"Herself {number}!",
    }
    zoe = register("zoraida", **marks, interests=["whiskers"], place=PLACE)
    ben, me = register("ben", interests=["whiskers"]), zoe.caller
    group, own = found(ben, interests=["whiskers"]), found(zoe, interests=["whiskers"])
    join(group, zoe)
    do("POST", "/v1/sessions", {"handle": zoe.handle, "password": PASSWORD})
    api.post("/v1/sessions", {"handle": zoe.handle, "password": "wrong horse battery"})
    do("POST", "/v1/tokens", {"name": "bot", "scopes": ["read"]}, me)
    do("POST", "/v1/watches", {"interests": ["whiskers", f"tails {number}"]}, me)
    watched = found(ben, interests=["whiskers", f"tails {number}"])
    wait_until(lambda: data.matches.find_one({"group": watched.id}), what="hearing of a group")
    do("POST", f"/v1/groups/{own.id}/promotions", {"text": "Come!"}, me)
    do("POST", f"/v1/groups/{own.id}/invitations", {}, me)
    ask = do("POST", f"/v1/groups/{group.id}/asks", {"title": "A vet?", "kind": "advice"}, me)
    do("POST", f"/v1/asks/{ask['id']}/offers", {"body": "Mine."}, ben.caller)
    do("PATCH", f"/v1/asks/{ask['id']}", {"status": "resolved", "thanked": [ben.handle]}, me)
    theirs = do("POST", f"/v1/groups/{group.id}/asks", {"title": "A van?", "kind": "hands"}, ben.caller)
    do("POST", f"/v1/asks/{theirs['id']}/offers", {"body": "Mine."}, me)
    do("PATCH", f"/v1/asks/{theirs['id']}", {"status": "resolved", "thanked": [zoe.handle]}, ben.caller)
    for reporter, subject in ((me, ben), (ben.caller, zoe)):
        about = {"type": "person", "id": subject.handle}
        report = do("POST", "/v1/reports", {"subject": about, "reason": "Loud.", "group": group.id}, reporter)
        do("PATCH", f"/v1/reports/{report['id']}", {"status": "dismissed"}, ben.caller)
    attend(group, f"evt_{number}", zoe)
    closed = found(ben, name="Closed to them", join_policy="approval")
    api.post(f"/v1/groups/{closed.id}/members", {"answer": "Please?"}, as_=me)
    shut = found(ben, name="Shut to them", visibility="private")
    do("DELETE", f"/v1/groups/{shut.id}/members/{zoe.handle}?ban=true&reason=Loud", who=ben.caller)
    do("PATCH", f"/v1/groups/{group.id}/members/{zoe.handle}", {"role": "moderator"}, ben.caller)
    return SimpleNamespace(zoe=zoe, ben=ben, group=group, shut=shut, marks=[zoe.id, zoe.handle, *marks.values()])


def test_an_export_holds_all_there_is(api, busy, data):
    zoe = busy.zoe
    export = api.get("/v1/me/export", as_=zoe.caller).json()
    found = set()
    for name in set(data.list_collection_names()) - {"outbox"}:
        if held := sum(zoe.id in str(document) for document in data[name].find()):
            found.add(name)
            sections = [export[section] for section in SECTIONS[name]]
            assert sum(len(one) if isinstance(one, list) else 1 for one in sections) == held, name
    assert found == set(SECTIONS)
    assert export["person"] == api.get("/v1/me", as_=zoe.caller).json()
    assert export["watches"][0]["told_of"]
    standing = {one["group"]: (one["role"], one["status"]) for one in export["memberships"]}
    assert standing[busy.group.id] == ("moderator", "active")
    # Of a private group they were never in they do not hear which it is, but that they are banned, and why.
    assert standing[None] == ("member", "banned")
    assert [one["ended"]["reason"] for one in export["memberships"] if one["group"] is None] == ["Loud"]
    assert busy.shut.id not in str(export)
    assert ("report.dismissed", False) in [(one["action"], one["by_oneself"]) for one in export["audit"]]
    assert "reporter" not in export["reports_about"][0]


def test_erasing_leaves_nothing_of_a_person_behind(api, busy, data, messages):
    zoe, group = busy.zoe, busy.group
    assert api.delete("/v1/me", as_=zoe.caller).status == 204
    assert messages(zoe.id, 1)[-1]["type"].endswith("person.erased.v1")
    for name in set(data.list_collection_names()) - {"outbox"}:
        for document in data[name].find():
            assert not [mark for mark in busy.marks if mark in str(document)], name
    assert api.get(f"/v1/people/{zoe.handle}").status == 404
    assert api.get("/v1/me", as_=zoe.caller).status == 401
    assert api.post("/v1/sessions", {"handle": zoe.handle, "password": PASSWORD}).status == 401
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 1
    asks = api.get(f"/v1/groups/{group.id}/asks", as_=busy.ben.caller).json()["items"]
    assert [(one["title"], one["person"], one["thanked"]) for one in asks] == [
        ("A van?", {"id": busy.ben.id, "handle": busy.ben.handle, "display_name": "Ben"}, []),
        ("A vet?", None, [busy.ben.handle]),
    ]


def test_erasing_does_not_look_at_one_group_after_the_other(api, register, found, join, steps):
    ben = register("ben")
    groups = [found(ben) for _ in range(4)]
    for _ in range(3):  # It may have to begin again, or something else be done meanwhile.
        ana = register("ana")
        for group in groups:
            join(group, ana)
        taken = steps(lambda ana=ana: api.delete("/v1/me", as_=ana.caller))
        looks = [step for step in taken if step in ("query groups", "aggregate groups", "remove writing members")]
        if len(looks) <= 2:
            break
    assert len(looks) <= 2, taken
    assert [api.get(f"/v1/groups/{group.id}").json()["member_count"] for group in groups] == [1] * 4


def test_erasing_tells_others_whom_to_forget(api, register, messages):
    ana = register()
    api.delete("/v1/me", as_=ana.caller)
    told = messages(ana.id, 2)[1]
    assert (told["type"], told["sequence"]) == ("commonground.groups.person.erased.v1", "2")
    assert told["audience"] == "public"
    assert told["data"] == {"person_id": ana.id, "handle": ana.handle}


def test_a_group_passes_from_an_erased_organizer_to_the_longest_serving_moderator(api, register, found, join, messages):
    ana, ben, chris, dora = (register(name) for name in ("ana", "ben", "chris", "dora"))
    group = found(ana)
    join(group, ben, chris, dora)
    for moderator in (dora, chris):
        api.patch(f"/v1/groups/{group.id}/members/{moderator.handle}", {"role": "moderator"}, as_=ana.caller)
    api.delete("/v1/me", as_=ana.caller)
    left = api.get(f"/v1/groups/{group.id}").json()
    assert (left["organizers"], left["member_count"], left["status"]) == ([chris.handle], 3, "active")
    told = messages(group.id, 8)[-1]
    assert told["type"] == "commonground.groups.member.role_changed.v1"
    assert (told["data"]["person"]["handle"], told["data"]["role"]) == (chris.handle, "organizer")
    assert int(told["sequence"]) == left["version"]


def test_a_group_without_moderators_passes_to_the_longest_serving_member(api, register, found, join):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana)
    join(group, ben, chris)
    api.delete("/v1/me", as_=ana.caller)
    assert api.get(f"/v1/groups/{group.id}").json()["organizers"] == [ben.handle]


def test_a_group_with_another_organizer_stays_with_them(api, register, found, join):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana)
    join(group, ben, chris)
    api.patch(f"/v1/groups/{group.id}/members/{chris.handle}", {"role": "organizer"}, as_=ana.caller)
    api.delete("/v1/me", as_=ana.caller)
    assert api.get(f"/v1/groups/{group.id}").json()["organizers"] == [chris.handle]


def test_a_group_that_nobody_is_left_in_is_archived(api, register, found, messages):
    ana = register()
    group = found(ana)
    api.delete("/v1/me", as_=ana.caller)
    left = api.get(f"/v1/groups/{group.id}").json()
    assert (left["status"], left["member_count"], left["organizers"]) == ("archived", 0, [])
    assert messages(group.id, 3)[-1]["type"] == "commonground.groups.group.archived.v1"


@pytest.fixture
def handed_over(broker):
    """What was handed to the notifications service, and what all messages were: a function for each."""
    connection = connect(broker.uri, "test")
    channel = connection.channel()
    inbox, all_else = topology.inbox_of("notifications"), channel.queue_declare("", exclusive=True).queue
    channel.queue_declare(inbox, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(all_else, topology.MESSAGES, "#")

    def taken(queue, kept):
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            kept.append(json.loads(message.body))
        return kept

    private, heard = [], []
    yield lambda: taken(inbox, private), lambda: taken(all_else, heard)
    channel.queue_delete(inbox)
    connection.close()


def test_an_address_is_handed_to_the_service_that_mails_and_is_in_no_message_that_others_hear(
    api, register, handed_over
):
    private, heard = handed_over
    ana = register(email="ana@example.org")
    for change in ({"about": "new"}, {"email": "ana@example.com"}, {"email": None}):
        assert api.patch("/v1/me", change, as_=ana.caller).status == 200

    def of_ana():  # what others gave before waited for the queue, and comes too
        return [one for one in private() if one["data"]["person_id"] == ana.id]

    wait_until(lambda: len(of_ana()) == 3, what="handing over")
    assert [(one["data"]["address"], one["sequence"]) for one in of_ana()] == [
        ("ana@example.org", "1"),
        ("ana@example.com", "3"),
        (None, "4"),
    ]
    assert {one["audience"] for one in of_ana()} == {"private"}
    wait_until(lambda: len([one for one in heard() if one["subject"] == ana.id]) == 4, what="all other messages")
    assert "ana@example" not in str(heard())
    assert not any("email" in one["type"] for one in heard())


def test_what_is_handed_over_is_in_no_document(api):
    assert "email_given" not in json.dumps(api.contract())
