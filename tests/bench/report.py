"""The results as a table for people and as JSON for the record."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, Result, Target
from tests.bench.stage import ROOT

from chassis.nodes.mongodb import mongod
from chassis.nodes.rabbitmq import server_script

LIBRARIES = (
    "nameko",
    "eventlet",
    "kombu",
    "amqp",
    "pymongo",
    "marshmallow",
    "joserfc",
    "urllib3",
    "fastapi",
    "uvicorn",
    "faststream",
    "aio-pika",
)


def as_text(title: str, result: Result) -> str:
    """One bench as a part of the table."""
    lines = [
        title,
        *(f"    {_figure(one)}" for one in result.figures),
        *(f"    {_target(one)}" for one in result.targets),
    ]
    return "\n".join(lines)


def _figure(one: Figure) -> str:
    parts = [f"{one.what:<58}"]
    if one.rate is not None:
        parts.append(f"{one.rate:>9,.0f} /s ")
    if one.p50_ms is not None:
        parts.append(f"p50 {one.p50_ms:>7.1f} ms ")
    if one.p99_ms is not None:
        parts.append(f"p99 {one.p99_ms:>7.1f} ms")
    if one.value is not None:
        parts.append(f"{number(one.value):>9} {one.unit}")
    return " ".join(parts).rstrip()


def _target(one: Target) -> str:
    unit = f" {one.unit}" if one.unit else ""
    said = "reached" if one.reached else "MISSED"
    return f"{one.what:<58} {number(one.value):>9}{unit:<3}  {one.side} {number(one.bound)}{unit}: {said}"


def number(value: float) -> str:
    """A number as short as it stays true."""
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 100 else f"{value:.2f}"


def write(folder: Path, results: dict[str, tuple[str, Result]], *, quick: bool, seconds: float) -> Path:
    """Write all results, with what they were measured on, to a new file in `folder`, and give its path."""
    now = datetime.now(UTC)
    document = {
        "date": now.isoformat(timespec="seconds"),
        "quick": quick,
        "seconds": round(seconds, 1),
        "machine": machine(),
        "versions": versions(),
        "benches": {
            name: {
                "title": title,
                "figures": [
                    {key: value for key, value in asdict(one).items() if value not in (None, "")}
                    for one in result.figures
                ],
                "targets": [{**asdict(one), "reached": one.reached} for one in result.targets],
                **({"details": result.details} if result.details else {}),
            }
            for name, (title, result) in results.items()
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was with other things before."""
    said = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    models = [line.partition(":")[2].strip() for line in said.splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": platform.platform(),
        "load_average": [round(one, 2) for one in os.getloadavg()],
    }


def versions() -> dict[str, str]:
    """What was measured: the commit, the engines and the libraries."""
    commit = _said("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    found = {"commit": commit or "unknown", "python": platform.python_version()}
    found["rabbitmq"] = server_script().resolve().parent.parent.name.rpartition("-")[2]
    found["mongodb"] = _said(str(mongod()), "--version").removeprefix("db version v")
    for library in LIBRARIES:
        found[library] = importlib.metadata.version(library)
    return found


def _said(*command: str) -> str:
    """The first line that a command prints."""
    printed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return printed.splitlines()[0].strip() if printed else ""
