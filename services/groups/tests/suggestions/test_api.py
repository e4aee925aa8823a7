"""Suggestions over the wire."""

import itertools

import pytest

WASHINGTON, BALTIMORE, BOSTON = ({"lat": a, "lon": b} for a, b in ((38.9, -77.03), (39.29, -76.61), (42.36, -71.06)))
_numbers = itertools.count(1)


def at(location, country="US"):
    place = {"name": "Somewhere", "country": country}
    return {**place, "location": location} if location else place


@pytest.fixture
def topic():
    """An interest that no other test has."""
    return f"suggested {next(_numbers)}"


@pytest.fixture
def suggestions(api):
    """The groups that are suggested to somebody."""

    def suggestions(person, **params):
        answer = api.get("/v1/me/suggestions", as_=person.caller, params=params)
        assert answer.status == 200, answer.body
        return answer.json()

    return suggestions


@pytest.fixture
def names(suggestions):
    """Their names."""
    return lambda person, **params: [one["name"] for one in suggestions(person, **params)["items"]]


def test_only_who_is_signed_in_gets_suggestions(api):
    assert api.get("/v1/me/suggestions").status == 401


def test_who_shares_more_comes_first_and_the_reason_is_said(register, found, suggestions, topic):
    ana, dora = register("ana"), register("dora", interests=[topic, f"{topic} b", f"{topic} c"])
    found(ana, name="one", interests=[topic])
    found(ana, name="two", interests=[topic, f"{topic} c", "else"])
    found(ana, name="none", interests=["else"])
    items = suggestions(dora)["items"]
    assert [one["name"] for one in items] == ["two", "one"]
    assert items[0]["reasons"] == [{"kind": "interests", "interests": [topic, f"{topic} c"]}]
    assert items[0]["viewer"] is None
    assert items[0]["slug"].startswith("two")


def test_groups_near_are_suggested_whatever_they_are_about(register, found, suggestions):
    here = {"lat": -33.45, "lon": -70.66}
    ana, dora = register("ana"), register("dora", place=at(here, "CL"))
    found(ana, name="near", interests=["anything"], scope="local", place=at({"lat": -33.5, "lon": -70.66}, "CL"))
    found(ana, name="far", interests=["anything"], scope="local", place=at({"lat": -36.8, "lon": -73.0}, "CL"))
    found(ana, name="nation", interests=["anything"], scope="national", place=at(None, "CL"))
    items = suggestions(dora)["items"]
    assert [(one["name"], one["reasons"]) for one in items] == [("near", [{"kind": "near", "distance_km": 5.6}])]


def test_groups_that_share_interests_are_suggested_where_they_reach(register, found, names, topic):
    ana, dora = register("ana"), register("dora", interests=[topic, "x"], place=at(WASHINGTON))
    for name, scope, place in (
        ("online", "virtual", None),
        ("same country", "national", at(BOSTON)),
        ("other country", "national", at(WASHINGTON, "CA")),
        ("region", "regional", at(BALTIMORE)),
        ("too far", "local", at(BALTIMORE)),
    ):
        found(ana, name=name, interests=[topic], scope=scope, place=place)
    assert sorted(set(names(dora)) - {"near"}) == ["online", "region", "same country"]


def test_groups_of_people_one_knows_are_suggested(register, found, join, suggestions, topic):
    ana, ben, chris, dora = (register(name) for name in ("ana", "ben", "chris", "dora"))
    shared = found(ana, name="shared", interests=[topic])
    join(shared, ben, chris, dora)
    other = found(ana, name="other", interests=[f"{topic} else"])
    join(other, ben)
    hidden = found(chris, name="hidden", interests=[topic], visibility="private")
    items = suggestions(dora)["items"]
    assert [(one["name"], one["reasons"]) for one in items] == [("other", [{"kind": "members", "members": 2}])]
    assert hidden.id not in [one["id"] for one in items]


def test_nothing_is_suggested_that_one_is_in_waits_for_was_removed_or_banned_from_or_may_not_see(
    api, register, found, join, names, topic
):
    ana, dora = register("ana"), register("dora", interests=[topic])
    groups = {
        name: found(ana, name=name, interests=[topic], **fields)
        for name, fields in (
            ("in it", {}),
            ("pending", {"join_policy": "approval"}),
            ("removed", {}),
            ("banned", {}),
            ("private", {"visibility": "private"}),
            ("unlisted", {"visibility": "unlisted"}),
            ("archived", {}),
            ("suits", {}),
        )
    }
    join(groups["in it"], dora)
    assert api.post(f"/v1/groups/{groups['pending'].id}/members", as_=dora.caller).status == 202
    for name in ("removed", "banned"):
        join(groups[name], dora)
        path = f"/v1/groups/{groups[name].id}/members/{dora.handle}"
        assert api.delete(path, as_=ana.caller, params={"ban": str(name == "banned").lower()}).status == 204
    assert api.delete(f"/v1/groups/{groups['archived'].id}", as_=ana.caller).status == 204
    assert names(dora) == ["suits"]
    assert names(ana) == []


def test_pages_show_each_suggestion_once(register, found, names, suggestions, topic):
    ana, dora = register("ana"), register("dora", interests=[topic, f"{topic} b"])
    for n in range(7):
        found(ana, name=f"group {n}", interests=[topic, f"{topic} b"][: 1 + n % 2])
    seen, cursor = [], {}
    while cursor is not None:
        page = suggestions(dora, limit=3, **cursor)
        seen += [one["name"] for one in page["items"]]
        cursor = page["next"] and {"cursor": page["next"]}
        if len(seen) == 3:
            found(ana, name="new", interests=[topic, f"{topic} b"])
    assert seen == ["group 5", "group 3", "group 1", "group 6", "group 4", "group 2", "group 0"]


def test_who_is_new_and_says_nothing_gets_no_suggestions(register, found, names):
    found(register("ana"))
    assert names(register("dora")) == []


def test_a_made_up_cursor_is_refused(api, register):
    answer = api.get("/v1/me/suggestions", as_=register().caller, params={"cursor": "x"})
    assert answer.problem == "malformed-request"
