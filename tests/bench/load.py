"""A load generator in its own process: the same one for all that are compared, cheap enough never to be the bottleneck.

    python -m tests.bench.load <job.json >result.json

Each of its keep-alive connections sends a request, waits for the whole answer, checks it, and sends the next. The first
answer to each request is parsed and compared with what is expected of it; every later one must be the same to the byte,
unless the request changes something and its answer says what became of it.
"""

from __future__ import annotations

import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONNECTIONS = 16
ROOT = Path(__file__).parents[2]
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"


class WrongAnswer(Exception):
    """An answer with another status or body than expected: the figure would be worth nothing."""


@dataclass(frozen=True)
class Request:
    """A request and what its answer must say: `expected` is the whole text, or members of a JSON object."""

    path: str
    expected: str | Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    body: str = ""
    steady: bool = True
    """Whether each answer to it must be the same."""

    def wire(self, host: str) -> bytes:
        """The bytes of the request, HTTP/1.1."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {host}", "Accept: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.body:
            lines.append(f"Content-Length: {len(self.body.encode())}")
        return "\r\n".join([*lines, "", self.body]).encode()

    def check(self, head: bytes, body: bytes) -> None:
        """Compare an answer with what is expected. Raises WrongAnswer."""
        said = f"{self.path} answered {head[:80]!r} {body[:300]!r}"
        if not head.startswith(b"HTTP/1.1 200 "):
            raise WrongAnswer(said)
        if isinstance(self.expected, str):
            if body.decode() != self.expected:
                raise WrongAnswer(said)
            return
        content = json.loads(body)
        for name, value in self.expected.items():
            if content.get(name) != value:
                raise WrongAnswer(f"{said}: {name} is not {value!r}")


@dataclass(frozen=True)
class Measured:
    """What one run of the generator saw: seconds, and the latency of each answer in seconds."""

    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.seconds


def generate(
    port: int,
    requests: Sequence[Request],
    *,
    seconds: float,
    most: int = 1_000_000,
    warm_up: float = 0.3,
    connections: int = CONNECTIONS,
) -> Measured:
    """Load a server for `seconds` (after `warm_up` seconds that do not count) or `most` answers. Raises WrongAnswer."""
    job = {
        "port": port,
        "requests": [list(vars(one).values()) for one in requests],
        "seconds": seconds,
        "most": most,
        "warm_up": warm_up,
        "connections": connections,
    }
    timeout = warm_up + seconds + 60
    command = [sys.executable, "-m", "tests.bench.load"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, cwd=ROOT, timeout=timeout)
    if done.returncode:
        raise WrongAnswer(done.stderr.strip().splitlines()[-1] if done.stderr else f"exit code {done.returncode}")
    return Measured(**json.loads(done.stdout))


@dataclass(frozen=True)
class Answered:
    """One answer to a burst: its status and body, and the seconds from the moment in which all were sent."""

    status: int
    body: bytes
    seconds: float


def burst(port: int, requests: Sequence[Request]) -> list[Answered]:
    """Send requests in the same moment, each on a connection of its own, and wait for all answers, in their order."""
    connections = [_Connection(port) for _ in requests]
    wires = [one.wire(f"127.0.0.1:{port}") for one in requests]
    answered: list[Answered | None] = [None] * len(requests)
    poll = select.epoll()
    by_fd = {one.socket.fileno(): number for number, one in enumerate(connections)}
    for fd in by_fd:
        poll.register(fd, select.EPOLLIN)
    begun = time.perf_counter()
    for connection, wire in zip(connections, wires, strict=True):
        connection.ask(0, wire)
    while None in answered:
        ready = poll.poll(15)
        if not ready:
            raise WrongAnswer("No answer for 15 s.")
        for fd, _ in ready:
            number = by_fd[fd]
            answer = connections[number].read()
            if answer is not None:
                head, body = answer
                answered[number] = Answered(int(head.split(b" ", 2)[1]), body, time.perf_counter() - begun)
    for connection in connections:
        connection.socket.close()
    return [one for one in answered if one is not None]


class _Connection:
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answer = b""
        self.asked = 0
        self.sent_at = 0.0

    def ask(self, number: int, wire: bytes) -> None:
        self.asked = number
        self.answer = b""
        self.sent_at = time.perf_counter()
        self.socket.sendall(wire)

    def read(self) -> tuple[bytes, bytes] | None:
        """The head and body of the answer, once it is whole."""
        received = self.socket.recv(262_144)
        if not received:
            raise WrongAnswer(f"The connection was closed after {self.answer[:200]!r}")
        self.answer += received
        end = self.answer.find(_END)
        if end < 0:
            return None
        head = self.answer[: end + 2]
        length = _LENGTH.search(head)
        if length is None:
            raise WrongAnswer(f"An answer without Content-Length: {head!r}")
        body = self.answer[end + 4 :]
        return (head, body) if len(body) >= int(length[1]) else None


def _load(port: int, requests: list[Request], seconds: float, most: int, warm_up: float, connections: int) -> Measured:
    wires = [one.wire(f"127.0.0.1:{port}") for one in requests]
    known: list[bytes | None] = [None] * len(requests)
    open_ = {one.socket.fileno(): one for one in (_Connection(port) for _ in range(connections))}
    poll = select.epoll()
    turn = 0
    for fd, connection in open_.items():
        poll.register(fd, select.EPOLLIN)
        connection.ask(turn % len(wires), wires[turn % len(wires)])
        turn += 1
    latencies: list[float] = []
    begin = time.perf_counter() + warm_up
    end = begin + seconds
    now = begin
    while now < end and len(latencies) < most:
        ready = poll.poll(10)
        if not ready:
            raise WrongAnswer("No answer for 10 s.")
        for fd, _ in ready:
            connection = open_[fd]
            answer = connection.read()
            if answer is None:
                continue
            now = time.perf_counter()
            if connection.sent_at >= begin and now <= end:
                latencies.append(now - connection.sent_at)
            head, body = answer
            if body != known[connection.asked] or not head.startswith(b"HTTP/1.1 200 "):
                _look_closer(known, requests, connection.asked, head, body)
            connection.ask(turn % len(wires), wires[turn % len(wires)])
            turn += 1
    for connection in open_.values():
        connection.socket.close()
    return Measured(min(now, end) - begin, latencies)


def _look_closer(known: list[bytes | None], requests: list[Request], number: int, head: bytes, body: bytes) -> None:
    requests[number].check(head, body)
    if known[number] is not None and requests[number].steady:
        raise WrongAnswer(f"{requests[number].path} answered otherwise than before: {body[:300]!r}")
    known[number] = body


def main() -> None:
    """Do the job that stands on the standard input."""
    job = json.load(sys.stdin)
    job["requests"] = [Request(*one) for one in job["requests"]]
    measured = _load(**job)
    json.dump({"seconds": measured.seconds, "latencies": [round(one, 6) for one in measured.latencies]}, sys.stdout)


if __name__ == "__main__":
    main()
