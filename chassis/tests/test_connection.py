"""A connection that several greenlets use ends for all of them, whoever of them ends it."""

import subprocess
import sys

import pytest

PROGRAM = """
from chassis.process import Signals  # patches first
import sys
import eventlet
from chassis.connection import connect

connection = connect(sys.argv[1], "test")

def read():
    try:
        while True:
            connection.drain_events()
    except Exception as fault:
        return type(fault).__name__

reader = eventlet.spawn(read)
eventlet.sleep(0)
eventlet.spawn(connection.collect)
with eventlet.Timeout(20):
    print(reader.wait())
"""


def test_a_reader_hears_that_somebody_else_closed_the_connection(broker):
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, broker.uri]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (said.returncode, said.stdout) == (0, "RecoverableConnectionError\n"), said.stderr


PATCHED = """
import eventlet
eventlet.monkey_patch()
import sys, time, amqp
from chassis import connection as module
from chassis.connection import connect, hang_up, serve

def reading():
    try:
        serve(connection)
        return "ended"
    except (OSError, amqp.AMQPError) as fault:
        return type(fault).__name__

connection = connect(sys.argv[1], "test")
"""


@pytest.fixture
def run_patched(broker):
    """Run a script with a connection, under eventlet; gives what it prints."""

    def run(script):
        command = [sys.executable, "-W", "ignore", "-c", PATCHED + script, broker.uri]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


def test_hanging_up_ends_the_reader_in_order(run_patched):
    script = """
reader = eventlet.spawn(reading)
eventlet.sleep(0.1)
hang_up(connection, reader)
print(reader.wait(), bool(connection.connected))
"""
    assert run_patched(script) == ["ended", "False"]


def test_a_connection_that_ended_is_not_quietly_opened_again(run_patched):
    script = """
connection.collect()
print(reading())
try:
    connection.drain_events()
except amqp.AMQPError as fault:
    print(type(fault).__name__)
"""
    assert run_patched(script) == ["ended", "RecoverableConnectionError"]


def test_several_greenlets_write_at_the_same_time(run_patched):
    script = """
eventlet.spawn(reading)
written = []
def publish(number):
    frame = b"\\x08" + b"\\x00" * 6 + b"\\xce"  # a heartbeat
    for _ in range(20):
        connection.transport.write(frame * 100_000)
    written.append(number)
writers = [eventlet.spawn(publish, number) for number in range(3)]
for one in writers:
    one.wait()
print(len(written), bool(connection.connected))
"""
    assert run_patched(script) == ["3", "True"]


def test_heartbeats_keep_an_idle_connection_open(run_patched):
    script = """
connection.collect()
module.HEARTBEAT_SECONDS = 1
connection = connect(sys.argv[1], "test")
eventlet.spawn(reading)
eventlet.sleep(4)
print(bool(connection.connected))
"""
    assert run_patched(script) == ["True"]
