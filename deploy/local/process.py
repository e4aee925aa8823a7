"""Becomes one of the stack's processes: `process.py broker|database|groups|…`. The supervisor starts each this way.

So the supervisor's configuration holds no secret, and what it watches is the process itself, not a shell around it.
"""

import ctypes
import os
import signal
import sys

from stack import ROOT, Stack

# From prctl(2): end with the supervisor, even when that is killed.
PR_SET_PDEATHSIG = 1

stack = Stack.started()
if stack is None:
    sys.exit("The stack is not started: make up")
args, env = stack.command(sys.argv[1])
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
os.chdir(ROOT)
os.execve(args[0], args, env)  # noqa: S606 - that is its purpose
