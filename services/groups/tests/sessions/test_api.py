"""Signing in and out, over the wire."""

import json
from base64 import urlsafe_b64decode

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from chassis.api_client import Person
from groups.sessions.model import hash_of

PASSWORD = "correct horse battery"


@pytest.fixture
def sign_in(api):
    """Sign somebody in; gives what they got."""

    def sign_in(person, password=PASSWORD):
        answer = api.post("/v1/sessions", {"handle": person.handle, "password": password})
        assert answer.status == 201, answer.body
        return answer.json()

    return sign_in


def session_of(tokens):
    claims = tokens["access_token"].split(".")[1]
    return json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sid"]


def test_signing_in_gives_tokens_and_oneself(api, register, sign_in):
    ana = register()
    tokens = sign_in(ana)
    assert tokens["person"] == ana.profile
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    keys = KeySet.import_key_set(api.contract()["identity"]["jwks"])
    claims = jwt.decode(tokens["access_token"], keys).claims
    assert (claims["sub"], claims["handle"], claims["name"]) == (ana.id, ana.handle, "Ana")


def test_a_wrong_password_and_an_unknown_handle_get_the_same_answer(api, register):
    ana = register()
    wrong = api.post("/v1/sessions", {"handle": ana.handle, "password": "wrong horse battery"})
    unknown = api.post("/v1/sessions", {"handle": "nobody_at_all", "password": PASSWORD})
    for answer in (wrong, unknown):
        assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert {**wrong.json(), "instance": 0} == {**unknown.json(), "instance": 0}


@pytest.mark.parametrize(
    "body", [{}, {"handle": "ana"}, {"handle": "ana", "password": ""}, {"handle": 1, "password": "x"}]
)
def test_credentials_that_are_none_are_422(api, body):
    assert api.post("/v1/sessions", body).problem == "invalid"


def test_a_session_goes_on_with_new_tokens(api, register, sign_in):
    ana = register()
    first = sign_in(ana)
    second = api.post("/v1/sessions/refresh", {"refresh_token": first["refresh_token"]})
    assert second.status == 201
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert session_of(second.json()) == session_of(first)
    assert api.post("/v1/sessions/refresh", {"refresh_token": second.json()["refresh_token"]}).status == 201


def test_a_spent_token_used_again_ends_the_whole_session(api, register, sign_in, introspect, data):
    ana = register()
    first, other = sign_in(ana), sign_in(ana)
    second = api.post("/v1/sessions/refresh", {"refresh_token": first["refresh_token"]}).json()
    again = api.post("/v1/sessions/refresh", {"refresh_token": first["refresh_token"]})
    assert (again.status, again.problem) == (401, "authentication-required")
    assert api.post("/v1/sessions/refresh", {"refresh_token": second["refresh_token"]}).status == 401
    assert introspect(session=session_of(first))["active"] is False
    assert introspect(session=session_of(other))["active"] is True


def test_also_with_a_key_a_spent_token_ends_the_session(api, register, sign_in, introspect):
    first = sign_in(register())
    api.post("/v1/sessions/refresh", {"refresh_token": first["refresh_token"]})
    api.post("/v1/sessions/refresh", {"refresh_token": first["refresh_token"]}, idempotency_key="thief")
    assert introspect(session=session_of(first))["active"] is False


def test_of_two_who_use_a_token_at_once_one_at_most_goes_on_and_the_session_ends(api, register, sign_in, introspect):
    first = sign_in(register())
    sent = [api.send("POST", "/v1/sessions/refresh", {"refresh_token": first["refresh_token"]}) for _ in range(2)]
    assert sorted(api.receive(number).status for number in sent) == [201, 401]
    assert introspect(session=session_of(first))["active"] is False


def test_a_refresh_repeated_with_its_key_answers_the_same_and_ends_nothing(api, register, sign_in, introspect):
    first = sign_in(register())
    body = {"refresh_token": first["refresh_token"]}
    answers = [api.post("/v1/sessions/refresh", body, idempotency_key="lost-answer") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert introspect(session=session_of(first))["active"] is True


@pytest.mark.parametrize("token", ["cgr_unknown", "x", "{}"])
def test_an_unknown_refresh_token_is_refused(api, token):
    assert api.post("/v1/sessions/refresh", {"refresh_token": token}).problem == "authentication-required"


def test_the_database_holds_no_token_that_somebody_could_use(api, register, sign_in, data):
    tokens = sign_in(register())
    assert data.refresh_tokens.find_one({"_id": hash_of(tokens["refresh_token"])})
    for name in data.list_collection_names():
        for document in data[name].find():
            assert tokens["refresh_token"] not in str(document)
            assert tokens["access_token"] not in str(document)


def test_signing_out_ends_the_session_and_its_refresh_token(api, register, sign_in, introspect):
    ana = register()
    tokens = sign_in(ana)
    caller = Person(ana.id, ana.handle, "Ana", session=session_of(tokens))
    assert api.delete("/v1/sessions/current", as_=caller).status == 204
    assert introspect(session=session_of(tokens)) == {"active": False, "caller": None, "expires_at": None}
    assert api.post("/v1/sessions/refresh", {"refresh_token": tokens["refresh_token"]}).status == 401
    assert api.delete("/v1/sessions/current", as_=caller).status == 204


def test_an_api_token_has_no_session_to_end(api, register):
    ana = register()
    caller = Person(ana.id, ana.handle, "Ana", session=None)
    assert api.delete("/v1/sessions/current", as_=caller).problem == "not-allowed"


def test_a_new_password_ends_all_other_sessions(api, register, sign_in, introspect):
    ana = register()
    here, there = session_of(sign_in(ana)), session_of(sign_in(ana))
    caller = Person(ana.id, ana.handle, "Ana", session=here)
    new = "another horse battery"
    assert api.put("/v1/me/password", {"current": PASSWORD, "new": new}, as_=caller).status == 204
    assert introspect(session=here)["active"] is True
    assert introspect(session=there)["active"] is False
    assert api.post("/v1/sessions", {"handle": ana.handle, "password": PASSWORD}).status == 401
    sign_in(ana, new)


def test_no_session_that_began_by_the_old_password_outlives_its_change(api, register, sign_in, data):
    for number in range(3):
        ana = register()
        here = session_of(sign_in(ana))
        caller = Person(ana.id, ana.handle, "Ana", session=here)
        old = {"handle": ana.handle, "password": PASSWORD}
        new = {"current": PASSWORD, "new": "another horse battery"}
        sent = [api.send("POST", "/v1/sessions", old, seconds=20) for _ in range(1 + number)]
        changing = api.send("PUT", "/v1/me/password", new, as_=caller, seconds=20)
        sent += [api.send("POST", "/v1/sessions", old, seconds=20) for _ in range(10)]
        assert {api.receive(one, 20).status for one in sent} <= {201, 401}
        assert api.receive(changing, 20).status == 204
        assert [one["_id"] for one in data.sessions.find({"person": ana.id})] == [here]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"current": "wrong horse battery", "new": "another horse battery"}, "not-allowed"),
        ({"current": PASSWORD, "new": "short"}, "invalid"),
        ({"new": "another horse battery"}, "invalid"),
    ],
)
def test_a_change_of_the_password_that_is_refused_changes_nothing(api, register, sign_in, introspect, body, problem):
    ana = register()
    session = session_of(sign_in(ana))
    assert api.put("/v1/me/password", body, as_=ana.caller).problem == problem
    assert introspect(session=session)["active"] is True
    sign_in(ana)


def test_the_gateway_learns_whom_a_session_is_of(register, sign_in, introspect):
    ana = register()
    session = session_of(sign_in(ana))
    told = introspect(session=session)
    assert told["caller"] == {
        "id": ana.id,
        "handle": ana.handle,
        "display_name": "Ana",
        "scopes": ["read", "write", "subscribe"],
        "session": session,
    }
