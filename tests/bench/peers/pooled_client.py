"""A limit for webhooks: urllib3's pools with nothing around them, posting the same body to all receivers over kept connections.

Standard input names the URLs, the body, how many times and how many at a time; each line that follows has it done once more.
Prints the seconds.
"""

from __future__ import annotations

import eventlet

eventlet.monkey_patch()

import json
import sys
import time
from typing import Any

import urllib3


def main() -> None:
    """Post again and again, as often as asked."""
    job: dict[str, Any] = json.loads(sys.stdin.readline())
    pools = urllib3.PoolManager(num_pools=len(job["urls"]), maxsize=1, retries=False)
    crew = eventlet.GreenPool(job["at_once"])
    body = job["body"].encode()

    def post(url: str) -> None:
        for _ in range(job["times"]):
            answer = pools.request("POST", url, body=body, headers=job["headers"])
            if answer.status != 204:
                raise RuntimeError(f"{url} answered {answer.status}")

    while sys.stdin.readline():
        begun = time.perf_counter()
        for _ in crew.imap(post, job["urls"]):
            pass
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main()
