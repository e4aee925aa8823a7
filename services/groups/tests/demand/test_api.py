"""Demand over the wire, and what watchers are told of it."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import pytest

from chassis.api_client import ApiClient
from chassis.testing import wait_until

WASHINGTON, BALTIMORE, BOSTON = "38.9,-77.03", "39.29,-76.61", "42.36,-71.06"
_numbers = itertools.count(1)


@pytest.fixture
def topic():
    """An interest that no other test has."""
    return f"demanded {next(_numbers)}"


@pytest.fixture
def watch(api):
    """Have people watch."""

    def watch(person, *interests, **fields):
        answer = api.post("/v1/watches", {"interests": list(interests), **fields}, as_=person.caller)
        assert answer.status == 201, answer.body
        return answer.json()

    return watch


@pytest.fixture
def demand(api):
    """What is wanted: (interests, watchers), most wanted first."""

    def demand(**params):
        answer = api.get("/v1/demand", params=params)
        assert answer.status == 200, answer.body
        return [(one["interests"], one["watchers"]) for one in answer.json()["items"]]

    return demand


@pytest.fixture
def risen(data, register, found, messages):
    """All that watchers of a set were told by now: messages keep their order, so those of a later group come after."""

    def risen(*interests):
        wait_until(lambda: data.outbox.find_one() is None, what="publishing")
        messages(found(register("zoe")).id, 2)
        kept = data.demand.find_one({"_id": "\n".join(sorted(interests))})
        return messages(kept["id"], 0) if kept else []

    return risen


# -- the list


def test_demand_is_what_people_watch_for_most_wanted_first(register, watch, demand, topic):
    people = [register() for _ in range(3)]
    for person in people:
        watch(person, topic, "c", "b")
    watch(people[0], topic, "b", "c")
    for person in people[:2]:
        watch(person, topic)
    watch(people[2], topic, "a")
    assert demand(interest=topic) == [(["b", "c", topic], 3), ([topic], 2), (["a", topic], 1)]
    assert demand(interest=[topic, "b"]) == [(["b", "c", topic], 3)]
    assert demand(interest=[topic, "nothing"]) == []


def test_who_is_in_it_is_never_said(api, register, watch, topic):
    dora = register("dora")
    watch(dora, topic)
    answer = api.get("/v1/demand", params={"interest": topic})
    assert answer.json() == {"items": [{"interests": [topic], "watchers": 1}], "next": None}


def test_pages_show_each_set_once(api, register, watch, topic):
    ana, ben = register("ana"), register("ben")
    for n in range(7):
        watch(ana, topic, f"{n}")
        if n % 2:
            watch(ben, topic, f"{n}")
    seen, cursor = [], {}
    while cursor is not None:
        page = api.get("/v1/demand", params={"interest": topic, "limit": 2, **cursor}).json()
        seen += [(one["interests"][0], one["watchers"]) for one in page["items"]]
        cursor = page["next"] and {"cursor": page["next"]}
    assert seen == [("1", 2), ("3", 2), ("5", 2), ("0", 1), ("2", 1), ("4", 1), ("6", 1)]


def test_what_a_public_group_serves_is_no_demand(api, register, found, watch, demand, topic):
    ana, dora = register("ana"), register("dora")
    watch(dora, topic)
    watch(dora, topic, "tea")
    group = found(ana, interests=[topic, "hockey"])
    assert demand(interest=topic) == [([topic, "tea"], 1)]
    for change, left in (
        ({"interests": [topic, "tea"]}, []),
        ({"interests": ["tea"]}, [[topic], [topic, "tea"]]),
        ({"interests": [topic]}, [[topic, "tea"]]),
        ({"visibility": "unlisted"}, [[topic], [topic, "tea"]]),
        ({"visibility": "public"}, [[topic, "tea"]]),
    ):
        assert api.patch(f"/v1/groups/{group.id}", change, as_=ana.caller).status == 200
        assert sorted(one for one, _ in demand(interest=topic)) == sorted(left), change
    assert api.delete(f"/v1/groups/{group.id}", as_=ana.caller).status == 204
    assert len(demand(interest=topic)) == 2


def test_what_another_group_serves_still_is_no_demand_when_one_goes(api, register, found, watch, demand, topic):
    ana, dora = register("ana"), register("dora")
    watch(dora, topic, "tea", "bacon")
    first = found(ana, interests=[topic, "tea", "bacon"])
    assert demand(interest=topic) == []
    second = found(ana, interests=["x", "bacon", topic, "tea"])
    assert api.delete(f"/v1/groups/{first.id}", as_=ana.caller).status == 204
    assert demand(interest=topic) == []
    assert api.delete(f"/v1/groups/{second.id}", as_=ana.caller).status == 204
    assert demand(interest=topic) == [(["bacon", topic, "tea"], 1)]


def test_what_is_watched_for_after_it_was_served_is_no_demand(register, found, watch, demand, topic):
    found(register("ana"), interests=["tea", topic])
    watch(register("dora"), topic)
    assert demand(interest=topic) == []


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_a_group_that_is_not_public_serves_nothing(register, found, watch, demand, topic, visibility):
    watch(register("dora"), topic)
    found(register("ana"), interests=[topic], visibility=visibility)
    assert demand(interest=topic) == [([topic], 1)]


def test_near_somewhere_only_those_count_who_watch_there(register, watch, demand, found, topic):
    here = {"name": "Washington", "country": "US", "location": {"lat": 38.9, "lon": -77.03}}
    ana, ben, chris, dora = (register(name, place=here) for name in ("ana", "ben", "chris", "dora"))
    watch(ana, topic)
    watch(ana, topic, within_km=5)
    watch(ben, topic, near=BALTIMORE)
    watch(chris, topic, near=BOSTON)
    watch(dora, topic, "tea")
    watch(dora, topic, "bacon")
    watch(register("eve"), topic)
    found(ana, interests=[topic, "bacon"], visibility="private")
    assert demand(interest=topic, near=WASHINGTON, within_km=20) == [
        (["bacon", topic], 1),
        ([topic], 1),
        ([topic, "tea"], 1),
    ]
    assert demand(interest=topic, near=WASHINGTON, within_km=80)[0] == ([topic], 2)
    assert demand(interest=topic, near=WASHINGTON, within_km=1000)[0] == ([topic], 3)
    found(ana, interests=[topic, "bacon"])
    assert demand(interest=topic, near=WASHINGTON) == [([topic, "tea"], 1)]


def test_nobody_can_tell_exactly_where_somebody_watches(register, watch, data, topic):
    made = watch(register("dora"), topic, near="38.912345,-77.054321")
    assert data.watches.find_one({"_id": made["id"]})["around"]["coordinates"] == [-77.1, 38.9]


@pytest.mark.parametrize(
    "params", [{"within_km": 5}, {"near": "here"}, {"near": BOSTON, "within_km": 0}, {"cursor": "x"}]
)
def test_a_query_that_is_wrong_is_refused(api, params):
    assert api.get("/v1/demand", params=params).problem == "malformed-request"


# -- what watchers are told


def test_the_third_watcher_has_all_three_told_and_the_fourth_has_nobody_told(register, watch, risen, topic):
    people = [register(name) for name in ("ana", "ben", "chris")]
    for person in people[:2]:
        watch(person, topic, "bacon")
        watch(person, topic, "bacon")
    assert risen(topic, "bacon") == []
    watch(people[2], "bacon", topic)
    (message,) = risen(topic, "bacon")
    assert message["type"] == "commonground.groups.demand.risen.v1"
    assert message["audience"] == "person"
    assert message["subject"].startswith("dmd_")
    assert message["data"]["interests"] == ["bacon", topic]
    assert message["data"]["watchers"] == 3
    told = sorted(message["data"]["people"], key=lambda one: one["id"])
    assert [one["id"] for one in told] == sorted(person.id for person in people)
    assert {one["display_name"] for one in told} == {"Ana", "Ben", "Chris"}
    watch(register(), topic, "bacon")
    assert len(risen(topic, "bacon")) == 1


def test_who_deletes_and_watches_again_makes_no_level_heard_twice(api, register, watch, risen, topic):
    people = [register() for _ in range(3)]
    watches = [watch(person, topic) for person in people]
    for person, made in zip(people, watches, strict=True):
        assert api.delete(f"/v1/watches/{made['id']}", as_=person.caller).status == 204
    for person in people:
        watch(person, topic)
    assert len(risen(topic)) == 1


def test_nobody_is_told_of_demand_that_a_group_serves(api, register, found, watch, risen, topic):
    ana = register("ana")
    group = found(ana, interests=[topic])
    for _ in range(3):
        watch(register(), topic)
    assert risen(topic) == []
    assert api.delete(f"/v1/groups/{group.id}", as_=ana.caller).status == 204
    watch(register(), topic)
    assert [one["data"]["watchers"] for one in risen(topic)] == [4]


def test_of_those_who_become_the_third_at_the_same_moment_one_has_all_told(service, register, watch, risen, topic):
    people = [register() for _ in range(12)]
    watch(people[0], topic)
    watch(people[1], topic)
    rest = people[2:9]
    clients = [ApiClient(service.amqp_uri, "groups") for _ in rest]
    try:
        with ThreadPoolExecutor(len(rest)) as pool:
            sent = pool.map(
                lambda pair: pair[0].post("/v1/watches", {"interests": [topic]}, as_=pair[1].caller).status,
                zip(clients, rest, strict=True),
            )
            assert list(sent) == [201] * len(rest)
    finally:
        for client in clients:
            client.close()
    (message,) = risen(topic)
    assert message["data"]["watchers"] == 3
    assert watch(people[9], topic)["watchers"] == 10
    assert [one["data"]["watchers"] for one in risen(topic)] == [3, 10]


def test_hundreds_of_watchers_are_told_by_several_messages(register, watch, risen, data, topic):
    ben = register("ben")
    person = data.people.find_one({"_id": ben.id})
    made = watch(ben, topic)
    kept = data.watches.find_one({"_id": made["id"]})
    others = [f"psn_{topic}_{n:04}" for n in range(598)]
    data.people.insert_many([{**person, "_id": one, "handle": one[4:].replace(" ", "_")} for one in others])
    data.watches.insert_many([{**kept, "_id": f"wch_{one[4:]}", "person": one} for one in others])
    data.demand.update_one({"_id": topic}, {"$set": {"watchers": 599, "told": 300}})
    data.demand.update_one({"_id": topic}, {"$set": {"watchers": 999}})
    watch(register("chris"), topic)

    def told():
        return [one["id"] for message in risen(topic) for one in message["data"]["people"]]

    wait_until(lambda: len(told()) >= 600, what="telling")
    assert len(told()) == len(set(told())) == 600
    heard = risen(topic)
    assert [len(one["data"]["people"]) for one in heard] == [200, 200, 200]
    assert {one["data"]["watchers"] for one in heard} == {1000}
    sequences = [int(one["sequence"]) for one in heard]
    assert sequences == sorted(set(sequences))


def test_the_levels_can_be_set(run_groups):
    service = run_groups(wait=False, CG_DEMAND_LEVELS="3,2")
    assert service.process.wait(20) == 78
    assert "CG_DEMAND_LEVELS" in service.process.tail()
