"""A list never repeats or skips an item because others are added meanwhile, and says where the next page is."""

import re

import pytest

from commonground import eventually
from people import done


def pages(who, path, limit, between=lambda: None, **params):
    """All items of a list, page by page, with something happening in between; follows the Link header."""
    found, answer = [], who.get(path, params={"limit": limit, **params})
    while True:
        page = done(answer, 200)
        assert len(page["items"]) <= limit
        found += page["items"]
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
        assert (link is None) == (page["next"] is None)
        if link is None:
            return found
        assert len(page["items"]) == limit, "only the last page may be short"
        between()
        answer = who.get(link[1])


@pytest.fixture
def topic(person):
    """An interest that nobody else has."""
    return f"topic {person('ana').handle}"


@pytest.mark.parametrize("sort", ["best", "newest", "largest"])
def test_searching_groups_is_stable_while_groups_are_founded(person, topic, sort):
    ana = person("ana")
    before = [ana.founds(interests=[topic])["id"] for _ in range(7)]
    found = pages(ana, "/v1/groups", 2, lambda: ana.founds(interests=[topic]), interest=topic, sort=sort)
    seen = [one["id"] for one in found]
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)


def test_the_nearest_groups_come_first_page_by_page(person, topic):
    ana = person("ana")

    def found_at(lat):
        place = {"name": "Somewhere", "country": "US", "location": {"lat": lat, "lon": -77.0}}
        return ana.founds(interests=[topic], scope="local", place=place)["id"]

    far_to_near = [found_at(38 + step / 10) for step in reversed(range(7))]
    params = {"interest": topic, "sort": "nearest", "near": "38,-77", "within_km": 500}
    found = pages(ana, "/v1/groups", 2, lambda: found_at(38.05), **params)
    distances = [one["match"]["distance_km"] for one in found]
    assert distances == sorted(distances)
    seen = [one["id"] for one in found]
    assert len(seen) == len(set(seen))
    assert set(far_to_near) <= set(seen)


def test_members_are_listed_once_while_others_join(person):
    ana = person("ana")
    group = ana.founds()
    members = [person("ben") for _ in range(6)]
    for one in members:
        one.joins(group)
    late = iter([person("chris") for _ in range(6)])
    found = pages(ana, f"/v1/groups/{group['id']}/members", 2, lambda: next(late).joins(group))
    seen = [one["person"]["handle"] for one in found]
    assert len(seen) == len(set(seen))
    assert {ana.handle, *(one.handle for one in members)} <= set(seen)


def test_events_are_listed_once_in_order_of_start_while_others_are_scheduled(person):
    ana = person("ana")
    group = ana.founds()
    days = iter([2, 14, 3, 15, 4, 16, 5])

    def schedule(day):
        return ana.schedules(group, starts_at=f"2031-12-{day:02}T19:00", ends_at=f"2031-12-{day:02}T20:00")["id"]

    before = [schedule(day) for day in (12, 10, 11, 8, 9, 10, 10)]
    found = pages(ana, "/v1/events", 2, lambda: schedule(next(days)), group=group["slug"])
    seen = [one["id"] for one in found]
    assert len(seen) == len(set(seen))
    assert set(before) <= set(seen)
    starts = [one["starts_at"] for one in found]
    assert starts == sorted(starts)


def test_answers_are_listed_once_while_others_answer(person):
    ana = person("ana")
    event = ana.schedules(ana.founds(), capacity=3)
    guests = [person("ben") for _ in range(6)]
    for one in guests:
        one.answers(event)
    late = iter([person("chris") for _ in range(6)])
    found = pages(ana, f"/v1/events/{event['id']}/rsvps", 2, lambda: next(late).answers(event))
    seen = [one["person"]["handle"] for one in found]
    assert len(seen) == len(set(seen))
    assert {one.handle for one in guests} <= set(seen)
    waiting = [one["position"] for one in found if one["status"] == "waitlisted"]
    assert waiting == sorted(waiting)


def test_the_inbox_is_listed_once_newest_first_while_notices_arrive(person):
    ana, ben = person("ana"), person("ben")
    group = ana.founds()
    ben.joins(group)
    events = []
    for number in range(1, 8):
        events.append(ana.schedules(group)["id"])
        # Of two events that are scheduled at once, either may be told first.
        eventually(lambda number=number: len(ben.inbox()) == number, "Ben hearing of it")
    found = pages(ben, "/v1/inbox", 2, lambda: ana.schedules(group))
    assert [one["subject"]["id"] for one in found] == sorted(events, reverse=True)
    times = [one["at"] for one in found]
    assert times == sorted(times, reverse=True)


def test_ones_own_groups_are_listed_once_while_others_are_joined(person):
    ana = person("ana")
    before = [ana.founds()["id"] for _ in range(5)]
    found = pages(ana, "/v1/me/groups", 2, lambda: ana.founds())
    assert [one["id"] for one in found] == list(reversed(before))
    assert {one["role"] for one in found} == {"organizer"}


def test_interests_are_listed_by_prefix(person, topic):
    ana = person("ana")
    names = [f"{topic} {letter}" for letter in "abc"]
    ana.founds(interests=names)
    ana.founds(interests=names[:1])
    found = pages(ana, "/v1/interests", 2, prefix=topic)
    assert [(one["name"], one["groups"]) for one in found] == [(names[0], 2), (names[1], 1), (names[2], 1)]


def test_a_page_has_twenty_items_unless_asked_otherwise(person, topic):
    ana = person("ana")
    for _ in range(21):
        ana.founds(interests=[topic])
    assert len(done(ana.get("/v1/groups", params={"interest": topic}), 200)["items"]) == 20


def test_a_cursor_of_another_list_is_refused(person):
    ana = person("ana")
    for _ in range(2):
        ana.founds()
    cursor = done(ana.get("/v1/me/groups?limit=1"), 200)["next"]
    for path in ("/v1/groups", "/v1/events", "/v1/inbox", "/v1/interests"):
        answer = ana.get(path, params={"cursor": cursor})
        assert (answer.status, answer.problem) == (400, "malformed-request"), path
