"""Every endpoint, as everybody: what each may see and do, and that a private group shows nowhere to who is not in it.

An endpoint that the service's contract has, and of which nothing stands here, fails a test.
"""

import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest

from chassis.api_client import Person
from chassis.contract import contract_of
from groups.service import Groups

ROUTES = {f"{one['method']} {one['path']}": one for one in contract_of(Groups)["routes"]}
MARK = "quietly hidden"

WHO = ("anyone", "stranger", "pending", "banned", "member", "moderator", "organizer")
OUTSIDE = WHO[:4]
ALL = (200,) * 7
MEMBERS = (401, 403, 403, 403, 200, 200, 200)
WRITING = (401, 403, 403, 403, 201, 201, 201)
MODERATORS = (401, 403, 403, 403, 403, 200, 200)
ORGANIZERS = (401, 403, 403, 403, 403, 403, 200)

IN_GROUP = {
    "GET /v1/groups/{group}": (None, ALL),
    "PATCH /v1/groups/{group}": ({"summary": "x"}, ORGANIZERS),
    "DELETE /v1/groups/{group}": (None, (401, 403, 403, 403, 403, 403, 204)),
    "POST /v1/groups/{group}/members": ({}, (401, 202, 409, 403, 409, 409, 409)),
    "GET /v1/groups/{group}/members": (None, ALL),
    "PATCH /v1/groups/{group}/members/{handle}": ({"role": "moderator"}, ORGANIZERS),
    "DELETE /v1/groups/{group}/members/{handle}": (None, (401, 403, 403, 403, 403, 204, 204)),
    "POST /v1/groups/{group}/invitations": ({}, (401, 403, 403, 403, 403, 201, 201)),
    "GET /v1/groups/{group}/invitations": (None, MODERATORS),
    "DELETE /v1/groups/{group}/invitations/{invitation}": (None, (401, 403, 403, 403, 403, 204, 204)),
    "POST /v1/groups/{group}/promotions": ({"text": "Come!"}, (401, 403, 403, 403, 403, 403, 202)),
    "POST /v1/groups/{group}/asks": ({"title": "Help me", "kind": "other"}, WRITING),
    "GET /v1/groups/{group}/asks": (None, MEMBERS),
    "GET /v1/asks/{ask}": (None, MEMBERS),
    "PATCH /v1/asks/{ask}": ({"status": "resolved"}, MODERATORS),
    "POST /v1/asks/{ask}/offers": ({"body": "I can."}, WRITING),
    "GET /v1/asks/{ask}/offers": (None, MEMBERS),
    "POST /v1/reports": (
        lambda stage: {"subject": {"type": "ask", "id": stage.ask}, "reason": "Rude."},
        (401, 403, 403, 403, 201, 201, 201),
    ),
    "GET /v1/groups/{group}/reports": (None, MODERATORS),
    "PATCH /v1/reports/{report}": ({"status": "acted"}, (401, 404, 404, 404, 404, 200, 200)),
    "GET /v1/groups/{group}/audit": (None, ORGANIZERS),
}
"""What is sent, and the status for each of WHO, where the group is public and takes members by approval."""

NOT_LISTED = {
    "GET /v1/groups/{group}/members": (403, 403, 403, 403, 200, 200, 200),
    "POST /v1/groups/{group}/promotions": (401, 403, 403, 403, 403, 403, 409),
}
"""Where it differs for a group that is not public. To those outside a private one, there is no group at all."""

ELSEWHERE = {
    "POST /v1/people": ({}, 422, 422),
    "GET /v1/people/{handle}": (None, 200, 200),
    "GET /v1/people/{handle}/common-ground": (None, 401, 200),
    "GET /v1/me": (None, 401, 200),
    "PATCH /v1/me": ({"about": "x"}, 401, 200),
    "DELETE /v1/me": (None, 401, 204),
    "GET /v1/me/export": (None, 401, 200),
    "GET /v1/me/groups": (None, 401, 200),
    "GET /v1/me/suggestions": (None, 401, 200),
    "PUT /v1/me/password": ({}, 401, 422),
    "POST /v1/sessions": ({}, 422, 422),
    "POST /v1/sessions/refresh": ({}, 422, 422),
    "DELETE /v1/sessions/current": (None, 401, 204),
    "POST /v1/tokens": ({}, 401, 422),
    "GET /v1/tokens": (None, 401, 200),
    "DELETE /v1/tokens/{token}": (None, 401, 404),
    "GET /v1/interests": (None, 200, 200),
    "POST /v1/groups": ({}, 401, 422),
    "GET /v1/groups": (None, 200, 200),
    "POST /v1/watches": ({}, 401, 422),
    "GET /v1/watches": (None, 401, 200),
    "DELETE /v1/watches/{watch}": (None, 401, 404),
    "GET /v1/demand": (None, 200, 200),
}
"""What is sent, and the status for who has not signed in and for who has."""

LISTS = [route for route in ROUTES if route.startswith("GET") and route in ELSEWHERE]
QUERIES = {
    "GET /v1/groups": ["", f"interest={MARK}&match=any", f"q={MARK}", f"q={MARK}&widen=true", f"interest={MARK}"],
    "GET /v1/interests": ["limit=100", f"prefix={MARK}"],
    "GET /v1/demand": ["limit=100", f"interest={MARK}"],
}
NOTHING = {"group": "grp_0", "ask": "ask_0", "report": "rep_0", "invitation": "inv_0"}
"""Ids of what is not there."""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def people(service):
    """One person for each of WHO but anyone, and Dora, another member: `people.member`."""

    def register(name):
        handle = f"{name}_{next(_numbers)}"
        given = {"handle": handle, "display_name": name.title(), "password": "correct horse battery"}
        answer = service.api.post("/v1/people", given)
        assert answer.status == 201, answer.body
        return Person(answer.json()["id"], handle, name.title(), session="ses_test")

    return SimpleNamespace(anyone=None, **{name: register(name) for name in (*WHO[1:], "dora")})


@pytest.fixture(scope="module")
def stages():
    return {}


@pytest.fixture
def staged(api, people, stages):
    """A group of this visibility in which each of WHO is what they are called: `staged("private")`.

    Tests share it; `staged("private", anew=True)` makes another one, after somebody changed the last.
    """

    def do(method, path, who, body=None):
        answer = api.call(method, path, body, as_=getattr(people, who))
        assert answer.status < 300, (method, path, answer.body)
        return answer.json() if answer.body else None

    def make(visibility):
        wanted = {"name": f"{MARK} {next(_numbers)}", "interests": [MARK, "b"], "scope": "virtual"}
        # Not public at any time, for what is private: what it once showed is not what is asked here.
        group = do(
            "POST",
            "/v1/groups",
            "organizer",
            {**wanted, "visibility": "public" if visibility == "public" else "unlisted"},
        )
        path = f"/v1/groups/{group['id']}"
        for name in ("member", "moderator", "banned", "dora"):
            do("POST", f"{path}/members", name, {})
        do("PATCH", f"{path}/members/{people.moderator.handle}", "organizer", {"role": "moderator"})
        do("DELETE", f"{path}/members/{people.banned.handle}?ban=true", "organizer")
        do("PATCH", path, "organizer", {"join_policy": "approval"})
        do("POST", f"{path}/members", "pending", {})
        ask = do("POST", f"{path}/asks", "dora", {"title": "Help", "kind": "hands"})
        about = {"subject": {"type": "group", "id": group["id"]}, "reason": "Rude."}
        report = do("POST", "/v1/reports", "dora", about)
        invitation = do("POST", f"{path}/invitations", "organizer", {})
        if visibility == "private":
            do("PATCH", path, "organizer", {"visibility": "private"})
        ids = {"group": group["id"], "handle": people.dora.handle, "ask": ask["id"]}
        ids |= {"report": report["id"], "invitation": invitation["id"]}
        return SimpleNamespace(**ids, slug=group["slug"], name=group["name"], ids=ids)

    def staged(visibility, anew=False):
        if anew or visibility not in stages:
            stages[visibility] = make(visibility)
        return stages[visibility]

    return staged


def expected(route, visibility):
    """The status that each of WHO gets of an endpoint about a group."""
    statuses = IN_GROUP[route][1] if visibility == "public" else NOT_LISTED.get(route, IN_GROUP[route][1])
    if visibility != "private":
        return statuses
    nobody = 401 if ROUTES[route]["access"] != "anyone" else 404
    return (nobody, 404, 404, 404, *statuses[4:])


def test_of_every_endpoint_it_stands_here_what_each_may_do():
    assert set(ROUTES) <= set(IN_GROUP) | set(ELSEWHERE)
    assert not set(IN_GROUP) & set(ELSEWHERE)


@pytest.mark.parametrize("visibility", ["public", "unlisted", "private"])
@pytest.mark.parametrize("route", [route for route in IN_GROUP if route in ROUTES])
def test_each_may_do_in_a_group_what_is_theirs_and_no_more(api, people, staged, route, visibility):
    method, path = route.split()
    body = IN_GROUP[route][0]
    stage, answers = staged(visibility), []
    for who in WHO:
        given = body(stage) if callable(body) else body
        answer = api.call(method, path.format(**stage.ids), given, as_=getattr(people, who))
        answers.append(answer.status)
        if who in OUTSIDE and visibility == "private":
            assert stage.name not in str(answer.body), who
        if method != "GET" and answer.status < 300:
            stage = staged(visibility, anew=True)
    assert tuple(answers) == expected(route, visibility)


@pytest.mark.parametrize("route", [route for route in IN_GROUP if route in ROUTES])
def test_a_private_group_takes_the_same_steps_as_none(api, people, staged, steps, route):
    """So it takes as long: how long a 404 takes does not tell whether there is something."""
    private = staged("private")
    method, path = route.split()
    body = IN_GROUP[route][0]
    nothing = SimpleNamespace(ids={name: NOTHING.get(name, value) for name, value in private.ids.items()}, ask="ask_0")

    def taken(stage, who):
        given = body(stage) if callable(body) else body
        return steps(lambda: api.call(method, path.format(**stage.ids), given, as_=getattr(people, who)))

    for who in ("stranger", "pending", "banned"):
        for _ in range(3):  # What the service does of its own accord meanwhile may be in one and not in the other.
            of_private, of_none = taken(private, who), taken(nothing, who)
            if of_private == of_none:
                break
        assert of_private == of_none, who
        assert of_none


@pytest.mark.parametrize("route", [route for route in ELSEWHERE if route in ROUTES])
def test_what_is_ones_own_needs_signing_in(api, register, people, route):
    body, anyone, signed_in = ELSEWHERE[route]
    method, path = route.split()
    path = path.format(handle=people.organizer.handle, token="tok_0", watch="wch_0")
    assert api.call(method, path, body).status == anyone
    assert api.call(method, path, body, as_=register("eve").caller).status == signed_in


@pytest.mark.parametrize("route", list(ROUTES))
def test_an_api_token_does_what_its_scopes_say_at_every_endpoint(api, people, route):
    method, path = route.split()
    needed = "read" if method == "GET" else "write"
    others = tuple({"read", "write", "subscribe"} - {needed})
    token = replace(people.organizer, scopes=others, session=None)
    path = path.format(**dict.fromkeys(("group", "handle", "ask", "report", "invitation", "token", "watch"), "x"))
    answer = api.call(method, path, {} if method in ("POST", "PUT", "PATCH") else None, as_=token)
    assert (answer.status, answer.problem) == (403, "not-allowed")
    assert needed in answer.json()["detail"]


@pytest.mark.parametrize("visibility", ["private", "unlisted"])
def test_what_is_not_public_is_in_no_list_of_who_is_not_in_it(api, people, staged, visibility):
    stage = staged(visibility)
    for route in LISTS:
        path = route.split()[1].format(handle=people.organizer.handle)
        for query, who in itertools.product(QUERIES.get(route, [""]), OUTSIDE):
            if who == "anyone" and ROUTES[route]["access"] != "anyone":
                continue
            if route == "GET /v1/me/export" and visibility == "unlisted" and who in ("pending", "banned"):
                continue  # Who asked to join it, or was in it, knows where it is.
            answer = api.get(path + ("?" + query.replace(" ", "%20") if query else ""), as_=getattr(people, who))
            assert answer.status == 200, (route, answer.body)
            for trace in (stage.group, stage.slug, stage.name):
                assert trace not in answer.body.decode(), (route, query, who)


def test_a_group_of_the_same_name_does_not_tell_of_a_private_one(api, people, found, register):
    name = f"The very same name {next(_numbers)}"
    eve = register("eve")
    found(register("ana"), name=name, visibility="private")
    first = found(eve, name=name)
    assert first.slug == name.lower().replace(" ", "-")


def test_nothing_that_happens_in_a_private_group_is_for_the_public(api, people, staged, messages):
    stage = staged("private", anew=True)
    path = f"/v1/groups/{stage.group}"
    code = api.post(f"{path}/invitations", {}, as_=people.organizer).json()["code"]
    assert api.post(f"{path}/members", {"invitation": code}, as_=people.stranger).status == 201
    assert api.delete(f"{path}/members/{people.stranger.handle}", as_=people.moderator).status == 204
    assert api.delete(f"{path}/members/{people.pending.handle}", as_=people.moderator).status == 204
    assert api.post(f"/v1/asks/{stage.ask}/offers", {"body": "I can."}, as_=people.member).status == 201
    told = [*messages(stage.group, 14), *messages(stage.ask, 2)]
    assert {one["audience"] for one in told} == {"group"}


def test_a_private_group_serves_no_demand_that_others_see(api, register, found):
    interests = [f"demand {next(_numbers)}", "b"]
    found(register("ana"), visibility="private", interests=interests)
    eve = register("eve")
    assert api.post("/v1/watches", {"interests": interests}, as_=eve.caller).json()["watchers"] == 1
    (wanted,) = api.get("/v1/demand", params={"interest": interests}).json()["items"]
    assert (sorted(wanted["interests"]), wanted["watchers"]) == (sorted(interests), 1)
    assert api.get("/v1/groups", params={"interest": interests}).json()["nobody_yet"]["watchers"] == 1
