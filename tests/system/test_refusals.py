"""Every class of error that the API promises, as a client meets it: status, type, request id, and nothing changed."""

import json
import re
import signal
import time

import pytest

from commonground import ROOT, eventually
from people import Door, Person, a_key, an_event, called, done

ULID = r"[0-9A-HJKMNP-TV-Z]{26}"
NOWHERE = "grp_01JDCM0Y0G0000000000000000"


def refused(answer, status, slug):
    """Check that an answer is this refusal, as each must be. Gives its problem document."""
    assert (answer.status, answer.problem) == (status, slug), answer
    problem = answer.json()
    assert problem["type"] == f"/problems/{slug}"
    assert problem["status"] == status
    assert problem["instance"] == answer.headers["x-request-id"]
    assert re.fullmatch(rf"req_{ULID}", problem["instance"])
    assert problem["title"] and problem["detail"]
    shown = json.dumps(problem).lower()
    assert not [
        word for word in ("traceback", "pymongo", "marshmallow", "amqp", str(ROOT).lower(), ".py") if word in shown
    ]
    return problem


@pytest.fixture(scope="module")
def ana(session_platform):
    return session_platform.person("ana")


@pytest.fixture(scope="module")
def ben(session_platform):
    return session_platform.person("ben")


@pytest.fixture(scope="module")
def group(ana):
    return ana.founds(name="Hockey and Haiku", interests=["hockey", "haiku"])


@pytest.fixture(scope="module")
def event(ana, group):
    return ana.schedules(group, capacity=5)


class State:
    """What Ana sees of everything that the refused requests were about."""

    def __init__(self, ana: Person, group, event) -> None:
        self.ana, self.group, self.event = ana, group, event

    def seen(self):
        ana, group, event = self.ana, self.group["id"], self.event["id"]
        return [
            done(ana.get("/v1/me"), 200),
            ana.items("/v1/me/groups", limit=100),
            done(ana.get(f"/v1/groups/{group}"), 200),
            ana.items(f"/v1/groups/{group}/members"),
            ana.items("/v1/events", group=group),
            done(ana.get(f"/v1/events/{event}"), 200),
            ana.items(f"/v1/events/{event}/rsvps"),
            done(ana.get("/v1/inbox/summary"), 200),
        ]


@pytest.fixture
def unchanged(platform, ana, group, event):
    """Everything is as before when the test has ended, and nothing was told."""
    state = State(ana, group, event)
    platform.wait_quiet()
    before = state.seen()
    yield
    assert state.seen() == before
    # Nothing was told either: what stands in no outbox and no queue was never said.
    assert platform.is_quiet()


A_GROUP = {"name": "Kittens", "interests": ["kittens"], "scope": "virtual"}


# -- 400


@pytest.mark.parametrize(
    "body",
    [b"{", b"", b'{"name": NaN}', b'{"name": "Kittens", "name": "Bacon"}', b"\xff\xfe", b"[" * 100_000],
    ids=["cut off", "empty", "NaN", "name twice", "not UTF-8", "deep"],
)
def test_a_body_that_is_not_json_is_malformed(ana, unchanged, body):
    answer = ana.post("/v1/groups", body, headers={"Content-Type": "application/json"})
    refused(answer, 400, "malformed-request")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/groups?limit=0",
        "/v1/groups?limit=101",
        "/v1/groups?limit=many",
        "/v1/groups?cursor=nonsense",
        "/v1/groups?cursor=WzFd",
        "/v1/groups?colour=red",
        "/v1/groups?near=north",
        "/v1/groups?near=91,0",
        "/v1/groups?near=1,1&within_km=0",
        "/v1/groups?match=some",
        "/v1/groups?sort=worst",
        "/v1/groups?q=a&q=b",
        "/v1/events?from=yesterday",
        "/v1/events?kind=dull",
        "/v1/inbox?unread=perhaps",
        "/v1/inbox?cursor=%00",
        "/v1/me?please=1",
    ],
)
def test_a_bad_query_parameter_or_cursor_is_malformed(ana, path):
    refused(ana.get(path), 400, "malformed-request")


@pytest.mark.parametrize("path", ["/v1/groups/%zz", "/v1/groups/%ff", "/v1/people/%00"])
def test_a_path_that_is_no_text_is_malformed(ana, path):
    refused(ana.get(path), 400, "malformed-request")


@pytest.mark.parametrize("key", ["", "a b", "a" * 256, "schlüssel"])
def test_an_idempotency_key_that_is_none_is_malformed(ana, unchanged, key):
    headers = {"Idempotency-Key": key.encode().decode("latin-1")}
    refused(ana.post("/v1/groups", A_GROUP, headers=headers), 400, "malformed-request")


# -- 401


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer nonsense",
        "Bearer cg_nonsense",
        "Basic YW5hOmtpdHRlbnM=",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJwc25fMSJ9.",
    ],
)
def test_without_good_credentials_one_is_asked_to_sign_in(http, unchanged, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    answer = http.post("/v1/groups", A_GROUP, headers=headers)
    refused(answer, 401, "authentication-required")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_token_that_was_tampered_with_is_refused(http, ana, unchanged):
    header, claims, signature = ana.session["access_token"].split(".")
    for token in (f"{header}.{claims}.{signature[::-1]}", f"{header}.{claims[:-2]}AA.{signature}"):
        answer = http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
        refused(answer, 401, "authentication-required")


def test_a_wrong_password_and_an_unknown_handle_are_refused_alike(http, ana):
    wrong = http.post("/v1/sessions", {"handle": ana.handle, "password": "wrong and wrong"})
    unknown = http.post("/v1/sessions", {"handle": "nobody_at_all", "password": "wrong and wrong"})
    problems = [refused(answer, 401, "authentication-required") for answer in (wrong, unknown)]
    assert problems[0]["detail"] == problems[1]["detail"]


# -- 403


def test_what_is_known_but_not_ones_own_is_not_allowed(ben, group, event, unchanged):
    refused(ben.patch(f"/v1/groups/{group['id']}", {"name": "Ben's"}), 403, "not-allowed")
    refused(ben.post(f"/v1/groups/{group['id']}/events", an_event()), 403, "not-allowed")
    refused(ben.patch(f"/v1/events/{event['id']}", {"title": "Ben's"}), 403, "not-allowed")
    refused(ben.post(f"/v1/events/{event['id']}/cancellation", {}), 403, "not-allowed")
    refused(ben.get(f"/v1/events/{event['id']}/rsvps"), 403, "not-allowed")


# -- 404


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1", "/v1/nothing", "/v1/groups/", "/v2/groups", "/v1/groups/a%2Fb", "/schemas/nothing.v1"),
        *(f"/v1/groups/{NOWHERE}", "/v1/people/nobody_at_all", "/v1/events/evt_01JDCM0Y0G0000000000000000"),
    ],
)
def test_what_is_not_there_is_not_found(ana, path):
    refused(ana.get(path), 404, "not-found")


# -- 405


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/groups", {"GET", "HEAD", "POST", "OPTIONS"}),
        ("DELETE", "/v1/people", {"POST", "OPTIONS"}),
        ("POST", "/v1/inbox", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/openapi.json", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_another_method_is_refused_with_those_that_there_are(ana, unchanged, method, path, allowed):
    answer = ana.call(method, path)
    refused(answer, 405, "method-not-allowed")
    assert {name.strip() for name in answer.headers["allow"].split(",")} == allowed


# -- 409


def test_what_the_state_forbids_is_a_conflict(http, ana, group, unchanged):
    taken = http.post("/v1/people", called("ana") | {"handle": ana.handle})
    refused(taken, 409, "handle-taken")
    refused(ana.post(f"/v1/groups/{group['id']}/members"), 409, "already-member")
    refused(ana.delete(f"/v1/groups/{group['id']}/members/me"), 409, "last-organizer")
    lowered = ana.patch(f"/v1/groups/{group['id']}/members/{ana.handle}", {"role": "member"})
    refused(lowered, 409, "last-organizer")


def test_an_event_that_is_cancelled_takes_no_answers_and_no_changes(ana, ben, group):
    event = ana.schedules(group)
    done(ana.post(f"/v1/events/{event['id']}/cancellation", {"reason": "snow"}), 200)
    before = done(ana.get(f"/v1/events/{event['id']}"), 200)
    assert before["status"] == "cancelled"
    refused(ben.put(f"/v1/events/{event['id']}/rsvps/me", {"answer": "going"}), 409, "already-cancelled")
    refused(ana.patch(f"/v1/events/{event['id']}", {"title": "Again"}), 409, "already-cancelled")
    refused(ana.post(f"/v1/events/{event['id']}/cancellation", {}), 409, "already-cancelled")
    assert done(ana.get(f"/v1/events/{event['id']}"), 200) == before


# -- 412


def test_a_change_of_an_old_version_is_refused(ana, group, event, unchanged):
    for method, path, content in (
        ("PATCH", f"/v1/groups/{group['id']}", {"summary": "too late"}),
        ("DELETE", f"/v1/groups/{group['id']}", None),
        ("PATCH", f"/v1/events/{event['id']}", {"title": "too late"}),
        ("PATCH", "/v1/me", {"about": "too late"}),
        ("DELETE", "/v1/me", None),
    ):
        answer = ana.call(method, path, content, headers={"If-Match": '"old"'})
        refused(answer, 412, "precondition-failed")


# -- 413, 415


def test_a_body_over_256_kib_is_too_large(http, ana, unchanged):
    large = {**A_GROUP, "description": "x" * (256 * 1024)}
    refused(ana.post("/v1/groups", large), 413, "too-large")
    just_fits = json.dumps({**A_GROUP, "name": ""}).encode()
    padded = just_fits + b" " * (256 * 1024 - len(just_fits))
    refused(ana.post("/v1/groups", padded), 422, "invalid")
    refused(ana.post("/v1/groups", padded + b" "), 413, "too-large")


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json; charset=latin-1", None])
def test_a_body_that_is_not_declared_as_json_is_refused(ana, unchanged, kind):
    request = ana.request("POST", "/v1/groups", json.dumps(A_GROUP).encode(), headers={"Content-Type": kind or ""})
    refused(ana.send(request), 415, "unsupported-media-type")


# -- 422


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"name": 5}, "/name"),
        ({"name": "ab"}, "/name"),
        ({"name": "x" * 81}, "/name"),
        ({"name": "nul\0nul"}, "/name"),
        ({"name": "\x1b[31mred"}, "/name"),
        ({"name": None}, "/name"),
        ({"interests": []}, "/interests"),
        ({"interests": [f"kittens {number}" for number in range(16)]}, "/interests"),
        ({"interests": ["x" * 51]}, "/interests/0"),
        ({"interests": ["kittens", 7]}, "/interests/1"),
        ({"interests": {"$gt": ""}}, "/interests"),
        ({"scope": "galactic"}, "/scope"),
        ({"scope": "local"}, "/place"),
        ({"place": {"name": "Washington", "country": "ZZZ"}}, "/place/country"),
        ({"place": {"name": "W", "country": "US", "location": {"lat": 91, "lon": 0}}}, "/place/location/lat"),
        ({"ask_after": {"days": -1, "events": 0}}, "/ask_after/days"),
        ({"ask_after": {"days": "3", "events": 0}}, "/ask_after/days"),
        ({"ask_after": {"days": True, "events": 0}}, "/ask_after/days"),
    ],
)
def test_what_is_well_formed_but_wrong_is_invalid_and_says_where(ana, unchanged, change, pointer):
    problem = refused(ana.post("/v1/groups", {**A_GROUP, **change}), 422, "invalid")
    assert pointer in [error["pointer"] for error in problem["errors"]], problem
    assert all(error["detail"] for error in problem["errors"])


def test_a_body_that_is_no_object_is_invalid(ana, unchanged):
    for body in ([], "text", 5, None):
        answer = ana.post("/v1/groups", json.dumps(body).encode())
        refused(answer, 422, "invalid")


def test_a_key_used_for_another_request_is_refused(ana, platform, subscribe):
    key = a_key()
    first = done(ana.post("/v1/groups", A_GROUP, key=key), 201)
    answer = ana.post("/v1/groups", {**A_GROUP, "name": "Puppies"}, key=key)
    refused(answer, 422, "idempotency-mismatch")
    assert first["id"] in [one["id"] for one in ana.items("/v1/me/groups")]
    assert not [one for one in ana.items("/v1/me/groups") if one["name"] == "Puppies"]


# -- 429


@pytest.fixture
def narrow(platform, tmp_path):
    """Another gateway, which lets an address and a person call five times a minute."""
    process, address = platform.add(
        "gateway", CG_RATE_LIMITS="on", CG_RATE_LIMIT_ADDRESS="5/minute", CG_RATE_LIMIT_PERSON="5/minute"
    )
    door = Door.at(address)
    eventually(lambda: door.get("/health/ready").status == 200, "the gateway being ready")
    yield door
    door.connections.close()
    process.kill()


def test_who_calls_too_often_is_told_when_to_come_back(narrow, ana, unchanged):
    for who, policy in ((ana.via(narrow), "person"), (narrow, "address")):
        for _ in range(5):
            assert who.get("/v1/groups?limit=1").status == 200
        answer = who.post("/v1/groups", A_GROUP)
        problem = refused(answer, 429, "too-many-requests")
        seconds = int(answer.headers["retry-after"])
        assert 0 < seconds <= 120 and problem["detail"]
        assert answer.headers["ratelimit-policy"] == f'"{policy}";q=5;w=60'
        assert re.fullmatch(rf'"{policy}";r=0;t=\d+', answer.headers["ratelimit"])
    assert narrow.get("/health/live").status == 200


# -- 503, 504


def test_a_service_that_is_away_is_unavailable_and_all_else_goes_on(platform, ana, group, event, unchanged):
    platform.processes["notifications"].stop()
    try:
        for answer in (ana.get("/v1/inbox"), ana.post("/v1/inbox/read", {"up_to": "ntc_01JDCM0Y0G0000000000000000"})):
            refused(answer, 503, "unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        assert ana.get(f"/v1/groups/{group['slug']}").status == 200
        assert ana.get(f"/v1/events/{event['id']}").status == 200
        for path in ("/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json", "/asyncapi.json"):
            assert ana.get(path).status == 200, path
    finally:
        platform.restart("notifications")
    eventually(lambda: ana.get("/v1/inbox").status == 200, "the inbox coming back")


def test_a_path_is_unavailable_while_a_service_that_may_have_it_was_not_heard_of(platform, ana):
    process, address = platform.add("gateway", CG_SERVICES="groups,events,notifications,bakery")
    door = Door.at(address)
    eventually(lambda: door.get("/v1/groups").status == 200, "the gateway knowing groups")
    eventually(lambda: ana.via(door).get("/v1/inbox").status == 200, "the gateway knowing notifications")
    answer = door.get("/v1/bread")
    refused(answer, 503, "unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    ready = door.get("/health/ready")
    assert ready.status == 503 and "bakery" in ready.body.decode()
    door.connections.close()
    process.kill()


def test_a_service_that_does_not_answer_in_time_is_given_up_and_does_not_act_later(platform, ana, ben, unchanged):
    event = ben.schedules(ben.founds(), capacity=1)
    answer_path = f"/v1/events/{event['id']}/rsvps/me"
    events = platform.processes["events"]
    events.send(signal.SIGSTOP)
    try:
        began = time.monotonic()
        answer = ben.put(answer_path, {"answer": "going"})
        took = time.monotonic() - began
    finally:
        events.send(signal.SIGCONT)
    refused(answer, 504, "deadline-exceeded")
    assert 4.5 < took < 7
    # What comes after it was worked on after it, so it would be seen by now.
    assert ben.answers(event, "maybe")["status"] == "maybe"
    seen = done(ana.get(f"/v1/events/{event['id']}"), 200)
    assert (seen["seats_taken"], seen["version"]) == (0, event["version"] + 1)
