"""The private nodes keep their data, keep to themselves and leave nothing behind."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import amqp
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from chassis.nodes import MongoDB, NodeError, NotInstalled, RabbitMQ, broker_user, mongodb, operator_user, rabbitmq

pytestmark = pytest.mark.kills_nodes

LISTENS = "0A"  # TCP_LISTEN of the kernel


def listening(pid: int) -> set[str]:
    """Give the addresses and ports on which a process listens, as proc(5) tells them."""
    found, sockets = set(), set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            sockets.add(str(fd.readlink()))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = (line.split()[column] for column in (1, 3, 9))
            if state == LISTENS and f"socket:[{inode}]" in sockets:
                address, port = local.split(":")
                packed = b"".join(struct.pack("=I", int(address[i : i + 8], 16)) for i in range(0, len(address), 8))
                family = socket.AF_INET if table == "tcp" else socket.AF_INET6
                found.add(f"{socket.inet_ntop(family, packed)}:{int(port, 16)}")
    return found


def connect(uri: str) -> amqp.Connection:
    user, _, rest = uri.removeprefix("amqp://").partition(":")
    password, _, host = rest.partition("@")
    connection = amqp.Connection(host.removesuffix("/%2F"), user, password)
    connection.connect()
    return connection


def test_processes_that_ask_for_ports_at_once_never_get_the_same() -> None:
    ask = "from chassis.nodes import free_port; print(*(free_port() for _ in range(250)), flush=True); input()"
    command = [sys.executable, "-W", "ignore", "-c", ask]
    asking = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    given = [one.stdout.readline().split() for one in asking if one.stdout]
    for one in asking:
        one.communicate("\n")
    assert [len(ports) for ports in given] == [250] * 4
    assert len({port for ports in given for port in ports}) == 1000


def test_broker_keeps_confirmed_messages_of_a_quorum_queue_over_a_kill(broker: RabbitMQ) -> None:
    with connect(broker.uri) as connection:
        channel = connection.channel()
        channel.confirm_select()
        channel.queue_declare("nodes.kept", durable=True, auto_delete=False, arguments={"x-queue-type": "quorum"})
        channel.basic_publish_confirm(amqp.Message("kept", delivery_mode=2), routing_key="nodes.kept")
    broker.wait_registered("nodes.kept")
    broker.kill()
    assert not broker.is_running
    broker.start()
    with connect(broker.uri) as connection:
        channel = connection.channel()
        message = channel.basic_get("nodes.kept", no_ack=True)
        channel.queue_delete("nodes.kept")
        assert message is not None
        assert message.body == "kept"


def test_database_keeps_what_it_acknowledged_over_a_kill(database: MongoDB, fresh_database: str) -> None:
    with MongoClient(fresh_database) as client:
        client.get_default_database().things.insert_one({"_id": 1})
    database.kill()
    assert not database.is_running
    database.start()
    with MongoClient(fresh_database) as client:
        assert client.get_default_database().things.find_one() == {"_id": 1}


def test_nodes_listen_on_the_loopback_only(broker: RabbitMQ, database: MongoDB) -> None:
    assert broker.pid and database.pid
    ports = (broker.port, broker.distribution_port, broker.api_port)
    assert listening(broker.pid) == {f"127.0.0.1:{port}" for port in ports}
    assert listening(database.pid) == {f"127.0.0.1:{database.port}"}


def test_a_broker_starts_no_epmd_that_would_outlive_it(broker: RabbitMQ) -> None:
    _, env = broker.command()
    # What the node does each minute, to have an epmd (rabbit_nodes_common:ensure_epmd).
    starter = ["erl", "-boot", "no_dot_erlang", "-sname", "starter", "-noinput", "-s", "erlang", "halt"]
    subprocess.run(starter, env=env, cwd=broker.data, capture_output=True)
    assert "epmd" not in processes_at_home(broker.data)


def processes_at_home(home: Path) -> list[str]:
    """Give the names of the processes whose environment has this HOME."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"HOME={home}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "comm").read_text().strip())
        except OSError:
            pass  # ended meanwhile, or is somebody else's
    return found


def test_two_brokers_run_side_by_side(broker: RabbitMQ, tmp_path: Path) -> None:
    with RabbitMQ(tmp_path, [operator_user("other")], dies_with_parent=True) as other:
        assert broker.port != other.port
        assert broker.answers()
        with connect(other.uri) as connection:
            assert connection.connected


def test_two_databases_run_side_by_side_and_one_may_move_to_another_port(database: MongoDB, tmp_path: Path) -> None:
    with MongoDB(tmp_path, {"groups": "one"}, admin_password="admin", dies_with_parent=True) as other:
        assert database.port != other.port
        with MongoClient(other.uri_for("groups")) as client:
            client.groups.things.insert_one({"_id": 1})
    with MongoDB(tmp_path, {"groups": "two"}, admin_password="admin", dies_with_parent=True) as moved:
        assert moved.port != other.port
        with MongoClient(moved.uri_for("groups")) as client:
            assert client.groups.things.find_one() == {"_id": 1}
    with pytest.raises(NodeError, match="another administrator's password"):
        MongoDB(tmp_path, {}, admin_password="wrong", dies_with_parent=True).start()


def test_a_service_reads_and_writes_its_own_database_alone(database: MongoDB) -> None:
    with MongoClient(database.uri_for("groups")) as client:
        client.groups.things.insert_one({})
        client.groups.drop_collection("things")
        with pytest.raises(OperationFailure, match="not authorized"):
            client.events.things.find_one()
    with (
        MongoClient(database.uri_for("groups").replace("groups:", "nobody:")) as client,
        pytest.raises(OperationFailure),
    ):
        client.groups.things.find_one()


def test_transactions_and_change_streams_work_for_a_service(fresh_database: str) -> None:
    with MongoClient(fresh_database) as client:
        things = client.get_default_database().things
        things.insert_one({"_id": 0})
        with things.watch() as stream:
            with client.start_session() as session, session.start_transaction():
                things.insert_one({"_id": 1}, session=session)
            assert next(stream)["documentKey"] == {"_id": 1}


def test_a_service_declares_its_own_queues_and_none_of_anothers(broker: RabbitMQ) -> None:
    with connect(broker.uri_for("groups")) as connection:
        channel = connection.channel()
        for name in ("commonground.groups.inbox", "commonground.calls.groups", "commonground.groups.parked"):
            channel.queue_declare(name, exclusive=True, auto_delete=True)
        with pytest.raises(amqp.AccessRefused):
            channel.queue_declare("commonground.events.inbox", exclusive=True)
        with pytest.raises(amqp.AccessRefused):
            connection.channel().exchange_declare("commonground.groupsandmore", "topic")


def test_an_account_of_the_broker_cannot_speak_for_another_service(broker: RabbitMQ) -> None:
    with connect(broker.uri) as operator, connect(broker.uri_for("groups")) as connection:
        operator.channel().exchange_declare("commonground.events.test", "topic", durable=False, auto_delete=False)
        channel = connection.channel()
        channel.confirm_select()
        with pytest.raises(amqp.AccessRefused):
            channel.basic_publish_confirm(amqp.Message("forged"), exchange="commonground.events.test")
        operator.channel().exchange_delete("commonground.events.test")


def test_a_wrong_password_is_refused(broker: RabbitMQ) -> None:
    with pytest.raises(amqp.AccessRefused):
        connect(f"amqp://operator:wrong@127.0.0.1:{broker.port}/%2F")


def test_password_hash_is_the_one_of_the_brokers_documentation() -> None:
    assert (
        rabbitmq.password_hash("test12", bytes.fromhex("908DC60A"))
        == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"
    )


def test_permissions_take_a_services_name_literally() -> None:
    assert r"my\-service" in broker_user("my-service", "x").configure


def test_a_missing_program_is_said_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rabbitmq, "SERVER_SCRIPTS", ("/nowhere/*",))
    with pytest.raises(NotInstalled, match="apt-get install rabbitmq-server"):
        rabbitmq.server_script()
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(mongodb.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match="mongodb-org-server"):
        mongodb.mongod()


def test_a_taken_port_is_named_and_its_owner_left_alone(tmp_path: Path, database: MongoDB) -> None:
    taken = rf"Port {database.port} on 127\.0\.0\.1 is taken"
    with pytest.raises(NodeError, match=taken):
        MongoDB(tmp_path, {}, admin_password="x", port=database.port).start()
    with pytest.raises(NodeError, match=taken):
        RabbitMQ(tmp_path, [operator_user("x")], port=database.port).start()


def test_a_process_that_ends_before_it_is_ready_shows_its_last_words(start_process) -> None:
    process = start_process(["sh", "-c", "echo no such luck; exit 3"])
    with pytest.raises(NodeError, match=r"(?s)ended with exit code 3.*no such luck"):
        process.wait_until(lambda: False, 10, "The program")


def test_nodes_end_with_the_test_run_even_when_it_is_killed(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from chassis.nodes import MongoDB, RabbitMQ, operator_user
broker = RabbitMQ(Path({str(tmp_path)!r}) / "broker", [operator_user("x")], dies_with_parent=True)
database = MongoDB(Path({str(tmp_path)!r}) / "database", {{}}, admin_password="x", dies_with_parent=True)
broker.launch(), database.launch()
broker.wait_ready()
print(broker.pid, database.pid, flush=True)
input()
"""
    run = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert run.stdin and run.stdout
    pids = [int(pid) for pid in run.stdout.readline().split()]
    assert len(pids) == 2
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    run.stdin.close(), run.stdout.close()
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a node outlived the run"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Say whether a process runs (and is not only waiting to be reaped)."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_process_and_what_it_started_end_with_the_test(start_process) -> None:
    process = start_process(["sh", "-c", "sleep 300 & echo $! && wait"])
    deadline = time.monotonic() + 5
    while len(process.tail().splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    child = int(process.tail().splitlines()[1])
    assert is_alive(child)
    process.kill()
    assert process.exit_code == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while is_alive(child):
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.01)
