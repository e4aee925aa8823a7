"""Receives the mail of a local stack and writes each as a file: `mail.py PORT FOLDER`. Nothing is sent on.

A file is whole when it appears; its name begins with the time, so that the newest is the last.
"""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller

HOST = "127.0.0.1"


class Folder:
    """Where mails land."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.numbers = count(1)
        path.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a mail. Called by aiosmtpd."""
        whole = self.path / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{next(self.numbers):06}.eml"
        draft = whole.with_suffix(".part")
        draft.write_bytes(envelope.content)
        draft.rename(whole)
        return "250 OK"


def main() -> None:
    """Receive until SIGTERM or SIGINT."""
    controller = Controller(Folder(Path(sys.argv[2])), hostname=HOST, port=int(sys.argv[1]))
    controller.start()
    print(f"Mail to {HOST}:{sys.argv[1]} is written to {sys.argv[2]}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    controller.stop()


if __name__ == "__main__":
    main()
