"""Several processes push side by side, and one is killed in the middle: each message arrives, and never twice at once."""

import threading

import pytest

from chassis.testing import wait_until

MESSAGES, ENDPOINTS = 15, 6


@pytest.fixture
def another(run_service, shared_database, webhook_env):
    """Start another process of the same service."""
    return lambda: run_service("notifications", env={"CG_MONGO_URI": shared_database, **webhook_env})


@pytest.mark.slow
def test_two_processes_push_each_message_once_and_one_at_a_time_and_what_a_killed_one_had_goes_on_elsewhere(
    world, service, another, receive, hook, newest
):
    other = another()
    receivers = [receive() for _ in range(ENDPOINTS)]
    for one in receivers:
        hook(world.eve, one, "groups.group.founded")
    told = [world.founded(world.group(), held=True) for _ in range(MESSAGES)]
    for one in told:
        world.publish(one, one)
    expected = sorted(one.envelope["id"] for one in told)
    for one in receivers:
        wait_until(lambda r=one: len({push.id for push in r.pushes}) == MESSAGES, 40, "all messages")
        assert sorted(push.id for push in one.pushes) == expected
        assert one.most_at_once == 1
    # Both die while a message is under way: nobody knows whether it arrived.
    hanging = receive(hold=threading.Event())
    made = hook(world.eve, hanging, "groups.group.founded")
    last = world.founded(world.group())
    hanging.wait(1)
    service.kill()
    other.kill()
    hanging.hold.set()
    third = another()
    world.service = third
    wait_until(lambda: newest(world.eve, made)["status"] == "delivered", 60, "the end of the lease")
    assert [push.id for push in hanging.pushes] == [last.envelope["id"]] * 2
    assert hanging.most_at_once == 1
    for one in receivers:  # what was under way when they were killed may come again
        wait_until(lambda r=one: last.envelope["id"] in {push.id for push in r.pushes}, 40, "the last message")
        assert sorted({push.id for push in one.pushes}) == [*expected, last.envelope["id"]]
    assert third.stop() == 0
