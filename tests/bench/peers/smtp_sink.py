"""A mail server that takes everything and keeps nothing: `BENCH_PORT` says where.

It offers PIPELINING (RFC 2920), as mail servers do; aiosmtpd answers commands that come together, but does not say so itself.
"""

import asyncio
import os
from typing import Any

from aiosmtpd.smtp import SMTP


class Sink:
    """Takes every mail."""

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Called by aiosmtpd."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Called by aiosmtpd."""
        return "250 OK"


async def serve() -> None:
    """Serve until the process is ended."""
    sink, port = Sink(), int(os.environ["BENCH_PORT"])
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(sink), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
