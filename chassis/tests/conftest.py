"""The notebook: a small service on the whole chassis, run as a real process."""

import sys
from pathlib import Path

import pytest

from chassis.testing import RunService

NOTEBOOK = [sys.executable, "-c", "from chassis.process import main; main('notebook:Notebook')"]


@pytest.fixture
def run_notebook(run_service: RunService, fresh_database: str):
    """Start the notebook, with a database of its own for the test: `run_notebook(CG_CALLS_AT_ONCE="1")`."""

    def run(**env: str):
        env = {"PYTHONPATH": str(Path(__file__).parent), "CG_MONGO_URI": fresh_database, **env}
        return run_service("notebook", NOTEBOOK, env)

    return run
