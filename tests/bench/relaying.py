"""The chassis' relay in a process of its own, as a service runs it, over an outbox that nobody else touches."""

import eventlet

eventlet.monkey_patch()

import os  # noqa: E402  the standard library is patched before anything else is imported

from chassis.health import Health  # noqa: E402
from chassis.relay import Relay  # noqa: E402
from chassis.store import open_store  # noqa: E402


def main() -> None:
    """Publish until the process is ended."""
    service = os.environ["BENCH_SERVICE"]
    store = open_store(os.environ["BENCH_MONGO_URI"], service, {})
    Relay(store.database, os.environ["BENCH_AMQP_URI"], service, Health()).run()


if __name__ == "__main__":
    main()
