"""Runs Python programs without the second that their imports take: for tests, which start services hundreds of times.

`python -m chassis.forkserver <module>…` imports these modules, and then forks itself for each program. The fork runs it as
`python -m` or `python -c` would, from its first line on, in a process group, with an environment and with a log of its own.

Nothing is imported here that a program would have to patch first (see chassis.process).
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""prctl(2): which signal a process gets when its parent ends."""


def serve(modules: Sequence[str]) -> None:
    """Take orders, each a line of JSON on stdin, and answer each with a number on stdout, until there is no more stdin.

    `{"args", "env", "log", "errors"}` runs a program, and is answered with its process id; `{"ended": process id}` waits for
    the end of one, and is answered with its exit code. What still runs at the end is killed.
    """
    server = os.getpid()
    waitpid = os.waitpid  # eventlet replaces it by one that needs a hub
    for module in modules:
        importlib.import_module(module)
    if "eventlet" in sys.modules:
        # To patch has made a hub. Forks would share what it polls with, and wake up for each other's sockets.
        sys.modules["eventlet"].hubs.use_hub()
    gc.collect()
    gc.freeze()  # what is there by now stays shared with the forks
    for line in sys.stdin.buffer:
        order = json.loads(line)
        if "ended" in order:
            answer = os.waitstatus_to_exitcode(waitpid(order["ended"], 0)[1])
        else:
            answer = os.fork()
            if answer == 0:
                return run(server, **order)
            os.setpgid(answer, answer)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def run(server: int, args: Sequence[str], env: Mapping[str, str], log: str, errors: str) -> None:
    """Be a program: what comes after `python` on a command line, with this environment, writing to these files."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:  # it has ended already
        os._exit(1)
    with Path(os.devnull).open() as nothing, Path(log).open("ab") as said, Path(errors).open("ab") as complained:
        for number, stream in enumerate((nothing, said, complained)):
            os.dup2(stream.fileno(), number)
    os.environ.clear()
    os.environ.update(env)
    sys.path[1:1] = filter(None, env.get("PYTHONPATH", "").split(os.pathsep))
    kind, program, *rest = args
    sys.argv[:] = [program if kind == "-m" else kind, *rest]
    if kind == "-m":
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        exec(program, {"__name__": "__main__"})  # noqa: S102


if __name__ == "__main__":
    serve(sys.argv[1:])
