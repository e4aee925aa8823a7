"""Sees that RabbitMQ and MongoDB are on this machine; where that is allowed, installs Debian's packages, unstarted."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chassis.nodes import NotInstalled, mongodb, rabbitmq
from stack import Refusal

# Debian asks this script whether the service of a package may be started; 101 says no
# (https://people.debian.org/~hmh/invokerc.d-policyrc.d-specification.txt).
POLICY = Path("/usr/sbin/policy-rc.d")


def provide() -> None:
    """Install what is missing. Raises Refusal that says what to run where we may not."""
    try:
        rabbitmq.server_script()
    except NotInstalled as missing:
        _install("rabbitmq-server", str(missing))
        rabbitmq.server_script()
    try:
        mongodb.mongod()
    except NotInstalled as missing:
        if not mongodb.carried():
            raise
        # The mongod that PyPI carries is linked with this library, which a bare system lacks.
        _install("libcurl4", str(missing))
        mongodb.mongod()


def _install(package: str, missing: str) -> None:
    if not shutil.which("apt-get"):
        raise Refusal(missing)
    if os.getuid() != 0:
        raise Refusal(
            f"{missing}\n(Run it as root, or with sudo. Common Ground starts a private node of its own: the system's"
            " service is not needed and may be disabled.)"
        )
    print(f"Installing Debian's package {package} …", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package]
    with _services_kept_still():
        said = subprocess.run(install, env=env, capture_output=True, text=True)
        if said.returncode:
            subprocess.run(["apt-get", "update", "--quiet"], env=env, capture_output=True)
            said = subprocess.run(install, env=env, capture_output=True, text=True)
    if said.returncode:
        raise Refusal(f"{package} could not be installed:\n{said.stdout}{said.stderr}")


@contextmanager
def _services_kept_still() -> Iterator[None]:
    """Have no package start its service meanwhile, unless the machine has a policy of its own."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
