"""Sees that the locks can be trusted: part of `make check`. Needs no network.

Every requirement of an .in file is pinned in its lock to a version that it allows, every pin has its hashes, no file
names an index or a path, and no two locks disagree.
"""

import re
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?: ; .+?)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")
ORDER = ("runtime", "local", "dev", "bench")

faults: list[str] = []
pinned: dict[str, str] = {}


def read_lock(name: str) -> dict[str, str]:
    """Give the versions that a lock pins, by name; note what is wrong with it."""
    found: dict[str, str] = {}
    lines = (HERE / f"{name}.txt").read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if pin := PIN.match(line):
            found[canonicalize_name(pin["name"])] = pin["version"]
            if number == len(lines) or not HASH.match(lines[number]):
                faults.append(f"{name}.txt:{number}: {pin['name']} has no hash")
        elif line and not HASH.match(line) and not line.startswith("#"):
            faults.append(f"{name}.txt:{number}: neither a pin nor a hash: {line}")
    return found


def wanted(name: str) -> list[Requirement]:
    """Give what an .in file asks for."""
    lines = (line.partition("#")[0].strip() for line in (HERE / f"{name}.in").read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-c ")]


for name in ORDER:
    lock = read_lock(name)
    for package, version in lock.items():
        if pinned.setdefault(package, version) != version:
            faults.append(f"{name}.txt: {package}=={version}, but {pinned[package]} in another lock")
    for requirement in wanted(name):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None:
            faults.append(f"{name}.in: {requirement.name} is not in {name}.txt; run `make lock`")
        elif not requirement.specifier.contains(version, prereleases=True):
            faults.append(f"{name}.in: {requirement} does not allow the pinned {version}; run `make lock`")

for fault in faults:
    print(f"requirements/{fault}", file=sys.stderr)
print(f"requirements: {len(pinned)} packages pinned" + (f", {len(faults)} faults" if faults else ""))
sys.exit(bool(faults))
