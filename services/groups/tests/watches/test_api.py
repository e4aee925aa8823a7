"""Watches over the wire, and what their people are told."""

import itertools

import pytest

from chassis.testing import wait_until

WASHINGTON, BALTIMORE, BOSTON = ({"lat": a, "lon": b} for a, b in ((38.9, -77.03), (39.29, -76.61), (42.36, -71.06)))
_numbers = itertools.count(1)


def at(location, country="US"):
    place = {"name": "Somewhere", "country": country}
    return {**place, "location": location} if location else place


@pytest.fixture
def topic():
    """An interest that no other test has."""
    return f"watched {next(_numbers)}"


@pytest.fixture
def watch(api):
    """Have people watch: `watch(dora, "kittens", "bacon", near="38.9,-77.03")`."""

    def watch(person, *interests, **fields):
        answer = api.post("/v1/watches", {"interests": list(interests), **fields}, as_=person.caller)
        assert answer.status == 201, answer.body
        return answer.json()

    return watch


@pytest.fixture
def change(api):
    """Have an organizer change a group."""

    def change(group, person, **fields):
        answer = api.patch(f"/v1/groups/{group.id}", fields, as_=person.caller)
        assert answer.status == 200, answer.body
        return answer.json()

    return change


@pytest.fixture
def settled(data):
    """Wait until all watchers were told of what a group is now, and all messages are published."""

    def settled(group):
        def done():
            kept = data.matched_groups.find_one({"_id": group.id})
            now = data.groups.find_one({"_id": group.id})
            if not now["listed"]:
                return kept is not None and kept["aspect"] is None
            return (
                kept is not None
                and kept["aspect"] is not None
                and kept["aspect"]["interests"] == sorted(now["interests"])
                and kept["aspect"]["scope"] == now["scope"]
            )

        wait_until(done, what="matching")
        wait_until(lambda: data.outbox.find_one() is None, what="publishing")

    return settled


@pytest.fixture
def told(data, settled):
    """The ids of the watches that were told of a group, by now."""

    def told(group):
        settled(group)
        return {one["watch"] for one in data.matches.find({"group": group.id})}

    return told


@pytest.fixture
def heard(register, found, messages):
    """All messages about a watch by now: messages keep their order, so those of a later group come after them."""

    def heard(watch):
        messages(found(register("zoe")).id, 2)
        return messages(watch, 0)

    return heard


def test_a_watch_says_what_it_is_for_and_how_many_people_watch(register, watch, topic):
    dora, ben = register("dora"), register("ben")
    made = watch(dora, f" #{topic.upper()}", "Bacon", "bacon", scope="local", near="38.9,-77.03", within_km=25)
    assert made["id"].startswith("wch_")
    assert made["created_at"].endswith("Z")
    assert {**made, "id": None, "created_at": None} == {
        "id": None,
        "interests": [topic, "bacon"],
        "scope": "local",
        "near": "38.9,-77.03",
        "within_km": 25,
        "created_at": None,
        "watchers": 1,
    }
    assert watch(ben, "bacon", topic)["watchers"] == 2
    assert watch(ben, topic)["watchers"] == 1


def test_where_may_be_said_as_a_place_says_it(register, watch, topic):
    assert watch(register("dora"), topic, near=WASHINGTON)["near"] == "38.9,-77.03"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/interests"),
        ({"interests": []}, "/interests"),
        ({"interests": [f"i{n}" for n in range(11)]}, "/interests"),
        ({"interests": ["\x00"]}, "/interests/0"),
        ({"interests": ["a"], "scope": "galactic"}, "/scope"),
        ({"interests": ["a"], "near": "here"}, "/near"),
        ({"interests": ["a"], "near": "91,0"}, "/near"),
        ({"interests": ["a"], "near": {"lat": 91, "lon": 0}}, "/near/lat"),
        ({"interests": ["a"], "near": {"lat": 9}}, "/near/lon"),
        ({"interests": ["a"], "near": 7}, "/near"),
        ({"interests": ["a"], "within_km": 0}, "/within_km"),
        ({"interests": ["a"], "within_km": "5"}, "/within_km"),
        ({"interests": ["a"], "person": "psn_1"}, "/person"),
    ],
)
def test_a_watch_that_is_wrong_says_where(register, api, body, pointer):
    answer = api.post("/v1/watches", body, as_=register().caller)
    assert (answer.status, answer.problem) == (422, "invalid")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_only_who_is_signed_in_watches(api):
    assert api.post("/v1/watches", {"interests": ["a"]}).status == 401
    assert api.get("/v1/watches").status == 401
    assert api.delete("/v1/watches/wch_1").status == 401


def test_one_sees_ones_own_watches_the_newest_first_page_by_page(register, api, watch, topic):
    dora, ben = register("dora"), register("ben")
    watch(ben, topic)
    made = [watch(dora, topic, f"more {n}")["id"] for n in range(5)]
    made.append(watch(dora, topic)["id"])
    seen, cursor = [], {}
    while cursor is not None:
        page = api.get("/v1/watches", as_=dora.caller, params={"limit": 4, **cursor}).json()
        seen += page["items"]
        cursor = page["next"] and {"cursor": page["next"]}
    assert [one["id"] for one in seen] == made[::-1]
    assert [one["watchers"] for one in seen] == [2, 1, 1, 1, 1, 1]


def test_a_watch_that_is_deleted_counts_no_more(register, api, watch, topic):
    dora, ben = register("dora"), register("ben")
    made = watch(dora, topic)
    assert api.delete(f"/v1/watches/{made['id']}", as_=ben.caller).problem == "not-found"
    assert watch(ben, topic)["watchers"] == 2
    assert api.delete(f"/v1/watches/{made['id']}", as_=dora.caller).status == 204
    assert api.delete(f"/v1/watches/{made['id']}", as_=dora.caller).problem == "not-found"
    assert api.get("/v1/watches", as_=dora.caller).json()["items"] == []
    assert api.get("/v1/watches", as_=ben.caller).json()["items"][0]["watchers"] == 1


def test_people_are_counted_and_not_watches(register, api, watch, topic):
    dora = register("dora")
    first, second = watch(dora, topic), watch(dora, topic, near="1,1")
    assert (first["watchers"], second["watchers"]) == (1, 1)
    api.delete(f"/v1/watches/{first['id']}", as_=dora.caller)
    assert watch(register("ben"), topic)["watchers"] == 2
    api.delete(f"/v1/watches/{second['id']}", as_=dora.caller)
    assert watch(register("chris"), topic)["watchers"] == 2


def test_the_same_key_watches_once(register, api, topic):
    dora = register("dora")
    answers = [
        api.post("/v1/watches", {"interests": [topic]}, as_=dora.caller, idempotency_key=f"key-{dora.handle}")
        for _ in range(2)
    ]
    assert answers[0].body == answers[1].body
    assert answers[1].headers["Idempotency-Replayed"] == "true"
    assert len(api.get("/v1/watches", as_=dora.caller).json()["items"]) == 1


def test_nobody_has_watches_without_end(register, api, data, topic):
    dora = register("dora")
    answers = [api.post("/v1/watches", {"interests": [topic, f"i{n}"]}, as_=dora.caller) for n in range(102)]
    assert [one.status for one in answers] == [201] * 100 + [409] * 2
    assert answers[-1].problem == "conflict"
    assert data.watches.count_documents({"person": dora.id}) == 100


def test_watchers_hear_of_a_group_when_it_is_founded(register, found, watch, heard, messages, told, topic):
    ana, dora = register("ana"), register("dora")
    wanted = watch(dora, topic, "bacon")
    other = watch(dora, topic, "tea")
    group = found(ana, name="Both", interests=["bacon", "tea time", topic])
    (message,) = messages(wanted["id"], 1)
    assert message["type"] == "commonground.groups.watch.matched.v1"
    assert message["audience"] == "person"
    assert message["data"] == {
        "watch_id": wanted["id"],
        "person": {"id": dora.id, "handle": dora.handle, "display_name": "Dora"},
        "group": {"id": group.id, "slug": group.slug, "name": "Both"},
        "interests": [topic, "bacon"],
    }
    assert told(group) == {wanted["id"]}
    assert heard(other["id"]) == []


def test_a_watch_is_told_of_each_group_and_of_none_twice(register, found, watch, change, heard, told, topic):
    ana, dora = register("ana"), register("dora")
    wanted = watch(dora, topic)
    groups = [found(ana, interests=[topic]) for _ in range(3)]
    change(groups[0], ana, interests=["tea"])
    told(groups[0])
    change(groups[0], ana, interests=[topic])
    told(groups[0])
    for group in groups:
        told(group)
    matched = heard(wanted["id"])
    assert sorted(one["data"]["group"]["id"] for one in matched) == sorted(group.id for group in groups)
    assert len({int(one["sequence"]) for one in matched}) == 3


def test_watchers_hear_of_a_group_that_is_changed_into_what_they_want(register, found, watch, change, told, topic):
    ana, dora, ben = register("ana"), register("dora"), register("ben", place=at(BOSTON))
    by_interest, by_place, by_scope = (
        watch(dora, topic, "bacon"),
        watch(ben, topic, scope="local"),
        watch(dora, topic, scope="national"),
    )
    group = found(ana, interests=[topic], scope="local", place=at(WASHINGTON))
    assert told(group) == set()
    change(group, ana, interests=[topic, "bacon"])
    assert told(group) == {by_interest["id"]}
    change(group, ana, place=at(BOSTON), interests=[topic, "bacon", "tea"])
    assert told(group) == {by_interest["id"], by_place["id"]}
    change(group, ana, scope="national")
    assert told(group) == {by_interest["id"], by_place["id"], by_scope["id"]}


def test_a_watch_for_a_group_that_is_there_already_is_not_told_of_it(register, found, watch, change, told, topic):
    ana, dora = register("ana"), register("dora")
    group = found(ana, interests=[topic, "bacon"])
    assert told(group) == set()
    watch(dora, topic)
    change(group, ana, interests=[topic, "bacon", "tea"], summary="Now with tea")
    assert told(group) == set()


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_watchers_hear_of_a_group_when_it_is_made_public(
    register, found, watch, change, told, heard, topic, visibility
):
    ana, dora = register("ana"), register("dora")
    wanted = watch(dora, topic)
    group = found(ana, interests=[topic], visibility=visibility)
    assert told(group) == set()
    assert heard(wanted["id"]) == []
    change(group, ana, visibility="public")
    assert told(group) == {wanted["id"]}
    change(group, ana, visibility=visibility)
    told(group)
    change(group, ana, visibility="public")
    told(group)
    assert len(heard(wanted["id"])) == 1


def test_nobody_hears_of_what_they_founded_joined_or_were_banned_from(
    register, api, found, join, watch, change, heard, told, topic
):
    ana, ben, chris, dora, eve = (register(name) for name in ("ana", "ben", "chris", "dora", "eve"))
    watches = {one.handle: watch(one, topic, "bacon")["id"] for one in (ana, ben, chris, dora, eve)}
    group = found(ana, interests=[topic], join_policy="approval")
    assert api.post(f"/v1/groups/{group.id}/members", as_=ben.caller).status == 202
    change(group, ana, join_policy="open")
    join(group, chris, eve)
    assert api.delete(f"/v1/groups/{group.id}/members/{eve.handle}?ban=true", as_=ana.caller).status == 204
    change(group, ana, interests=[topic, "bacon"])
    told(group)
    assert {handle: len(heard(wanted)) for handle, wanted in watches.items()} == {
        one.handle: int(one is dora) for one in (ana, ben, chris, dora, eve)
    }


def test_scope_reaches_by_where_the_watch_looks_or_its_person_is_when_the_group_is_founded(
    register, api, found, watch, told, topic
):
    ana = register("ana")
    near, far, moved = (
        register(name, place=at(point)) for name, point in (("b", BALTIMORE), ("c", BOSTON), ("d", BOSTON))
    )
    hans = register("hans", place=at({"lat": 52.5, "lon": 13.4}, "DE"))
    ids = {
        name: watch(person, topic, **fields)["id"]
        for name, person, fields in (
            ("near", near, {"within_km": 70}),
            ("too near", near, {}),
            ("far", far, {}),
            ("far looking here", far, {"near": "38.9,-77.03"}),
            ("moved", moved, {}),
            ("moved but looking there", moved, {"near": "42.36,-71.06"}),
            ("abroad", hans, {}),
        )
    }
    answer = api.patch("/v1/me", {"place": at(WASHINGTON)}, as_=moved.caller)
    assert answer.status == 200
    local = found(ana, interests=[topic], scope="local", place=at(WASHINGTON))
    assert told(local) == {ids["near"], ids["far looking here"], ids["moved"]}
    national = found(ana, interests=[topic], scope="national", place=at(WASHINGTON))
    assert told(national) == {one for name, one in ids.items() if name != "abroad"}
    virtual = found(ana, interests=[topic], scope="virtual")
    assert told(virtual) == set(ids.values())
    assert api.patch("/v1/me", {"place": None}, as_=hans.caller).status == 200
    assert ids["abroad"] in told(found(ana, interests=[topic], scope="local", place=at(WASHINGTON)))


def test_many_watchers_hear_of_a_group_each_once(register, found, many_watch, data, messages, told, topic):
    watches = many_watch(data, topic, 1_100)
    group = found(register("ana"), interests=[topic])
    assert told(group) == set(watches)
    assert [len(messages(watch, 1)) for watch in watches] == [1] * len(watches)


def test_who_erases_themselves_leaves_no_watch(register, api, found, watch, told, data, topic):
    ana, dora, ben = register("ana"), register("dora"), register("ben")
    wanted = watch(dora, topic)
    watch(dora, topic, "alone")
    watch(ben, topic)
    group = found(ana, interests=[topic])
    told(group)
    exported = api.get("/v1/me/export", as_=dora.caller).json()["watches"]
    assert [(one["interests"], one["told_of"]) for one in exported] == [([topic, "alone"], []), ([topic], [group.id])]
    assert exported[1]["id"] == wanted["id"]
    assert api.delete("/v1/me", as_=dora.caller).status == 204
    assert data.watches.count_documents({"person": dora.id}) == 0
    assert data.matches.count_documents({"watch": wanted["id"]}) == 0
    assert data.demand.find_one({"_id": topic})["watchers"] == 1
    assert data.demand.find_one({"interests": "alone"}) is None
