"""What people do while parts of the platform die: each repeats what was not acknowledged, until it is; and what must come
of it, exactly once."""

from __future__ import annotations

import http.client
import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from commonground import CommonGround
from people import Answer, Person, Request, a_key, an_event, called

PATIENCE_SECONDS = 90.0
"""How long somebody repeats a request."""

THINKING_SECONDS = 0.4
"""How long somebody thinks between two things: there is to be something going on at any moment, not as much as can be."""

# Not answered, or not yet: the same request again will tell. 403 and 404 are honest where a message has not arrived yet,
# which with the broker or a service dead takes longer than the second that a service waits.
AGAIN = {403, 404, 503, 504}


class Refused(AssertionError):
    """An answer that no client should have to expect."""


@dataclass
class Gathering:
    """All that somebody did around one group, acknowledged: what is then to be seen is known to the last detail."""

    organizer: Person
    members: list[Person]
    group: dict[str, Any] = field(default_factory=dict)
    event: dict[str, Any] = field(default_factory=dict)
    newcomer: Person | None = None


class Life:
    """Several people at the same time, each gathering others again and again until the life ends.

    ```python
    with Life(town, seed) as life:
        life.go_on(20)     # until 20 more commands were acknowledged
        …                  # kill something, start it again
    ```
    At the end of the block everybody finishes what they began.
    """

    def __init__(self, town: CommonGround, seed: int, clients: int = 3) -> None:
        print(f"seed {seed}")
        self.town, self.random = town, random.Random(seed)
        self.gatherings: list[Gathering] = []
        self.acknowledged = 0
        self.repeated: Counter[str] = Counter()
        self._ended = threading.Event()
        self._progress = threading.Condition()
        self._faults: list[BaseException] = []
        casts = [[town.person(name) for name in ("ana", "ben", "chris", "dora")] for _ in range(clients)]
        self._threads = [threading.Thread(target=self._live, args=(cast,), daemon=True) for cast in casts]

    def __enter__(self) -> Life:
        for one in self._threads:
            one.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for one in self._threads:
            one.join(PATIENCE_SECONDS + 10)
        if error is None:
            self._check()
            assert not [one for one in self._threads if one.is_alive()]
            print(f"{self.acknowledged} commands, {len(self.gatherings)} gatherings, repeated: {dict(self.repeated)}")

    def go_on(self, commands: int) -> None:
        """Wait until so many more commands were acknowledged."""
        with self._progress:
            wanted = self.acknowledged + commands
            done = self._progress.wait_for(lambda: self.acknowledged >= wanted or self._faults, PATIENCE_SECONDS)
        self._check()
        assert done, f"{commands} more commands were not acknowledged within {PATIENCE_SECONDS} s"

    def some(self, most: int = 25) -> int:
        """A random number of commands."""
        return self.random.randint(1, most)

    def _check(self) -> None:
        if self._faults:
            raise self._faults[0]

    # -- what people do

    def _live(self, cast: list[Person]) -> None:
        try:
            while not self._ended.is_set():
                gathering = Gathering(cast[0], cast[1:])
                self._gather(gathering)
                self.gatherings.append(gathering)
        except BaseException as fault:  # noqa: BLE001 - told to the test's own thread
            with self._progress:
                self._faults.append(fault)
                self._progress.notify_all()

    def _gather(self, it: Gathering) -> None:
        """Found a group, have people join, meet, wait for seats, and change plans."""
        ana, ben = it.organizer, it.members[0]
        fields = {"name": "Kittens and Bacon", "interests": ["kittens", "bacon"], "scope": "virtual"}
        it.group = self._do(ana.request("POST", "/v1/groups", fields, key=a_key()), 201)
        group = f"/v1/groups/{it.group['id']}"
        for one in it.members:
            self._do(one.request("POST", f"{group}/members", {}, key=a_key()), 201)
        it.newcomer = self._arrive()
        self._do(it.newcomer.request("POST", f"{group}/members", {}, key=a_key()), 201)
        self._do(ana.request("PATCH", group, {"summary": "Not either/or"}), 200)
        it.event = self._do(ana.request("POST", f"{group}/events", an_event(capacity=1), key=a_key()), 201)
        event = f"/v1/events/{it.event['id']}"
        for one in it.members:
            self._do(one.request("PUT", f"{event}/rsvps/me", {"answer": "going"}), 200)
        self._do(ben.request("PUT", f"{event}/rsvps/me", {"answer": "not_going"}), 200)
        self._do(ana.request("PATCH", event, {"title": "Brunch, later"}), 200)
        self._do(ana.request("POST", f"{event}/cancellation", {"reason": "snow"}, key=a_key()), 200)

    def _arrive(self) -> Person:
        new = called("eve")
        self._do(self.town.door.request("POST", "/v1/people", new, key=a_key()), 201)
        credentials = {"handle": new["handle"], "password": new["password"]}
        session = self._do(self.town.door.request("POST", "/v1/sessions", credentials, key=a_key()), 201)
        return Person(self.town.door, session, new["password"])

    def _do(self, request: Request, status: int) -> Any:
        """Send a request until it is acknowledged, as a careful client does: the same request, with the same key."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        for attempt in itertools.count(1):
            answer = self._try(request)
            if answer is not None and answer.status == status:
                with self._progress:
                    self.acknowledged += 1
                    self._progress.notify_all()
                self._ended.wait(THINKING_SECONDS)
                return answer.json() if answer.body else None
            self._expect(request, answer)
            if time.monotonic() > deadline:
                raise Refused(f"{request.method} {request.path} was never acknowledged: {answer}")
            self._ended.wait(min(0.02 * 2 ** min(attempt, 5), 0.5)) if not self._ended.is_set() else time.sleep(0.1)
        raise AssertionError

    def _try(self, request: Request) -> Answer | None:
        try:
            return self.town.door.send(request)
        except (OSError, http.client.HTTPException):
            return None

    def _expect(self, request: Request, answer: Answer | None) -> None:
        why = "no answer" if answer is None else f"{answer.status} {answer.problem}"
        self.repeated[why] += 1
        if answer is not None and answer.status not in AGAIN and answer.problem != "idempotency-in-progress":
            raise Refused(f"{request.method} {request.path}: {answer}")


# -- what must come of it


def check_once(town: CommonGround, life: Life, seconds: float = 60) -> None:
    """Everything acknowledged took effect exactly once, every consequence came exactly once, nothing is left on its way."""
    town.wait_quiet(seconds)
    for one in life.gatherings:
        _check_effects(one)
        _check_notices(one)
    _check_groups(life)


def _check_groups(life: Life) -> None:
    """Nobody founded a group twice."""
    by_organizer: dict[str, list[str]] = {}
    for one in life.gatherings:
        by_organizer.setdefault(one.organizer.handle, []).append(one.group["id"])
    people = {one.organizer.handle: one.organizer for one in life.gatherings}
    for handle, groups in by_organizer.items():
        found = [one["id"] for one in people[handle].items("/v1/me/groups", limit=100)]
        assert sorted(found) == sorted(groups)


def _check_effects(it: Gathering) -> None:
    ana, (ben, chris, dora) = it.organizer, it.members
    group = ana.get(f"/v1/groups/{it.group['id']}").json()
    # Founded, five joined (the founder too), changed once: nothing counted twice.
    assert (group["version"], group["member_count"], group["summary"]) == (7, 5, "Not either/or")
    members = [one["person"]["handle"] for one in ana.items(f"/v1/groups/{group['id']}/members")]
    assert sorted(members) == sorted(one.handle for one in (ana, ben, chris, dora, it.newcomer) if one)
    (event,) = ana.items("/v1/events", group=group["id"])
    assert event["id"] == it.event["id"]
    # Scheduled, three answers, one given up, one promoted, changed, cancelled.
    assert (event["version"], event["status"], event["title"]) == (8, "cancelled", "Brunch, later")
    assert (event["seats_taken"], event["waitlist_length"]) == (1, 1)
    answers = {
        one["person"]["handle"]: (one["status"], one["position"])
        for one in ana.items(f"/v1/events/{event['id']}/rsvps")
    }
    assert answers == {ben.handle: ("not_going", None), chris.handle: ("going", None), dora.handle: ("waitlisted", 1)}


def _check_notices(it: Gathering) -> None:
    """Each hears of everything that concerns them, and once."""
    ana, (ben, chris, dora) = it.organizer, it.members
    newcomer = it.newcomer
    assert newcomer is not None
    scheduled, changed, cancelled = "event.scheduled", "event.changed", "event.cancelled"
    for who, kinds in (
        (ana, {"member.joined": 4}),
        (ben, {scheduled: 1}),
        (chris, {scheduled: 1, "rsvp.promoted": 1, changed: 1, cancelled: 1}),
        (dora, {scheduled: 1, changed: 1, cancelled: 1}),
        (newcomer, {scheduled: 1}),
    ):
        heard = who.inbox(group=it.group["id"], limit=100)
        assert Counter(one["kind"] for one in heard) == kinds, (who.handle, heard)
    joined = {one["subject"]["href"] for one in ana.inbox(group=it.group["id"], kind="member.joined")}
    assert joined == {f"/v1/people/{one.handle}" for one in (*it.members, newcomer)}
