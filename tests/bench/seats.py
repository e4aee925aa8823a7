"""Five hundred people answer "going" in the same moment to an event with fifty seats."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench.client import Api
from tests.bench.figures import Figure, Result, Target, latencies
from tests.bench.load import Answered, Request, burst
from tests.bench.scene import (
    SignedIn,
    crowd_of,
    join,
    new_event,
    new_group,
    sign_up,
    wait_until_heard,
)
from tests.bench.stage import Stage

TITLE = "500 people answer going at once to an event with 50 seats"
PEOPLE, SEATS = 500, 50
GIVEN_UP = 20


def measure(stage: Stage, *, quick: bool) -> Result:
    """Have all answer at once, then have some of those who got a seat give it up, one after the other."""
    port = stage.platform.port
    host, first = sign_up(port, "oscar"), sign_up(port, "olga")
    group = host.api.post("/v1/groups", new_group("Fifty Seats", ["concerts", "bacon"]))
    join(first, group)
    wait_until_heard(host, first, group)
    crowd = crowd_of(stage, first, PEOPLE)
    soon = datetime.now(UTC) + timedelta(days=5)
    event = host.api.post(f"/v1/groups/{group['id']}/events", new_event("The concert", soon, capacity=SEATS))["id"]
    answered = burst(port, [_answer(event, one, "going") for one in crowd])
    views = [json.loads(one.body) for one in answered if one.status == 200]
    seen = host.api.get(f"/v1/events/{event}")
    going = [one for one, answer in zip(crowd, answered, strict=True) if _status(answer) == "going"]
    positions = sorted(view["position"] for view in views if view["status"] == "waitlisted")
    promoted = sum(_first_is_promoted(port, event, crowd, one) for one in going[:GIVEN_UP])
    seconds = max(one.seconds for one in answered)
    return Result(
        figures=[
            latencies("an answer", [one.seconds for one in answered], rate=len(answered) / seconds),
            Figure("all of them", value=seconds * 1000, unit="ms"),
        ],
        targets=[
            Target("answered 200", len(views), PEOPLE, "exactly"),
            Target("going", len(going), SEATS, "exactly"),
            Target("seats taken, as the event says", seen["seats_taken"], SEATS, "exactly"),
            Target("waitlisted, as the event says", seen["waitlist_length"], PEOPLE - SEATS, "exactly"),
            Target("positions 1 to 450, each once", positions == list(range(1, PEOPLE - SEATS + 1)), True, "exactly"),
            Target(f"seats of {GIVEN_UP} given up that went to the first", promoted, GIVEN_UP, "exactly"),
        ],
    )


def _answer(event: str, person: SignedIn, answer: str) -> Request:
    headers = {"Authorization": f"Bearer {person.token}", "Content-Type": "application/json"}
    return Request(f"/v1/events/{event}/rsvps/me", {}, headers, "PUT", json.dumps({"answer": answer}))


def _status(answered: Answered) -> Any:
    return json.loads(answered.body).get("status")


def _first_is_promoted(port: int, event: str, crowd: list[SignedIn], leaves: SignedIn) -> bool:
    """Have one give their seat up, and see whether exactly the one who waited longest has it then."""
    before = _viewers(port, event, crowd)
    waiting = {one: view["position"] for one, view in before.items() if view["status"] == "waitlisted"}
    first = min(waiting, key=lambda one: waiting[one])
    Api(port, leaves.token).call("PUT", f"/v1/events/{event}/rsvps/me", {"answer": "not_going"})
    after = _viewers(port, event, crowd)
    seated = {one for one, view in after.items() if view["status"] == "going"}
    return seated == {one for one, view in before.items() if view["status"] == "going"} - {leaves.id} | {first}


def _viewers(port: int, event: str, crowd: list[SignedIn]) -> dict[str, dict[str, Any]]:
    """Where everybody stands, as a member sees it."""
    api = Api(port, crowd[0].token)
    found: dict[str, dict[str, Any]] = {}
    for status in ("going", "waitlisted", "not_going"):
        path: str | None = f"/v1/events/{event}/rsvps?status={status}&limit=100"
        while path:
            page = api.get(path)
            found |= {item["person"]["id"]: item for item in page["items"]}
            more = page["next"]
            path = more and f"/v1/events/{event}/rsvps?status={status}&limit=100&cursor={more}"
    return found
