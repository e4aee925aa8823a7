"""The notebook: a small service on the whole chassis, run as a real process."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chassis.nodes import Process
from chassis.testing import RunningService, RunService, StartProcess

NOTEBOOK = [sys.executable, "-c", "from chassis.process import main; main('notebook:Notebook')"]
NOTEBOOK_ENV = {"PYTHONPATH": str(Path(__file__).parent)}


@pytest.fixture
def start_notebook(start_process: StartProcess) -> Callable[..., Process]:
    """Start the notebook with these settings and no others."""
    return lambda **env: start_process(NOTEBOOK, {**NOTEBOOK_ENV, **env})


@pytest.fixture
def run_notebook(run_service: RunService, fresh_database: str) -> Callable[..., RunningService]:
    """Start the notebook, with a database of its own for the test: `run_notebook(CG_CALLS_AT_ONCE="1")`."""

    def run(wait: bool = True, **env: str) -> RunningService:
        return run_service("notebook", NOTEBOOK, {**NOTEBOOK_ENV, "CG_MONGO_URI": fresh_database, **env}, wait)

    return run


@pytest.fixture(scope="module")
def shared_notebook(shared_service: RunService, shared_database: str) -> RunningService:
    """A notebook that the tests of a module share; they must leave it running."""
    return shared_service("notebook", NOTEBOOK, {**NOTEBOOK_ENV, "CG_MONGO_URI": shared_database})
