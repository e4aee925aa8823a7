"""What nameko offers for publishing facts, as it comes: an EventDispatcher in a service, one message after the other.

Dispatches `count` messages and prints the seconds it took. Each is confirmed before the next one, which is nameko's default.
"""

import eventlet

eventlet.monkey_patch()

import json
import sys
import time
from typing import Any

from nameko.events import EventDispatcher
from nameko.rpc import rpc
from nameko.runners import ServiceRunner
from nameko.standalone.rpc import ServiceRpcProxy

NAME = "peer_dispatcher"


class Dispatcher:
    """A service that dispatches."""

    name = NAME
    dispatch = EventDispatcher()

    @rpc
    def dispatch_all(self, count: int, key: str, envelope: dict[str, Any]) -> float:
        """Dispatch the same envelope `count` times."""
        begun = time.perf_counter()
        for _ in range(count):
            self.dispatch(key, envelope)
        return time.perf_counter() - begun


def publish(job: dict[str, Any]) -> float:
    """Run the service for one call."""
    config = {"AMQP_URI": job["uri"]}
    runner = ServiceRunner(config)
    runner.add_service(Dispatcher)
    runner.start()
    try:
        with ServiceRpcProxy(NAME, config) as service:
            seconds: float = service.dispatch_all(job["count"], job["key"], job["envelope"])
            return seconds
    finally:
        runner.stop()


if __name__ == "__main__":
    print(publish(json.load(sys.stdin)))
