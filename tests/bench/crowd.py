"""What an organizer waits for does not grow with those who hear of it: who watch for a group, whom it is promoted to."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Result, Target, percentile
from tests.bench.scene import SignedIn, multiply, new_group, sign_up
from tests.bench.stage import Stage

from chassis.ids import new_id

TITLE = "Founding a group for which 10,000 people watch; promoting one to 100,000"
WATCHERS, AUDIENCE = 10_000, 100_000
WATCHED, UNWATCHED = ["kittens", "bacon"], ["chess", "curling"]


def measure(stage: Stage, *, quick: bool) -> Result:
    """Found groups that all match and groups that none matches, in turns; then promote one, and watch its messages go out."""
    watchers, audience = (1_000, 5_000) if quick else (WATCHERS, AUDIENCE)
    founder, fan = sign_up(stage.platform.port, "fay"), sign_up(stage.platform.port, "finn")
    _watch(stage, fan, watchers)
    matched, unmatched, told = _found(stage, founder, watchers, rounds=2 if quick else 4)
    _gather(stage, fan, audience)
    promoted = _promote(stage, founder, audience)
    return Result(
        figures=[
            Figure(
                "founding a group that nobody watches for, median", value=1000 * statistics.median(unmatched), unit="ms"
            ),
            Figure("founding one that all watchers match, median", value=1000 * statistics.median(matched), unit="ms"),
            Figure(f"until {watchers:,} watchers are told, median", value=statistics.median(told), unit="s"),
            Figure(f"promoting a group to {audience:,} people: the answer", value=promoted["answer"], unit="s"),
            Figure("until all its messages are out", value=promoted["sent"], unit="s"),
        ],
        targets=[
            Target(
                "times the time to found one that none matches",
                statistics.median(matched) / statistics.median(unmatched),
                2,
                "at most",
            ),
            Target("people whom the promotion reached", promoted["reach"], audience, "exactly"),
            Target("by which the service grew meanwhile", promoted["grown_mb"], 50, "at most", "MB"),
        ],
        details={"founding_p99_ms": round(1000 * percentile(matched, 99), 1)},
    )


def _watch(stage: Stage, fan: SignedIn, count: int) -> None:
    """So many people, each with a watch, kept as the service keeps the first of them."""
    watch = fan.api.post("/v1/watches", {"interests": WATCHED})
    kept = stage.database("groups")
    people = [{fan.id: new_id("psn"), fan.handle: f"watcher_{number}"} for number in range(count - 1)]
    multiply(kept.people, _one(kept.people.find({"_id": fan.id})), people)
    multiply(kept.watches, _one(kept.watches.find({})), ({watch["id"]: new_id("wch"), **one} for one in people))
    kept.demand.update_one({}, {"$set": {"watchers": count, "told": count}})


def _found(stage: Stage, founder: SignedIn, watchers: int, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """How long it takes to found groups that all watches match, and groups that none matches; and until all are told."""
    matches = stage.database("groups").matches
    matched, unmatched, told = [], [], []
    for number in range(rounds + 1):  # the first warms up
        for _ in range(3):
            unmatched.append(_timed(founder, new_group(f"Unmatched {number}", UNWATCHED)))
        begun = time.monotonic()
        matched.append(_timed(founder, new_group(f"Matched {number}", WATCHED)))
        _await(
            lambda number=number: matches.estimated_document_count() >= (number + 1) * watchers, "watchers being told"
        )
        _await(lambda: _is_quiet(stage), "the messages going out")
        told.append(time.monotonic() - begun)
    return matched[1:], unmatched[3:], told[1:]


def _gather(stage: Stage, fan: SignedIn, count: int) -> None:
    """So many people who share an interest of a group, kept as the service keeps one of them."""
    fan.api.call("PATCH", "/v1/me", {"interests": ["promoted"]})
    kept = stage.database("groups").people
    copies = ({fan.id: new_id("psn"), fan.handle: f"fan_{number}"} for number in range(count - 1))
    multiply(kept, _one(kept.find({"_id": fan.id})), copies)


def _promote(stage: Stage, founder: SignedIn, audience: int) -> dict[str, float]:
    """How long the answer and all messages take, whom it reached, and by how much memory the service grew at most."""
    group = founder.api.post("/v1/groups", {"name": "Promoted", "interests": ["promoted"], "scope": "virtual"})
    _await(lambda: _is_quiet(stage), "the group being known")
    kept = stage.database("groups")
    before, begun = _memory_mb(stage), time.monotonic()
    promotion = founder.api.post(f"/v1/groups/{group['id']}/promotions", {"text": "Come!"})
    answered, most = time.monotonic() - begun, before
    chunks = -(-audience // 500)
    while _one(kept.promotions.find({"_id": promotion["id"]}))["sent"] < chunks or not _is_quiet(stage):
        most = max(most, _memory_mb(stage))
        if time.monotonic() - begun > 120:
            raise RuntimeError("The promotion was not sent within 120 s.")
        time.sleep(0.05)
    reach = _one(kept.promotions.find({"_id": promotion["id"]}))["reach"]
    return {"answer": answered, "sent": time.monotonic() - begun, "reach": reach, "grown_mb": most - before}


def _timed(founder: SignedIn, group: dict[str, Any]) -> float:
    begun = time.perf_counter()
    founder.api.post("/v1/groups", group)
    return time.perf_counter() - begun


def _memory_mb(stage: Stage) -> float:
    """The memory that the groups service has in use."""
    status = Path(f"/proc/{stage.pid_of('groups')}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


def _is_quiet(stage: Stage) -> bool:
    return stage.database("groups").outbox.find_one() is None


def _await(condition: Any, what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not happen within {seconds:.0f} s.")
        time.sleep(0.05)


def _one(found: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return next(iter(found))
