"""Invitations, over the wire."""

from datetime import UTC, datetime, timedelta

import pytest

PREFIX = "commonground.groups."


@pytest.fixture
def invite(api):
    """Make an invitation: `invite(group, ana, max_uses=3)`."""

    def invite(group, by, **wanted):
        answer = api.post(f"/v1/groups/{group.id}/invitations", wanted, as_=by.caller)
        assert answer.status == 201, answer.body
        return answer.json()

    return invite


@pytest.fixture
def come(api):
    """Have somebody try to join with a code."""
    return lambda group, person, code: api.post(
        f"/v1/groups/{group.id}/members", {"invitation": code}, as_=person.caller
    )


def test_an_invitation_is_made_for_one_and_a_week_where_nothing_else_is_said(register, found, invite):
    ana = register("ana")
    made = invite(found(ana), ana)
    assert set(made) == {"id", "code", "uses", "max_uses", "expires_at"}
    assert made["id"].startswith("inv_")
    assert (made["uses"], made["max_uses"]) == (0, 1)
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < left <= timedelta(days=7)


@pytest.mark.parametrize("policy", ["open", "approval", "invite"])
@pytest.mark.parametrize("visibility", ["public", "unlisted", "private"])
def test_who_is_invited_is_in_at_once(api, register, found, invite, come, messages, policy, visibility):
    ana, ben = register("ana"), register("ben")
    group = found(ana, join_policy=policy, visibility=visibility)
    code = invite(group, ana)["code"]
    joined = come(group, ben, code)
    assert (joined.status, joined.json()) == (201, {"status": "active", "role": "member"})
    assert api.get(f"/v1/groups/{group.id}", as_=ben.caller).json()["member_count"] == 2
    told = messages(group.id, 3)[2]
    assert (told["type"], told["data"]["person"]["handle"]) == (PREFIX + "member.joined.v1", ben.handle)
    assert told["audience"] == ("public" if visibility == "public" else "group")
    (listed,) = api.get(f"/v1/groups/{group.id}/invitations", as_=ana.caller).json()["items"]
    assert (listed["code"], listed["uses"]) == (code, 1)


def test_who_waits_already_is_in_with_an_invitation(api, register, found, invite, come):
    ana, ben = register("ana"), register("ben")
    group = found(ana, join_policy="approval")
    assert come(group, ben, "no such code").status == 202
    assert come(group, ben, invite(group, ana)["code"]).status == 201
    assert api.get(f"/v1/groups/{group.id}/members?status=pending", as_=ana.caller).json()["items"] == []
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 2


def test_an_invitation_lets_in_as_many_as_it_says(api, register, found, invite, come):
    ana, people = register("ana"), [register(f"p{n}") for n in range(3)]
    group = found(ana, join_policy="invite")
    code = invite(group, ana, max_uses=2)["code"]
    assert [come(group, one, code).status for one in people] == [201, 201, 403]
    assert come(group, people[2], code).problem == "invitation-needed"


def test_of_many_who_come_at_once_as_many_get_in_as_the_invitation_says(api, register, found, invite):
    ana, people = register("ana"), [register(f"p{n}") for n in range(24)]
    group = found(ana, join_policy="invite")
    made = invite(group, ana, max_uses=7)
    path, body = f"/v1/groups/{group.id}/members", {"invitation": made["code"]}
    # Every third one sends it twice, with a key.
    sent = [api.send("POST", path, body, as_=one.caller, idempotency_key=one.handle) for one in people]
    again = [api.send("POST", path, body, as_=one.caller, idempotency_key=one.handle) for one in people[::3]]
    statuses = [api.receive(number).status for number in sent]
    for number in again:
        api.receive(number)
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 1 + 7
    assert set(statuses) <= {201, 403, 409}
    (listed,) = api.get(f"/v1/groups/{group.id}/invitations", as_=ana.caller).json()["items"]
    assert listed["uses"] == 7
    joined = [one for one in people if api.post(path, body, as_=one.caller, idempotency_key=one.handle).status == 201]
    assert len(joined) == 7


def test_a_member_who_comes_again_uses_nothing(api, register, found, invite, come):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    code = invite(group, ana, max_uses=2)["code"]
    assert [come(group, person, code).status for person in (ana, ben, ben)] == [409, 201, 409]
    (listed,) = api.get(f"/v1/groups/{group.id}/invitations", as_=ana.caller).json()["items"]
    assert listed["uses"] == 1


def test_a_revoked_invitation_lets_nobody_in_and_who_came_stays(api, register, found, invite, come):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana, join_policy="invite")
    made = invite(group, ana, max_uses=5)
    come(group, ben, made["code"])
    path = f"/v1/groups/{group.id}/invitations/{made['id']}"
    assert api.delete(path, as_=ana.caller).status == 204
    assert come(group, chris, made["code"]).problem == "invitation-needed"
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 2
    assert api.get(f"/v1/groups/{group.id}/invitations", as_=ana.caller).json()["items"] == []
    assert api.delete(path, as_=ana.caller).problem == "not-found"


def test_an_expired_invitation_lets_nobody_in_and_is_not_listed(api, register, found, invite, come, data):
    ana, ben = register("ana"), register("ben")
    group = found(ana, join_policy="invite")
    made = invite(group, ana, expires_in_hours=1)
    data.invitations.update_one({"_id": made["id"]}, {"$set": {"expires_at": datetime.now(UTC)}})
    assert come(group, ben, made["code"]).problem == "invitation-needed"
    assert api.get(f"/v1/groups/{group.id}/invitations", as_=ana.caller).json()["items"] == []


def test_an_invitation_is_for_its_group_alone(register, found, invite, come):
    ana, ben = register("ana"), register("ben")
    other, group = found(ana), found(ana, join_policy="invite")
    assert come(group, ben, invite(other, ana)["code"]).problem == "invitation-needed"


def test_an_invitation_of_another_group_cannot_be_revoked_here(api, register, found, invite, come):
    ana, eve, ben = register("ana"), register("eve"), register("ben")
    group, own = found(ana, join_policy="invite"), found(eve)
    made = invite(group, ana)
    assert api.delete(f"/v1/groups/{own.id}/invitations/{made['id']}", as_=eve.caller).problem == "not-found"
    assert come(group, ben, made["code"]).status == 201


def test_a_code_that_does_not_hold_gives_no_private_group_away(api, register, found, invite, come):
    ana, eve = register("ana"), register("eve")
    group = found(ana, visibility="private", join_policy="invite")
    revoked = invite(group, ana)
    api.delete(f"/v1/groups/{group.id}/invitations/{revoked['id']}", as_=ana.caller)
    nothing = api.post("/v1/groups/grp_0/members", {"invitation": "x"}, as_=eve.caller)
    for code in ("x", revoked["code"]):
        hidden = come(group, eve, code)
        assert (hidden.status, hidden.problem) == (404, "not-found")
        assert {**hidden.json(), "instance": 0} == {**nothing.json(), "instance": 0}
        assert hidden.headers == nothing.headers


def test_who_is_banned_is_not_invited_back(api, register, found, join, invite, come):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    api.delete(f"/v1/groups/{group.id}/members/{ben.handle}?ban=true", as_=ana.caller)
    made = invite(group, ana)
    assert come(group, ben, made["code"]).problem == "banned"
    assert api.get(f"/v1/groups/{group.id}/invitations", as_=ana.caller).json()["items"][0]["uses"] == 0


def test_organizers_and_moderators_alone_invite_and_see_invitations(api, register, found, join, invite):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana)
    join(group, ben, chris)
    api.patch(f"/v1/groups/{group.id}/members/{chris.handle}", {"role": "moderator"}, as_=ana.caller)
    made = invite(group, chris)
    path = f"/v1/groups/{group.id}/invitations"
    for who, status in ((None, 401), (ben.caller, 403), (register("eve").caller, 403)):
        assert api.post(path, {}, as_=who).status == status
        assert api.get(path, as_=who).status == status
        assert api.delete(f"{path}/{made['id']}", as_=who).status == status
    for who in (ana, chris):
        assert [one["id"] for one in api.get(path, as_=who.caller).json()["items"]] == [made["id"]]


@pytest.mark.parametrize(
    "body", [{"max_uses": 0}, {"max_uses": 1001}, {"max_uses": "1"}, {"expires_in_hours": 0}, {"uses": 3}]
)
def test_a_wrong_invitation_is_none(api, register, found, body):
    ana = register("ana")
    path = f"/v1/groups/{found(ana).id}/invitations"
    assert api.post(path, body, as_=ana.caller).problem == "invalid"
    assert api.get(path, as_=ana.caller).json()["items"] == []


def test_an_archived_group_invites_nobody(api, register, found, invite, come):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    made = invite(group, ana)
    api.delete(f"/v1/groups/{group.id}", as_=ana.caller)
    assert api.post(f"/v1/groups/{group.id}/invitations", {}, as_=ana.caller).problem == "already-archived"
    assert come(group, ben, made["code"]).problem == "already-archived"


def test_the_same_key_makes_one_invitation_and_answers_its_code_again(api, register, found):
    ana = register("ana")
    path = f"/v1/groups/{found(ana).id}/invitations"
    first, again = (api.post(path, {"max_uses": 3}, as_=ana.caller, idempotency_key="k") for _ in range(2))
    assert (again.status, again.body, again.headers["Idempotency-Replayed"]) == (201, first.body, "true")
    assert len(api.get(path, as_=ana.caller).json()["items"]) == 1


def test_invitations_are_listed_newest_first_page_by_page(api, register, found, invite):
    ana = register("ana")
    group = found(ana)
    made = [invite(group, ana)["id"] for _ in range(5)]
    path = f"/v1/groups/{group.id}/invitations?limit=2"
    listed, cursor = [], ""
    while cursor is not None:
        page = api.get(path + cursor, as_=ana.caller).json()
        listed += [one["id"] for one in page["items"]]
        cursor = page["next"] and f"&cursor={page['next']}"
    assert listed == made[::-1]


def test_the_database_does_not_know_the_code(register, found, invite, data):
    ana = register("ana")
    made = invite(found(ana), ana)
    for name in data.list_collection_names():
        assert made["code"] not in str(list(data[name].find())), name
