"""A small service that listens: what the tests of the messages run as a real process, under a name of their own."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import eventlet
from marshmallow import fields

import chassis.connection
from chassis.consumer import Consumer
from chassis.messages import Message
from chassis.schemas import Schema, Tolerant
from chassis.settings import Settings
from chassis.store import Projection, Repository, Store
from chassis.subscriptions import subscribe, subscribe_to_all

NAME = os.environ.get("LISTENER", "listener")
RELEASE = os.environ.get("LISTENER_RELEASE", "old")

# The tests do not wait ten minutes, nor for a heartbeat.
Consumer.retry_seconds = [float(one) for one in os.environ.get("LISTENER_RETRY", "0.2 0.4 0.8").split()]
chassis.connection.HEARTBEAT_SECONDS = float(os.environ.get("LISTENER_HEARTBEAT", "30"))


class Told(Tolerant):
    """What the listener needs of what it is told."""

    text = fields.String(required=True)


class EchoData(Schema):
    """What the listener says itself."""

    text = fields.String(required=True)


class Echo(Message):
    """The listener says what it heard."""

    type = f"{NAME}.thing.echoed.v1"
    data = EchoData
    example = {"text": "hello"}


class Effects(Repository):
    """What took effect, once for each time."""

    collection = "effects"

    def add(self, method: str, message: Any) -> None:
        """Keep one effect."""
        effect = {"method": method, "message": message.id, "text": message.data["text"], "at": time.time()}
        self.documents.insert_one(effect, session=self.session)


class Tries(Repository):
    """How often a message was tried, whatever came of it."""

    collection = "tries"

    def count(self, message: Any) -> int:
        """Count one more."""
        found = self.documents.find_one_and_update(
            {"_id": message.id}, {"$inc": {"count": 1}, "$push": {"at": time.time()}}, upsert=True, return_document=True
        )
        count: int = found["count"]
        return count


class Latest(Projection):
    """The newest text about each thing."""

    collection = "latest"


class Listener:
    """Does what the text of a message says."""

    name = NAME
    store = Store(effects=Effects, tries=Tries, latest=Latest)
    settings = Settings()

    @subscribe(f"{NAME}.thing.told.v1", data=Told, projection="latest")
    def remember(self, message: Any) -> None:
        """Keep the newest text."""
        with self.store.transaction(message) as tx:
            tx.latest.project(message.subject, message.sequence, {"text": message.data["text"]})

    @subscribe(f"{NAME}.thing.told.v1", data=Told)
    def act(self, message: Any) -> None:
        """Have one effect, in the way that the text says."""
        text: str = message.data["text"]
        tries = self.store.tries.count(message)
        what, number, *_ = [*text.split(" "), ""]
        if what == "fail" and tries <= int(number or 1000):
            raise ValueError("cannot swallow that")
        if what == "toil" and tries == 1:
            time_to_end = time.monotonic() + float(number)
            while time.monotonic() < time_to_end:
                pass
        with self.store.transaction(message) as tx:
            tx.effects.add("act", message)
            if what == "slow":
                eventlet.sleep(float(number))
            if what == "die-before" and tries == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "echo":
                tx.publish(Echo({"text": number}, subject=message.subject, sequence=1))
        if what == "die-after" and tries == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    if RELEASE == "new":

        @subscribe(f"{NAME}.thing.shown.v1", data=Told)
        def see(self, message: Any) -> None:
            """What only a newer release listens to."""
            with self.store.transaction(message) as tx:
                tx.effects.add("see", message)

    if RELEASE == "curious":

        @subscribe_to_all()
        def hear(self, message: Any) -> None:
            """Hear everything, once the others have heard it; note how it came."""
            self.store.tries.count(message)
            with self.store.transaction(message) as tx:
                tx.effects.add("hear", message)
                tx.effects.documents.update_one(
                    {"message": message.id, "method": "hear"}, {"$set": {"raw": message.raw}}, session=tx.session
                )
