"""The outbox relay, from MongoDB to a quorum queue, beside what py-amqp can do at best and what nameko's EventDispatcher does."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import amqp
from marshmallow import fields
from tests.bench.figures import Figure, Result, Target, ratio
from tests.bench.peers import connect
from tests.bench.stage import PEERS, ROOT, Stage

from chassis import outbox, topology
from chassis.ids import new_id
from chassis.messages import Message
from chassis.nodes import Process
from chassis.schemas import Schema
from chassis.vocabulary import GroupRef, PersonRef

TITLE = "Outbox relay: committed in MongoDB, confirmed by a quorum queue"
SERVICE = PEERS
EXCHANGE = topology.exchange_of(SERVICE)
NAMEKO_EXCHANGE = "peer_dispatcher.events"
QUEUE = "peers.quorum"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class JoinedData(Schema):
    """Who joined which group."""

    group = fields.Nested(GroupRef)
    person = fields.Nested(PersonRef)
    role = fields.String()


class Joined(Message):
    """A message of a usual size."""

    type = "peers.member.joined.v1"
    data = JoinedData
    example = {
        "group": {"id": "grp_01JD0000000000000000000000", "slug": "kittens-and-bacon", "name": "Kittens and Bacon"},
        "person": {"id": "psn_01JD0000000000000000000000", "handle": "ana", "display_name": "Ana"},
        "role": "member",
    }


def measure(stage: Stage, *, quick: bool) -> Result:
    """Let all three publish in turns, each into an empty queue."""
    stage.declare_topology()
    connection = connect(stage.broker.uri)
    channel = connection.channel()
    for exchange in (EXCHANGE, NAMEKO_EXCHANGE):
        channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
    many, few, rounds = (5_000, 300, 1) if quick else (30_000, 3_000, 5)
    limits: list[float] = []
    peers: list[float] = []
    ours: list[float] = []
    for _ in range(rounds):
        limits.append(
            _into_empty_queue(channel, EXCHANGE, many, lambda: _publish(stage, "confirmed_publisher", EXCHANGE, many))
        )
        peers.append(
            _into_empty_queue(
                channel, NAMEKO_EXCHANGE, few, lambda: _publish(stage, "nameko_dispatcher", NAMEKO_EXCHANGE, few)
            )
        )
        ours.append(_into_empty_queue(channel, EXCHANGE, many, lambda: _relay(stage, channel, many)))
    connection.close()
    return Result(
        figures=[
            Figure("py-amqp, confirms per 500 messages", rate=statistics.median(limits)),
            Figure("nameko: EventDispatcher", rate=statistics.median(peers)),
            Figure("Common Ground: relay", rate=statistics.median(ours)),
        ],
        targets=[
            Target("times EventDispatcher's rate", ratio(ours, peers), 10, "at least"),
            Target("of py-amqp's rate", 100 * ratio(ours, limits), 40, "at least", "%"),
        ],
        details={
            "bytes": len(outbox.document(_envelope())["body"]),
            "rates": {"py-amqp": limits, "nameko": peers, "ours": ours},
        },
    )


def _envelope() -> dict[str, Any]:
    return Joined(Joined.example, subject="grp_01JD0000000000000000000000", sequence=42).envelope(TRACE)


def _into_empty_queue(channel: amqp.Channel, exchange: str, count: int, publish: Callable[[], float]) -> float:
    """Have something publish `count` messages into a new quorum queue; the rate, once all of them have been seen there."""
    channel.queue_declare(QUEUE, durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(QUEUE, exchange, "#")
    rate = publish()
    _, arrived, _ = channel.queue_declare(QUEUE, passive=True)
    if arrived != count:
        raise RuntimeError(f"{arrived} of {count} messages arrived by {exchange}.")
    channel.queue_delete(QUEUE)
    return rate


def _publish(stage: Stage, peer: str, exchange: str, count: int) -> float:
    job = {"uri": stage.broker.uri, "exchange": exchange, "key": Joined.type, "count": count, "envelope": _envelope()}
    command = [sys.executable, "-m", f"tests.bench.peers.{peer}"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, cwd=ROOT, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{peer} failed: {done.stderr[-2000:]}")
    return count / float(done.stdout.splitlines()[-1])


def _relay(stage: Stage, channel: amqp.Channel, count: int) -> float:
    """Fill the outbox, start the relay, and count from the first message in the queue until the outbox is empty."""
    waiting = stage.database(PEERS)[outbox.COLLECTION]
    first = _envelope()
    waiting.insert_many([outbox.document({**first, "id": new_id("msg")}) for _ in range(count)])
    env = {
        "BENCH_SERVICE": SERVICE,
        "BENCH_MONGO_URI": stage.mongo.uri_for(PEERS),
        "BENCH_AMQP_URI": stage.broker.uri,
    }
    relay = stage.start("relay", "tests.bench.relaying", env)

    def arrived() -> int:
        found: int = channel.queue_declare(QUEUE, passive=True).message_count
        return found

    try:
        before = _soon(arrived, relay)
        begun = time.perf_counter()
        _soon(lambda: waiting.find_one({}, {"_id": 1}) is None, relay)
        return (count - before) / (time.perf_counter() - begun)
    finally:
        stage.end("relay")


def _soon(look: Callable[[], int], relay: Process) -> int:
    """What `look` gives once it is something. Raises RuntimeError, with the end of the relay's log, after a minute."""
    deadline = time.monotonic() + 60
    while not (found := look()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"The relay does not get on.\n{relay.tail()}")
        time.sleep(0.01)  # a look takes time from what is measured
    return found
