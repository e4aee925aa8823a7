"""From posting a notice until those hear it who listen, and what a gateway needs to hold those who hear nothing."""

from __future__ import annotations

import resource
import selectors
import socket
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Result, Target, latencies, percentile
from tests.bench.scene import SignedIn, join, multiply, new_event, new_group, sign_up, token_for, wait_until_heard
from tests.bench.stage import GATEWAY, Stage

from chassis.ids import made_at, new_id
from chassis.nodes import HOST

TITLE = "A notice posted until 200 members hear it live; 2,000 streams that hear nothing on one gateway"
LISTENING, IDLE = 200, 2_000
PER_SECOND = 5
GROUPS = 5
"""In how many groups each of the idle is."""


def measure(stage: Stage, *, quick: bool) -> Result:
    """Post notices to a group whose members listen; then open the idle streams, and post one that all of them hear."""
    port = stage.platform.port
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(IDLE + 1_000, _most_files()), _most_files()))
    host, member = sign_up(port, "stella"), sign_up(port, "stan")
    groups = [
        host.api.post("/v1/groups", new_group(f"Streams {number}", ["live", "bacon"])) for number in range(GROUPS)
    ]
    for group in groups:
        join(member, group)
        wait_until_heard(host, member, group)
    events = PER_SECOND * (4 if quick else 20)
    ears = Ears(port)
    ears.open(_members(stage, member, groups[:1], LISTENING))
    began = time.monotonic()
    for number in range(events):
        time.sleep(max(0.0, began + number / PER_SECOND - time.monotonic()))
        _schedule(host, groups[0], number)
    ears.until_heard(events)
    seconds = [at - made_at(notice).timestamp() for one in ears.heard.values() for notice, at in one.items()]
    ears.close()

    idle = IDLE // 10 if quick else IDLE
    before = _resident_mb(stage.pid_of(GATEWAY))
    many = Ears(port)
    many.open(_members(stage, member, groups, idle))
    grown = _resident_mb(stage.pid_of(GATEWAY)) - before
    _schedule(host, groups[1], 0)
    many.until_heard(1)
    first_to_last = [at - made_at(notice).timestamp() for one in many.heard.values() for notice, at in one.items()]
    many.close()
    return Result(
        figures=[
            latencies(f"from posting to each of {LISTENING}", seconds, rate=PER_SECOND),
            latencies(f"one notice to all {idle:,}", first_to_last),
            Figure(f"memory that {idle:,} streams take", value=grown, unit="MB"),
        ],
        targets=[
            Target(f"p99 from posting, {LISTENING} listening", percentile(seconds, 99) * 1000, 100, "at most", "ms"),
            Target(f"memory that {idle:,} streams take", grown, 150, "at most", "MB"),
        ],
        details={"notices": events, "heard": len(seconds)},
    )


class Ears:
    """Many streams, listened to in one thread, so that it is not the listening that takes time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.selector = selectors.DefaultSelector()
        self.heard: dict[socket.socket, dict[str, float]] = {}
        self.unread: dict[socket.socket, bytes] = {}
        self.open_ones = 0
        self.stopping = False
        self.reader = threading.Thread(target=self._read, daemon=True)

    def open(self, people: Sequence[SignedIn]) -> None:
        """Open a stream for each, and wait until all are open. Raises RuntimeError."""
        for one in people:
            sock = socket.create_connection((HOST, self.port), timeout=30)
            head = f"GET /v1/stream HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {one.token}\r\n\r\n"
            sock.sendall(head.encode())
            answer = sock.recv(65536)
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"A stream was refused: {answer[:300]!r}")
            sock.setblocking(False)
            self.heard[sock], self.unread[sock] = {}, b""
            self.selector.register(sock, selectors.EVENT_READ)
        self.reader.start()
        # Each catches up once more after its first answer; then it hears what comes.
        time.sleep(2)

    def until_heard(self, count: int) -> None:
        """Wait until each has heard so many. Raises RuntimeError."""
        deadline = time.monotonic() + 30
        while missing := sum(len(one) < count for one in self.heard.values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{missing} of {len(self.heard)} did not hear {count} notices within 30 s.")
            time.sleep(0.05)

    def close(self) -> None:
        """Close all."""
        self.stopping = True
        self.reader.join()
        for sock in self.heard:
            sock.close()
        self.selector.close()

    def _read(self) -> None:
        while not self.stopping:
            for key, _ in self.selector.select(timeout=0.2):
                sock: Any = key.fileobj
                content = sock.recv(65536)
                now = time.time()
                if not content:
                    self.selector.unregister(sock)
                    continue
                *lines, self.unread[sock] = (self.unread[sock] + content).split(b"\n")
                ids = [
                    line[4:].decode() for line, before in zip(lines[1:], lines, strict=False) if _is_id(line, before)
                ]
                for one in ids:
                    self.heard[sock].setdefault(one, now)


def _is_id(line: bytes, before: bytes) -> bool:
    return line.startswith(b"id: ") and before.startswith(b"event: ")


def _members(stage: Stage, member: SignedIn, groups: Sequence[dict[str, Any]], count: int) -> list[SignedIn]:
    """So many people who are in the groups, as far as notifications know, and are signed in."""
    now = datetime.now(UTC)
    people = [token_for(stage, new_id("psn"), f"ear{number}", member.session, now) for number in range(count)]
    kept = stage.database("notifications").standings
    for group in groups:
        found = kept.find_one({"person": member.id, "to": group["id"]})
        assert found is not None
        multiply(kept, found, ({member.id: one.id} for one in people))
    return people


def _schedule(host: SignedIn, group: dict[str, Any], number: int) -> None:
    first = datetime.now(UTC) + timedelta(days=7, hours=number)
    host.api.post(f"/v1/groups/{group['id']}/events", new_event(f"Live {number}", first))


def _resident_mb(pid: int) -> float:
    """How much memory a process has in use now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def _most_files() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]
