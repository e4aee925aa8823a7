"""A program that somebody starts, watches and ends: the broker, the database, a service under test."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

HOST = "127.0.0.1"


class NodeError(Exception):
    """A node that cannot be started or went away; the text says what happened and what to do."""


class NotInstalled(NodeError):
    """A program is missing on this machine; the text says which, and how to install it."""


PORTS = range(20_000, 32_000)
"""Outside what Linux takes outgoing connections from (32768 and up): a node that was killed finds its port free again."""
BLOCK = 100


def free_port() -> int:
    """Give a TCP port of 127.0.0.1 that nothing listens on, another one each time, and no other process the same.

    Raises NodeError when there is none left.
    """
    try:
        return next(port for port in _own_ports if is_free(port))
    except StopIteration:
        raise NodeError(f"No free TCP port between {PORTS.start} and {PORTS.stop} on {HOST}.") from None


def _ports() -> Iterator[int]:
    """All ports of a block that no other process gives from, then of the next one, in whatever order."""
    blocks = list(PORTS[::BLOCK])
    random.shuffle(blocks)
    for block in blocks:
        with socket.socket(type=socket.SOCK_DGRAM) as claim:
            try:
                claim.bind((HOST, block))
            except OSError:
                continue
            claim.detach()  # stays open, and the block ours, until the process ends
        yield from range(block, block + BLOCK)


_own_ports = _ports()


def is_free(port: int) -> bool:
    """Say whether a TCP port of 127.0.0.1 can be listened on now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def require_free(port: int) -> None:
    """Raise NodeError when something listens on a TCP port of 127.0.0.1 already."""
    if not is_free(port):
        raise NodeError(f"Port {port} on {HOST} is taken by another program.")


class Child(Protocol):
    """What a Process needs of what it started."""

    @property
    def pid(self) -> int:
        """Its process id, which is its process group's too."""

    def poll(self) -> int | None:
        """Its exit code, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended. Raises subprocess.TimeoutExpired."""


class Process:
    """One operating system process in a process group of its own, with its output in a file.

    `dies_with_parent` has the kernel kill it when the thread that started it ends, so that nothing is left behind even
    when a test run is killed. Start such a process from the main thread.
    """

    def __init__(
        self,
        args: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        log: Path,
        cwd: Path | None = None,
        dies_with_parent: bool = False,
    ) -> None:
        self.args = [str(arg) for arg in args]
        self.env = dict(env)
        self.log = log
        self.cwd = cwd
        self.dies_with_parent = dies_with_parent
        self._child: Child | None = None

    def launch(self) -> None:
        """Start it and return at once. Raises NodeError when it already runs."""
        if self.is_running:
            raise NodeError(f"{self.args[0]} already runs with process id {self.pid}.")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._child = self._spawn()

    def _spawn(self) -> Child:
        setpriv = shutil.which("setpriv") if self.dies_with_parent else None
        prefix = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*prefix, *self.args],
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """The process id, or None when it was never started."""
        return self._child.pid if self._child else None

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What it ended with (negative: the signal), or None while it runs or when it was never started."""
        return self._child.poll() if self._child else None

    def send(self, number: int) -> None:
        """Send a signal to it and all that it started; one that has ended is left alone."""
        if self._child is not None:
            try:
                os.killpg(self._child.pid, number)
            except ProcessLookupError:
                pass

    def stop(self, timeout: float = 30) -> int | None:
        """Ask it to end, wait, and kill it when it has not within `timeout` seconds. Gives its exit code."""
        if self._child is None:
            return None
        if self.is_running:
            os.kill(self._child.pid, signal.SIGTERM)
            try:
                self._child.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
        return self.kill()

    def kill(self) -> int | None:
        """End it, and what it started, with SIGKILL, as a crash of the machine would. Gives its exit code."""
        if self._child is None:
            return None
        self.send(signal.SIGKILL)
        return self._child.wait()

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait until it has ended by itself. Gives its exit code; raises TimeoutError."""
        if self._child is None:
            return None
        try:
            return self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.args[0]} still runs after {timeout} s.") from None

    def wait_until(self, ready: Callable[[], bool], timeout: float, what: str) -> None:
        """Wait until `ready` says so. Raises NodeError, with the end of the log, when it ended or the time is up."""
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.is_running:
                raise NodeError(f"{what} ended with exit code {self.exit_code}.\n{self.tail()}")
            if time.monotonic() > deadline:
                raise NodeError(f"{what} was not ready within {timeout:.0f} s.\n{self.tail()}")
            time.sleep(0.05)

    def tail(self, lines: int = 30) -> str:
        """Give the last lines of its output, under the name of the file."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join([f"{self.log}:", *text.splitlines()[-lines:]])
