"""The whole of Common Ground on one machine: `run.py up|story|operate|status|logs|env|down|clean|provide`, called by make."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

from chassis.nodes import NodeError, is_free
from provide import provide, provide_node
from stack import BROKER, DATABASE, FOLDERS, GATEWAY, ROOT, SERVICES, VAR, Ports, Refusal, Stack
from supervision import Supervisor

NODE_SECONDS = 120
SERVICE_SECONDS = 120


def up() -> None:
    """Start everything and wait until all is ready; when it is already up, say so."""
    began = time.monotonic()
    supervisor = Supervisor()
    running = Stack.started() if supervisor.is_running() else None
    if running:
        _finish(running, supervisor)
        print("Common Ground is up already.\n")
        _where(running)
        return
    provide()
    stack = Stack.from_environment()
    _require_free_ports(stack)
    VAR.mkdir(mode=0o700, parents=True, exist_ok=True)
    stack.mail.mkdir(exist_ok=True)
    stack.remember()
    try:
        supervisor.start()
        _finish(stack, supervisor)
    except BaseException:
        # Half a stack helps nobody; its logs stay.
        down()
        raise
    print(f"\nCommon Ground is up, after {time.monotonic() - began:.0f} s.\n")
    _where(stack)


def _finish(stack: Stack, supervisor: Supervisor) -> None:
    """Take a stack whose supervisor runs to the point where all is ready; steps that are done cost nothing."""
    processes = supervisor.processes()
    if all(_is_ready(stack.health(name)) for name in (GATEWAY, *SERVICES)):
        return
    _wait(DATABASE, stack.database.prepare, supervisor, NODE_SECONDS)
    _wait(BROKER, stack.broker.answers, supervisor, NODE_SECONDS)
    _declare_topology(stack)
    for name in (*SERVICES, GATEWAY):
        if processes[name]["statename"] in ("STOPPED", "EXITED", "FATAL"):
            supervisor.start_process(name)
    for name in (*SERVICES, GATEWAY):
        _wait(name, partial(_is_ready, stack.health(name)), supervisor, SERVICE_SECONDS)


def _wait(name: str, ready: Callable[[], bool], supervisor: Supervisor, seconds: float) -> None:
    """Wait until a process is ready, with its name on the screen meanwhile. Raises Refusal with the end of its log."""
    began = time.monotonic()
    print(f"  {name:<14} ", end="", flush=True)
    while not ready():
        state = supervisor.processes()[name]["statename"]
        if state == "FATAL" or time.monotonic() - began > seconds:
            print("failed", flush=True)
            raise Refusal(f"The {name} process is not ready after {seconds:.0f} s ({state}).\n{_tail(name)}")
        time.sleep(0.1)
    print(f"ready after {time.monotonic() - began:.1f} s", flush=True)


def _tail(name: str, lines: int = 30) -> str:
    log = Stack.log / f"{name}.log"
    text = log.read_text(errors="replace") if log.exists() else ""
    return "\n".join([f"The end of {log}:", *text.splitlines()[-lines:]])


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _declare_topology(stack: Stack) -> None:
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "chassis", "topology", *SERVICES],
        env={**os.environ, "CG_AMQP_URI": stack.broker.uri},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if said.returncode:
        raise Refusal(f"The broker's topology could not be declared.\n{said.stdout}{said.stderr}")


def _require_free_ports(stack: Stack) -> None:
    """Raise Refusal that names every port that somebody else has, and the variable that sets another."""
    taken = [(name, port) for name, port in asdict(stack.ports).items() if not is_free(port)]
    if taken:
        lines = [f"Port {port} is taken. Set another one: {Ports.variable(name)}=… make up" for name, port in taken]
        raise Refusal("\n".join(lines))


def _where(stack: Stack) -> None:
    """Print where to look and what to do next."""
    print(f"  the API              {stack.http}/v1")
    print(f"  its documentation    {stack.http}/docs")
    print(f"  logs                 {os.path.relpath(stack.log)}/   (make logs)")
    print(f"  mail                 {os.path.relpath(stack.mail)}/   (nothing is sent on)")
    print("  addresses, accounts  make env")
    print("  next                 make story, then make down")


def story() -> None:
    """Tell the product's story to the running gateway."""
    stack = _running()
    program = str(Path(__file__).parent / "story.py")
    command = [sys.executable, "-W", "ignore", program, stack.http]
    sys.exit(subprocess.call(command, env={**os.environ, **stack.addresses()}))


def operate() -> None:
    """Run an operator's command, `python -m chassis …`, on the running stack; DO says which."""
    stack = _running()
    if not (wanted := shlex.split(os.environ.get("DO", ""))):
        raise Refusal("Say what to do: make operate DO='subscribers add newsletter', or DO=--help")
    command = [sys.executable, "-W", "ignore", "-m", "chassis", *wanted]
    sys.exit(
        subprocess.call(command, env={**os.environ, "CG_AMQP_URI": stack.broker.uri, "CG_AMQP_API": stack.broker.api})
    )


def status() -> None:
    """Print the state of each process. Exits 1 when not all are ready."""
    stack = _running()
    ready = True
    for name, process in Supervisor().processes().items():
        line = f"{process['statename'].lower()}, {process['description']}"
        if name in (GATEWAY, *SERVICES):
            answers = _is_ready(stack.health(name))
            ready = ready and answers
            line += ", ready" if answers else f", not ready: {stack.health(name)}"
        print(f"  {name:<14} {line}")
    sys.exit(not ready)


def logs() -> None:
    """Follow the logs of the gateway and the services, until interrupted."""
    files = [str(Stack.log / f"{name}.log") for name in (GATEWAY, *SERVICES)]
    if not any(Path(file).exists() for file in files):
        raise Refusal("There are no logs yet: make up")
    os.execvp("tail", ["tail", "-n", "20", "-F", *files])  # noqa: S606 - the terminal is tail's now


def env() -> None:
    """Print where everything listens, as KEY=VALUE lines."""
    for name, value in _running().addresses().items():
        print(f"{name}={value}")


def provide_for_tests() -> None:
    """Install what is missing for the tests. Raises Refusal."""
    provide()
    provide_node()


def _running() -> Stack:
    stack = Stack.started() if Supervisor().is_running() else None
    if stack is None:
        raise Refusal("Common Ground is not running: make up")
    return stack


def down() -> None:
    """Stop everything; the data stays."""
    supervisor = Supervisor()
    if supervisor.is_running():
        print("Stopping …", flush=True)
        supervisor.stop()
        print(f"Common Ground is down; its data is in {os.path.relpath(VAR)}/.")
    elif sys.argv[1] == "down":
        print("Common Ground is not running.")
    Stack.from_environment().forget()


def clean() -> None:
    """Stop everything and remove the data, the secrets and the logs."""
    down()
    for folder in FOLDERS:
        shutil.rmtree(VAR / folder, ignore_errors=True)
    if VAR.exists() and not any(VAR.iterdir()):
        VAR.rmdir()
    print("Nothing is left of it.")


COMMANDS = {
    command.__name__: command
    for command in (up, story, operate, status, logs, env, down, clean, provide, provide_for_tests)
}


def main() -> None:
    """Do what the command line says; faults that a person can mend are said without a traceback."""
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"One of {', '.join(COMMANDS)}, please.")
    try:
        COMMANDS[sys.argv[1]]()
    except (Refusal, NodeError) as refusal:
        sys.exit(f"\n{refusal}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
