"""Python programs that chassis.forkserver runs, as processes to start, watch and end like any other."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chassis.nodes.process import NodeError, Process


class ForkServer:
    """A Python that has imported modules, and runs programs. They end with it, and it ends with the process that made it."""

    def __init__(self, modules: Sequence[str], env: Mapping[str, str]) -> None:
        """`env` is the environment in which modules are imported; programs have another."""
        self._asking = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "chassis.forkserver", *modules],
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def ask(self, order: Mapping[str, Any]) -> int:
        """Give it an order, as chassis.forkserver.serve says. Raises NodeError when it has ended."""
        orders, answers = self._process.stdin, self._process.stdout
        with self._asking:
            try:
                orders.write(json.dumps(order).encode() + b"\n")  # type: ignore[union-attr]
                orders.flush()  # type: ignore[union-attr]
                return int(answers.readline())  # type: ignore[union-attr]
            except (OSError, ValueError):
                raise NodeError("The process that runs programs has ended.") from None

    def close(self) -> None:
        """End it, and what it runs."""
        self._process.kill()
        self._process.communicate()


class ForkedProcess(Process):
    """A Process whose program, `[sys.executable, "-m" or "-c", …]`, is run by a ForkServer; `errors`, if not in the log."""

    def __init__(
        self,
        server: ForkServer,
        args: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        log: Path,
        errors: Path | None = None,
    ) -> None:
        super().__init__(args, env=env, log=log)
        self._server = server
        self._errors = errors or log

    def _spawn(self) -> _Fork:
        order = {"args": self.args[1:], "env": self.env, "log": str(self.log), "errors": str(self._errors)}
        return _Fork(self._server, order)


class _Fork:
    def __init__(self, server: ForkServer, order: Mapping[str, Any]) -> None:
        self._server = server
        self.pid = server.ask(order)
        self._end = os.pidfd_open(self.pid)
        weakref.finalize(self, os.close, self._end)
        self._asking = threading.Lock()
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        return self._exit_code_within(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._exit_code_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0)
        return code

    def _exit_code_within(self, seconds: float | None) -> int | None:
        if self._exit_code is None and select.select([self._end], [], [], seconds)[0]:
            with self._asking:
                if self._exit_code is None:
                    self._exit_code = self._server.ask({"ended": self.pid})
        return self._exit_code
