"""Work that waits for others, such as answers from far away: many pieces side by side, up to a bound, beside everything else."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from typing import Any

import eventlet
from eventlet.event import Event
from eventlet.greenthread import GreenThread
from nameko.extensions import Entrypoint, register_entrypoint
from pymongo.errors import ConnectionFailure, ExecutionTimeout

from chassis.timers import Tick

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.02

Job = Callable[[], object]
"""A piece of work. If it returns something true, there is more to find at once."""


class Bell:
    """Wakes who waits for it; one that rings while nobody waits is heard by the next who does."""

    def __init__(self) -> None:
        self._rung = Event()

    def ring(self) -> None:
        """Wake who waits. Does no I/O."""
        if not self._rung.ready():
            self._rung.send()

    def wait(self, seconds: float) -> None:
        """Wait until it rings, or for so long."""
        with eventlet.Timeout(seconds, False):
            self._rung.wait()
        self._rung = Event()


class Crew(Entrypoint):
    """What `@crew` declares. See there."""

    def __init__(self, at_once: int, seconds: float, bell: Bell, **options: Any) -> None:
        super().__init__(**options)
        self.at_once, self.seconds, self.bell = at_once, seconds, bell
        self.jobs: set[GreenThread] = set()
        self.ending = False

    def start(self) -> None:
        self.loop = self.container.spawn_managed_thread(self._loop, "crew")

    def stop(self) -> None:
        """Begin no more; what is at work goes on to its end."""
        self.ending = True
        self.bell.ring()
        self.loop.wait()
        for job in list(self.jobs):
            job.wait()

    def kill(self) -> None:
        self.loop.kill()
        for job in list(self.jobs):
            job.kill()

    def _loop(self) -> None:
        while not self.ending:
            free = self.at_once - len(self.jobs)
            found = self._find(free) if free else []
            for job in found:
                working = eventlet.spawn(self._work, job)
                self.jobs.add(working)
            if found:
                # What comes to its end meanwhile is followed up by one look, not by one each.
                eventlet.sleep(GATHER_SECONDS)
            self.bell.wait(self.seconds)

    def _find(self, free: int) -> Sequence[Job]:
        done = Event()
        self.container.spawn_worker(self, (Tick(), free), {}, handle_result=functools.partial(_finished, done))
        found: Sequence[Job] = done.wait()
        return found

    def _work(self, job: Job) -> None:
        was_full = len(self.jobs) >= self.at_once
        more: object = True
        try:
            more = job()
        except (ConnectionFailure, ExecutionTimeout) as fault:
            log.warning("database unavailable", extra={"crew": self.method_name, "fault": str(fault)})
            more = False
        except Exception:
            log.exception("a piece of work failed", extra={"crew": self.method_name})
            more = False
        finally:
            self.jobs.discard(eventlet.getcurrent())
            if more or was_full:
                self.bell.ring()


def crew(at_once: int, seconds: float) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a method of a service class that finds work, each piece of which is done beside the others.

    The method gets `(self, tick, free)`: the time, and how many pieces can be begun. It returns that many functions at
    most. It is asked again after `seconds`, at once when a function returned something true, and when `self.<method>.ring()`
    says that there is something to find. It runs in each process, so it claims in the database what it gives out, for a
    while: what a killed process had claimed is free after that. When the service ends, what was begun is finished.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        bell = Bell()

        @functools.wraps(function)
        def run(service: Any, tick: Tick, free: int) -> Sequence[Job]:
            try:
                found: Sequence[Job] = function(service, tick, free)
                return found
            except (ConnectionFailure, ExecutionTimeout) as fault:
                log.warning("database unavailable", extra={"crew": function.__name__, "fault": str(fault)})
            except Exception:
                log.exception("finding work failed", extra={"crew": function.__name__})
            return []

        register_entrypoint(run, Crew(at_once, seconds, bell))
        run.ring = bell.ring  # type: ignore[attr-defined]
        return run

    return declare


def _finished(done: Event, context: Any, result: Any, fault: Any) -> Any:
    done.send(result or [])
    return result, fault
