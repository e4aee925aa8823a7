"""Load for several servers in turns, round after round, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.bench.figures import Figure, percentile
from tests.bench.load import CONNECTIONS, Request, generate
from tests.bench.stage import Stage, cpu_seconds


@dataclass
class Server:
    """One of those that are compared: where it listens, what it is asked, which programs of the stage it is made of."""

    name: str
    port: int
    requests: Sequence[Request]
    programs: Sequence[str]
    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)

    def figure(self) -> Figure:
        """The median rate of all rounds and the latencies of all answers."""
        return Figure(
            self.name,
            rate=statistics.median(self.rates),
            p50_ms=percentile(self.latencies, 50) * 1000,
            p99_ms=percentile(self.latencies, 99) * 1000,
        )

    def cpu_per_answer(self) -> dict[str, float]:
        """Microseconds of processor time for each answer, by program."""
        return {name: round(seconds / len(self.latencies) * 1e6) for name, seconds in self.cpu.items()}


def take_turns(
    stage: Stage,
    servers: Sequence[Server],
    rounds: int,
    seconds: float,
    connections: int = CONNECTIONS,
    settle: Callable[[], None] = lambda: None,
) -> None:
    """Load each server for `seconds` in each round, while the programs of the others stand still. Each keeps what was seen.

    `settle` is called after each turn, and waits for what the turn has left to do.
    """
    for one in servers:
        stage.pause(*one.programs)
    for number in range(rounds + 1):
        for one in servers:
            stage.resume(*one.programs)
            pids = {name: stage.pid_of(name) for name in (*one.programs, "rabbitmq", "mongodb")}
            before = {name: cpu_seconds(pid) for name, pid in pids.items()}
            measured = generate(
                one.port,
                one.requests,
                seconds=seconds if number else min(seconds, 1),
                connections=connections,
                warm_up=0,
            )
            settle()
            if number:  # the first round warms up
                one.rates.append(measured.rate)
                one.latencies += measured.latencies
                for name, pid in pids.items():
                    one.cpu[name] = one.cpu.get(name, 0) + cpu_seconds(pid) - before[name]
            stage.pause(*one.programs)
    for one in servers:
        stage.resume(*one.programs)
