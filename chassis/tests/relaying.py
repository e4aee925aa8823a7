"""A process that relays an outbox and can be told to die at a point: `python -m relaying <service> <point>`."""

# isort: off
import eventlet

eventlet.monkey_patch()
# isort: on

import logging
import os
import signal
import sys

from pymongo import MongoClient

from chassis import relay
from chassis.health import Health

relay.LEASE_SECONDS, relay.RENEW_SECONDS, relay.REFUSED_SECONDS = 2, 0.5, (0.2, 0.4)
relay.BATCH = 50

SERVICE, POINT = sys.argv[1:3]


def die(point: str) -> None:
    """End as a crash would, if this is the point."""
    if point == POINT:
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal(relay.Relay):
    """The relay, with a place to die between every two steps."""

    def publish(self, wire, batch):
        die("read")
        flight = super().publish(wire, batch)
        die("sent")
        return flight

    def confirmed(self, published):
        die("confirmed")
        super().confirmed(published)
        die("deleted")


logging.basicConfig(level="INFO", stream=sys.stdout)
database = MongoClient(os.environ["CG_MONGO_URI"], tz_aware=True).get_default_database()
one = Mortal(database, os.environ["CG_AMQP_URI"], SERVICE, Health())
signal.signal(signal.SIGTERM, lambda *_: eventlet.spawn_after(0, one.stop))
eventlet.spawn(one.run).wait()
