"""A list takes one indexed query and one for what its items name, however many there are and whatever the page.

Where it is about a group, a look at the group comes first: whether the caller may know of it. Each query uses an index: see
test_indexes.
"""

from types import SimpleNamespace

import pytest

from chassis.contract import contract_of
from groups.service import Groups

MANY = 4
GROUP, PEOPLE = "aggregate groups", "query people"
STEPS = {
    "/v1/interests": ["query interest_changes", "query interests"],
    "/v1/groups?interest={interest}": ["aggregate groups", "query members"],
    "/v1/groups?interest={interest}&sort=newest": ["aggregate groups", "query members"],
    "/v1/groups?q={interest}&sort=largest": ["aggregate groups", "query members"],
    "/v1/groups/{group}/members": [GROUP, "query members", PEOPLE],
    "/v1/groups/{group}/invitations": [GROUP, "query invitations"],
    "/v1/groups/{group}/asks": [GROUP, "query asks", PEOPLE],
    "/v1/groups/{group}/reports": [GROUP, "query reports", PEOPLE],
    "/v1/groups/{group}/audit": [GROUP, "query audit", PEOPLE],
    "/v1/asks/{ask}/offers": ["query asks", GROUP, "query offers", PEOPLE],
    "/v1/me/groups": ["query members", "query groups"],
    "/v1/tokens": ["query tokens"],
    "/v1/watches": ["query watches", "query demand"],
    "/v1/demand": ["query service_changes", "query demand"],
}
BOUNDED = {
    # Whom one knows, their groups, and one look for each way to find some; the page is cut from what they find.
    "/v1/me/suggestions": 15,
    # Who looks from where; the nearest local and regional ones, those in the metre in which the page ends; national ones;
    # what one is in them.
    "/v1/groups?interest={interest}&near=38.9,-77": 7,
    # The same for those who share several interests, and those who share one.
    "/v1/groups?interest={interest}&interest=b&near=38.9,-77&match=any": 8,
}


def is_list(route):
    """Whether an operation of the OpenAPI document takes a `limit`."""
    return "limit" in str(route.get("get", {}).get("parameters"))


@pytest.fixture(scope="module")
def topic():
    return "lists of whiskers"


@pytest.fixture
def stage(api, register, found, topic, data):
    """A group, and of everything that is listed so many that a page is less than all."""
    place = {"name": "Washington", "country": "US", "location": {"lat": 38.9, "lon": -77.0}}
    ana, ben = register("ana", place=place, interests=[topic]), register("ben")

    def do(path, body, who=ana):
        answer = api.post(path, body, as_=who.caller)
        assert answer.status == 201, answer.body
        return answer.json()

    group = found(ana, interests=[topic, "b"], scope="local", place=place)
    for number in range(MANY):
        someone = register("eve")
        do(f"/v1/groups/{group.id}/members", {}, someone)
        do("/v1/reports", {"subject": {"type": "group", "id": group.id}, "reason": "Rude."}, someone)
        do(f"/v1/groups/{group.id}/invitations", {})
        do("/v1/tokens", {"name": "bot", "scopes": ["read"]})
        do("/v1/watches", {"interests": [topic, f"n{number}"]})
        do("/v1/groups", {"name": "Another", "interests": [topic], "scope": "local", "place": place}, ben)
        do("/v1/groups", {"name": "Own", "interests": [topic], "scope": "virtual"})
        ask = do(f"/v1/groups/{group.id}/asks", {"title": "Help me", "kind": "other"}, someone)
    for _ in range(MANY):
        do(f"/v1/asks/{ask['id']}/offers", {"body": "I can."})
    api.get("/v1/interests")
    data.service_changes.delete_many({})
    return SimpleNamespace(who=ana.caller, group=group.id, ask=ask["id"], interest=topic.replace(" ", "%20"))


def test_of_every_list_it_stands_here_what_it_takes():
    document = contract_of(Groups)["openapi"]
    lists = {path for path, operations in document["paths"].items() if is_list(operations)}
    assert lists == {one.partition("?")[0] for one in (*STEPS, *BOUNDED)}


def test_a_list_takes_the_same_few_queries_whatever_the_page(api, stage, steps):
    for wanted, expected in {**STEPS, **BOUNDED}.items():
        path = wanted.format(**vars(stage))
        ask = path + ("&" if "?" in path else "?")
        first = api.get(f"{ask}limit=1", as_=stage.who)
        assert first.status == 200, first.body
        assert first.json()["next"], wanted
        for page in ("limit=1", "limit=100", f"limit=1&cursor={first.json()['next']}"):
            # What the service does of its own accord at the same time is not always the same.
            for _ in range(3):
                taken = steps(lambda ask=ask, page=page: api.get(ask + page, as_=stage.who))
                if fits := len(taken) <= expected if isinstance(expected, int) else taken == expected:
                    break
            assert fits, (wanted, page, len(taken), expected)
