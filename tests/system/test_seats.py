"""Never one seat too many, and a seat given up goes to the first who waits: with hundreds at once, and a crash."""

import threading

import pytest

from commonground import eventually
from people import at_once, done

MANY, SEATS = 500, 50


@pytest.fixture(scope="module")
def crowd(session_platform):
    """500 people who are signed in."""
    return session_platform.crowd(MANY)


@pytest.fixture
def event(person):
    """An event with 50 seats, and Ana, who sees who comes."""
    ana = person("ana")
    return ana, ana.schedules(ana.founds(), capacity=SEATS)


def asking(crowd, event, answer="going"):
    """The requests with which all of a crowd answer."""
    path = f"/v1/events/{event['id']}/rsvps/me"
    return [one.request("PUT", path, {"answer": answer}) for one in crowd]


def waitlist(ana, event):
    """The handles of those who wait, in their order; checks that positions run from 1, each once."""
    waiting = ana.items(f"/v1/events/{event['id']}/rsvps", status="waitlisted", limit=100)
    by_position = {one["position"]: one["person"]["handle"] for one in waiting}
    assert sorted(by_position) == list(range(1, len(waiting) + 1))
    assert len(set(by_position.values())) == len(waiting)
    return [by_position[position] for position in sorted(by_position)]


def going(ana, event):
    """The handles of those who go."""
    found = [one["person"]["handle"] for one in ana.items(f"/v1/events/{event['id']}/rsvps", status="going", limit=100)]
    assert len(found) == len(set(found))
    return found


def check_full(ana, event):
    """Exactly 50 go and 450 wait, in whatever way one looks at it. Gives the handles of both."""
    seated, waiting = going(ana, event), waitlist(ana, event)
    assert (len(seated), len(waiting)) == (SEATS, MANY - SEATS)
    assert not set(seated) & set(waiting)
    seen = done(ana.get(f"/v1/events/{event['id']}"), 200)
    assert (seen["seats_taken"], seen["waitlist_length"]) == (SEATS, MANY - SEATS)
    return seated, waiting


def give_up(crowd, event, handles):
    """These people give their seats up, all at once."""
    by_handle = {one.handle: one for one in crowd}
    answers = at_once(crowd[0], asking([by_handle[handle] for handle in handles], event, "not_going"))
    assert {answer.status for answer in answers} == {200}


def test_of_500_who_come_at_once_50_get_a_seat_and_450_wait_in_line(http, crowd, event, subscribe):
    ana, event = event
    everything = subscribe("events.rsvp.#", trusted=True)
    answers = at_once(http, asking(crowd, event))
    assert {answer.status for answer in answers} == {200}
    told = {one.handle: answer.json() for one, answer in zip(crowd, answers, strict=True)}
    seated, waiting = check_full(ana, event)

    # What each was told is what is: who waits was told a position when nobody had left the line yet.
    assert sorted(handle for handle, one in told.items() if one["status"] == "going") == sorted(seated)
    assert {handle: one["position"] for handle, one in told.items() if one["status"] == "waitlisted"} == {
        handle: position for position, handle in enumerate(waiting, start=1)
    }
    # And each was told of once, in one order.
    heard = everything.about(event["id"], MANY, seconds=20)
    assert len(heard) == len({one.data["person"]["id"] for one in heard}) == MANY
    sequences = [int(one.envelope["sequence"]) for one in heard]
    assert sequences == sorted(set(sequences))

    # Every seat that is given up goes to the first in line: one, then twenty at once, then by those in line themselves.
    give_up(crowd, event, seated[:1])
    assert set(going(ana, event)) == {*seated[1:], waiting[0]}
    assert waitlist(ana, event) == waiting[1:]
    give_up(crowd, event, seated[1:21])
    assert set(going(ana, event)) == {*seated[21:], *waiting[:21]}
    assert waitlist(ana, event) == waiting[21:]
    give_up(crowd, event, waiting[25:30])
    waiting = waiting[21:25] + waiting[30:]
    assert waitlist(ana, event) == waiting
    give_up(crowd, event, going(ana, event)[:10])
    assert waitlist(ana, event) == waiting[10:]
    promoted = everything.wait(lambda one: one.envelope["type"] == "commonground.events.rsvp.promoted.v1", 31)
    assert len(promoted) == len({one.data["person"]["handle"] for one in promoted}) == 31


def test_it_is_the_same_with_two_processes_of_which_one_is_killed(http, platform, crowd, event, subscribe):
    ana, event = event
    everything = subscribe("events.rsvp.#", trusted=True)
    other, _ = platform.add("events")
    requests = asking(crowd, event)
    path = f"/v1/events/{event['id']}"

    def kill_in_the_middle():
        eventually(lambda: everything.heard, "the first answers", 30)
        other.kill()

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    acknowledged = {}
    missing = list(zip(crowd, requests, strict=True))
    while missing:  # whoever got no answer asks again
        answers = at_once(http, [request for _, request in missing])
        again = []
        for (who, request), answer in zip(missing, answers, strict=True):
            if answer is not None and answer.status == 200:
                acknowledged[who.handle] = answer.json()["status"]
            else:
                assert answer is None or answer.status in (503, 504), answer
                again.append((who, request))
        missing = again
    killer.join()
    assert not other.is_running

    seated, waiting = check_full(ana, event)
    assert sorted(handle for handle, status in acknowledged.items() if status == "going") == sorted(seated)
    assert sorted(handle for handle, status in acknowledged.items() if status == "waitlisted") == sorted(waiting)
    platform.wait_quiet(30)
    heard = everything.about(event["id"], MANY, seconds=30)
    told = {one.envelope["id"]: one for one in heard}
    assert len(told) == len({one.data["person"]["id"] for one in told.values()}) == MANY

    give_up(crowd, event, seated[:10])
    assert set(going(ana, event)) == {*seated[10:], *waiting[:10]}
    assert waitlist(ana, event) == waiting[10:]
    assert done(ana.get(path), 200)["seats_taken"] == SEATS


def test_a_party_gets_seats_only_where_all_of_it_fits_and_the_first_who_fits_goes_first(person):
    ana, ben, chris, dora, eve = (person(name) for name in ("ana", "ben", "chris", "dora", "eve"))
    event = ana.schedules(ana.founds(), capacity=3, max_guests=2)
    assert ben.answers(event, guests=1)["status"] == "going"
    assert chris.answers(event, guests=1) == {"answer": "going", "status": "waitlisted", "guests": 1, "position": 1}
    assert dora.answers(event)["status"] == "going", "one seat is left, and she needs no more"
    assert eve.answers(event)["position"] == 2
    dora.answers(event, "not_going")
    assert eve.get(f"/v1/events/{event['id']}").json()["viewer"]["status"] == "going", "the first who fits"
    ben.answers(event, "not_going")
    assert chris.get(f"/v1/events/{event['id']}").json()["viewer"] == {"status": "going", "guests": 1, "position": None}
    refused = ben.put(f"/v1/events/{event['id']}/rsvps/me", {"answer": "going", "guests": 3})
    assert (refused.status, refused.problem) == (422, "invalid")


def test_raising_the_capacity_seats_as_many_as_fit_and_lowering_it_unseats_nobody(person):
    ana = person("ana")
    event = ana.schedules(ana.founds(), capacity=1)
    people = [person("ben") for _ in range(5)]
    for one in people:
        one.answers(event)
    path = f"/v1/events/{event['id']}"
    done(ana.patch(path, {"capacity": 3}), 200)
    assert sorted(going(ana, event)) == sorted(one.handle for one in people[:3])
    seen = done(ana.patch(path, {"capacity": 1}), 200)
    assert (seen["seats_taken"], seen["waitlist_length"]) == (3, 2)
    people[0].answers(event, "not_going")
    assert waitlist(ana, event) == [one.handle for one in people[3:]]
    done(ana.patch(path, {"capacity": None}), 200)
    assert len(going(ana, event)) == 4


def test_who_is_removed_loses_the_seat_to_the_first_who_waits(person):
    ana, ben, chris = person("ana"), person("ben"), person("chris")
    group = ana.founds()
    ben.joins(group)
    event = ana.schedules(group, capacity=1)
    ben.answers(event)
    assert chris.answers(event)["status"] == "waitlisted"
    removed = ana.delete(f"/v1/groups/{group['id']}/members/{ben.handle}?ban=true")
    assert removed.status == 204
    eventually(lambda: going(ana, event) == [chris.handle], "Chris getting the seat")
    eventually(lambda: chris.inbox(kind="rsvp.promoted"), "Chris hearing of it")
