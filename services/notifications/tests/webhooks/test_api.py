"""A person says what is pushed where, and nobody else sees or changes that."""

from dataclasses import replace

import pytest

from chassis.api_client import Person
from chassis.ids import new_id

URL = "https://example.org/hooks"


@pytest.fixture(scope="module")
def service(shared_service, shared_database):
    """A service whose operator allows one network, and five webhooks for each person."""
    env = {"CG_MONGO_URI": shared_database, "CG_WEBHOOK_NETWORKS": "127.0.0.1/32,10.1.0.0/16"}
    env |= {"CG_WEBHOOKS_PER_PERSON": "5", "CG_WEBHOOK_KEYS": "k" * 32}
    return shared_service("notifications", env=env)


@pytest.fixture
def api(service):
    return service.api


@pytest.fixture
def ana():
    return Person(new_id("psn"), "ana", "Ana")


@pytest.fixture
def eve():
    return Person(new_id("psn"), "eve", "Eve")


def make(api, who, **fields):
    body = {"url": URL, "types": ["groups.*"], **fields}
    answer = api.post("/v1/webhooks", body, as_=who)
    assert answer.status == 201, answer.body
    return answer.json()


def test_a_webhook_is_made_with_a_secret_that_is_shown_once_and_kept_sealed(api, ana, store):
    answer = api.post("/v1/webhooks", {"url": URL, "types": ["groups.*", "groups.*", "*.rsvp.changed"]}, as_=ana)
    assert answer.status == 201
    made = answer.json()
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["id"].startswith("whk_")
    assert (answer.headers["Location"], answer.headers["ETag"]) == (f"/v1/webhooks/{made['id']}", '"1"')
    assert made == {
        **{"id": made["id"], "url": URL, "types": ["groups.*", "*.rsvp.changed"], "group": None, "version": 1},
        **{"status": "active", "reason": None, "disabled_at": None},
        **{"created_at": made["created_at"], "updated_at": made["created_at"]},
    }
    assert api.get(f"/v1/webhooks/{made['id']}", as_=ana).json() == made
    assert api.get("/v1/webhooks", as_=ana).json() == {"items": [made], "next": None}
    assert secret not in str(store.database.webhooks.find_one({"_id": made["id"]}))


def test_the_same_request_twice_makes_one_and_shows_the_same_secret(api, ana):
    body = {"url": URL, "types": ["*"]}
    first, second = (api.post("/v1/webhooks", body, as_=ana, idempotency_key="once") for _ in range(2))
    assert first.body == second.body
    assert second.headers["Idempotency-Replayed"] == "true"
    assert len(api.get("/v1/webhooks", as_=ana).json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"types": ["*"]}, "/url"),
        ({"url": URL}, "/types"),
        ({"url": URL, "types": []}, "/types"),
        ({"url": URL, "types": [f"a{n}.*" for n in range(51)]}, "/types"),
        ({"url": URL, "types": "*"}, "/types"),
        ({"url": URL, "types": [1]}, "/types/0"),
        ({"url": URL, "types": ["*", "groups.#"]}, "/types/1"),
        ({"url": URL, "types": ["Groups.*"]}, "/types/0"),
        ({"url": URL, "types": [""]}, "/types/0"),
        ({"url": URL, "types": ["a." * 20 + "b"]}, "/types/0"),
        ({"url": URL, "types": ["*\n"]}, "/types/0"),
        ({"url": URL, "types": ["*"], "secret": "whsec_mine"}, "/secret"),
        ({"url": URL, "types": ["*"], "group": 1}, "/group"),
        ({"url": "https://example.org/" + "x" * 2_000, "types": ["*"]}, "/url"),
        ({"url": "http://example.org/", "types": ["*"]}, "/url"),
        ({"url": "http://10.2.0.1/", "types": ["*"]}, "/url"),
        ({"url": "http://no.such.host.invalid/", "types": ["*"]}, "/url"),
        ({"url": "https://10.2.0.1/", "types": ["*"]}, "/url"),
        ({"url": "https://ana:secret@example.org/", "types": ["*"]}, "/url"),
        ({"url": "https://example.org:22/", "types": ["*"]}, "/url"),
    ],
)
def test_what_is_not_well_described_is_refused_and_says_where(api, ana, body, pointer):
    answer = api.post("/v1/webhooks", body, as_=ana)
    assert (answer.status, answer.problem) == (422, "invalid")
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]
    assert api.get("/v1/webhooks", as_=ana).json()["items"] == []


@pytest.mark.parametrize("url", ["http://10.1.2.3:9000/", "http://localhost:9000/hooks", "https://127.0.0.1:9000/"])
def test_what_the_operator_allows_is_fine(api, ana, url):
    assert make(api, ana, url=url)["url"] == url


def test_one_has_so_many_and_no_more_also_at_the_same_moment(api, ana):
    body = {"url": URL, "types": ["*"]}
    sent = [api.send("POST", "/v1/webhooks", body, as_=ana) for _ in range(12)]
    answers = [api.receive(one) for one in sent]
    assert sorted(one.status for one in answers) == [201] * 5 + [409] * 7
    refused = next(one for one in answers if one.status == 409)
    assert (refused.problem, refused.json()["most"]) == ("too-many-webhooks", 5)
    first = next(one for one in answers if one.status == 201).json()
    assert api.delete(f"/v1/webhooks/{first['id']}", as_=ana).status == 204
    make(api, ana)


def test_nobody_sees_or_changes_the_webhooks_of_others(api, ana, eve):
    path = f"/v1/webhooks/{make(api, ana)['id']}"
    assert api.get("/v1/webhooks", as_=eve).json()["items"] == []
    for method, target, body in [
        ("GET", path, None),
        ("PATCH", path, {"types": ["*"]}),
        ("DELETE", path, None),
        ("POST", path + "/secret", None),
        ("POST", path + "/test", None),
        ("GET", path + "/deliveries", None),
        ("GET", "/v1/webhooks/whk_unknown", None),
    ]:
        answer = api.call(method, target, body, as_=eve)
        assert (answer.status, answer.problem) == (404, "not-found"), (method, target)
        assert api.call(method, target, body).status == 401
    assert api.get(path, as_=ana).json()["version"] == 1


def test_it_takes_the_scope_subscribe_and_no_other(api, ana):
    reader, subscriber = replace(ana, scopes=("read", "write")), replace(ana, scopes=("subscribe",))
    made = make(api, subscriber)
    assert api.get(f"/v1/webhooks/{made['id']}", as_=subscriber).status == 200
    assert api.get("/v1/webhooks", as_=reader).problem == "not-allowed"
    assert api.post("/v1/webhooks", {"url": URL, "types": ["*"]}, as_=reader).problem == "not-allowed"


def test_a_change_is_of_what_is_given_and_of_the_version_that_was_read(api, ana):
    path = f"/v1/webhooks/{make(api, ana)['id']}"
    changed = api.patch(path, {"types": ["events.*"]}, as_=ana, if_match='"1"')
    assert (changed.status, changed.json()["types"], changed.json()["url"]) == (200, ["events.*"], URL)
    assert changed.headers["ETag"] == '"2"'
    for method, body in (("PATCH", {"types": ["*"]}), ("DELETE", None)):
        refused = api.call(method, path, body, as_=ana, if_match='"1"')
        assert (refused.status, refused.problem) == (412, "precondition-failed")
    for wrong in ({"url": "http://example.org/"}, {"types": []}, {"url": None}, {"status": "broken"}, {"reason": None}):
        assert api.patch(path, wrong, as_=ana).problem == "invalid"
    assert api.get(path, as_=ana, if_none_match='"2"').status == 304
    off = api.patch(path, {"status": "disabled"}, as_=ana).json()
    assert (off["status"], off["reason"], off["disabled_at"]) == ("disabled", "by_owner", off["updated_at"])
    assert api.delete(path, as_=ana, if_match='"3"').status == 204
    assert api.get(path, as_=ana).status == 404


def test_they_are_listed_in_pages_the_newest_first(api, ana):
    made = [make(api, ana)["id"] for _ in range(5)]
    listed, params = [], {"limit": 2}
    while True:
        page = api.get("/v1/webhooks", as_=ana, params=params).json()
        listed += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert listed == made[::-1]
    assert api.get("/v1/webhooks", as_=ana, params={"cursor": "x"}).problem == "malformed-request"


def test_a_group_is_named_by_id_or_slug_and_has_to_be_one_that_the_owner_may_know_of(world, api):
    public, private = world.group(), world.group("Secret Club", visibility="private")
    for one in (public, private):
        world.founded(one)
    world.joined(private, world.ana)
    assert make(api, world.ana, group=public["slug"])["group"] == public["id"]
    assert make(api, world.ana, group=private["id"])["group"] == private["id"]
    for who, group in ((world.eve, private["id"]), (world.eve, private["slug"]), (world.eve, "grp_unknown")):
        answer = api.post("/v1/webhooks", {"url": URL, "types": ["*"], "group": group}, as_=who)
        assert (answer.status, answer.problem) == (404, "not-found")
    path = f"/v1/webhooks/{make(api, world.eve, group=public['id'])['id']}"
    assert api.patch(path, {"group": private["id"]}, as_=world.eve).problem == "not-found"
    assert api.patch(path, {"group": None}, as_=world.eve).json()["group"] is None


def test_who_erased_themselves_makes_no_more(world, api, ana):
    world.erased(ana)
    assert api.post("/v1/webhooks", {"url": URL, "types": ["*"]}, as_=ana).status == 401
