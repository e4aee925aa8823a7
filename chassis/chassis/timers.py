"""Work that nobody asks for but that its time has come: a method that runs again and again, in every process."""

from __future__ import annotations

import functools
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import eventlet
from eventlet.event import Event
from nameko.extensions import Entrypoint, register_entrypoint
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError

from chassis import metrics, tracing

log = logging.getLogger(__name__)

MEETINGS = 12
"""How often a method runs again at once because its transaction met another one; after that it waits for its next time."""


@dataclass(frozen=True, slots=True)
class Tick:
    """One time at which a method runs: the cause of its units of work."""

    now: datetime = field(default_factory=lambda: now())
    traceparent: str = field(default_factory=tracing.begin)
    claim: None = None
    """Nobody repeats a tick, so it claims nothing."""


class Timer(Entrypoint):
    """What `@every` declares. See there."""

    def __init__(self, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self.seconds = seconds

    def start(self) -> None:
        self.ended = Event()
        self.loop = self.container.spawn_managed_thread(self._loop, f"every {self.seconds} s")

    def stop(self) -> None:
        """Begin no more; what runs goes on to its end."""
        if not self.ended.ready():
            self.ended.send()
        self.loop.wait()

    def kill(self) -> None:
        self.loop.kill()

    def _loop(self) -> None:
        # Soon after the start, so that nobody waits longer after everything was down; processes not all at once.
        pause = random.uniform(0, min(1.0, self.seconds))
        while not self._ends_within(pause):
            done = Event()
            self.container.spawn_worker(self, (Tick(),), {}, handle_result=functools.partial(_finished, done))
            done.wait()
            pause = self.seconds

    def _ends_within(self, seconds: float) -> bool:
        with eventlet.Timeout(seconds, False):
            self.ended.wait()
        return self.ended.ready()

    def run(self, function: Callable[..., Any], service: Any, tick: Tick) -> None:
        """Run the method (again while its transaction meets another one). What fails is logged; its next time comes."""
        with tracing.span(f"every {self.seconds} s: {function.__name__}", tick):
            try:
                _run(function, service, tick)
            except (ConnectionFailure, ExecutionTimeout) as fault:
                log.warning("database unavailable", extra={"timer": function.__name__, "fault": str(fault)})
            except Exception:
                log.exception("timer failed", extra={"timer": function.__name__})


def every(seconds: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a method of a service class to run every so many seconds, first within a second of the start.

    It runs in each process of the service, in one at a time of its own; the pause begins when it has ended. So it must
    find what there is to do in the database and claim it in the transaction in which it is done: then it is done once,
    whatever the number of processes, and nothing is lost by a crash. The method gets `(self, tick)`, a Tick, and does its
    work in `self.store.transaction(tick)`. It runs again from the start when its transaction meets another one.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        entrypoint = Timer(seconds)

        @functools.wraps(function)
        def run(service: Any, tick: Tick) -> None:
            entrypoint.run(function, service, tick)

        register_entrypoint(run, entrypoint)
        return run

    return declare


def _run(function: Callable[..., Any], service: Any, tick: Tick) -> None:
    pause = 0.002
    for meeting in range(MEETINGS + 1):
        try:
            function(service, tick)
            return
        except PyMongoError as fault:
            if meeting == MEETINGS or not fault.has_error_label("TransientTransactionError"):
                raise
            metrics.transaction_retries.inc()
            eventlet.sleep(random.uniform(0, pause))
            pause = min(pause * 2, 0.2)


def _finished(done: Event, context: Any, result: Any, fault: Any) -> Any:
    done.send()
    return result, fault


def now() -> datetime:
    """The present time in UTC, to the millisecond, which is what MongoDB keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
