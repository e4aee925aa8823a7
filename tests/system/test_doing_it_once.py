"""An Idempotency-Key makes a request have one effect and one answer, however often it is sent, and from where."""

import threading
from concurrent.futures import ThreadPoolExecutor

from commonground import eventually
from people import a_key, an_event, at_once, called, done

A_GROUP = {"name": "Once and for all", "interests": ["kittens"], "scope": "virtual"}


def send_from_everywhere(door, request, times=20):
    """Send the same request from so many threads, each again while the first still runs. Gives the last answers."""
    ready = threading.Barrier(times)

    def send():
        ready.wait()
        return eventually(lambda: _settled(door.send(request)), "an answer")

    with ThreadPoolExecutor(times) as threads:
        return [one.result() for one in [threads.submit(send) for _ in range(times)]]


def _settled(answer):
    if answer.status == 409:
        assert answer.problem == "idempotency-in-progress"
        return None
    return answer


def only_one(answers, status=201):
    """Check that all answers are the one answer: one is the first, and all others say that they are replayed."""
    assert {answer.status for answer in answers} == {status}
    assert len({answer.body for answer in answers}) == 1
    assert len({answer.headers.get("location") for answer in answers}) == 1
    replayed = [answer for answer in answers if answer.headers.get("idempotency-replayed") == "true"]
    assert len(replayed) == len(answers) - 1
    return answers[0].json()


def test_a_group_founded_from_twenty_threads_with_one_key_is_one_group(person, subscribe):
    ana = person("ana")
    everything = subscribe("groups.#", trusted=True)
    group = only_one(send_from_everywhere(ana, ana.request("POST", "/v1/groups", A_GROUP, key=a_key())))
    assert [one["id"] for one in ana.items("/v1/me/groups")] == [group["id"]]
    assert ana.get(f"/v1/groups/{group['slug']}").json()["member_count"] == 1
    # Whatever another group of hers would have told stands before her next one's messages.
    another = ana.founds()
    everything.about(another["id"], 2)
    founded = [one for one in everything.heard if one.envelope["type"] == "commonground.groups.group.founded.v1"]
    hers = [one for one in founded if ana.handle in one.data["group"]["organizers"]]
    assert [one.data["group"]["id"] for one in hers] == [group["id"], another["id"]]


def test_the_same_at_the_very_same_moment_is_done_once(http, person):
    ana = person("ana")
    request = ana.request("POST", "/v1/groups", A_GROUP, key=a_key())
    answers = at_once(http, [request] * 50)
    assert {answer.status for answer in answers} <= {201, 409}
    done_once = [answer for answer in answers if answer.status == 201]
    assert len({answer.body for answer in done_once}) == 1
    assert {answer.problem for answer in answers if answer.status == 409} <= {"idempotency-in-progress"}
    assert len(ana.items("/v1/me/groups")) == 1


def test_every_post_that_creates_honours_the_key(http, person):
    ana, ben = person("ana"), person("ben")
    group = ana.founds()
    new = called("chris")
    session = {"handle": ana.handle, "password": ana.password}
    token = {"name": "newsletter", "scopes": ["read"]}
    for who, path, body in (
        (http, "/v1/people", new),
        (http, "/v1/sessions", session),
        (ben, f"/v1/groups/{group['id']}/members", {}),
        (ana, f"/v1/groups/{group['id']}/events", an_event()),
        (ana, "/v1/tokens", token),
    ):
        key = a_key()
        first, second = (who.post(path, body, key=key) for _ in range(2))
        assert (first.status, second.status) == (201, 201), (path, first, second)
        assert first.headers.get("idempotency-replayed") is None
        assert second.headers["idempotency-replayed"] == "true"
        assert (second.body, second.headers.get("location")) == (first.body, first.headers.get("location"))


def test_a_key_is_its_callers_own(person):
    ana, ben = person("ana"), person("ben")
    key = a_key()
    groups = [done(who.post("/v1/groups", A_GROUP, key=key), 201) for who in (ana, ben)]
    assert groups[0]["id"] != groups[1]["id"]


def test_the_same_key_for_something_else_is_refused_and_changes_nothing(person):
    ana = person("ana")
    key = a_key()
    group = done(ana.post("/v1/groups", A_GROUP, key=key), 201)
    for path, body in (
        ("/v1/groups", {**A_GROUP, "name": "Another one"}),
        (f"/v1/groups/{group['id']}/events", an_event()),
    ):
        answer = ana.post(path, body, key=key)
        if path == "/v1/groups":
            assert (answer.status, answer.problem) == (422, "idempotency-mismatch")
    assert [one["id"] for one in ana.items("/v1/me/groups")] == [group["id"]]


def test_a_refusal_is_not_kept_as_the_answer(person):
    ana, ben = person("ana"), person("ben")
    group = ana.founds()
    key = a_key()
    refused = ben.post(f"/v1/groups/{group['id']}/events", an_event(), key=key)
    assert refused.status == 403
    ben.joins(group)
    done(ana.patch(f"/v1/groups/{group['id']}/members/{ben.handle}", {"role": "moderator"}), 200)
    done(ben.post(f"/v1/groups/{group['id']}/events", an_event(), key=key), 201)


def test_putting_the_same_answer_again_changes_nothing_and_tells_nothing(person, subscribe):
    ana, ben, chris = person("ana"), person("ben"), person("chris")
    event = ana.schedules(ana.founds(), capacity=1)
    everything = subscribe("events.#", trusted=True)
    ben.answers(event)
    first = chris.answers(event)
    version = ana.get(f"/v1/events/{event['id']}").json()["version"]
    assert first == {"answer": "going", "status": "waitlisted", "guests": 0, "position": 1}
    assert [chris.answers(event) for _ in range(3)] == [first] * 3
    assert ana.get(f"/v1/events/{event['id']}").json()["version"] == version
    ana.answers(event, "maybe")
    heard = everything.about(event["id"], 3)
    assert [one.data["status"] for one in heard] == ["going", "waitlisted", "maybe"]
