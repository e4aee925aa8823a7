"""Programs that tests start are forked, and are as if Python had started them anew."""

from __future__ import annotations

import os
import select
import signal
import sys
from typing import Any

import pytest

from chassis.nodes.forked import ForkedProcess, ForkServer
from chassis.testing import StartProcess, wait_until

ENVIRONMENT = dict(os.environ)


def run(start_process: StartProcess, program: str, *arguments: str, **env: str) -> Any:
    process = start_process([sys.executable, "-c", program, *arguments], env)
    assert isinstance(process, ForkedProcess)
    process.wait(20)
    return process


def test_a_program_has_its_arguments_and_its_environment_and_nothing_of_another_ones(
    start_process: StartProcess,
) -> None:
    said = "import os, sys; print(sys.argv[1:], sorted(name for name in os.environ if name[:3] == 'CG_'))"
    assert "['one', 'two'] ['CG_ONE']" in run(start_process, said, "one", "two", CG_ONE="1").tail()
    assert "[] ['CG_TWO']" in run(start_process, said, CG_TWO="2").tail()


def test_a_program_inherits_no_open_file(start_process: StartProcess) -> None:
    """Two that wait by one epoll would wake up for each other."""
    said = "import os; print([one for one in range(3, 100) if os.path.exists(f'/proc/self/fd/{one}')])"
    assert "[]" in run(start_process, said).tail()


def test_how_a_program_ended_is_told(start_process: StartProcess) -> None:
    assert run(start_process, "raise SystemExit(7)").exit_code == 7
    failed = run(start_process, "raise ValueError('bacon')")
    assert failed.exit_code == 1
    assert "ValueError: bacon" in failed.tail()
    hanging = start_process([sys.executable, "-c", "import time; time.sleep(60)"])
    assert hanging.exit_code is None
    assert hanging.stop() == -signal.SIGTERM
    again = start_process([sys.executable, "-c", "import time; time.sleep(60)"])
    assert again.kill() == -signal.SIGKILL
    assert again.kill() == -signal.SIGKILL


def test_what_python_itself_is_told_by_the_environment_takes_a_python_of_its_own(start_process: StartProcess) -> None:
    process = start_process([sys.executable, "-c", "import sys; print(sys.flags.optimize)"], {"PYTHONOPTIMIZE": "1"})
    assert process.wait(20) == 0
    assert process.tail().endswith("1")


@pytest.mark.parametrize("mercy", [True, False])
def test_what_runs_ends_with_the_server(tmp_path: Any, mercy: bool) -> None:
    server = ForkServer([], ENVIRONMENT)
    program = ["python", "-c", "import time; print('begun', flush=True); time.sleep(60)"]
    process = ForkedProcess(server, program, env=ENVIRONMENT, log=tmp_path / "log")
    process.launch()
    wait_until(lambda: "begun" in process.tail(), what="the program")
    assert process.pid
    end = os.pidfd_open(process.pid)
    if mercy:
        server.close()
    else:  # as when the test run is killed
        server._process.stdin.close()  # type: ignore[union-attr]
        server._process.wait(20)
        server._process.stdout.close()  # type: ignore[union-attr]
    assert select.select([end], [], [], 20)[0]
    os.close(end)
