"""Hear messages as they happen: `python listen.py 'groups.#' 'events.event.*.v1'`, with the subscriber's address in CG_AMQP_URI.

Prints each message as a line of JSON. What happens while this does not run waits in its queue.
"""

import os
import sys
import time
from typing import Any

from kombu import Connection, Consumer, Exchange, Queue

EXCHANGE = Exchange(os.environ.get("CG_EXCHANGE", "commonground.public"), passive=True)


def hear(message: Any) -> None:
    """Do with a message what this system is for; what was acknowledged does not come again."""
    print(message.body if isinstance(message.body, str) else message.body.decode(), flush=True)
    message.ack()


def listen(connection: Connection, patterns: list[str]) -> None:
    """Bind a queue of one's own by each pattern, and consume from it until the connection is lost."""
    connection.connect()
    name = f"subscriber.{connection.userid}"
    queues = [Queue(name, EXCHANGE, pattern, queue_arguments={"x-queue-type": "quorum"}) for pattern in patterns]
    for queue in queues:
        queue(connection).declare()
    with Consumer(connection, queues[:1], on_message=hear, prefetch_count=50):
        print(f"listening from {name}", file=sys.stderr)
        while True:
            try:
                connection.drain_events(timeout=10)
            except TimeoutError:
                pass  # nothing happens just now
            connection.heartbeat_check()


def main() -> None:
    """Listen for ever."""
    while True:
        with Connection(os.environ["CG_AMQP_URI"], heartbeat=30) as connection:
            try:
                listen(connection, sys.argv[1:] or ["#"])
            except connection.connection_errors + connection.channel_errors as fault:
                print(f"{fault}: trying again", file=sys.stderr)
                time.sleep(2)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
