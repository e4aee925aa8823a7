"""Everybody answers one event, again and again: what a hot event carries, beside what the gateway carries of a plain read."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta

from tests.bench.figures import Result, Target, ratio
from tests.bench.load import Request
from tests.bench.rounds import Server, take_turns
from tests.bench.scene import SignedIn, crowd_of, join, new_event, new_group, sign_up, wait_until_heard
from tests.bench.stage import Stage

TITLE = "Answers to one event with 100 seats, 64 connections"
PEOPLE, SEATS, CONNECTIONS = 1_000, 100, 64


def measure(stage: Stage, *, quick: bool) -> Result:
    """Have a thousand people come and not come in turns, each answer another than their last; between rounds, have them read."""
    port = stage.platform.port
    host, first = sign_up(port, "hana"), sign_up(port, "hugo")
    group = host.api.post("/v1/groups", new_group("Hundred Seats", ["theatre", "bacon"]))
    join(first, group)
    wait_until_heard(host, first, group)
    crowd = crowd_of(stage, first, PEOPLE)
    soon = datetime.now(UTC) + timedelta(days=5)
    hot = host.api.post(
        f"/v1/groups/{group['id']}/events", new_event("The premiere", soon, capacity=SEATS, max_guests=1)
    )
    answers = [_answer(hot["id"], one, said) for said in ("going", "not_going") for one in enumerate(crowd)]
    reads = [
        Request(f"/v1/groups/{group['slug']}", {"id": group["id"]}, {"Authorization": f"Bearer {one.token}"})
        for one in crowd
    ]
    answering = Server("PUT /v1/events/{event}/rsvps/me, one event", port, answers, ("gateway", "groups", "events"))
    reading = Server("GET /v1/groups/{group}", port, reads, ("gateway", "groups"))
    stage.pause("notifications")
    take_turns(
        stage,
        [answering, reading],
        rounds=2 if quick else 6,
        seconds=1 if quick else 3,
        connections=CONNECTIONS,
        settle=lambda: _all_told(stage),
    )
    stage.resume("notifications")
    counted, kept = _seats(stage, hot["id"])
    of_a_read = 100 * ratio(answering.rates, reading.rates)
    rate = answering.figure().rate or 0.0
    return Result(
        figures=[answering.figure(), reading.figure()],
        targets=[
            # 800 a second on two quiet cores; where the gateway carries less, 80 % of what it carries.
            Target("answers a second, or 800 where a read is 80 %", max(rate, 10 * of_a_read), 800, "at least"),
            Target("seats taken at the end", kept[0], SEATS, "at most"),
            Target("the counters are what is kept", counted == kept, True, "exactly"),
        ],
        details={
            "of_a_read_percent": round(of_a_read),
            "cpu_us_per_answer": {one.name: one.cpu_per_answer() for one in (answering, reading)},
            "rates": {one.name: [round(rate) for rate in one.rates] for one in (answering, reading)},
        },
    )


def _answer(event: str, one: tuple[int, SignedIn], answer: str) -> Request:
    number, person = one
    headers = {"Authorization": f"Bearer {person.token}", "Content-Type": "application/json"}
    expected = {"answer": answer}
    body = json.dumps({"answer": answer, "guests": number % 4 // 3})
    return Request(f"/v1/events/{event}/rsvps/me", expected, headers, "PUT", body, steady=False)


def _seats(stage: Stage, event: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Seats taken and how many wait, as the event counts them and as the answers are, in one moment: some are still decided."""
    events = stage.database("events")
    with stage.client.start_session(snapshot=True) as session:
        found = events["events"].find_one({"_id": event}, session=session) or {}
        answers = list(events["rsvps"].find({"event_id": event}, session=session))
    seats = sum(1 + one["guests"] for one in answers if one["status"] == "going")
    waiting = sum(one["status"] == "waitlisted" for one in answers)
    return (found["seats_taken"], found["waitlist_length"]), (seats, waiting)


def _all_told(stage: Stage) -> None:
    """Wait until all that was decided was told, so that telling it is in nobody else's turn."""
    deadline = time.monotonic() + 60
    while stage.database("events")["outbox"].estimated_document_count():
        if time.monotonic() > deadline:
            raise RuntimeError("The events service does not tell what was decided.")
        time.sleep(0.02)
