"""Work that waits for others is done side by side up to a bound, and what was begun is finished before the end."""

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from gang import AT_ONCE
from pymongo import MongoClient

from chassis.testing import RunService, wait_until

GANG = [sys.executable, "-c", "from chassis.process import main; main('gang:Gang')"]


@pytest.fixture
def pieces(fresh_database: str) -> Any:
    with MongoClient[dict[str, Any]](fresh_database) as client:
        yield client.get_default_database()["pieces"]


@pytest.fixture
def run_gang(run_service: RunService, fresh_database: str) -> Any:
    env = {"PYTHONPATH": str(Path(__file__).parent), "CG_MONGO_URI": fresh_database}
    return lambda: run_service("notebook", GANG, env)


def test_what_hangs_holds_up_no_other_and_is_finished_before_the_process_ends(run_gang: Any, pieces: Any) -> None:
    hanging = [{"_id": f"hanging {n}", "state": "new", "hangs": True} for n in range(AT_ONCE - 1)]
    more = [{"_id": f"{what} {n}", "state": "new"} for n in range(5) for what in ("good", "bad")]
    pieces.insert_many([{"_id": "trouble"}, *hanging, *more])
    gang = run_gang()
    wait_until(lambda: pieces.count_documents({"_id": {"$regex": "^good"}, "state": "done"}) == 5, what="the others")
    assert {one["state"] for one in pieces.find({"hangs": True})} == {"begun"}
    pieces.insert_many([{"_id": f"late {n}", "state": "new", "hangs": True} for n in range(AT_ONCE)])
    ending = threading.Thread(target=gang.stop)
    ending.start()
    wait_until(lambda: "stopping" in gang.process.tail(20), what="stopping")
    assert pieces.count_documents({"state": "begun", "hangs": True}) <= AT_ONCE
    pieces.update_many({}, {"$unset": {"hangs": 1}})
    ending.join()
    assert gang.process.exit_code == 0
    assert pieces.count_documents({"_id": {"$regex": "^hanging"}, "state": "done"}) == AT_ONCE - 1
    assert pieces.count_documents({"state": "begun", "_id": {"$not": {"$regex": "^bad"}}}) == 0
