"""Publishes what stands in the outbox: one process of a service at a time, in order, until the broker has confirmed it.

Any step may be the last one before a crash. What was not deleted is published again with the same id, by which consumers
know it.
"""

from __future__ import annotations

import logging
import math
import random
import secrets
import struct
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import amqp
import eventlet
from amqp import spec
from amqp.serialization import dumps
from eventlet.greenpool import GreenPool
from eventlet.greenthread import GreenThread
from eventlet.queue import Empty, Full, LightQueue
from nameko.extensions import SharedExtension
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from chassis import ids, metrics, outbox, topology
from chassis.connection import connect, hang_up, serve
from chassis.publisher import Publisher

if TYPE_CHECKING:
    from pymongo.database import Database

    from chassis.health import Health

log = logging.getLogger(__name__)

FAULTS = (OSError, amqp.AMQPError, PyMongoError)

BATCH = 500
FLIGHTS = 3
"""How many batches may wait for their confirms and be deleted while the next ones are published."""

SWEEP_SECONDS = 1.0
"""How often the outbox is looked at even if nothing says so, and how often another process tries to take the lease."""

LEASE_SECONDS = 10
RENEW_SECONDS = 3
LEASES = "leases"
LEASE = "outbox relay"

REFUSED_SECONDS = (1, 2, 4, 8, 16, 30)
"""How long a message that the broker returned or refused is held back, the first time, the second time, …"""
HELD_AT_MOST = 1000
MEASURE_SECONDS = 5

STOP_SECONDS = 5
"""How long the relay goes on publishing when it is asked to end; the rest waits for the next process."""


class LeaseLost(Exception):
    """Another process may be publishing by now."""


class Lease:
    """The right to publish a service's outbox, held by one process at a time, for a while, by the database's clock.

    It saves work and keeps order; it is not what makes a message count once. A process that sleeps past its time may
    publish beside its successor until it looks at the lease again, and what both publish has the same ids.
    """

    def __init__(self, database: Database[Any]) -> None:
        # An election must not give the lease to two.
        self._leases = database.get_collection(LEASES, write_concern=WriteConcern("majority"))
        self._holder = secrets.token_hex(8)
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether nobody else can have it now, as far as this process' clock can tell."""
        return time.monotonic() < self._until

    def acquire(self) -> bool:
        """Take it if it is free or has run out, or renew it. Says whether it is held. Raises PyMongoError."""
        asked = time.monotonic()
        mine = {
            "holder": self._holder,
            "until": {"$dateAdd": {"startDate": "$$NOW", "unit": "second", "amount": LEASE_SECONDS}},
        }
        taken = {"$and": [{"$ne": ["$holder", self._holder]}, {"$gt": ["$until", "$$NOW"]}]}
        update = [{"$replaceWith": {"$cond": [taken, "$$ROOT", {"$mergeObjects": ["$$ROOT", mine]}]}}]
        try:
            found = self._leases.find_one_and_update(
                {"_id": LEASE}, update, upsert=True, return_document=ReturnDocument.AFTER
            )
        except DuplicateKeyError:
            return False  # two made it at the same moment, and the other one was first
        held: bool = found["holder"] == self._holder
        self._until = asked + LEASE_SECONDS if held else 0.0
        return held

    def release(self) -> None:
        """Give it back, so that another process need not wait for its end."""
        self._until = 0.0
        self._leases.delete_one({"_id": LEASE, "holder": self._holder})


class Wire:
    """The connection of the relay that leads: turns outbox documents into frames, and publishes many in one write."""

    def __init__(self, amqp_uri: str, service: str) -> None:
        self.exchange = topology.exchange_of(service)
        self.connection = connect(amqp_uri, f"{service}-relay")
        try:
            # Without the log, what is published now would be missing from it for ever, and nobody would be told.
            topology.expect(self.connection, self.exchange, topology.LOG)
            self.publisher = Publisher(self.connection)
        except BaseException:
            self.connection.collect()
            raise
        self.channel = self.publisher.channel.channel_id
        self.method = cache(self._method)
        self.reader: GreenThread = eventlet.spawn(self._read)

    def publish(self, documents: Sequence[dict[str, Any]]) -> Any:
        """Publish documents; returns the flight to wait for."""
        frames = b"".join([part for one in documents for part in self._frames(one)])
        named = [one["_id"] for one in documents]
        return self.publisher.send(named, lambda: self.connection.transport.write(frames))

    def close(self) -> None:
        hang_up(self.connection, self.reader)
        self.publisher.fail(amqp.exceptions.RecoverableConnectionError("the connection was closed"))

    def _read(self) -> None:
        fault: Exception = amqp.exceptions.RecoverableConnectionError("the connection has ended")
        try:
            serve(self.connection)
        except FAULTS as found:
            fault = found
        self.connection.collect()
        self.publisher.fail(fault)

    def _frames(self, document: dict[str, Any]) -> Iterator[bytes]:
        """A message as it goes over the wire: method, header and body frames (AMQP 0-9-1, sections 2.3.5 and 4.2)."""
        body, properties = document["body"], document["properties"]
        queue = document.get("queue")
        yield self.method("", queue) if queue else self.method(self.exchange, document["key"])
        yield _HEADER.pack(2, self.channel, 12 + len(properties), 60, 0, len(body))
        yield properties
        most = self.connection.frame_max - 8
        for start in range(0, len(body), most):
            part = body[start : start + most]
            yield _BODY.pack(_END, 3, self.channel, len(part))
            yield part
        yield _END_BYTE

    def _method(self, exchange: str, key: str) -> bytes:
        mandatory, immediate = True, False
        arguments = dumps("Bssbb", [0, exchange, key, mandatory, immediate])
        payload = struct.pack(">HH", *spec.Basic.Publish) + arguments
        return struct.pack(">BHI", 1, self.channel, len(payload)) + payload + _END_BYTE


_END = 0xCE
_END_BYTE = bytes([_END])
# The header frame up to the properties: type, channel, size; class, weight, body size.
_HEADER = struct.Struct(">BHIHHQ")
# The end of the frame before, and the head of a body frame.
_BODY = struct.Struct(">BBHI")


class Relay:
    """Moves messages from a service's outbox to its exchange while it holds the lease."""

    def __init__(self, database: Database[Any], amqp_uri: str, service: str, health: Health) -> None:
        # Only what no election can take back is published; and what is deleted is not read again.
        self.outbox = database.get_collection(
            outbox.COLLECTION, read_concern=ReadConcern("majority"), write_concern=WriteConcern("majority")
        )
        self.lease = Lease(database)
        self.uri, self.service, self.health = amqp_uri, service, health
        self.stopping = False
        self._end = math.inf
        self._nudged: LightQueue = LightQueue(1)
        self._held: dict[str, tuple[int, float]] = {}

    def nudge(self) -> None:
        """Say that there may be something to publish. Does no I/O."""
        try:
            self._nudged.put_nowait(None)
        except Full:
            pass

    def run(self) -> None:
        """Lead whenever the lease can be had, until `stop`."""
        outbox.nudges.add(self.nudge)
        pause = 0.1
        try:
            while not self.stopping:
                why = self._turn()
                if why is None:
                    pause = 0.1
                    continue
                self.health.waiting("outbox", why)
                self._await_nudge(random.uniform(pause / 2, pause))
                pause = min(pause * 2, 5)
        finally:
            outbox.nudges.discard(self.nudge)

    def stop(self) -> None:
        """Publish what stands there now, as far as time allows, then end."""
        self._end = time.monotonic() + STOP_SECONDS
        self.stopping = True
        self.nudge()

    def _turn(self) -> str | None:
        """Lead until it fails or ends, or wait until the lease may be free; returns what there is to wait for."""
        try:
            if not self.lease.acquire():
                self.health.ready("outbox")
                self._await_nudge(SWEEP_SECONDS)
                return None
            self._lead()
            return None
        except LeaseLost:
            log.warning("another process took the lease of the outbox")
            return None
        except topology.Missing as fault:
            return str(fault)
        except FAULTS as fault:
            return f"{type(fault).__name__}: {fault}"[:300]
        finally:
            self._release()

    def _release(self) -> None:
        if self.lease.held:
            try:
                self.lease.release()
            except PyMongoError as fault:
                log.info("the lease of the outbox runs out by itself", extra={"fault": str(fault)})

    def _lead(self) -> None:
        wire = Wire(self.uri, self.service)
        self.health.ready("outbox")
        log.info("publishing the outbox")
        beside = [eventlet.spawn(one) for one in (self._renew, self._watch, self._measure)]
        metrics.outbox_leading.set(1)
        try:
            last = False
            while not last:
                last = self.stopping
                self._sweep(wire)
                if not self.stopping:
                    self._await_nudge(SWEEP_SECONDS)
                if not wire.connection.connected:
                    raise amqp.exceptions.RecoverableConnectionError("the connection to the broker has ended")
        finally:
            metrics.outbox_leading.set(0)
            for one in beside:
                one.kill()
            wire.close()

    def _await_nudge(self, seconds: float) -> None:
        try:
            self._nudged.get(timeout=seconds)
        except Empty:
            pass

    # -- one sweep: read, publish, confirm and delete, each beside the others

    def _sweep(self, wire: Wire) -> None:
        """Publish all that stands in the outbox, and wait until the broker has it."""
        pool = GreenPool(FLIGHTS)
        landing: list[GreenThread] = []
        try:
            with closing(self._batches()) as batches:
                for batch in batches:
                    if not self.lease.held:
                        raise LeaseLost
                    landing.append(pool.spawn(self._land, self.publish(wire, batch)))
                    landing = [one for one in landing if not _landed(one)]
                    if time.monotonic() > self._end:
                        break
            for one in landing:
                _landed(one, wait=True)
        finally:
            for one in landing:
                one.kill()

    def _batches(self) -> Generator[list[dict[str, Any]], None, None]:
        """What stands in the outbox, in order; the next batch is read while this one is published."""
        now = time.monotonic()
        held = [one for one, (_, until) in self._held.items() if until > now]
        if len(held) >= HELD_AT_MOST:
            return  # the fault is not with single messages
        found = self.outbox.find({"_id": {"$nin": held}} if held else {}, batch_size=BATCH).sort("_id", 1)
        batches: LightQueue = LightQueue(1)

        def read() -> None:
            try:
                while batch := found.to_list(BATCH):
                    batches.put(batch)
                batches.put(None)
            except PyMongoError as fault:
                batches.put(fault)

        reader = eventlet.spawn(read)
        try:
            while (batch := batches.get()) is not None:
                if isinstance(batch, Exception):
                    raise batch
                yield batch
        finally:
            reader.kill()
            found.close()

    def publish(self, wire: Wire, batch: list[dict[str, Any]]) -> Any:
        """Send a batch on its way."""
        return wire.publish(batch)

    def _land(self, flight: Any) -> Exception | None:
        """Wait for the confirms of a batch, and forget or hold back its messages. Returns what failed."""
        try:
            refused = flight.wait()
            published = [one for one in flight.ids if one not in refused] if refused else flight.ids
            self.confirmed(published)
        except FAULTS as fault:
            return fault
        self._hold_back(refused)
        for one in published if self._held else ():
            self._held.pop(one, None)
        return None

    def confirmed(self, published: Sequence[str]) -> None:
        """Forget what the broker has."""
        if published:
            # By id, not by range: a transaction that began earlier may have committed a smaller id meanwhile.
            self.outbox.delete_many({"_id": {"$in": list(published)}})
            metrics.messages_relayed.inc(len(published))

    def _hold_back(self, refused: dict[str, str]) -> None:
        """Keep what the broker did not take, and try it again later; it holds up no other message."""
        for one, why in refused.items():
            times = self._held.get(one, (0, 0.0))[0]
            seconds = REFUSED_SECONDS[min(times, len(REFUSED_SECONDS) - 1)]
            self._held[one] = (times + 1, time.monotonic() + seconds)
            metrics.messages_refused.labels(why).inc()
        if refused:
            one, why = next(iter(refused.items()))
            log.error(
                "the broker did not take messages; they stay in the outbox and are tried again",
                extra={"messages": len(refused), "first": one, "why": why},
            )

    # -- beside it

    def _renew(self) -> None:
        while True:
            eventlet.sleep(RENEW_SECONDS)
            try:
                if not self.lease.acquire():
                    return
            except PyMongoError as fault:
                log.warning("the lease of the outbox was not renewed", extra={"fault": str(fault)})

    def _watch(self) -> None:
        """Be told of messages that other processes put into the outbox; the sweep is there in case this fails."""
        inserted: list[dict[str, Any]] = [{"$match": {"operationType": "insert"}}, {"$project": {"_id": 1}}]
        while True:
            try:
                with self.outbox.watch(inserted) as changes:
                    for _ in changes:
                        self.nudge()
            except FAULTS as fault:
                log.info("the outbox is not watched; it is swept", extra={"fault": str(fault)})
                eventlet.sleep(SWEEP_SECONDS)

    def _measure(self) -> None:
        while True:
            try:
                oldest = self.outbox.find_one({}, {"_id": 1}, sort=[("_id", 1)])
                age = (datetime.now(UTC) - ids.made_at(oldest["_id"])).total_seconds() if oldest else 0
                metrics.outbox_oldest_seconds.set(age)
                metrics.outbox_pending.set(self.outbox.estimated_document_count())
            except FAULTS:
                pass
            eventlet.sleep(MEASURE_SECONDS)


def _landed(one: GreenThread, wait: bool = False) -> bool:
    """Whether a batch has been dealt with. Raises what failed there."""
    if not (wait or one.dead):
        return False
    if (fault := one.wait()) is not None:
        raise fault
    return True


class OutboxRelay(SharedExtension):
    """The relay of a service, as the Store brings it along."""

    relay: Relay | None = None

    def start(self) -> None:
        config = self.container.config
        self.relay = Relay(
            config["store"].database, config["settings"].amqp_uri, self.container.service_name, config["health"]
        )
        config["health"].waiting("outbox", "not connected yet")
        self.thread = self.container.spawn_managed_thread(self.relay.run, "outbox relay")

    def stop(self) -> None:
        """Publish what the last workers left, and give the lease back. The Store calls this while it is connected."""
        if self.relay is not None and not self.relay.stopping:
            self.relay.stop()
            self.thread.wait()
