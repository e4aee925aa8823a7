"""A connection that several greenlets use ends for all of them, whoever of them ends it."""

import subprocess
import sys

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
with eventlet.Timeout(5):
    print(reader.wait())
"""


def test_a_reader_hears_that_somebody_else_closed_the_connection(broker):
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, broker.uri]
    said = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (said.returncode, said.stdout) == (0, "RecoverableConnectionError\n"), said.stderr
