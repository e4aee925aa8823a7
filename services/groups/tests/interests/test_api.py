"""Interests, over the wire."""

import pytest

from chassis.schemas import Cursor


@pytest.fixture
def counts(api):
    """The interests that begin with a prefix: `{name: (groups, people)}`, in their order."""

    def counts(prefix):
        answer = api.get("/v1/interests", params={"prefix": prefix, "limit": 100})
        assert answer.status == 200, answer.body
        return {one["name"]: (one["groups"], one["people"]) for one in answer.json()["items"]}

    return counts


def test_interests_count_groups_and_people_most_used_first(register, found, counts):
    ana = register("ana", interests=["aa vim"])
    register("ben", interests=["aa vim", "aa bacon"])
    found(ana, interests=["aa kittens", "aa vim"])
    assert counts("aa") == {"aa vim": (1, 2), "aa bacon": (0, 1), "aa kittens": (1, 0)}
    assert next(iter(counts("aa"))) == "aa vim"


def test_counts_follow_every_change(api, register, found, counts):
    ana, ben = register("ana", interests=["bb one"]), register("ben", interests=["bb one"])
    group = found(ana, interests=["bb one"])
    assert counts("bb") == {"bb one": (1, 2)}
    api.patch("/v1/me", {"interests": ["bb two"]}, as_=ben.caller)
    api.patch(f"/v1/groups/{group.id}", {"interests": ["bb two"]}, as_=ana.caller)
    assert counts("bb") == {"bb two": (1, 1), "bb one": (0, 1)}
    api.delete(f"/v1/groups/{group.id}", as_=ana.caller)
    api.delete("/v1/me", as_=ana.caller)
    assert counts("bb") == {"bb two": (0, 1)}


def test_what_nobody_has_any_more_is_gone(api, register, counts, data):
    ana = register("ana", interests=["cc"])
    assert counts("cc") == {"cc": (0, 1)}
    api.delete("/v1/me", as_=ana.caller)
    assert counts("cc") == {}
    assert data.interests.find_one({"_id": "cc"}) is None
    assert data.interest_changes.count_documents({}) == 0


def test_a_prefix_is_read_as_interests_are(register, counts):
    register("ana", interests=["Dd (Straße).*"])
    assert counts("#DD (S") == {"dd (strasse).*": (0, 1)}
    assert counts("dd.") == {}
    assert "dd (strasse).*" in counts("")


def test_interests_are_listed_in_pages(api, register):
    register("ana", interests=[f"ee {n}" for n in range(5)])
    listed, cursor = [], None
    while True:
        params = {"prefix": "ee", "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = api.get("/v1/interests", params=params).json()
        listed += [one["name"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert listed == [f"ee {n}" for n in range(5)]


def test_many_who_ask_while_many_register_see_right_counts_in_the_end(api, counts):
    people = [
        {"handle": f"ff_{n}", "display_name": "F", "password": "long enough!", "interests": ["ff"]} for n in range(20)
    ]
    sent = []
    for person in people:
        sent.append(api.send("POST", "/v1/people", person))
        sent.append(api.send("GET", "/v1/interests?prefix=ff"))
    assert {api.receive(number, 8).status for number in sent} == {200, 201}
    assert counts("ff") == {"ff": (0, 20)}


@pytest.mark.parametrize(
    "query", ["limit=0", "prefix=%00", "prefix=" + "x" * 51, "match=any", "cursor=" + Cursor.encode([10**30, "x"])]
)
def test_a_list_that_is_asked_for_wrongly_is_400(api, query):
    assert api.get(f"/v1/interests?{query}").problem == "malformed-request"
