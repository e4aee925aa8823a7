"""API tokens, over the wire."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.api_client import Person


def test_a_token_is_shown_once_and_kept_by_its_hash(api, register, data):
    ana = register()
    made = api.post("/v1/tokens", {"name": "bot", "scopes": ["read", "read"], "expires_in_days": 1}, as_=ana.caller)
    assert made.status == 201
    token = made.json()
    secret = token.pop("token")
    assert secret.startswith("cg_")
    assert token["scopes"] == ["read"]
    assert api.get("/v1/tokens", as_=ana.caller).json() == {"items": [token], "next": None}
    assert secret not in str(list(data.tokens.find()))


def test_the_gateway_learns_what_a_token_is_allowed(api, register, introspect):
    ana = register()
    token = api.post(
        "/v1/tokens", {"name": "bot", "scopes": ["subscribe"], "expires_in_days": 7}, as_=ana.caller
    ).json()
    told = introspect(token=token["token"])
    caller = {"id": ana.id, "handle": ana.handle, "display_name": "Ana", "scopes": ["subscribe"], "session": None}
    assert told == {"active": True, "caller": caller, "expires_at": token["expires_at"]}


def test_a_deleted_token_does_not_hold_any_more(api, register, introspect):
    ana = register()
    token = api.post("/v1/tokens", {"name": "bot", "scopes": ["read"]}, as_=ana.caller).json()
    assert api.delete(f"/v1/tokens/{token['id']}", as_=ana.caller).status == 204
    assert introspect(token=token["token"])["active"] is False
    assert api.delete(f"/v1/tokens/{token['id']}", as_=ana.caller).problem == "not-found"


def test_an_expired_token_does_not_hold_any_more(api, register, introspect, data):
    ana = register()
    token = api.post("/v1/tokens", {"name": "bot", "scopes": ["read"], "expires_in_days": 1}, as_=ana.caller).json()
    past = datetime.now(UTC) - timedelta(seconds=1)
    data.tokens.update_one({"_id": token["id"]}, {"$set": {"expires_at": past}})
    assert introspect(token=token["token"])["active"] is False


@pytest.mark.parametrize("token", ["cg_unknown", "x", ""])
def test_what_is_no_token_does_not_hold(introspect, token):
    assert introspect(token=token).get("active", False) is False


def test_nobody_sees_or_ends_the_tokens_of_others(api, register, introspect):
    ana, ben = register("ana"), register("ben")
    token = api.post("/v1/tokens", {"name": "bot", "scopes": ["read"]}, as_=ana.caller).json()
    assert api.get("/v1/tokens", as_=ben.caller).json()["items"] == []
    assert api.delete(f"/v1/tokens/{token['id']}", as_=ben.caller).problem == "not-found"
    assert introspect(token=token["token"])["active"] is True


def test_tokens_are_listed_in_pages(api, register):
    ana = register()
    made = [
        api.post("/v1/tokens", {"name": f"bot {n}", "scopes": ["read"]}, as_=ana.caller).json()["id"] for n in range(5)
    ]
    listed, cursor = [], None
    while True:
        page = api.get(
            "/v1/tokens", as_=ana.caller, params={"limit": 2} | ({"cursor": cursor} if cursor else {})
        ).json()
        listed += [one["id"] for one in page["items"]]
        if (cursor := page["next"]) is None:
            break
    assert listed == made


def test_a_token_cannot_make_another(api, register, data):
    ana = register()
    caller = Person(ana.id, ana.handle, "Ana", scopes=("read", "write"), session=None)
    answer = api.post("/v1/tokens", {"name": "bot", "scopes": ["read", "write", "subscribe"]}, as_=caller)
    assert (answer.status, answer.problem) == (403, "not-allowed")
    assert data.tokens.count_documents({"person": ana.id}) == 0


def test_a_token_that_may_only_read_changes_nothing(api, register):
    ana = register()
    caller = Person(ana.id, ana.handle, "Ana", scopes=("read",), session=None)
    assert api.patch("/v1/me", {"about": "x"}, as_=caller).problem == "not-allowed"
    assert api.get("/v1/me", as_=caller).json() == ana.profile


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["read"]},
        {"name": "", "scopes": ["read"]},
        {"name": "bot"},
        {"name": "bot", "scopes": []},
        {"name": "bot", "scopes": ["admin"]},
        {"name": "bot", "scopes": ["read"], "expires_in_days": 0},
        {"name": "bot", "scopes": ["read"], "expires_in_days": "7"},
    ],
)
def test_a_token_that_is_not_well_described_is_not_made(api, register, data, body):
    ana = register()
    assert api.post("/v1/tokens", body, as_=ana.caller).problem == "invalid"
    assert data.tokens.count_documents({"person": ana.id}) == 0
