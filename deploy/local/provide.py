"""Sees that RabbitMQ, MongoDB and, for the tests, Node are on this machine; installs Debian's packages where that is allowed."""

from __future__ import annotations

import os
import re
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


# What its oldest release is that the packages of docs/examples and the tests run on.
NODE = 18
NODE_MISSING = f"Node {NODE} or later, with npm, is not installed. On Debian and Ubuntu:  apt-get install nodejs npm"


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


def provide_node() -> None:
    """Install Node and npm where they are missing: the tests run what subscribers in Node run. Raises Refusal."""
    if _has_node():
        return
    _install("nodejs npm", NODE_MISSING)
    if not _has_node():
        raise Refusal(NODE_MISSING)


def _has_node() -> bool:
    if not shutil.which("npm") or not shutil.which("node"):
        return False
    said = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    found = re.match(r"v(\d+)\.", said)
    return found is not None and int(found[1]) >= NODE


def _install(packages: str, missing: str) -> None:
    if not shutil.which("apt-get"):
        raise Refusal(missing)
    if os.getuid() != 0:
        raise Refusal(
            f"{missing}\n(Run it as root, or with sudo. Common Ground starts private nodes of its own: the system's"
            " services are not needed and may be disabled.)"
        )
    print(f"Installing Debian's {packages} …", flush=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages.split()]
    with _services_kept_still():
        said = subprocess.run(install, env=env, capture_output=True, text=True)
        if said.returncode:
            subprocess.run(["apt-get", "update", "--quiet"], env=env, capture_output=True)
            said = subprocess.run(install, env=env, capture_output=True, text=True)
    if said.returncode:
        raise Refusal(f"{packages} could not be installed:\n{said.stdout}{said.stderr}")


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
