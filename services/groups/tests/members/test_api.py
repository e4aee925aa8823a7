"""Members, over the wire."""

import pytest

from chassis.schemas import Cursor

PREFIX = "commonground.groups."


def made_up_cursor(*place):
    """A cursor that no list gave."""
    return "cursor=" + Cursor.encode(place)


@pytest.fixture
def promote(api):
    """Give somebody a role: `promote(group, ana, ben, "moderator")`."""

    def promote(group, by, person, role):
        answer = api.patch(f"/v1/groups/{group.id}/members/{person.handle}", {"role": role}, as_=by.caller)
        assert answer.status == 200, answer.body

    return promote


@pytest.fixture
def members(api):
    """The handles of those who are in a group, as its list gives them."""
    return lambda group, **params: [
        one["person"]["handle"] for one in api.get(f"/v1/groups/{group.id}/members", params=params).json()["items"]
    ]


def test_joining_an_open_group_makes_a_member_and_tells_others(api, register, found, members, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    answer = api.post(f"/v1/groups/{group.slug}/members", as_=ben.caller)
    assert (answer.status, answer.json()) == (201, {"status": "active", "role": "member"})
    assert members(group) == [ana.handle, ben.handle]
    seen = api.get(f"/v1/groups/{group.slug}").json()
    assert (seen["member_count"], seen["version"]) == (2, 3)
    told = messages(group.id, 3)[2]
    assert (told["type"], told["sequence"], told["audience"]) == (PREFIX + "member.joined.v1", "3", "public")
    assert told["data"] == {
        "group": {"id": group.id, "slug": group.slug, "name": group.name},
        "person": {"id": ben.id, "handle": ben.handle, "display_name": "Ben"},
        "role": "member",
    }


def test_nobody_is_in_a_group_twice(api, register, found, join):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    for person in (ana, ben):
        answer = api.post(f"/v1/groups/{group.id}/members", as_=person.caller)
        assert (answer.status, answer.problem) == (409, "already-member")
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 2


def test_joining_again_with_the_same_key_answers_the_same(api, register, found):
    group, ben = found(register("ana")), register("ben")
    answers = [api.post(f"/v1/groups/{group.id}/members", as_=ben.caller, idempotency_key="j") for _ in range(2)]
    assert [one.status for one in answers] == [201, 201]
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 2


@pytest.mark.parametrize("body", [{"answer": "x" * 1001}, {"role": "organizer"}, {"answer": 1}])
def test_a_wrong_way_to_join_changes_nothing(api, register, found, body):
    group, ben = found(register("ana")), register("ben")
    assert api.post(f"/v1/groups/{group.id}/members", body, as_=ben.caller).problem == "invalid"
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 1


def test_joining_needs_a_person_and_a_group(api, register, found):
    group = found(register("ana"))
    assert api.post(f"/v1/groups/{group.id}/members").problem == "authentication-required"
    assert api.post("/v1/groups/no-such-group/members", as_=register("ben").caller).problem == "not-found"


def test_an_invitation_is_needed_where_the_group_says_so(api, register, found):
    group = found(register("ana"), join_policy="invite")
    answer = api.post(f"/v1/groups/{group.id}/members", as_=register("ben").caller)
    assert (answer.status, answer.problem) == (403, "invitation-needed")
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 1


def test_who_asks_to_join_waits_until_somebody_lets_them_in(api, register, found, members, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana, join_policy="approval")
    asked = api.post(f"/v1/groups/{group.id}/members", {"answer": "I have two."}, as_=ben.caller)
    assert (asked.status, asked.json()) == (202, {"status": "pending", "role": "member"})
    assert members(group) == [ana.handle]
    assert api.get(f"/v1/groups/{group.id}", as_=ben.caller).json()["viewer"] == {"role": "member", "status": "pending"}
    assert api.post(f"/v1/groups/{group.id}/members", as_=ben.caller).problem == "already-pending"
    waiting = api.get(f"/v1/groups/{group.id}/members?status=pending", as_=ana.caller).json()["items"]
    assert [one["person"]["handle"] for one in waiting] == [ben.handle]

    approved = api.patch(f"/v1/groups/{group.id}/members/{ben.handle}", {"status": "active"}, as_=ana.caller)
    assert (approved.status, approved.json()["status"]) == (200, "active")
    assert members(group) == [ana.handle, ben.handle]
    requested, joined = messages(group.id, 4)[2:]
    assert (requested["type"], requested["audience"]) == (PREFIX + "join.requested.v1", "group")
    assert requested["data"]["answer"] == "I have two."
    assert (joined["type"], joined["data"]["by"]["handle"]) == (PREFIX + "member.joined.v1", ana.handle)
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 2


def test_who_asks_to_join_may_be_declined(api, register, found, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana, join_policy="approval")
    api.post(f"/v1/groups/{group.id}/members", as_=ben.caller)
    assert api.delete(f"/v1/groups/{group.id}/members/{ben.handle}", as_=ana.caller).status == 204
    assert api.get(f"/v1/groups/{group.id}", as_=ben.caller).json()["viewer"] is None
    told = messages(group.id, 4)[3]
    assert (told["type"], told["audience"]) == (PREFIX + "join.declined.v1", "group")
    assert told["data"]["by"]["handle"] == ana.handle


def test_who_waits_may_think_better_of_it(api, register, found):
    ana, ben = register("ana"), register("ben")
    group = found(ana, join_policy="approval")
    api.post(f"/v1/groups/{group.id}/members", as_=ben.caller)
    assert api.delete(f"/v1/groups/{group.id}/members/me", as_=ben.caller).status == 204
    assert api.get(f"/v1/groups/{group.id}/members?status=pending", as_=ana.caller).json()["items"] == []


def test_only_organizers_and_moderators_see_who_waits(api, register, found, join, promote):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana)
    join(group, ben, chris)
    promote(group, ana, chris, "moderator")
    for person, status in ((ana, 200), (chris, 200), (ben, 403)):
        for of in ("pending", "banned"):
            assert api.get(f"/v1/groups/{group.id}/members?status={of}", as_=person.caller).status == status
    assert api.get(f"/v1/groups/{group.id}/members?status=pending").problem == "not-allowed"


def test_a_list_begins_with_organizers_and_moderators_then_goes_by_time(register, found, join, promote, members):
    ana, ben, chris, dora, eve = (register(name) for name in ("ana", "ben", "chris", "dora", "eve"))
    group = found(ana)
    join(group, ben, chris, dora, eve)
    promote(group, ana, eve, "moderator")
    promote(group, ana, dora, "organizer")
    assert members(group) == [one.handle for one in (ana, dora, eve, ben, chris)]
    assert members(group, role="member") == [ben.handle, chris.handle]
    assert members(group, role="moderator") == [eve.handle]


def test_a_list_is_the_same_whatever_the_page_and_who_joins_meanwhile(api, register, found, join):
    group = found(register("ana"))
    people = [register(f"p{n}") for n in range(6)]
    join(group, *people[:4])
    listed, cursor = [], None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = api.get(f"/v1/groups/{group.id}/members", params=params)
        page = answer.json()
        listed += [one["person"]["handle"] for one in page["items"]]
        join(group, people.pop()) if len(people) > 4 else None
        if (cursor := page["next"]) is None:
            break
        assert f"cursor={cursor}" in answer.headers["Link"]
        assert 'rel="next"' in answer.headers["Link"]
    assert len(listed) == len(set(listed)) == api.get(f"/v1/groups/{group.id}").json()["member_count"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=101",
        "limit=x",
        "limit=1&limit=2",
        "role=boss",
        "status=removed",
        "unknown=1",
        "cursor=x",
        "cursor=WzFd",
        made_up_cursor(1, "x", "y"),
        made_up_cursor(10**20, "2026-01-01T00:00:00+00:00", "y"),
        made_up_cursor(float("inf"), "2026-01-01T00:00:00+00:00", "y"),
        made_up_cursor({"$gt": 0}, "2026-01-01T00:00:00+00:00", "y"),
        made_up_cursor(1, "2026-01-01T00:00:00+00:00", "\ud800"),
    ],
)
def test_a_list_that_is_asked_for_wrongly_is_400(api, register, found, query):
    answer = api.get(f"/v1/groups/{found(register()).id}/members?{query}")
    assert (answer.status, answer.problem) == (400, "malformed-request")


def test_leaving_tells_others(api, register, found, join, members, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    assert api.delete(f"/v1/groups/{group.id}/members/me", as_=ben.caller).status == 204
    assert members(group) == [ana.handle]
    assert api.get(f"/v1/groups/{group.id}", as_=ben.caller).json()["viewer"] is None
    told = messages(group.id, 4)[3]
    assert (told["type"], told["sequence"]) == (PREFIX + "member.left.v1", "4")
    assert "by" not in told["data"]
    assert api.delete(f"/v1/groups/{group.id}/members/me", as_=ben.caller).problem == "not-found"
    join(group, ben)


def test_ones_own_handle_means_oneself(api, register, found, join, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    assert api.delete(f"/v1/groups/{group.id}/members/{ben.handle}", as_=ben.caller).status == 204
    assert messages(group.id, 4)[3]["type"] == PREFIX + "member.left.v1"


def test_the_last_organizer_stays_until_they_hand_over(api, register, found, join, promote):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    before = api.get(f"/v1/groups/{group.id}").body
    refused = api.delete(f"/v1/groups/{group.id}/members/me", as_=ana.caller)
    assert (refused.status, refused.problem) == (409, "last-organizer")
    refused = api.patch(f"/v1/groups/{group.id}/members/me", {"role": "member"}, as_=ana.caller)
    assert (refused.status, refused.problem) == (409, "last-organizer")
    assert api.get(f"/v1/groups/{group.id}").body == before
    promote(group, ana, ben, "organizer")
    assert api.delete(f"/v1/groups/{group.id}/members/me", as_=ana.caller).status == 204
    assert api.get(f"/v1/groups/{group.id}").json()["organizers"] == [ben.handle]


def test_two_organizers_who_leave_at_once_leave_one_behind(api, register, found, join, promote):
    for _ in range(5):
        ana, ben = register("ana"), register("ben")
        group = found(ana)
        join(group, ben)
        promote(group, ana, ben, "organizer")
        sent = [api.send("DELETE", f"/v1/groups/{group.id}/members/me", as_=one.caller) for one in (ana, ben)]
        assert sorted(api.receive(number).status for number in sent) == [204, 409]
        assert len(api.get(f"/v1/groups/{group.id}").json()["organizers"]) == 1


def test_a_change_of_role_tells_others_and_who_did_it(api, register, found, join, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    answer = api.patch(f"/v1/groups/{group.id}/members/{ben.handle}", {"role": "organizer"}, as_=ana.caller)
    assert answer.json()["role"] == "organizer"
    told = messages(group.id, 4)[3]
    assert (told["type"], told["data"]["role"]) == (PREFIX + "member.role_changed.v1", "organizer")
    assert told["data"]["by"]["handle"] == ana.handle
    assert api.get(f"/v1/groups/{group.id}").json()["organizers"] == [ana.handle, ben.handle]
    version = api.get(f"/v1/groups/{group.id}").json()["version"]
    assert api.patch(f"/v1/groups/{group.id}/members/{ben.handle}", {"role": "organizer"}, as_=ana.caller).status == 200
    assert api.get(f"/v1/groups/{group.id}").json()["version"] == version


@pytest.mark.parametrize("role", ["moderator", "member", None])
def test_only_organizers_give_roles(api, register, found, join, promote, role):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana)
    join(group, ben)
    if role:
        join(group, chris)
        promote(group, ana, chris, role)
    answer = api.patch(f"/v1/groups/{group.id}/members/{ben.handle}", {"role": "organizer"}, as_=chris.caller)
    assert (answer.status, answer.problem) == (403, "not-allowed")
    assert api.get(f"/v1/groups/{group.id}").json()["organizers"] == [ana.handle]


@pytest.mark.parametrize("body", [{}, {"role": "boss"}, {"status": "banned"}, {"role": "member", "status": "active"}])
def test_a_wrong_change_of_a_member_changes_nothing(api, register, found, join, body):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    before = api.get(f"/v1/groups/{group.id}/members").body
    assert api.patch(f"/v1/groups/{group.id}/members/{ben.handle}", body, as_=ana.caller).problem == "invalid"
    assert api.get(f"/v1/groups/{group.id}/members").body == before


def test_who_is_not_in_the_group_has_no_role_there(api, register, found):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    for handle in (ben.handle, "nobody_has_this"):
        path = f"/v1/groups/{group.id}/members/{handle}"
        assert api.patch(path, {"role": "moderator"}, as_=ana.caller).problem == "not-found"
        assert api.delete(path, as_=ana.caller).problem == "not-found"


def test_who_is_removed_may_come_back(api, register, found, join, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    path = f"/v1/groups/{group.id}/members/{ben.handle}"
    assert api.delete(path + "?reason=spam", as_=ana.caller).status == 204
    told = messages(group.id, 4)[3]
    assert (told["type"], told["data"]["by"]["handle"]) == (PREFIX + "member.removed.v1", ana.handle)
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 1
    join(group, ben)


def test_who_is_banned_does_not_come_back(api, register, found, join, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    assert api.delete(f"/v1/groups/{group.id}/members/{ben.handle}?ban=true", as_=ana.caller).status == 204
    assert messages(group.id, 4)[3]["type"] == PREFIX + "member.banned.v1"
    refused = api.post(f"/v1/groups/{group.id}/members", as_=ben.caller)
    assert (refused.status, refused.problem) == (403, "banned")
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 1
    banned = api.get(f"/v1/groups/{group.id}/members?status=banned", as_=ana.caller).json()["items"]
    assert [one["person"]["handle"] for one in banned] == [ben.handle]


def test_a_ban_that_is_lifted_lets_them_join_again(api, register, found, join, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    join(group, ben)
    path = f"/v1/groups/{group.id}/members/{ben.handle}"
    api.delete(path + "?ban=true", as_=ana.caller)
    # Who removes somebody a moment after another banned them lifts no ban.
    assert api.delete(path, as_=ana.caller).problem == "not-found"
    assert api.post(f"/v1/groups/{group.id}/members", as_=ben.caller).problem == "banned"
    assert api.delete(path + "?ban=false", as_=ana.caller).status == 204
    assert api.get(f"/v1/groups/{group.id}/members?status=banned", as_=ana.caller).json()["items"] == []
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 1
    join(group, ben)
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 2
    assert [one["sequence"] for one in messages(group.id, 5)] == ["1", "2", "3", "4", "5"]


def test_only_organizers_and_moderators_lift_bans(api, register, found, join):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana)
    join(group, chris)
    path = f"/v1/groups/{group.id}/members/{ben.handle}"
    api.delete(path + "?ban=true", as_=ana.caller)
    assert api.delete(path + "?ban=false", as_=chris.caller).problem == "not-allowed"
    assert api.delete(path + "?ban=false", as_=ben.caller).problem == "not-allowed"
    assert api.post(f"/v1/groups/{group.id}/members", as_=ben.caller).problem == "banned"


def test_who_is_not_in_the_group_can_be_banned(api, register, found, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana)
    path = f"/v1/groups/{group.id}/members/{ben.handle}?ban=true&reason=spam"
    assert [api.delete(path, as_=ana.caller).status for _ in range(2)] == [204, 204]
    told = messages(group.id, 3)[2]
    assert (told["type"], told["data"]["role"]) == (PREFIX + "member.banned.v1", "member")
    assert api.post(f"/v1/groups/{group.id}/members", as_=ben.caller).problem == "banned"
    seen = api.get(f"/v1/groups/{group.id}").json()
    assert (seen["member_count"], seen["version"]) == (1, 3)
    nobody = f"/v1/groups/{group.id}/members/nobody_has_this?ban=true"
    assert api.delete(nobody, as_=ana.caller).problem == "not-found"


def test_who_is_banned_from_a_private_group_they_never_were_in_does_not_hear_of_it(api, register, found, messages):
    ana, ben = register("ana"), register("ben")
    group = found(ana, visibility="private")
    assert api.delete(f"/v1/groups/{group.id}/members/{ben.handle}?ban=true", as_=ana.caller).status == 204
    banned = api.get(f"/v1/groups/{group.id}/members?status=banned", as_=ana.caller).json()["items"]
    assert [one["person"]["handle"] for one in banned] == [ben.handle]
    api.patch(f"/v1/groups/{group.id}", {"summary": "x"}, as_=ana.caller)
    assert [one["type"] for one in messages(group.id, 3)][2:] == [PREFIX + "group.updated.v1"]


def test_moderators_remove_members_alone(api, register, found, join, promote):
    ana, ben, chris, dora = (register(name) for name in ("ana", "ben", "chris", "dora"))
    group = found(ana)
    join(group, ben, chris, dora)
    for person in (ben, chris):
        promote(group, ana, person, "moderator")
    for person, status in ((ana, 403), (chris, 403), (dora, 204)):
        assert api.delete(f"/v1/groups/{group.id}/members/{person.handle}", as_=ben.caller).status == status
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 3


def test_members_remove_nobody(api, register, found, join):
    ana, ben, chris = (register(name) for name in ("ana", "ben", "chris"))
    group = found(ana)
    join(group, ben, chris)
    for who in (ben, register("dora")):
        answer = api.delete(f"/v1/groups/{group.id}/members/{chris.handle}?ban=true", as_=who.caller)
        assert (answer.status, answer.problem) == (403, "not-allowed")
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 3


def test_my_groups_are_listed_with_my_role_joined_last_first(api, register, found, join):
    ana, ben = register("ana"), register("ben")
    groups = [found(ana, name=f"Group of many {n}") for n in range(3)]
    join(groups[0], ben)
    mine = found(ben)
    join(groups[2], ben)
    answer = api.get("/v1/me/groups", as_=ben.caller)
    assert [(one["id"], one["role"]) for one in answer.json()["items"]] == [
        (groups[2].id, "member"),
        (mine.id, "organizer"),
        (groups[0].id, "member"),
    ]
    assert answer.json()["items"][0]["viewer"] == {"role": "member", "status": "active"}
    first = api.get("/v1/me/groups?limit=2", as_=ben.caller).json()
    rest = api.get(f"/v1/me/groups?limit=2&cursor={first['next']}", as_=ben.caller).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == [groups[2].id, mine.id, groups[0].id]
    assert rest["next"] is None
    assert api.get("/v1/me/groups").problem == "authentication-required"


@pytest.mark.parametrize("policy", ["open", "approval"])
def test_many_who_join_at_once_are_all_counted_and_told_of_once(api, register, found, messages, policy):
    ana = register("ana")
    group = found(ana, join_policy=policy)
    people = [register(f"p{n}") for n in range(30)]
    path = f"/v1/groups/{group.id}/members"
    # Every other one with a key, and some of those twice.
    keys = [{"idempotency_key": one.handle} if n % 2 else {} for n, one in enumerate(people)]
    sent = [api.send("POST", path, as_=one.caller, **key) for one, key in zip(people, keys, strict=True)]
    again = [api.send("POST", path, as_=one.caller, **keys[1 + 2 * n]) for n, one in enumerate(people[1:12:2])]
    answers = [api.receive(number) for number in sent]
    assert {one.status for one in answers} <= {201 if policy == "open" else 202, 409}
    for number in again:
        answers.append(api.receive(number))
    assert {one.problem for one in answers} <= {None, "idempotency-in-progress"}
    for person, key in list(zip(people, keys, strict=True))[1::2]:
        replayed = api.post(path, as_=person.caller, **key)
        assert (replayed.status, replayed.headers["Idempotency-Replayed"]) == (201 if policy == "open" else 202, "true")
        assert replayed.json() == {"role": "member", "status": "active" if policy == "open" else "pending"}
    seen = api.get(f"/v1/groups/{group.id}").json()
    assert (seen["member_count"], seen["version"]) == (31 if policy == "open" else 1, 32)
    told = messages(group.id, 32)
    assert sorted(int(one["sequence"]) for one in told) == list(range(1, 33))
    assert {one["data"]["person"]["handle"] for one in told[2:]} == {one.handle for one in people}


def test_a_replayed_answer_is_the_answer(api, register, found):
    group, ben = found(register("ana")), register("ben")
    path = f"/v1/groups/{group.id}/members"
    first = api.post(path, as_=ben.caller, idempotency_key="k")
    again = api.post(path, as_=ben.caller, idempotency_key="k")
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers == {**first.headers, "Idempotency-Replayed": "true"}
    assert api.post(path, {"answer": "x"}, as_=ben.caller, idempotency_key="k").problem == "idempotency-mismatch"


def test_a_refusal_is_not_replayed(api, register, found):
    ana, ben = register("ana"), register("ben")
    group = found(ana, join_policy="invite")
    path = f"/v1/groups/{group.id}/members"
    assert api.post(path, as_=ben.caller, idempotency_key="k").problem == "invitation-needed"
    api.patch(f"/v1/groups/{group.id}", {"join_policy": "open"}, as_=ana.caller)
    assert api.post(path, as_=ben.caller, idempotency_key="k").status == 201


def test_one_who_joins_many_times_at_once_is_in_once(api, register, found):
    group, ben = found(register("ana")), register("ben")
    sent = [api.send("POST", f"/v1/groups/{group.id}/members", as_=ben.caller) for _ in range(6)]
    assert sorted(api.receive(number).status for number in sent) == [201] + [409] * 5
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 2


def test_who_joins_and_erases_themselves_at_once_leaves_no_trace(api, register, found, data):
    group = found(register("ana"))
    for _ in range(5):
        ben = register("ben")
        sent = [
            api.send("POST", f"/v1/groups/{group.id}/members", as_=ben.caller),
            api.send("DELETE", "/v1/me", as_=ben.caller),
        ]
        joined, erased = (api.receive(number).status for number in sent)
        assert (joined in (201, 401), erased) == (True, 204)
        assert data.members.count_documents({"person": ben.id}) == 0
    assert api.get(f"/v1/groups/{group.id}").json()["member_count"] == 1
