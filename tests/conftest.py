"""What the tests that cross services share: one running Common Ground, people in it, and systems that listen."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from chassis.testing import PROCESSES
from commonground import CommonGround, whole
from people import Door, Person, done
from subscriber import Promised, Subscriber

PLATFORM = pytest.StashKey[ExitStack]()


class OnePlatform(LoadFileScheduling):
    """Each file on one worker, but all files that share the platform on the same: it is started once, not by each worker."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "the platform" if file.startswith(("tests/contracts/", "tests/system/")) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OnePlatform:
    """Let the workers share the tests as above."""
    return OnePlatform(config, log)


@pytest.fixture(scope="session")
def session_platform(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommonGround]:
    """The platform of the run, on nodes that no single service is tested on meanwhile; ask for `platform` instead."""
    with ExitStack() as running:
        pytestconfig.stash[PLATFORM] = running
        yield running.enter_context(whole(tmp_path_factory))


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """End the platform with the last of the tests here, not of the run: what idles takes time from what does not."""
    here = Path(__file__).parent
    if PLATFORM in item.config.stash and (nextitem is None or here not in nextitem.path.parents):
        item.config.stash[PLATFORM].close()


@pytest.fixture(scope="session")
def signed_out(session_platform: CommonGround) -> tuple[Person, float]:
    """Somebody who signed out at a time (monotonic). As early in the run as can be: access may go on for a minute."""
    eve = session_platform.person("eve")
    assert eve.get("/v1/me").status == 200
    assert eve.delete("/v1/sessions/current").status == 204
    return eve, time.monotonic()


@pytest.fixture
def platform(
    session_platform: CommonGround, signed_out: tuple[Person, float], request: pytest.FixtureRequest
) -> CommonGround:
    """A Common Ground that the tests share: they leave it running, and use people and groups of their own."""
    request.node.stash[PROCESSES] = session_platform.started
    return session_platform


@pytest.fixture
def http(platform: CommonGround) -> Door:
    """The gateway, for somebody who is not signed in."""
    return platform.door


@pytest.fixture
def person(platform: CommonGround) -> Callable[..., Person]:
    """Have somebody register and sign in: `ana = person("ana")`."""
    return platform.person


@pytest.fixture(scope="session")
def promised(session_platform: CommonGround) -> Promised:
    """What the platform's AsyncAPI document says of messages."""
    return Promised(done(session_platform.door.get("/asyncapi.json"), 200))


@pytest.fixture
def subscribe(platform: CommonGround, promised: Promised) -> Iterator[Callable[..., Subscriber]]:
    """Subscribe as another system does, to public messages, or as one that is trusted with all.

    `subscribe("groups.#")`, `subscribe("#", trusted=True)`, `subscribe(log="commonground.public.log", offset="first")`.
    At the end, all that was heard must be as the platform's AsyncAPI document says.
    """
    started: list[Subscriber] = []

    def start(
        routing_key: str = "#", *, trusted: bool = False, log: str | None = None, offset: str = "first"
    ) -> Subscriber:
        account = "warehouse" if trusted else "newsletter"
        uri = platform.broker.uri_for(account)
        if log is not None:
            one = Subscriber(uri, account, None, stream=log, offset=offset)
        else:
            exchange = "commonground.messages" if trusted else "commonground.public"
            one = Subscriber(uri, account, exchange, routing_key)
        one.__enter__()
        started.append(one)
        return one

    yield start
    for one in started:
        one.__exit__(None, None, None)
    for one in started:
        for message in one.heard:
            promised.check(message.envelope)


@pytest.fixture(scope="session")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Copy a folder of Node programs, and install there what its package-lock.json pins: `npm(folder)` gives the copy."""

    def install(folder: Path) -> Path:
        copy = tmp_path_factory.mktemp("node") / folder.name
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("node_modules"))
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            said = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=110)
        except FileNotFoundError:
            pytest.fail("npm is not installed. On Debian and Ubuntu:  apt-get install nodejs npm", pytrace=False)
        assert said.returncode == 0, said.stdout + said.stderr
        return copy

    return install
