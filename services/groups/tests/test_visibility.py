"""A private group is nowhere to be seen for who is not in it, and an unlisted one in no list."""

import pytest

HIDDEN = {"interests": ["hidden-kittens", "hidden-bacon"], "scope": "local"}
HIDDEN["place"] = {"name": "Washington", "country": "US", "location": {"lat": 12.34, "lon": 56.78}}


@pytest.fixture
def private(register, found):
    """A private group with its organizer, and a stranger."""
    ana = register("ana")
    return found(ana, visibility="private", **HIDDEN), ana, register("eve")


def calls(group):
    """Every call that names a group."""
    for reference in (group.id, group.slug):
        path = f"/v1/groups/{reference}"
        yield from [("GET", path, None), ("PATCH", path, {"summary": "x"}), ("DELETE", path, None)]
        yield from [("GET", path + "/members", None), ("GET", path + "/members?status=pending", None)]
        yield from [("POST", path + "/members", None), ("DELETE", path + "/members/me", None)]
        yield from [
            ("PATCH", path + "/members/ana", {"role": "member"}),
            ("DELETE", path + "/members/ana?ban=true", None),
        ]


def test_to_a_stranger_a_private_group_is_what_no_group_is(api, private):
    group, _, eve = private
    for method, path, body in calls(group):
        hidden = api.call(method, path, body, as_=eve.caller)
        nothing = api.call(method, path.replace(group.id, "grp_0").replace(group.slug, "nothing"), body, as_=eve.caller)
        assert (hidden.status, hidden.problem) == (404, "not-found"), path
        assert {**hidden.json(), "instance": 0} == {**nothing.json(), "instance": 0}
        assert hidden.headers == nothing.headers


def test_without_signing_in_a_private_group_is_what_no_group_is(api, private):
    group, _, _ = private
    for path in (f"/v1/groups/{group.id}", f"/v1/groups/{group.slug}", f"/v1/groups/{group.id}/members"):
        assert api.get(path).problem == "not-found"


def test_to_who_was_banned_or_has_left_a_private_group_is_gone(api, register, found, join):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana, **HIDDEN)
    join(group, ben, chris)
    api.patch(f"/v1/groups/{group.id}", {"visibility": "private"}, as_=ana.caller)
    assert api.get(f"/v1/groups/{group.id}", as_=ben.caller).status == 200
    assert api.get(f"/v1/groups/{group.id}/members", as_=ben.caller).status == 200
    api.delete(f"/v1/groups/{group.id}/members/{ben.handle}?ban=true", as_=ana.caller)
    api.delete(f"/v1/groups/{group.id}/members/me", as_=chris.caller)
    for person in (ben, chris):
        for method, path, body in calls(group):
            assert api.call(method, path, body, as_=person.caller).problem == "not-found", path
        assert api.get("/v1/me/groups", as_=person.caller).json()["items"] == []


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_no_search_and_no_count_shows_what_is_not_public(api, register, found, visibility):
    ana, eve = register("ana"), register("eve")
    interest = f"only {visibility}"
    found(ana, visibility=visibility, name="Whispering whiskers", **{**HIDDEN, "interests": [interest, "x"]})
    for person in (None, eve.caller, ana.caller):
        for query in (
            {"interest": interest},
            {"interest": [interest, "x"]},
            {"interest": [interest, "x"], "match": "any"},
            {"near": "12.34,56.78", "within_km": 1},
            {"near": "12.34,56.78", "sort": "newest", "widen": "true"},
            {"q": "whispering whiskers"},
            {"country": "US", "sort": "largest", "interest": interest},
        ):
            page = api.get("/v1/groups", as_=person, params=query).json()
            nobody = page["nobody_yet"]["closest"] if "nobody_yet" in page else []
            assert not [one for one in page["items"] + nobody if one["name"] == "Whispering whiskers"], query
    assert api.get("/v1/interests", params={"prefix": interest}).json()["items"] == []


def test_an_unlisted_group_is_seen_and_joined_by_who_knows_its_address(api, register, found):
    ana, eve = register("ana"), register("eve")
    group = found(ana, visibility="unlisted")
    assert api.get(f"/v1/groups/{group.slug}").status == 200
    assert api.get(f"/v1/groups/{group.slug}/members", as_=eve.caller).problem == "not-allowed"
    assert api.post(f"/v1/groups/{group.slug}/members", as_=eve.caller).status == 201
    assert api.get(f"/v1/groups/{group.slug}/members", as_=eve.caller).status == 200


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_nothing_about_a_group_that_is_not_public_is_for_the_public(api, register, found, messages, visibility):
    ana = register("ana")
    group = found(ana, visibility=visibility)
    api.patch(f"/v1/groups/{group.id}", {"summary": "x"}, as_=ana.caller)
    api.delete(f"/v1/groups/{group.id}", as_=ana.caller)
    assert {one["audience"] for one in messages(group.id, 4)} == {"group"}


def test_a_plain_slug_gives_no_private_group_away(api, register, found):
    name = "Very Secret Society"
    private = found(register("ana"), visibility="private", name=name)
    assert private.slug != "very-secret-society"
    assert found(register("eve"), name=name).slug == "very-secret-society"


def test_when_a_group_goes_private_the_public_hears_that_and_nothing_new(api, register, found, messages):
    ana = register("ana")
    group = found(ana, summary="Hi")
    patch = {"visibility": "private", "summary": "a secret"}
    changed = api.patch(f"/v1/groups/{group.id}", patch, as_=ana.caller).json()
    farewell, inside = messages(group.id, 4)[2:]
    assert (farewell["audience"], farewell["data"]["changed"]) == ("public", ["visibility"])
    assert (farewell["data"]["group"]["visibility"], farewell["data"]["group"]["summary"]) == ("private", "Hi")
    assert (inside["audience"], inside["data"]["changed"]) == ("group", ["summary", "visibility"])
    assert (farewell["sequence"], inside["sequence"], changed["version"]) == ("3", "4", 4)


def test_when_a_group_goes_public_searches_find_it(api, register, found, messages):
    ana = register("ana")
    group = found(ana, visibility="private", interests=["soon-public"])
    assert api.get("/v1/groups?interest=soon-public").json()["items"] == []
    api.patch(f"/v1/groups/{group.id}", {"visibility": "public"}, as_=ana.caller)
    assert [one["id"] for one in api.get("/v1/groups?interest=soon-public").json()["items"]] == [group.id]
    assert [one["name"] for one in api.get("/v1/interests?prefix=soon-public").json()["items"]] == ["soon-public"]
    assert [one["audience"] for one in messages(group.id, 3)] == ["group", "group", "public"]
