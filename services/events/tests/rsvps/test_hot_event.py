"""Many answer one event at once, several processes decide, and one of them may be killed: never one seat too many."""

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from chassis.api_client import ApiAnswer, ApiClient, NoAnswer, Person
from chassis.store import OpenStore
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
    wait_until(lambda: world.store.database["outbox"].count_documents({}) == 0, 30, "an empty outbox")
    found: dict[str, dict[str, Any]] = {}

    def note(message: Any) -> None:
        envelope = json.loads(message.body)
        if envelope["subject"] == event["id"]:
            found[envelope["id"]] = envelope

    left = world.channel.queue_declare(queue, passive=True).message_count
    tag = world.channel.basic_consume(queue, no_ack=True, callback=lambda message: (note(message), heard.append(1)))
    heard: list[int] = []
    while len(heard) < left:
        world.channel.connection.drain_events(timeout=10)
    world.channel.basic_cancel(tag)
    return sorted(found.values(), key=lambda one: int(one["sequence"]))


@pytest.fixture
def queue(channel: Any) -> Any:
    """A queue with all that the service publishes."""
    name = channel.queue_declare(exclusive=True).queue
    channel.queue_bind(name, "commonground.events", "#")
    yield name
    channel.queue_delete(name)


class Crowd:
    """People who answer at random, a few hundred at the same time; who gets no answer says the same again, as an app would."""

    def __init__(self, api: ApiClient, event: dict[str, Any], at_once: int = 200) -> None:
        self.api, self.at_once = api, at_once
        self.path = f"/v1/events/{event['id']}/rsvps/me"
        self.chance = random.Random(1)
        self.waiting: dict[str, tuple[Person, dict[str, Any], float]] = {}
        self.said: dict[str, tuple[str, int]] = {}
        self.answered = 0

    def everybody_answers(self, people: list[Person]) -> None:
        """Each answers once more, after their last answer was taken."""
        for one in self.chance.sample(people, len(people)):
            answer = self.chance.choice(["going", "going", "going", "maybe", "not_going"])
            guests = 0 if answer == "not_going" else self.chance.choice([0, 0, 0, 1, 2])
            while len(self.waiting) >= self.at_once or any(who is one for who, _, _ in self.waiting.values()):
                self._look()
            self._send(one, {"answer": answer, "guests": guests})

    def everybody_is_answered(self) -> None:
        while self.waiting:
            self._look()

    def _send(self, person: Person, body: dict[str, Any]) -> None:
        number = self.api.send("PUT", self.path, body, as_=person, seconds=5)
        self.waiting[number] = (person, body, time.monotonic() + 5)

    def _look(self) -> None:
        with contextlib.suppress(TimeoutError):
            self.api.connection.drain_events(timeout=0.2)
        for number in [one for one in self.waiting if one in self.api.answers]:
            person, body, _ = self.waiting.pop(number)
            try:
                answer = self.api.receive(number)
            except NoAnswer:
                self._send(person, body)
                continue
            self._note(person, body, answer)
        now = time.monotonic()
        for number in [one for one, (_, _, until) in self.waiting.items() if until < now]:
            person, body, _ = self.waiting.pop(number)
            self._send(person, body)

    def _note(self, person: Person, body: dict[str, Any], answer: ApiAnswer) -> None:
        if answer.status == 503:
            self._send(person, body)
            return
        self.answered += 1
        if answer.problem == "not-enough-seats":
            return  # They keep what they had.
        assert answer.status == 200, answer
        self.said[person.id] = body["answer"], body["guests"]


class Reader:
    """Somebody who looks at the event again and again, and never sees what cannot be."""

    def __init__(self, service: RunningService, event: dict[str, Any], who: Person, store: OpenStore) -> None:
        self.api, self.event, self.who, self.store = ApiClient(service.amqp_uri, "events"), event, who, store
        self.path = f"/v1/events/{event['id']}"
        self.looks, self.faults, self.ended = 0, [], threading.Event()
        self.thread = threading.Thread(target=self._look_again_and_again, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join(20)
        self.api.close()
        assert not self.faults, self.faults[0]

    def _look_again_and_again(self) -> None:
        try:
            while not self.ended.wait(0.2):
                self._look_at_what_is_kept()
                with contextlib.suppress(NoAnswer):  # of a process that was killed
                    self._look_at_what_is_shown()
                self.looks += 1
        except BaseException as fault:  # noqa: BLE001 - told to the test's own thread
            self.faults.append(fault)

    def _look_at_what_is_shown(self) -> None:
        read = self.api.get(self.path, as_=self.who).json()
        assert read["seats_taken"] <= read["capacity"], read
        items = self.api.get(f"{self.path}/rsvps?status=waitlisted&limit=100", as_=self.who).json()["items"]
        assert [one["position"] for one in items] == list(range(1, len(items) + 1))

    def _look_at_what_is_kept(self) -> None:
        with self.store.client.start_session(snapshot=True) as session:
            of_event = {"event_id": self.event["id"]}
            event = self.store.events.documents.find_one({"_id": self.event["id"]}, session=session)
            shown = {"_id": 0, "status": 1, "guests": 1, "place": 1}
            kept = list(self.store.rsvps.documents.find(of_event, shown, session=session))
        going = sum(1 + one["guests"] for one in kept if one["status"] == "going")
        line = [one for one in kept if one["status"] == "waitlisted"]
        assert (event["seats_taken"], event["waitlist_length"]) == (going, len(line))
        assert going <= event["capacity"]
        assert len({one["place"] for one in line}) == len(line)
        assert not line or going + min(1 + one["guests"] for one in line) > event["capacity"], (
            "nobody waits who would fit"
        )


def replayed(messages: list[dict[str, Any]], capacity: int) -> list[str]:
    """Who waits at the end of all that was told, in order; each step is one that the rules allow."""
    seats: dict[str, dict[str, int]] = {"going": {}, "waitlisted": {}, "maybe": {}, "not_going": {}}
    for one in messages:
        data = one["data"]
        person, wanted = data["person"]["id"], 1 + data["guests"]
        was = next((status for status, people in seats.items() if person in people), None)
        free = capacity - sum(seats["going"].values())
        if "promoted" in one["type"]:
            assert person == next(who for who, wants in seats["waitlisted"].items() if wants <= free), (
                "the first who fits"
            )
        else:
            assert data["was"] == was
        status = data.get("status", "going")
        if status == was:
            seats[status][person] = wanted  # the place is kept
            continue
        if was is not None:
            del seats[was][person]
        seats[status][person] = wanted
        assert status != "going" or wanted <= free, "a seat too many"
    return list(seats["waitlisted"])


def test_500_people_at_once_on_50_seats(world: Any, run_events: Any, queue: str) -> None:
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


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_ten_thousand_answers_of_two_thousand_people_while_processes_are_killed(
    world: Any, service: RunningService, run_events: Any, queue: str
) -> None:
    doomed = [run_events(), run_events()]
    people = [world.person(f"p{number}") for number in range(2_000)]
    event = world.schedule(world.group(), capacity=100, max_guests=2)
    crowd, reader = Crowd(world.api, event), Reader(service, event, world.ana, world.store)
    with reader:
        for round_ in range(5):
            crowd.everybody_answers(people)
            world.channel.queue_declare(queue, passive=True)  # a connection that is silent for a minute is closed
            if round_ in (1, 3):
                doomed.pop().kill()  # in the middle of what it decides: hundreds wait for their answers
        crowd.everybody_is_answered()
    assert crowd.answered == 10_000 and reader.looks > 20, (crowd.answered, reader.looks)

    line = waitlist(world, event)
    kept = world.store.rsvps.documents.find({"event_id": event["id"]})
    said = {one["person_id"]: (one["status"].replace("waitlisted", "going"), one["guests"]) for one in kept}
    assert said == crowd.said, "what was answered is what was kept"
    messages = told(world, event, queue)
    assert [int(one["sequence"]) for one in messages] == list(range(1, world.read(event)["version"] + 1))
    assert replayed(messages[1:], 100) == line


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
