"""`python -m tests.bench`: measure, print a table, write JSON; exit 1 when a target is missed."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from tests.bench.figures import Result
from tests.bench.report import as_text, write
from tests.bench.stage import ROOT, Stage

BENCHES = (
    "reading",
    "relay",
    "notice",
    "seats",
    "audience",
    "stream",
    "search",
    "mail",
    "webhooks",
    # What these leave for the notifications service takes it minutes.
    "rush",
    "near",
    "crowd",
)


def main() -> int:
    """Run the benches that the command line names, all when it names none. Gives the exit code."""
    chosen = arguments()
    modules = {name: importlib.import_module(f"tests.bench.{name}") for name in chosen.only or BENCHES}
    if chosen.list:
        for name, module in modules.items():
            print(f"{name:<10} {module.TITLE}")
        return 0
    begun = time.monotonic()
    results: dict[str, tuple[str, Result]] = {}
    with Stage() as stage:
        for name, module in modules.items():
            result = module.measure(stage, quick=chosen.quick)
            results[name] = (module.TITLE, result)
            print(as_text(module.TITLE, result), end="\n\n", flush=True)
    path = write(chosen.into, results, quick=chosen.quick, seconds=time.monotonic() - begun)
    print(f"Written to {path}")
    missed = [
        f"{name}: {one.what}" for name, (_, result) in results.items() for one in result.targets if not one.reached
    ]
    if missed:
        print("Missed:", *missed, sep="\n  ", file=sys.stderr)
    return 1 if missed else 0


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--list", action="store_true", help="say which benches there are")
    parser.add_argument("--only", action="append", choices=BENCHES, help="run this bench alone; may be repeated")
    parser.add_argument(
        "--quick", action="store_true", help="few and short rounds: to see whether it works, not for figures"
    )
    parser.add_argument("--into", type=Path, default=ROOT / "var" / "bench", help="the folder for the JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
