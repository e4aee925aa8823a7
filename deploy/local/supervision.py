"""The supervisor that keeps the stack's processes running: its configuration, and how to talk to it."""

from __future__ import annotations

import hashlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import SupervisorTransport

from stack import GATEWAY, MAIL, NODES, ROOT, SERVICES, VAR, Refusal, Stack

RUN = VAR / "run"
CONFIGURATION = RUN / "supervisord.conf"
PID = RUN / "supervisord.pid"
# The address of a Unix socket may have 107 bytes (unix(7)), less than a path.
LONGEST_SOCKET = 100
SPECIFIC = {
    # Nodes write their data out when they end; the services finish what they hold, the gateway first of all.
    **dict.fromkeys(NODES, "priority=10\nautostart=true\nstopwaitsecs=60"),
    MAIL: "priority=10\nautostart=true\nstopwaitsecs=10",
    **dict.fromkeys(SERVICES, "priority=20\nautostart=false\nstopwaitsecs=25"),
    GATEWAY: "priority=30\nautostart=false\nstopwaitsecs=25",
}


def socket_path() -> Path:
    """Give where the supervisor listens: in var/run, or in the temporary folder when that path is too long."""
    usual = RUN / "supervisor.sock"
    if len(str(usual)) <= LONGEST_SOCKET:
        return usual
    name = hashlib.sha256(str(VAR).encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"commonground-{os.getuid()}-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise Refusal(f"{folder} belongs to somebody else. Set TMPDIR to a folder of your own.")
    return folder / "supervisor.sock"


def _configuration() -> str:
    """Give the supervisor's configuration; a percent sign in a path is doubled, as it asks."""

    def path(of: Path) -> str:
        return str(of).replace("%", "%%")

    parts = [
        f"""[supervisord]
directory={path(ROOT)}
logfile={path(Stack.log)}/supervisord.log
pidfile={path(PID)}
childlogdir={path(Stack.log)}
{"user=root" if os.getuid() == 0 else ""}

[unix_http_server]
file={path(socket_path())}
chmod=0600

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    ]
    program = path(Path(__file__).parent / "process.py")
    for name, specific in SPECIFIC.items():
        parts.append(
            f"""[program:{name}]
command="{path(Path(sys.executable))}" -W ignore "{program}" {name}
{specific}
autorestart=true
startsecs=1
startretries=10
redirect_stderr=true
stdout_logfile={path(Stack.log)}/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=2
stopasgroup={"false" if name in NODES else "true"}
killasgroup=true
"""
        )
    return "\n".join(parts)


class Supervisor:
    """The supervisor of the stack in this folder, whether it runs or not."""

    @property
    def _rpc(self) -> Any:
        # A new connection each time: supervisor's transport does not recover from one that broke.
        transport = SupervisorTransport(None, None, serverurl=f"unix://{socket_path()}")
        return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor

    def is_running(self) -> bool:
        """Say whether the supervisor answers."""
        try:
            return bool(self._rpc.getState()["statename"] == "RUNNING")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def start(self) -> None:
        """Start the supervisor in the background; it starts the nodes at once."""
        RUN.mkdir(parents=True, exist_ok=True)
        Stack.log.mkdir(parents=True, exist_ok=True)
        CONFIGURATION.write_text(_configuration())
        CONFIGURATION.chmod(0o600)
        said = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", CONFIGURATION],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        deadline = time.monotonic() + 10
        while not self.is_running():
            if said.returncode or time.monotonic() > deadline:
                raise Refusal(f"The supervisor did not start.\n{said.stdout}{said.stderr}")
            time.sleep(0.05)

    def start_process(self, name: str) -> None:
        """Have a process started, without waiting for it."""
        self._rpc.startProcess(name, False)

    def processes(self) -> dict[str, dict[str, Any]]:
        """Give what the supervisor knows of each process, by name: `statename`, `pid`, `description`."""
        return {process["name"]: process for process in self._rpc.getAllProcessInfo()}

    def stop(self) -> None:
        """Stop all processes, the gateway first and the nodes last, and the supervisor; wait until none is left."""
        pids = [process["pid"] for process in self.processes().values() if process["pid"]]
        pids.append(self._rpc.getPID())
        self._rpc.shutdown()
        _wait_gone(pids, 120)


def _wait_gone(pids: list[int], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while left := [pid for pid in pids if _is_alive(pid)]:
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
