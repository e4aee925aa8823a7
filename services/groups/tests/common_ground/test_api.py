"""Common ground, over the wire."""

import pytest


@pytest.fixture
def shared(api):
    """What somebody shares with another: `shared(ana, ben)`."""

    def shared(one, other):
        answer = api.get(f"/v1/people/{other.handle}/common-ground", as_=one.caller)
        assert answer.status == 200, answer.body
        return answer.json()

    return shared


def test_two_people_see_what_they_share(register, found, join, attend, shared):
    ana = register("ana", interests=["kittens", "bacon", "science"])
    ben = register("ben", interests=["bacon", "hockey", "kittens"])
    groups = [found(ana, name=f"Group number {n}") for n in range(3)]
    join(groups[0], ben)
    join(groups[2], ben)
    attend(groups[0], f"evt_1{groups[0].id}", ana, ben, starts_at="2026-10-01T18:00:00Z")
    attend(groups[0], f"evt_2{groups[0].id}", ben, ana, starts_at="2026-11-01T18:00:00Z")
    attend(groups[0], f"evt_3{groups[0].id}", ana)
    ground = shared(ana, ben)
    assert sorted(ground["interests"]) == ["bacon", "kittens"]
    assert ground["groups"] == [{"id": one.id, "slug": one.slug, "name": one.name} for one in (groups[2], groups[0])]
    assert [one["id"] for one in ground["events_together"]] == [f"evt_{n}{groups[0].id}" for n in (2, 1)]
    assert ground["events_together"][0] == {
        "id": f"evt_2{groups[0].id}",
        "title": f"Brunch evt_2{groups[0].id}",
        "starts_at": "2026-11-01T18:00:00Z",
        "time_zone": "UTC",
    }
    assert len(ground["openers"]) == 3
    assert shared(ben, ana) == ground


def test_those_who_share_nothing_share_nothing(register, found, shared):
    ana, ben = register("ana", interests=["kittens"]), register("ben", interests=["hockey"])
    found(ana)
    assert shared(ana, ben) == {"interests": [], "groups": [], "events_together": [], "openers": []}


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_who_has_left_a_group_that_is_not_public_hears_nothing_of_it(
    api, register, found, join, attend, shared, visibility
):
    ana, ben, eve = register("ana"), register("ben"), register("eve")
    group = found(ana)
    join(group, ben, eve)
    attend(group, f"evt_{group.id}", ana, ben, eve)
    assert api.patch(f"/v1/groups/{group.id}", {"visibility": visibility}, as_=ana.caller).status == 200
    within = shared(ana, ben)
    assert (len(within["groups"]), len(within["events_together"])) == (1, 1)
    assert api.delete(f"/v1/groups/{group.id}/members/me", as_=ben.caller).status == 204
    assert api.delete(f"/v1/groups/{group.id}/members/{eve.handle}?ban=true", as_=ana.caller).status == 204
    nothing = {"interests": [], "groups": [], "events_together": [], "openers": []}
    for person in (ben, eve):
        for other in (ana, ben, eve):
            assert person is other or shared(person, other) == nothing
    assert shared(ana, ben)["groups"] == []


def test_who_only_waits_to_join_shares_no_group(api, register, found, shared):
    ana, ben = register("ana"), register("ben")
    group = found(ana, join_policy="approval", visibility="unlisted")
    assert api.post(f"/v1/groups/{group.id}/members", as_=ben.caller).status == 202
    assert shared(ben, ana)["groups"] == shared(ana, ben)["groups"] == []


def test_nobody_needs_openers_for_themselves(register, shared):
    ana = register("ana", interests=["kittens"])
    assert shared(ana, ana) == {"interests": ["kittens"], "groups": [], "events_together": [], "openers": []}


def test_it_takes_two_people(api, register):
    ana = register("ana")
    assert api.get("/v1/people/nobody_at_all/common-ground", as_=ana.caller).problem == "not-found"
    assert api.get(f"/v1/people/{ana.handle}/common-ground").problem == "authentication-required"
