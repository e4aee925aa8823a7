"""Groups, over the wire."""

import pytest

PLACE = {"name": "Washington", "country": "US", "location": {"lat": 38.9, "lon": -77.03}}
WANTED = {"name": "Kittens and Bacon", "interests": ["#Kittens", "bacon", "KITTENS"], "scope": "local", "place": PLACE}


def test_founding_answers_the_group_and_where_it_is(api, register):
    ana = register()
    answer = api.post("/v1/groups", {**WANTED, "name": "Ana's only group"}, as_=ana.caller)
    assert answer.status == 201
    group = answer.json()
    assert answer.headers["Location"] == f"/v1/groups/{group['slug']}"
    assert answer.headers["ETag"] == f'"{group["version"]}"'
    assert group.pop("id").startswith("grp_")
    assert group.pop("created_at") == group.pop("updated_at")
    assert group == {
        "slug": "ana-s-only-group",
        "name": "Ana's only group",
        "summary": "",
        "description": "",
        "interests": ["kittens", "bacon"],
        "scope": "local",
        "place": PLACE,
        "join_policy": "open",
        "visibility": "public",
        "rules": "",
        "ask_after": {"days": 0, "events": 0},
        "status": "active",
        "member_count": 1,
        "organizers": [ana.handle],
        "version": 2,
        "viewer": {"role": "organizer", "status": "active"},
    }


def test_founding_tells_others_of_the_group_and_of_its_founder(api, register, found, messages):
    ana = register()
    group = found(ana)
    founded, joined = messages(group.id, 2)
    assert [one["type"].removeprefix("commonground.groups.") for one in (founded, joined)] == [
        "group.founded.v1",
        "member.joined.v1",
    ]
    assert [one["sequence"] for one in (founded, joined)] == ["1", "2"]
    assert founded["audience"] == joined["audience"] == "public"
    assert founded["data"]["group"]["slug"] == group.slug
    assert "viewer" not in founded["data"]["group"]
    assert joined["data"] == {
        "group": {"id": group.id, "slug": group.slug, "name": group.name},
        "person": {"id": ana.id, "handle": ana.handle, "display_name": "Ana"},
        "role": "organizer",
    }


def test_groups_of_one_name_have_slugs_of_their_own(register, found):
    ana = register()
    slugs = [found(ana, name="One Name for All").slug for _ in range(3)]
    assert slugs[0] == "one-name-for-all"
    assert len(set(slugs)) == 3


def test_groups_of_one_name_founded_at_once_have_slugs_of_their_own(api, register):
    ana = register()
    body = {"name": "All at Once", "interests": ["x"], "scope": "virtual"}
    sent = [api.send("POST", "/v1/groups", body, as_=ana.caller) for _ in range(8)]
    answers = [api.receive(number) for number in sent]
    assert [one.status for one in answers] == [201] * 8
    assert len({one.json()["slug"] for one in answers}) == 8


@pytest.mark.parametrize("name", ["猫とベーコン", "🐱🥓🐱", "חתלתולים", "قطط"])
def test_a_name_in_any_script_gets_an_address_that_works(api, register, found, name):
    group = found(register(), name=name)
    assert group.name == name
    assert api.get(f"/v1/groups/{group.slug}").json()["id"] == group.id


def test_founding_again_with_the_same_key_founds_one_group(api, register, data, messages):
    ana = register()
    answers = [api.post("/v1/groups", WANTED, as_=ana.caller, idempotency_key="k") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert data.members.count_documents({"person": ana.id}) == 1
    other = api.post("/v1/groups", {**WANTED, "name": "Another"}, as_=ana.caller, idempotency_key="k")
    assert (other.status, other.problem) == (422, "idempotency-mismatch")
    assert data.members.count_documents({"person": ana.id}) == 1


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"name": "ab"}, "/name"),
        ({"name": "x" * 81}, "/name"),
        ({"name": "a\nb c"}, "/name"),
        ({"interests": []}, "/interests"),
        ({"interests": [f"i{n}" for n in range(16)]}, "/interests"),
        ({"interests": ["kittens", "  #  "]}, "/interests/1"),
        ({"scope": "galactic"}, "/scope"),
        ({"place": None}, "/place"),
        ({"place": {"name": "W", "country": "USA"}}, "/place/country"),
        ({"place": {**PLACE, "location": {"lat": "38", "lon": 1}}}, "/place/location/lat"),
        ({"place": {**PLACE, "location": {"lat": 1e400, "lon": 1}}}, None),
        ({"summary": "x" * 201}, "/summary"),
        ({"description": "x" * 10001}, "/description"),
        ({"rules": "x" * 5001}, "/rules"),
        ({"join_policy": "closed"}, "/join_policy"),
        ({"visibility": "secret"}, "/visibility"),
        ({"ask_after": {"days": -1}}, "/ask_after/days"),
        ({"ask_after": {"weeks": 1}}, "/ask_after/weeks"),
        ({"slug": "mine"}, "/slug"),
        ({"member_count": 9}, "/member_count"),
        ({"$where": "1"}, "/$where"),
    ],
)
def test_a_wrong_group_is_refused_with_where_it_is_wrong_and_not_founded(api, register, data, wrong, pointer):
    ana = register()
    answer = api.post("/v1/groups", {**WANTED, **wrong}, as_=ana.caller)
    if pointer is None:
        assert answer.problem in ("invalid", "malformed-request")
    else:
        assert (answer.status, answer.problem) == (422, "invalid")
        assert {error["pointer"] for error in answer.json()["errors"]} == {pointer}
    assert data.members.count_documents({"person": ana.id}) == 0


def test_nobody_founds_a_group_without_signing_in(api, data):
    groups = data.groups.count_documents({})
    assert api.post("/v1/groups", WANTED).problem == "authentication-required"
    assert data.groups.count_documents({}) == groups


def test_a_group_is_read_by_id_and_by_slug(api, register, found):
    group = found(register())
    assert api.get(f"/v1/groups/{group.id}").body == api.get(f"/v1/groups/{group.slug}").body


def test_everybody_sees_a_group_and_what_they_are_in_it(api, register, found, join):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana)
    join(group, ben)
    seen = [
        api.get(f"/v1/groups/{group.slug}", as_=who and who.caller).json()["viewer"] for who in (None, ana, ben, chris)
    ]
    assert seen == [None, {"role": "organizer", "status": "active"}, {"role": "member", "status": "active"}, None]


def test_a_group_that_did_not_change_is_not_sent_again(api, register, found):
    group = found(register())
    first = api.get(f"/v1/groups/{group.slug}")
    again = api.get(f"/v1/groups/{group.slug}", if_none_match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "reference", ["no-such-group", "grp_01JDCM0Y0G0000000000000000", "grp_", "$ne", "a b", "é", "x" * 3000]
)
def test_an_unknown_group_is_not_found(api, reference):
    answer = api.get(f"/v1/groups/{reference}")
    assert (answer.status, answer.problem) == (404, "not-found")


def test_reading_a_group_takes_no_query_parameters(api, register, found):
    assert api.get(f"/v1/groups/{found(register()).slug}?viewer=1").problem == "malformed-request"


def test_an_organizer_changes_what_a_patch_names_and_others_hear_what(api, register, found, messages):
    ana = register()
    group = found(ana, summary="Hi", place=PLACE, scope="local")
    patch = {"summary": None, "place": {"location": None}, "ask_after": {"days": 3}, "interests": ["Vim", "kittens"]}
    answer = api.patch(f"/v1/groups/{group.slug}", patch, as_=ana.caller)
    assert answer.status == 200
    changed = answer.json()
    assert changed["place"] == {"name": "Washington", "country": "US"}
    assert (changed["summary"], changed["ask_after"]) == ("", {"days": 3, "events": 0})
    assert changed["interests"] == ["vim", "kittens"]
    assert (changed["slug"], changed["version"]) == (group.slug, 3)
    assert answer.headers["ETag"] == '"3"'
    told = messages(group.id, 3)[2]
    assert (told["type"], told["sequence"]) == ("commonground.groups.group.updated.v1", "3")
    assert told["data"]["changed"] == ["summary", "interests", "place", "ask_after"]
    assert told["data"]["group"]["interests"] == ["vim", "kittens"]


def test_a_patch_that_changes_nothing_takes_no_version(api, register, found):
    ana = register()
    group = found(ana, summary="Hi")
    assert api.patch(f"/v1/groups/{group.slug}", {"summary": "Hi"}, as_=ana.caller).json() == vars(group)


@pytest.mark.parametrize(
    ("patch", "pointer"),
    [
        ({"name": None}, "/name"),
        ({"scope": "local"}, "/place"),
        ({"interests": []}, "/interests"),
        ({"place": {"country": "US"}}, "/place/name"),
        ({"slug": "other"}, "/slug"),
        ({"status": "archived"}, "/status"),
        ({"visibility": "hidden"}, "/visibility"),
    ],
)
def test_a_wrong_patch_changes_nothing(api, register, found, patch, pointer):
    ana = register()
    group = found(ana)
    answer = api.patch(f"/v1/groups/{group.slug}", patch, as_=ana.caller)
    assert (answer.status, answer.problem) == (422, "invalid")
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert api.get(f"/v1/groups/{group.slug}", as_=ana.caller).json() == vars(group)


def test_a_change_of_an_old_version_is_refused(api, register, found):
    ana = register()
    group = found(ana)
    for method, body in (("PATCH", {"summary": "x"}), ("DELETE", None)):
        answer = api.call(method, f"/v1/groups/{group.slug}", body, as_=ana.caller, if_match='"1"')
        assert (answer.status, answer.problem) == (412, "precondition-failed")
    assert api.get(f"/v1/groups/{group.slug}", as_=ana.caller).json() == vars(group)
    assert api.patch(f"/v1/groups/{group.slug}", {"summary": "x"}, as_=ana.caller, if_match='"2"').status == 200


@pytest.mark.parametrize("role", [None, "member", "moderator"])
def test_only_organizers_change_and_archive_a_group(api, register, found, join, role):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    if role:
        join(group, ben)
        api.patch(f"/v1/groups/{group.id}/members/{ben.handle}", {"role": role}, as_=ana.caller)
    before = api.get(f"/v1/groups/{group.slug}").body
    for method, body in (("PATCH", {"summary": "x"}), ("DELETE", None)):
        answer = api.call(method, f"/v1/groups/{group.slug}", body, as_=ben.caller)
        assert (answer.status, answer.problem) == (403, "not-allowed")
        assert api.call(method, f"/v1/groups/{group.slug}", body).problem == "authentication-required"
    assert api.get(f"/v1/groups/{group.slug}").body == before


def test_an_archived_group_is_read_only_and_out_of_search(api, register, found, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana, interests=["archived-kittens"])
    assert api.get("/v1/groups?interest=archived-kittens").json()["items"]
    assert api.delete(f"/v1/groups/{group.slug}", as_=ana.caller).status == 204
    assert api.get("/v1/groups?interest=archived-kittens").json()["items"] == []
    kept = api.get(f"/v1/groups/{group.slug}").json()
    assert (kept["status"], kept["version"]) == ("archived", 3)
    assert api.patch(f"/v1/groups/{group.slug}", {"summary": "x"}, as_=ana.caller).problem == "already-archived"
    assert api.post(f"/v1/groups/{group.slug}/members", as_=ben.caller).problem == "already-archived"
    assert api.delete(f"/v1/groups/{group.slug}", as_=ana.caller).status == 204
    assert api.get(f"/v1/groups/{group.slug}").json() == kept
    told = messages(group.id, 3)[2]
    assert (told["type"], told["sequence"]) == ("commonground.groups.group.archived.v1", "3")
    assert told["data"] == {"group": {"id": group.id, "slug": group.slug, "name": group.name}}
