"""What the tests that cross services share: one running Common Ground, people in it, and systems that listen."""

import time
from collections.abc import Callable, Iterator

import pytest

from chassis.testing import PROCESSES
from commonground import CommonGround, whole
from people import Door, Person
from subscriber import Subscriber


@pytest.fixture(scope="session")
def session_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommonGround]:
    """The platform of the run, on nodes that no single service is tested on meanwhile; ask for `platform` instead."""
    with whole(tmp_path_factory) as platform:
        yield platform


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


@pytest.fixture
def subscribe(platform: CommonGround) -> Iterator[Callable[..., Subscriber]]:
    """Subscribe as another system does, to public messages, or as one that is trusted with all.

    `subscribe("groups.#")`, `subscribe("#", trusted=True)`, `subscribe(log="commonground.public.log", offset="first")`.
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
