"""Webhooks to 200 endpoints, from the message on the bus until each has it, beside a bare pooled client."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import IO

import amqp
from tests.bench.figures import Figure, Result, Target, ratio
from tests.bench.peers import connect
from tests.bench.scene import sign_up
from tests.bench.stage import ROOT, Stage, cpu_seconds

from chassis import topology
from chassis.ids import new_id
from chassis.nodes import HOST

TITLE = "Webhooks: messages on the bus until 200 endpoints have each of them"
ENDPOINTS = 200
AT_ONCE = 100
"""How many requests the bare client has under way, which is how many endpoints a process of ours pushes to."""
TYPE = "events.attendance.recorded.v1"
SECONDS = 120
PROGRAMS = ("notifications", "mongodb", "rabbitmq")


def measure(stage: Stage, *, quick: bool) -> Result:
    """Let both bring the same bodies to the same receivers, in turns."""
    messages, rounds = (5, 1) if quick else (25, 5)
    owner = sign_up(stage.platform.port, "wanda")
    with _Program("receivers", str(ENDPOINTS)) as receivers, _Program("pooled_client") as client:
        urls = [f"http://{HOST}:{port}/hooks" for port in json.loads(receivers.answer())]
        for url in urls:
            owner.api.post("/v1/webhooks", {"url": url, "types": [TYPE]})
        job = {"urls": urls, "times": messages, "at_once": AT_ONCE, "body": _envelope(), "headers": _HEADERS}
        client.say(json.dumps(job))
        channel = connect(stage.broker.uri).channel()
        channel.confirm_select()
        bare, ours = [], []
        cpu = dict.fromkeys((*PROGRAMS, "client"), 0.0)
        for number in range(rounds + 1):
            pids = {name: stage.pid_of(name) for name in PROGRAMS} | {"client": client.process.pid}
            before = {name: cpu_seconds(pid) for name, pid in pids.items()}
            client.say()
            seconds = float(client.answer())
            pushed = _push(channel, receivers, messages)
            if number:  # the first round makes the connections
                bare.append(messages * ENDPOINTS / seconds)
                ours.append(messages * ENDPOINTS / pushed)
                for name, pid in pids.items():
                    cpu[name] += cpu_seconds(pid) - before[name]
        channel.connection.close()
    return Result(
        figures=[
            Figure("urllib3's pools, nothing around them", rate=statistics.median(bare)),
            Figure("Common Ground: signed, queued, logged", rate=statistics.median(ours)),
        ],
        targets=[Target("of the bare client's rate", 100 * ratio(ours, bare), 50, "at least", "%")],
        details={
            "messages": messages,
            "rates": {"bare": bare, "ours": ours},
            "bytes": len(_envelope()),
            "cpu_us_per_push": {
                name: round(used / (rounds * messages * ENDPOINTS) * 1e6) for name, used in cpu.items()
            },
        },
    )


def _push(channel: amqp.Channel, receivers: _Program, messages: int) -> float:
    """Publish messages, and wait until each receiver has all of them; the seconds."""
    wanted = receivers.count() + messages * ENDPOINTS
    begun = time.perf_counter()
    for _ in range(messages):
        channel.basic_publish(amqp.Message(_envelope(), delivery_mode=2), topology.exchange_of("events"), TYPE)
    while (taken := receivers.count()) < wanted:
        if time.perf_counter() > begun + SECONDS:
            raise RuntimeError(f"{wanted - taken} of {messages * ENDPOINTS} pushes did not come.")
        time.sleep(0.005)
    seconds = time.perf_counter() - begun
    if taken > wanted:
        raise RuntimeError(f"{taken - wanted} pushes too many.")
    return seconds


_HEADERS = {
    "content-type": "application/cloudevents+json; charset=utf-8",
    "webhook-id": new_id("msg"),
    "webhook-timestamp": "1795456800",
    "webhook-signature": "v1," + "x" * 44,
}


def _envelope() -> str:
    """A public message of a usual size; each with an id of its own."""
    event = {"id": new_id("evt"), "title": "Bacon brunch", "starts_at": "2026-12-02T00:00:00Z", "time_zone": "UTC"}
    group = {"id": "grp_01JD0000000000000000000000", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"}
    person = {"id": "psn_01JD0000000000000000000000", "handle": "ana", "display_name": "Ana"}
    document = {
        "specversion": "1.0",
        "id": new_id("msg"),
        "source": "/services/events",
        "type": f"commonground.{TYPE}",
        "subject": event["id"],
        "time": "2026-11-23T18:00:00.123Z",
        "datacontenttype": "application/json",
        "dataschema": f"/schemas/commonground.{TYPE}",
        "sequence": "42",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "audience": "public",
        "data": {"event": event, "group": group, "person": person},
    }
    return json.dumps(document, separators=(",", ":"))


class _Program(AbstractContextManager["_Program"]):
    """A peer that is spoken to line by line."""

    def __init__(self, peer: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", f"tests.bench.peers.{peer}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def say(self, line: str = "") -> None:
        """Send one line."""
        pipe: IO[str] = self.process.stdin  # type: ignore[assignment]
        pipe.write(line + "\n")
        pipe.flush()

    def answer(self) -> str:
        """The next line that it prints."""
        pipe: IO[str] = self.process.stdout  # type: ignore[assignment]
        line = pipe.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended.")
        return line

    def count(self) -> int:
        """What it answers to an empty line, as a number."""
        self.say()
        return int(self.answer())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()
