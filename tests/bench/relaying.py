"""The chassis' relay in a process of its own, as a service runs it, over an outbox that nobody else touches."""

import eventlet

eventlet.monkey_patch()

import os

from chassis.health import Health
from chassis.relay import Relay
from chassis.store import open_store


def main() -> None:
    """Publish until the process is ended."""
    service = os.environ["BENCH_SERVICE"]
    store = open_store(os.environ["BENCH_MONGO_URI"], service, {})
    Relay(store.database, os.environ["BENCH_AMQP_URI"], service, Health()).run()


if __name__ == "__main__":
    main()
