"""A single resource carries its version as a strong ETag: reading saves the transfer by it, changing is safe by it."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from commonground import eventually
from people import done


@pytest.fixture
def things(person):
    """Ana, and what she may change: path, and a change of it by a number."""
    ana = person("ana")
    group = ana.founds()
    event = ana.schedules(group)
    return ana, [
        ("/v1/me", lambda number: {"about": f"number {number}"}),
        (f"/v1/groups/{group['id']}", lambda number: {"summary": f"number {number}"}),
        (f"/v1/groups/{group['slug']}", lambda number: {"rules": f"number {number}"}),
        (f"/v1/events/{event['id']}", lambda number: {"description": f"number {number}"}),
    ]


def test_what_one_has_already_is_not_sent_again(things):
    ana, changes = things
    for path, change in changes:
        tag = ana.get(path).headers["etag"]
        assert tag.startswith('"') and tag.endswith('"'), "a strong tag"
        for condition in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            answer = ana.get(path, headers={"If-None-Match": condition})
            assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", tag), (path, condition)
        changed = ana.patch(path, change(1))
        assert changed.status == 200 and changed.headers["etag"] != tag
        fresh = ana.get(path, headers={"If-None-Match": tag})
        assert (fresh.status, fresh.headers["etag"]) == (200, changed.headers["etag"])
        assert fresh.json() == changed.json()


def test_a_change_of_the_version_one_has_read_is_done_and_of_an_older_one_refused(things):
    ana, changes = things
    for path, change in changes:
        tag = ana.get(path).headers["etag"]
        done(ana.patch(path, change(1), headers={"If-Match": tag}), 200)
        refused = ana.patch(path, change(2), headers={"If-Match": tag})
        assert (refused.status, refused.problem) == (412, "precondition-failed")
        assert ana.get(path).json().items() >= change(1).items()
        done(ana.patch(path, change(3), headers={"If-Match": "*"}), 200)


def test_of_many_who_change_the_version_they_read_one_succeeds(things):
    ana, changes = things
    for path, change in changes:
        tag = ana.get(path).headers["etag"]
        ready = threading.Barrier(8)

        def patch(number, path=path, change=change, tag=tag, ready=ready):
            ready.wait()
            return ana.patch(path, change(number), headers={"If-Match": tag})

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(patch, range(8)))
        assert sorted(answer.status for answer in answers) == [200] + [412] * 7, path
        winner = next(answer for answer in answers if answer.status == 200)
        assert ana.get(path).json() == winner.json()


def test_a_patch_that_changes_nothing_keeps_the_version(things):
    ana, changes = things
    for path, change in changes:
        done(ana.patch(path, change(1)), 200)
        before = ana.get(path)
        again = ana.patch(path, change(1))
        assert (again.status, again.headers["etag"]) == (200, before.headers["etag"]), path
        assert ana.get(path).json() == before.json()


def test_a_patch_takes_null_for_what_is_to_be_forgotten_and_leaves_all_else(person):
    place = {"name": "Washington", "country": "US"}
    ana = person("ana", place=place, about="Hello", background="science")
    before = ana.get("/v1/me").json()
    after = done(ana.patch("/v1/me", {"place": None, "about": "Goodbye"}), 200)
    assert (after["place"], after["about"]) == (None, "Goodbye")
    kept = set(before) - {"place", "about", "version", "updated_at"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_an_event_keeps_its_version_until_its_group_shows_differently_in_it(person, platform):
    ana = person("ana")
    group = ana.founds()
    event = ana.schedules(group)
    path = f"/v1/events/{event['id']}"
    done(ana.patch(f"/v1/groups/{group['id']}", {"summary": "Something else", "interests": ["hockey"]}), 200)
    platform.wait_quiet()
    assert ana.get(path).json() == event
    done(ana.patch(f"/v1/groups/{group['id']}", {"name": "Another name"}), 200)
    eventually(lambda: ana.get(path).json()["group"]["name"] == "Another name", "the event showing it")
    assert ana.get(path).json()["version"] == event["version"] + 1


def test_the_documents_of_the_gateway_are_not_sent_again_either(http):
    for path in ("/openapi.json", "/asyncapi.json", "/schemas/commonground.groups.member.joined.v1"):
        tag = http.get(path).headers["etag"]
        assert http.get(path, headers={"If-None-Match": tag}).status == 304
