"""A method whose time has come runs, in every process, whatever became of it the last time."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from chassis.testing import RunningService, RunService, wait_until

TICKER = [sys.executable, "-c", "from chassis.process import main; main('ticker:Ticker')"]


@pytest.fixture
def run_ticker(run_service: RunService, fresh_database: str) -> Callable[[], RunningService]:
    env = {"PYTHONPATH": str(Path(__file__).parent), "CG_MONGO_URI": fresh_database}
    return lambda: run_service("notebook", TICKER, env)


@pytest.fixture
def number(fresh_database: str) -> Any:
    """How many there are of a name: `number("kept")`."""
    with MongoClient[dict[str, Any]](fresh_database) as client:
        ticks = client.get_default_database()["ticks"]
        yield lambda name: (ticks.find_one({"_id": name}) or {"number": 0})["number"]


def test_it_goes_on_when_it_failed_and_nothing_of_that_is_kept(run_ticker: Any, number: Any) -> None:
    ticker = run_ticker()
    wait_until(lambda: number("begun") >= 9, what="nine ticks")
    assert ticker.stop() == 0
    begun = number("begun")
    assert number("kept") == begun - begun // 3
    assert number("begun") == begun


def test_it_runs_in_every_process_and_those_that_meet_try_again(run_ticker: Any, number: Any) -> None:
    tickers = [run_ticker(), run_ticker()]
    already = number("begun")
    wait_until(lambda: number("begun") >= already + 20, what="twenty more ticks")
    assert [ticker.stop() for ticker in tickers] == [0, 0]
    # Who met another one began again, so of what was begun less is kept, and never more than what did not fail.
    assert 0 < number("kept") <= number("begun") - number("begun") // 3


def test_a_killed_process_leaves_it_to_the_next(run_ticker: Any, number: Any) -> None:
    first = run_ticker()
    wait_until(lambda: number("begun") >= 2, what="two ticks")
    first.kill()
    already = number("begun")
    second = run_ticker()
    wait_until(lambda: number("begun") > already, what="another tick")
    assert second.stop() == 0
