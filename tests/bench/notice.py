"""From scheduling an event until a member of the group sees it in the inbox, both over HTTP, at a steady pace."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

from tests.bench.client import Api
from tests.bench.figures import Result, Target, latencies, percentile
from tests.bench.scene import SignedIn, join, new_event, new_group, sign_up, wait_until_heard
from tests.bench.stage import Stage

TITLE = "An event scheduled until it stands in a member's inbox, 20 a second"
PER_SECOND = 20
LOOK_SECONDS = 0.002
"""How long to wait between two looks at the inbox: what is seen is this, and one request, late at most."""


def measure(stage: Stage, *, quick: bool) -> Result:
    """Schedule events at a steady pace while the member looks at the inbox over and over."""
    port = stage.platform.port
    host, member = sign_up(port, "harriet"), sign_up(port, "mia")
    group = host.api.post("/v1/groups", new_group("Kittens and Bacon on Tuesdays", ["kittens", "bacon"]))
    join(member, group)
    wait_until_heard(host, member, group)
    count = PER_SECOND * (3 if quick else 15)
    look = _Look(port, member)
    look.start()
    scheduled = _Schedule(port, host, group["id"], count)
    scheduled.run()
    look.until_seen(set(scheduled.asked))
    from_asking = [look.seen[one] - asked for one, asked in scheduled.asked.items()]
    from_answer = [look.seen[one] - answered for one, answered in scheduled.answered.items()]
    return Result(
        figures=[
            latencies("from sending the request", from_asking, rate=count / scheduled.seconds),
            latencies("from its answer", from_answer),
        ],
        targets=[
            Target("p50 from sending the request", percentile(from_asking, 50) * 1000, 40, "at most", "ms"),
            Target("p99 from sending the request", percentile(from_asking, 99) * 1000, 150, "at most", "ms"),
        ],
        details={"events": count, "looks_at_the_inbox": look.looks},
    )


class _Schedule:
    """Schedules events, one each twentieth of a second, from as many connections as that takes."""

    def __init__(self, port: int, host: SignedIn, group: str, count: int) -> None:
        self.port, self.host, self.group, self.count = port, host, group, count
        self.asked: dict[str, float] = {}
        self.answered: dict[str, float] = {}

    def run(self) -> None:
        begun = time.perf_counter()
        lanes = [threading.Thread(target=self._lane, args=(begun, lane)) for lane in range(4)]
        for one in lanes:
            one.start()
        for one in lanes:
            one.join()
        self.seconds = time.perf_counter() - begun

    def _lane(self, begun: float, lane: int) -> None:
        api = Api(self.port, self.host.token)
        first = datetime.now(UTC) + timedelta(days=7)
        for number in range(lane, self.count, 4):
            time.sleep(max(0.0, begun + number / PER_SECOND - time.perf_counter()))
            asked = time.perf_counter()
            event = api.post(
                f"/v1/groups/{self.group}/events", new_event(f"Brunch {number}", first + timedelta(hours=number))
            )
            self.answered[event["id"]] = time.perf_counter()
            self.asked[event["id"]] = asked


class _Look(threading.Thread):
    """A member who looks at the first page of the inbox over and over, and notes when each event was first seen."""

    def __init__(self, port: int, member: SignedIn) -> None:
        super().__init__(daemon=True)
        self.api = Api(port, member.token)
        self.seen: dict[str, float] = {}
        self.looks = 0
        self.enough = threading.Event()

    def run(self) -> None:
        while not self.enough.wait(LOOK_SECONDS):
            page = self.api.get("/v1/inbox")
            now = time.perf_counter()
            self.looks += 1
            for item in page["items"]:
                self.seen.setdefault(item["subject"]["id"], now)

    def until_seen(self, events: set[str]) -> None:
        """Look until all events have been seen, then no more. Raises RuntimeError when that takes too long."""
        deadline = time.monotonic() + 20
        while (missing := len(events - set(self.seen))) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.enough.set()
        self.join()
        if missing:
            raise RuntimeError(f"{missing} of {len(events)} events did not reach the inbox within 20 s.")
