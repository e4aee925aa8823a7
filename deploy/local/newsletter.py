"""Another system in the story: the subscriber in Node of docs/subscribing.md, with an account of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chassis.operate import Refused
from chassis.subscribers import Subscribers

PROGRAM = Path(__file__).resolve().parents[2] / "docs/examples/node"
NAME = "newsletter-of-the-story"
PATIENCE_SECONDS = 20


class NotThere(Exception):
    """There can be no such system on this machine; the text says why, and what to do."""


class Newsletter:
    """The running program, and what it printed."""

    def __init__(self, folder: Path) -> None:
        self.printed, self.said = folder / "printed", folder / "said"

    def heard(self) -> list[dict[str, Any]]:
        """The messages that it has heard until now."""
        whole, _, _ = self.printed.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    def wait(self, text: str) -> list[dict[str, Any]]:
        """The messages up to the first with this text in it. Raises NotThere when that does not come."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            found = self.heard()
            for number, message in enumerate(found):
                if text in json.dumps(message, ensure_ascii=False):
                    return found[: number + 1]
            time.sleep(0.05)
        raise NotThere(f"It has not heard of {text}. It says: {self.said.read_text()}")


@contextmanager
def listening(environment: Mapping[str, str]) -> Iterator[Newsletter]:
    """The newsletter, from when it listens; its account goes with it. Raises NotThere before that."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise NotThere("Node and npm are not on this machine (on Debian and Ubuntu:  apt-get install nodejs npm).")
    if "CG_AMQP_API" not in environment or "CG_AMQP_URI" not in environment:
        raise NotThere("CG_AMQP_URI and CG_AMQP_API do not say where the broker is; `make story` does.")
    subscribers = Subscribers(environment["CG_AMQP_URI"], environment["CG_AMQP_API"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(PROGRAM, folder / "node", ignore=shutil.ignore_patterns("node_modules"))
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        installed = subprocess.run(install, cwd=folder / "node", capture_output=True, text=True)
        if installed.returncode:
            raise NotThere(f"Its packages could not be installed: {installed.stderr.strip()}")
        try:
            if NAME in [one.name for one in subscribers.each()]:  # an earlier story broke
                subscribers.revoke(NAME)
            address = subscribers.add(NAME)
        except Refused as refusal:
            raise NotThere(str(refusal)) from None
        newsletter = Newsletter(folder)
        with newsletter.printed.open("w") as printed, newsletter.said.open("w") as said:
            env = {**os.environ, "CG_AMQP_URI": address}
            program = subprocess.Popen(["node", "listen.js"], cwd=folder / "node", env=env, stdout=printed, stderr=said)
        try:
            _wait_listening(newsletter, program)
            yield newsletter
        finally:
            program.kill()
            program.wait()
            subscribers.revoke(NAME)


def _wait_listening(newsletter: Newsletter, program: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while "listening" not in newsletter.said.read_text():
        if program.poll() is not None or time.monotonic() > end:
            raise NotThere(f"It does not listen. It says: {newsletter.said.read_text()}")
        time.sleep(0.05)
