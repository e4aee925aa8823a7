"""Receivers of webhooks that do nothing but say 204, on many ports of one process: as little as an endpoint can cost.

Prints its ports, and answers a line on standard input with how many requests it has taken so far.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

from chassis.nodes import HOST

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"

taken = 0


class Receiver(asyncio.Protocol):
    """One connection, kept."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nothing has been read yet."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.read = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        global taken
        self.read += data
        while (end := self.read.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.read, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.read) < whole:
                return
            self.read = self.read[whole:]
            taken += 1
            self.transport.write(_ANSWER)


async def receive(count: int) -> None:
    """Listen on so many ports until standard input ends."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(Receiver, HOST, 0) for _ in range(count)]
    print(json.dumps([one.sockets[0].getsockname()[1] for one in servers]), flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        print(taken, flush=True)


if __name__ == "__main__":
    asyncio.run(receive(int(sys.argv[1])))
