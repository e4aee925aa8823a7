"""A limit for publishing: py-amqp with nothing around it, waiting for confirms once per 500 messages.

Publishes `count` messages and prints the seconds it took, until the broker had confirmed the last one.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime
from typing import Any

from amqp import Message
from tests.bench.peers import connect

AT_A_TIME = 500


def publish(job: dict[str, Any]) -> float:
    """Publish the same envelope again and again, with the properties it would have."""
    envelope = job["envelope"]
    body = json.dumps(envelope, separators=(",", ":")).encode()
    properties = {
        "content_type": "application/cloudevents+json; charset=utf-8",
        "delivery_mode": 2,
        "message_id": envelope["id"],
        "type": envelope["type"],
        "timestamp": int(datetime.fromisoformat(envelope["time"]).timestamp()),
        "application_headers": {"traceparent": envelope["traceparent"], "audience": envelope["audience"]},
    }
    connection = connect(job["uri"])
    channel = connection.channel()
    channel.confirm_select()
    unconfirmed: set[int] = set()

    def note(tag: int, multiple: bool) -> None:
        if multiple:
            unconfirmed.difference_update([one for one in unconfirmed if one <= tag])
        else:
            unconfirmed.discard(tag)

    channel.events["basic_ack"].add(note)
    begun = time.perf_counter()
    for start in range(0, job["count"], AT_A_TIME):
        numbers = range(start + 1, min(start + AT_A_TIME, job["count"]) + 1)
        unconfirmed.update(numbers)
        for _ in numbers:
            channel.basic_publish(Message(body, **properties), job["exchange"], job["key"], mandatory=True)
        while unconfirmed:
            connection.drain_events()
    seconds = time.perf_counter() - begun
    connection.close()
    return seconds


if __name__ == "__main__":
    print(publish(json.load(sys.stdin)))
