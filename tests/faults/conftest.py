"""A Common Ground of its own for tests that kill what it stands on, and the life in it that goes on meanwhile."""

from collections.abc import Iterator

import pytest

from chassis.testing import PROCESSES
from commonground import CommonGround, queues, whole


@pytest.fixture(scope="session")
def own_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommonGround]:
    """A whole platform on a broker and a database that nobody else uses; ask for `town` instead."""
    with whole(tmp_path_factory) as running:
        # Killed earlier, RabbitMQ would not know its newest queues again.
        running.broker.wait_registered(*(name for name in queues() if ".groups." not in name))
        yield running


@pytest.fixture
def town(own_platform: CommonGround, request: pytest.FixtureRequest) -> CommonGround:
    """A platform whose parts may be killed; each test leaves all of them running."""
    request.node.stash[PROCESSES] = own_platform.started
    for name, process in own_platform.processes.items():
        assert process.is_running, f"{name} was left dead by the test before"
    return own_platform
