"""Signing in, staying signed in and signing out, as api.md promises it and as other systems may check it."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from chassis.testing import SERVICES
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


ONLY_AN_ID = {("events", "people"), ("notifications", "forgotten")}
"""Where the id of somebody who left stays, and nothing else of them: a message that comes late must not bring them back."""


def lives(person, ana, ben):
    """Have a person do, and be in, whatever there is, in a group of Ana's and in one of their own."""
    group = ana.founds(interests=["kittens", f"tails {ana.handle}"])
    own = person.founds(interests=["kittens", f"tails {ana.handle}"])
    for someone in (person, ben):
        someone.joins(group)
    ben.joins(own)
    start = datetime.now(UTC) + timedelta(minutes=30)
    soon = {"starts_at": f"{start:%Y-%m-%dT%H:%M}", "ends_at": f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M}"}
    theirs = ana.schedules(group, **soon, time_zone="UTC", capacity=1)
    for who, event in ((person, theirs), (ben, theirs), (person, person.schedules(own)), (ben, person.schedules(own))):
        who.answers(event)
    done(ana.post(f"/v1/events/{theirs['id']}/check-ins", {"handle": person.handle}), 201)
    done(person.patch("/v1/me", {"about": f"Herself, {person.handle}", "icebreakers": True}), 200)
    done(person.post("/v1/watches", {"interests": ["kittens", f"whiskers {ana.handle}"]}), 201)
    done(person.post(f"/v1/groups/{own['id']}/promotions", {"text": "Come!"}), 202)
    done(person.post("/v1/tokens", {"name": "bot", "scopes": ["read"]}), 201)
    done(person.post("/v1/me/calendar"), 201)
    for asker, helper in ((person, ana), (ana, person)):
        ask = done(asker.post(f"/v1/groups/{group['id']}/asks", {"title": "A vet?", "kind": "advice"}), 201)
        done(helper.post(f"/v1/asks/{ask['id']}/offers", {"body": "Mine."}), 201)
        done(asker.patch(f"/v1/asks/{ask['id']}", {"status": "resolved", "thanked": [helper.handle]}), 200)
    for reporter, reported in ((person, ben), (ben, person)):
        about = {"type": "person", "id": reported.handle}
        done(reporter.post("/v1/reports", {"subject": about, "reason": "Loud.", "group": group["id"]}), 201)
    done(ana.patch(f"/v1/groups/{group['id']}/members/{person.handle}", {"role": "moderator"}), 200)
    done(person.get("/v1/inbox"), 200)
    return group, own, theirs


def test_who_erases_themselves_is_gone_everywhere(http, person, platform):
    ana, ben = person("ana"), person("ben")
    email = f"{ana.handle}.dora@example.org"
    place = {"name": f"Home of {email}", "country": "US", "location": {"lat": 38.9072, "lon": -77.0369}}
    dora = person("dora", email=email, place=place, display_name=f"Dora {ana.handle}", interests=["kittens"])
    group, own, event = lives(dora, ana, ben)
    platform.wait_quiet()
    eventually(lambda: dora.handle in str(ana.inbox()), "Ana hearing of Dora")
    marks = [dora.id, dora.handle, dora.name, email, place["name"]]
    assert {name for name in SERVICES if kept(platform, name, marks)} == set(SERVICES)

    assert dora.delete("/v1/me").status == 204
    assert http.get(f"/v1/people/{dora.handle}").status == 404
    assert http.post("/v1/sessions", {"handle": dora.handle, "password": dora.password}).status == 401
    assert dora.handle not in str(ana.items(f"/v1/groups/{group['id']}/members"))
    assert done(ben.get(f"/v1/groups/{own['id']}"), 200)["organizers"] == [ben.handle]
    eventually(lambda: dora.handle not in str(ana.items(f"/v1/events/{event['id']}/rsvps")), "events forgetting Dora")
    assert done(ben.get(f"/v1/events/{event['id']}"), 200)["viewer"]["status"] == "going", "the seat is Ben's"
    platform.wait_quiet()
    for service in SERVICES:
        for collection, mark, document in kept(platform, service, marks):
            if collection == "letters" and document["type"] == "commonground.groups.person.erased.v1":
                continue  # other systems are told that Dora is gone, and nothing else
            assert mark == dora.id, (service, collection, mark, document)
            assert (service, collection) in ONLY_AN_ID, (service, collection, document)


def kept(platform, service, marks):
    """What a service holds in which any of these marks stands: `(collection, mark, document)` for each."""
    store = platform.store(service)
    return [
        (name, mark, document)
        for name in store.list_collection_names()
        for document in store[name].find()
        for mark in marks
        if mark in str(document)
    ]


def test_signing_out_ends_the_refresh_token_at_once_and_access_within_60_seconds(http, signed_out):
    eve, at = signed_out
    assert refresh(http, eve.session["refresh_token"]).status == 401
    left = at + 60 - time.monotonic()
    answer = eventually(lambda: (found := eve.get("/v1/me")).status == 401 and found, "access ending", left)
    assert answer.problem == "authentication-required"
    assert eve.post("/v1/groups", {}).status == 401
