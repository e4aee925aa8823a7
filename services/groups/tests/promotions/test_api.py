"""Promotions, over the wire."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.testing import wait_until

WASHINGTON = {"name": "Washington", "country": "US", "region": "US-DC", "location": {"lat": 38.9072, "lon": -77.0369}}
BALTIMORE = {"name": "Baltimore", "country": "US", "location": {"lat": 39.2904, "lon": -76.6122}}
BOSTON = {"name": "Boston", "country": "US", "location": {"lat": 42.3601, "lon": -71.0589}}
TORONTO = {"name": "Toronto", "country": "CA", "location": {"lat": 43.6532, "lon": -79.3832}}
SOMEWHERE_IN_WASHINGTON = {"name": "Washington", "country": "US"}
SOMEWHERE_IN_DC = {"name": "Georgetown", "country": "US", "region": "US-DC"}
ANOTHER_WASHINGTON = {"name": "Washington", "country": "GB"}


@pytest.fixture
def promote(api):
    """Promote a group: `promote(group, ana)`."""
    return lambda group, by, text="Come!", **options: api.post(
        f"/v1/groups/{group.id}/promotions", {"text": text}, as_=by.caller, **options
    )


def test_a_promotion_reaches_who_shares_an_interest_those_who_share_most_first(
    api, register, found, join, promote, messages, topic
):
    ana, ben, chris, dora, eve = (
        register(name, interests=topic[:shared] or ["knitting"])
        for name, shared in (("ana", 3), ("ben", 1), ("chris", 2), ("dora", 3), ("eve", 0))
    )
    frank = register("frank", interests=topic)
    assert api.patch("/v1/me", {"allow_promotions": False}, as_=frank.caller).status == 200
    member = register("member", interests=topic)
    group = found(ana, interests=topic)
    join(group, member)
    answer = promote(group, ana, "We meet next week:\ncome!")
    promotion = answer.json()
    assert (answer.status, promotion) == (202, {"id": promotion["id"], "reach": 3, "held_back": 0})
    [told] = messages(promotion["id"], 1)
    assert (told["type"], told["sequence"]) == ("commonground.groups.promotion.sent.v1", "1")
    assert told["audience"] == "person"
    assert told["data"] == {
        "promotion_id": promotion["id"],
        "group": {"id": group.id, "slug": group.slug, "name": group.name},
        "text": "We meet next week:\ncome!",
        "people": [
            {"id": one.id, "handle": one.handle, "display_name": one.caller.display_name} for one in (dora, chris, ben)
        ],
    }
    assert eve.id not in str(told)


@pytest.mark.parametrize(
    ("scope", "place", "reached"),
    [
        ("virtual", None, {"washington", "baltimore", "boston", "toronto", "named", "region", "another", "nowhere"}),
        ("national", WASHINGTON, {"washington", "baltimore", "boston", "named", "region"}),
        ("local", WASHINGTON, {"washington", "named"}),
        ("regional", WASHINGTON, {"washington", "baltimore", "region"}),
        ("local", SOMEWHERE_IN_WASHINGTON, {"washington", "named"}),
        ("regional", SOMEWHERE_IN_DC, {"washington", "region"}),
    ],
)
def test_a_promotion_reaches_who_lives_in_reach_of_the_scope(
    register, found, promote, messages, topic, scope, place, reached
):
    places = {"washington": WASHINGTON, "baltimore": BALTIMORE, "boston": BOSTON, "toronto": TORONTO, "nowhere": None}
    places |= {"named": SOMEWHERE_IN_WASHINGTON, "region": SOMEWHERE_IN_DC, "another": ANOTHER_WASHINGTON}
    people = {
        name: register(name, interests=topic[:1], **({"place": where} if where else {}))
        for name, where in places.items()
    }
    ana = register("ana")
    promotion = promote(found(ana, interests=topic, scope=scope, place=place), ana).json()
    [told] = messages(promotion["id"], 1)
    heard = {one["id"] for one in told["data"]["people"]}
    assert {name for name, one in people.items() if one.id in heard} == reached
    assert promotion["reach"] == len(reached)


def test_who_waits_was_removed_or_banned_is_not_reached(api, register, found, promote, topic):
    ana = register("ana")
    group = found(ana, interests=topic)
    path = f"/v1/groups/{group.id}/members"
    ben, chris, dora = (register(name, interests=topic) for name in ("ben", "chris", "dora"))
    for person in (ben, chris):
        assert api.post(path, as_=person.caller).status == 201
    assert api.delete(f"{path}/{ben.handle}", as_=ana.caller).status == 204
    assert api.delete(f"{path}/{chris.handle}?ban=true", as_=ana.caller).status == 204
    assert api.patch(f"/v1/groups/{group.id}", {"join_policy": "approval"}, as_=ana.caller).status == 200
    assert api.post(path, as_=dora.caller).status == 202
    promotion = promote(group, ana).json()
    assert (promotion["reach"], promotion["held_back"]) == (0, 0)


def test_a_group_is_promoted_once_in_seven_days(register, found, promote, topic, data):
    ana = register("ana")
    group = found(ana, interests=topic)
    assert promote(group, ana).status == 202
    again = promote(group, ana)
    assert (again.status, again.problem) == (409, "promoted-recently")
    next_at = datetime.fromisoformat(again.json()["next_at"])
    assert timedelta(days=6, hours=23, minutes=59) < next_at - datetime.now(UTC) < timedelta(days=7)
    data.promotions.update_one({"group": group.id}, {"$set": {"at": datetime.now(UTC) - timedelta(days=7)}})
    assert promote(group, ana).status == 202


def test_a_person_receives_one_promotion_a_day_and_who_is_held_back_is_counted(register, found, promote, topic, data):
    ana, ben = register("ana"), register("ben", interests=topic)
    dora = register("dora", interests=topic[:1])
    first, second, third = (found(ana, interests=interests) for interests in (topic[1:], topic, topic))
    assert promote(first, ana).json()["reach"] == 1
    held = promote(second, ana).json()
    assert (held["reach"], held["held_back"]) == (1, 1)
    ago = datetime.now(UTC) - timedelta(days=1)
    data.people.update_many({"_id": {"$in": [ben.id, dora.id]}}, {"$set": {"promoted_at": ago}})
    assert promote(third, ana).json()["reach"] == 2


@pytest.mark.parametrize("somebody", [True, False])
def test_of_two_organizers_at_the_same_moment_one_promotes(api, register, found, join, messages, topic, somebody):
    ana, ben, dora = register("ana"), register("ben"), register("dora", interests=topic if somebody else [])
    group = found(ana, interests=topic)
    join(group, ben)
    api.patch(f"/v1/groups/{group.id}/members/{ben.handle}", {"role": "organizer"}, as_=ana.caller)
    path, body = f"/v1/groups/{group.id}/promotions", {"text": "Come!"}
    sent = [api.send("POST", path, body, as_=(ana, ben)[n % 2].caller) for n in range(6)]
    answers = [api.receive(number) for number in sent]
    assert sorted(one.status for one in answers) == [202] + [409] * 5
    assert {one.problem for one in answers} == {None, "promoted-recently"}
    [promotion] = [one.json() for one in answers if one.status == 202]
    assert promotion["reach"] == somebody
    told = messages(promotion["id"], int(somebody))
    assert [one["id"] for message in told for one in message["data"]["people"]] == [dora.id] * somebody


def test_of_many_groups_that_are_promoted_at_the_same_moment_each_person_hears_of_one(
    api, register, found, messages, topic, crowd, data
):
    ana = register("ana")
    groups = [found(ana, interests=topic, name=f"Group {n}") for n in range(4)]
    people = crowd(data, 300, topic)
    sent = [
        api.send("POST", f"/v1/groups/{group.id}/promotions", {"text": "Come!"}, as_=ana.caller) for group in groups
    ]
    promotions = [api.receive(number).json() for number in sent]
    assert sorted((one["reach"], one["held_back"]) for one in promotions) == [(0, 300)] * 3 + [(300, 0)]
    [first] = [one for one in promotions if one["reach"]]
    [told] = messages(first["id"], 1)
    assert sorted(one["id"] for one in told["data"]["people"]) == sorted(people)


def test_many_are_told_in_chunks_each_once_though_two_promotions_run_at_once(
    api, register, found, topic, messages, crowd, data
):
    ana = register("ana")
    groups = [found(ana, interests=topic, name=f"Group {n}") for n in range(2)]
    most, least = crowd(data, 700, topic), crowd(data, 1600, topic[:1])
    sent = [
        api.send("POST", f"/v1/groups/{group.id}/promotions", {"text": "Come!"}, as_=ana.caller) for group in groups
    ]
    promotions = [api.receive(number).json() for number in sent]
    ids = [one["id"] for one in promotions]
    wait_until(lambda: data.promotion_chunks.count_documents({"promotion": {"$in": ids}}) == 0, 20)
    kept = {one["_id"]: one for one in data.promotions.find({"_id": {"$in": ids}})}
    told = [one for identifier in ids for one in messages(identifier, kept[identifier]["sent"])]
    chunks = [[person["id"] for person in one["data"]["people"]] for one in told]
    assert max(map(len, chunks)) <= 500
    heard = [person for chunk in chunks for person in chunk]
    assert (len(heard), set(heard)) == (2300, {*most, *least})
    for identifier in ids:
        assert kept[identifier]["reach"] + kept[identifier]["held_back"] == 2300
        about = sorted((one for one in told if one["subject"] == identifier), key=lambda one: int(one["sequence"]))
        shared = [person["id"] in most for one in about for person in one["data"]["people"]]
        assert shared == sorted(shared, reverse=True)


def test_the_same_key_promotes_once(register, found, promote, topic):
    ana = register("ana")
    register("dora", interests=topic)
    group = found(ana, interests=topic)
    answers = [promote(group, ana, idempotency_key="p") for _ in range(2)]
    assert (answers[0].body, answers[1].headers["Idempotency-Replayed"]) == (answers[1].body, "true")


def test_only_organizers_promote_and_only_what_everybody_may_find(api, register, found, join, promote, topic):
    ana, ben, eve = register("ana"), register("ben"), register("eve")
    for visibility in ("unlisted", "private"):
        group = found(ana, interests=topic, visibility=visibility)
        refused = promote(group, ana)
        assert (refused.status, refused.problem) == (409, "not-public")
        assert promote(group, eve).problem == ("not-found" if visibility == "private" else "not-allowed")
    group = found(ana, interests=topic)
    join(group, ben)
    assert promote(group, ben).problem == "not-allowed"
    assert promote(group, eve).problem == "not-allowed"
    assert api.delete(f"/v1/groups/{group.id}", as_=ana.caller).status == 204
    assert promote(group, ana).problem == "already-archived"
    assert api.post("/v1/groups/no-such/promotions", {"text": "x"}, as_=ana.caller).problem == "not-found"


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "x" * 501}, {"text": "x", "people": ["ben"]}])
def test_a_wrong_promotion_is_refused(api, register, found, topic, body):
    ana = register("ana")
    group = found(ana, interests=topic)
    assert api.post(f"/v1/groups/{group.id}/promotions", body, as_=ana.caller).problem == "invalid"


def test_nothing_is_kept_of_a_promotion_that_was_refused(register, found, promote, topic, data):
    ana = register("ana")
    register("dora", interests=topic)
    group = found(ana, interests=topic)
    assert [promote(group, ana).status for _ in range(2)] == [202, 409]
    assert data.promotion_chunks.count_documents({}) == 0


def test_when_a_group_is_not_public_any_more_nobody_else_hears_of_it(api, register, found, topic, crowd, data, promote):
    ana = register("ana")
    group = found(ana, interests=topic)
    crowd(data, 5000, topic)
    promotion = promote(group, ana).json()
    assert api.patch(f"/v1/groups/{group.id}", {"visibility": "private"}, as_=ana.caller).status == 200
    wait_until(lambda: data.promotion_chunks.count_documents({"promotion": promotion["id"]}) == 0)
    assert data.people.count_documents({"interests": topic[0], "promoted_at": {"$exists": True}}) < 5000


def test_a_promotion_is_exported_and_by_someone_who_left_when_they_erase_themselves(
    api, register, found, topic, promote, data
):
    ana, dora = register("ana"), register("dora", interests=topic)
    group = found(ana, interests=topic)
    promotion = promote(group, ana).json()
    [exported] = api.get("/v1/me/export", as_=ana.caller).json()["promotions"]
    assert (exported["id"], exported["group"], exported["text"]) == (promotion["id"], group.id, "Come!")
    assert api.get("/v1/me/export", as_=dora.caller).json()["promoted_at"] == exported["at"]
    assert api.delete("/v1/me", as_=ana.caller).status == 204
    assert data.promotions.find_one({"_id": promotion["id"]})["by"] is None
