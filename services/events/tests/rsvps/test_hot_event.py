"""Many answer one event at once, several processes decide, and one of them may be killed: never one seat too many."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from chassis.api_client import ApiClient, NoAnswer, Person
from chassis.testing import RunningService, wait_until

PEOPLE, SEATS = 500, 50


@pytest.fixture
def run_events(run_service: Callable[..., RunningService], shared_database: str) -> Callable[[], RunningService]:
    """Start one more process of the module's events service, for one test."""
    return lambda: run_service("events", env={"CG_MONGO_URI": shared_database})


def answer_all(api: ApiClient, event: dict[str, Any], people: list[Person], answer: str) -> list[str]:
    """Send everybody's answer before reading any reply. Gives the numbers to receive by."""
    path = f"/v1/events/{event['id']}/rsvps/me"
    return [api.send("PUT", path, {"answer": answer}, as_=one) for one in people]


def receive_all(api: ApiClient, numbers: list[str], seconds: float = 5.0) -> list[dict[str, Any] | None]:
    """What was answered; None for those who got no answer in time."""
    end, received = time.monotonic() + seconds, []
    for number in numbers:
        try:
            answer = api.receive(number, max(end - time.monotonic(), 0.001))
            received.append(answer.json() if answer.status == 200 else None)
        except NoAnswer:
            received.append(None)
    return received


def check_seats(world: Any, event: dict[str, Any], going: int, waiting: int) -> None:
    """What is kept is what the counters say, and what the waitlist shows is 1 to n, each once."""
    read = world.read(event)
    assert (read["seats_taken"], read["waitlist_length"]) == (going, waiting)
    documents = world.store.rsvps.documents
    assert documents.count_documents({"event_id": event["id"], "status": "going"}) == going
    places = documents.distinct("place", {"event_id": event["id"], "status": "waitlisted"})
    assert len(places) == waiting


def waitlist(world: Any, event: dict[str, Any]) -> list[str]:
    """The ids of who waits, in order, as the API shows them; the positions are 1 to n."""
    items, path = [], f"/v1/events/{event['id']}/rsvps?status=waitlisted&limit=100"
    while path:
        page = world.api.get(path, as_=world.ana)
        items += page.json()["items"]
        path = page.headers.get("Link", "")[1:].partition(">")[0]
    assert [item["position"] for item in items] == list(range(1, len(items) + 1))
    return [item["person"]["id"] for item in items]


def told(world: Any, event: dict[str, Any], queue: str) -> list[dict[str, Any]]:
    """All that was published about the event, by sequence; waits until the outbox is empty."""
    wait_until(lambda: world.store.database["outbox"].count_documents({}) == 0, 20, "an empty outbox")
    found = {}
    while (message := world.channel.basic_get(queue, no_ack=True)) is not None:
        envelope = json.loads(message.body)
        if envelope["subject"] == event["id"]:
            found[envelope["id"]] = envelope
    return sorted(found.values(), key=lambda one: int(one["sequence"]))


@pytest.fixture
def queue(channel: Any) -> Any:
    """A queue with all that the service publishes."""
    name = channel.queue_declare(exclusive=True).queue
    channel.queue_bind(name, "commonground.events", "#")
    yield name
    channel.queue_delete(name)


@pytest.mark.parametrize("processes", [1, 2])
def test_500_people_at_once_on_50_seats(world: Any, run_events: Any, queue: str, processes: int) -> None:
    for _ in range(processes - 1):
        run_events()
    people = [world.person(f"p{number}") for number in range(PEOPLE)]
    event = world.schedule(world.group(), capacity=SEATS)
    answers = receive_all(world.api, answer_all(world.api, event, people, "going"))
    assert None not in answers, "everybody is answered within the deadline"
    assert sorted(one["position"] for one in answers if one["status"] == "waitlisted") == list(range(1, 451))
    assert sum(one["status"] == "going" for one in answers) == SEATS
    check_seats(world, event, SEATS, PEOPLE - SEATS)
    line = waitlist(world, event)

    # Every seat that is given up goes to the first.
    seated = [person for person, one in zip(people, answers, strict=True) if one["status"] == "going"]
    assert None not in receive_all(world.api, answer_all(world.api, event, seated[:20], "not_going"))
    check_seats(world, event, SEATS, PEOPLE - SEATS - 20)
    assert waitlist(world, event) == line[20:]

    messages = told(world, event, queue)
    assert [int(one["sequence"]) for one in messages] == list(range(1, 1 + 1 + PEOPLE + 40))
    promoted = [one["data"]["person"]["id"] for one in messages if "promoted" in one["type"]]
    assert promoted == line[:20]


def test_500_people_at_once_while_a_process_is_killed(world: Any, run_events: Any, queue: str) -> None:
    doomed = run_events()
    people = [world.person(f"p{number}") for number in range(PEOPLE)]
    event = world.schedule(world.group(), capacity=SEATS)
    numbers = answer_all(world.api, event, people, "going")
    wait_until(lambda: world.store.events.find(event["id"]).version > 1, what="the first answers")
    doomed.kill()
    answers = receive_all(world.api, numbers)
    # Who got no answer asks again, as an app would.
    end = time.monotonic() + 15
    while None in answers:
        assert time.monotonic() < end
        again = [number for number, one in enumerate(answers) if one is None]
        said = receive_all(world.api, answer_all(world.api, event, [people[number] for number in again], "going"))
        for number, one in zip(again, said, strict=True):
            answers[number] = one
    statuses = [world.status(event, person) for person in people]
    assert statuses == [(one["status"], one["position"]) for one in answers], "what was answered is what was kept"
    assert sorted(position for status, position in statuses if status == "waitlisted") == list(range(1, 451))
    check_seats(world, event, SEATS, PEOPLE - SEATS)

    line = waitlist(world, event)
    seated = [person for person, (status, _) in zip(people, statuses, strict=True) if status == "going"]
    assert None not in receive_all(world.api, answer_all(world.api, event, seated, "not_going"))
    assert waitlist(world, event) == line[SEATS:]
    messages = told(world, event, queue)
    assert [int(one["sequence"]) for one in messages] == list(range(1, 2 + PEOPLE + 2 * SEATS))
    assert [one["data"]["person"]["id"] for one in messages if "promoted" in one["type"]] == line[:SEATS]


def test_answers_and_changes_of_the_event_do_not_lose_each_other(world: Any, run_events: Any, queue: str) -> None:
    run_events()
    people = [world.person(f"p{number}") for number in range(100)]
    event = world.schedule(world.group(), capacity=10)
    numbers = []
    for number, person in enumerate(people):
        numbers += answer_all(world.api, event, [person], "going")
        if number % 25 == 24:
            patch = {"capacity": 10 + number}
            numbers.append(world.api.send("PATCH", f"/v1/events/{event['id']}", patch, as_=world.ana))
    assert None not in receive_all(world.api, numbers, 10)
    # In whatever order they were decided: a later lower capacity removed nobody, and nobody waits who would fit.
    read = world.read(event)
    going, waiting = read["seats_taken"], read["waitlist_length"]
    assert going + waiting == 100 and going >= min(read["capacity"], 100)
    assert waiting == 0 or going >= read["capacity"]
    check_seats(world, event, going, waiting)
    messages = told(world, event, queue)
    assert [int(one["sequence"]) for one in messages] == list(range(1, len(messages) + 1))
    assert sum("changed" in one["type"] and "changed" in one["data"] for one in messages) == 4
    assert sum("promoted" in one["type"] for one in messages) == len(messages) - 105


def test_who_is_removed_while_everybody_answers_ends_up_without_a_seat(world: Any, run_events: Any) -> None:
    run_events()
    members = [world.person(f"p{number}") for number in range(60)]
    group = world.group(*members)
    event = world.schedule(group, capacity=20)
    numbers = answer_all(world.api, event, members, "going")
    for one in members[:30]:
        world.member("removed", group, one)
    receive_all(world.api, numbers)
    world.settled(40)
    for one in members[:30]:
        status, _ = world.status(event, one)
        assert status in ("not_going", "unanswered")
    check_seats(world, event, 20, 10)
