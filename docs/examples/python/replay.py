"""Read the log: `python replay.py first`, `… 2026-11-23T18:00:00Z`, `… 4711`, with the subscriber's address in CG_AMQP_URI.

Prints the offset of each message, a tab and the message as JSON, up to now and then on as they come. Who stops notes
the last offset, and goes on with the one after it.
"""

import os
import sys
from datetime import datetime
from typing import Any

from kombu import Connection, Consumer, Queue

LOG = os.environ.get("CG_LOG", "commonground.public.log")


def place(text: str) -> str | int | datetime:
    """Where to begin: "first", a time, or an offset."""
    if text == "first":
        return text
    return int(text) if text.isdecimal() else datetime.fromisoformat(text)


def hear(message: Any) -> None:
    """Do with a message what this system is for. A stream wants to be acknowledged too: by that it sends on."""
    body = message.body if isinstance(message.body, str) else message.body.decode()
    print(message.headers["x-stream-offset"], body, sep="\t", flush=True)
    message.ack()


def replay(address: str, begin: str | int | datetime) -> None:
    """Read from there, for ever."""
    log = Queue(LOG, no_declare=True, consumer_arguments={"x-stream-offset": begin})
    with Connection(address) as connection, Consumer(connection, log, on_message=hear, prefetch_count=200):
        while True:
            connection.drain_events()


if __name__ == "__main__":
    try:
        replay(os.environ["CG_AMQP_URI"], place(sys.argv[1] if len(sys.argv) > 1 else "first"))
    except KeyboardInterrupt:
        pass
