"""Signing in, staying signed in and signing out, as api.md promises it and as other systems may check it."""

import time

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from commonground import eventually
from people import Door, called, done


@pytest.fixture
def sign_in(platform, person):
    """Somebody who signed in twice: both sessions."""
    ana = person("ana")
    return ana, platform.sign_in(ana.handle, ana.password)


def refresh(door, token):
    return door.post("/v1/sessions/refresh", {"refresh_token": token})


def test_an_access_token_is_verifiable_by_anybody_with_the_published_keys(http, person):
    ana = person("ana")
    published = done(http.get("/.well-known/jwks.json"), 200)
    assert not [key for key in published["keys"] if "d" in key], "no private key is published"
    keys = KeySet.import_key_set(published)
    token = jwt.decode(ana.session["access_token"], keys, algorithms=["ES256"])
    jwt.JWTClaimsRegistry(iss={"essential": True, "value": "commonground"}).validate(token.claims)
    assert token.claims["aud"] == "commonground"
    assert (token.claims["sub"], token.claims["handle"], token.claims["name"]) == (ana.id, ana.handle, ana.name)
    assert token.claims["exp"] - token.claims["iat"] == ana.session["expires_in"] == 15 * 60
    assert ana.session["token_type"] == "Bearer"


def test_a_refresh_token_gives_new_tokens_and_is_spent_by_that(http, person):
    ana = person("ana")
    fresh = done(refresh(http, ana.session["refresh_token"]), 201)
    assert fresh["refresh_token"] != ana.session["refresh_token"]
    bearer = {"Authorization": f"Bearer {fresh['access_token']}"}
    assert done(http.get("/v1/me", headers=bearer), 200)["handle"] == ana.handle
    assert done(refresh(http, fresh["refresh_token"]), 201)["person"]["id"] == ana.id


def test_a_spent_refresh_token_used_again_ends_the_whole_session(http, sign_in):
    ana, elsewhere = sign_in
    fresh = done(refresh(http, ana.session["refresh_token"]), 201)
    assert refresh(http, ana.session["refresh_token"]).status == 401
    assert refresh(http, fresh["refresh_token"]).status == 401
    assert refresh(http, elsewhere.session["refresh_token"]).status == 201, "another session goes on"


def test_a_new_password_ends_all_other_sessions(http, sign_in):
    ana, elsewhere = sign_in
    wrong = ana.put("/v1/me/password", {"current": "something else", "new": "kittens and bacon"})
    assert wrong.status in (401, 403)
    assert ana.put("/v1/me/password", {"current": ana.password, "new": "kittens and bacon"}).status == 204
    assert refresh(http, elsewhere.session["refresh_token"]).status == 401
    assert refresh(http, ana.session["refresh_token"]).status == 201
    assert http.post("/v1/sessions", {"handle": ana.handle, "password": ana.password}).status == 401
    assert http.post("/v1/sessions", {"handle": ana.handle, "password": "kittens and bacon"}).status == 201


def test_an_api_token_may_do_what_its_scopes_say_until_it_is_deleted(http, person):
    ana = person("ana")
    made = done(ana.post("/v1/tokens", {"name": "newsletter", "scopes": ["read"], "expires_in_days": 1}), 201)
    secret = next(value for value in made.values() if str(value).startswith("cg_"))
    system = Door(http.connections, {"Authorization": f"Bearer {secret}"})
    assert done(system.get("/v1/me"), 200)["handle"] == ana.handle
    refused = system.post("/v1/groups", {"name": "Kittens", "interests": ["kittens"], "scope": "virtual"})
    assert (refused.status, refused.problem) == (403, "not-allowed")
    assert secret not in str(ana.items("/v1/tokens")), "it is shown once"
    assert ana.delete(f"/v1/tokens/{made['id']}").status == 204
    assert ana.items("/v1/tokens") == []


def test_nobody_sees_of_another_what_is_their_own(http, person):
    place = {"name": "Washington", "country": "US", "location": {"lat": 38.9072, "lon": -77.0369}}
    new = called("ana") | {"email": "ana@example.org", "place": place, "time_zone": "America/New_York"}
    done(http.post("/v1/people", new), 201)
    ben = person("ben")
    seen = done(ben.get(f"/v1/people/{new['handle']}"), 200)
    assert seen["place"] == {"name": "Washington", "country": "US"}
    assert set(seen) == {
        *("id", "handle", "display_name", "about", "background", "interests", "place", "joined_at"),
    }


def test_who_erases_themselves_is_gone_everywhere(http, person, platform):
    ana, ben = person("ana"), person("ben")
    group = ana.founds()
    event = ana.schedules(group, capacity=1)
    ben.joins(group)
    ben.answers(event)
    assert ben.delete("/v1/me").status == 204
    assert http.get(f"/v1/people/{ben.handle}").status == 404
    assert http.post("/v1/sessions", {"handle": ben.handle, "password": ben.password}).status == 401
    assert [one["person"]["handle"] for one in ana.items(f"/v1/groups/{group['id']}/members")] == [ana.handle]
    eventually(lambda: ana.items(f"/v1/events/{event['id']}/rsvps") == [], "the events service forgetting Ben")
    assert ana.get(f"/v1/events/{event['id']}").json()["seats_taken"] == 0
    eventually(platform.is_quiet, "all services hearing of it")
    eventually(lambda: ben.handle not in str(ana.inbox()), "the inbox forgetting Ben")


def test_signing_out_ends_the_refresh_token_at_once_and_access_within_60_seconds(http, signed_out):
    eve, at = signed_out
    assert refresh(http, eve.session["refresh_token"]).status == 401
    left = at + 60 - time.monotonic()
    answer = eventually(lambda: (found := eve.get("/v1/me")).status == 401 and found, "access ending", left)
    assert answer.problem == "authentication-required"
    assert eve.post("/v1/groups", {}).status == 401
