"""A process starts in any order, says what it waits for, and ends orderly: each trap of nameko and eventlet has its test."""

import json
import signal
import time
import urllib.error
import urllib.request

import amqp
import pytest
from pymongo import MongoClient

from chassis.api_client import ApiClient, NoAnswer, Person
from chassis.nodes import free_port
from chassis.testing import wait_until

pytestmark = pytest.mark.kills_nodes

ANA = Person("psn_01JDCM0Y0G00000000000000AN", "ana", "Ana")


def health(notebook, path="/health/ready"):
    try:
        with urllib.request.urlopen(notebook.health + path, timeout=2) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read().decode()


def waits_for(notebook):
    try:
        return set(json.loads(health(notebook)[1])["waiting_for"])
    except OSError:
        return {"nothing yet"}


def test_all_that_is_wrong_with_the_settings_is_said_at_once_and_exits_78(start_notebook):
    process = start_notebook(CG_CALLS_AT_ONCE="many")
    assert process.wait(20) == 78
    said = process.tail()
    assert all(name in said for name in ("CG_AMQP_URI", "CG_MONGO_URI", "CG_CALLS_AT_ONCE"))
    assert "Traceback" not in said


def test_a_secret_may_be_a_file(run_notebook, fresh_database, tmp_path):
    (tmp_path / "uri").write_text(fresh_database + "\n")
    notebook = run_notebook(CG_MONGO_URI="mongodb://nobody@127.0.0.1:1/x", CG_MONGO_URI_FILE=str(tmp_path / "uri"))
    assert notebook.api.get("/v1/notes").status == 200


def test_it_lives_while_it_waits_for_a_broker_and_says_so(run_notebook):
    notebook = run_notebook(wait=False, CG_AMQP_URI=f"amqp://guest:guest@127.0.0.1:{free_port()}//")
    wait_until(lambda: waits_for(notebook) == {"start", "broker"}, 20)
    assert health(notebook, "/health/live")[0] == 200
    assert notebook.stop() == 0


def test_it_lives_while_it_waits_for_a_database_and_says_so(run_notebook):
    notebook = run_notebook(wait=False, CG_MONGO_URI=f"mongodb://127.0.0.1:{free_port()}/x")
    wait_until(lambda: waits_for(notebook) == {"start", "database"}, 20)
    assert notebook.stop() == 0


def test_metrics_are_prometheus_text(run_notebook):
    notebook = run_notebook()
    notebook.api.get("/v1/notes")
    status, text = health(notebook, "/metrics")
    assert status == 200
    assert 'cg_call_seconds_count{endpoint="list_notes",status="200"}' in text


def test_a_broker_that_restarts_is_found_again(run_notebook, topology):
    notebook = run_notebook()
    topology.kill()
    wait_until(lambda: {"calls", "messages"} <= waits_for(notebook), 15, "noticing that the broker is away")
    topology.start()
    wait_until(lambda: not waits_for(notebook), 30, "finding the broker again")
    api = ApiClient(notebook.amqp_uri, "notebook")
    assert api.get("/v1/notes").status == 200
    api.close()


def test_a_database_that_is_away_is_503_and_found_again(run_notebook, database):
    notebook = run_notebook()
    database.kill()
    answer = notebook.api.get("/v1/notes")
    assert (answer.status, answer.problem, answer.headers["Retry-After"]) == (503, "unavailable", "1")
    database.start()
    wait_until(lambda: notebook.api.get("/v1/notes").status == 200, 20)


def test_sigterm_ends_a_process_whose_broker_is_down(run_notebook, topology):
    notebook = run_notebook(CG_DRAIN_SECONDS="3")
    topology.kill()
    started = time.monotonic()
    notebook.process.send(signal.SIGTERM)
    notebook.process.wait(10)
    assert time.monotonic() - started < 7


def test_sigterm_twice_is_as_good_as_once(run_notebook):
    notebook = run_notebook()
    notebook.process.send(signal.SIGTERM)
    notebook.process.send(signal.SIGTERM)
    assert notebook.process.wait(10) == 0


def test_a_handler_that_keeps_the_cpu_only_delays_the_others(run_notebook):
    notebook = run_notebook()
    sent = [notebook.api.send("POST", "/v1/toil"), notebook.api.send("GET", "/v1/notes")]
    assert [notebook.api.receive(one).status for one in sent] == [204, 200]


def test_logs_are_json_lines_with_the_trace_and_without_secrets(run_notebook):
    notebook = run_notebook()
    notebook.api.post("/v1/faults")
    lines = [json.loads(line) for line in notebook.process.tail(1000).splitlines() if line.startswith("{")]
    (failed,) = [line for line in lines if line["message"] == "endpoint failed"]
    assert failed["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736" and "ZeroDivisionError" in failed["exception"]
    password = notebook.amqp_uri.partition("//")[2].partition("@")[0].partition(":")[2]
    assert password and password not in notebook.process.log.read_text()


@pytest.mark.parametrize("level", ["loud", ""])
def test_a_log_level_that_does_not_exist_is_a_configuration_fault(start_notebook, level):
    process = start_notebook(CG_LOG_LEVEL=level)
    assert process.wait(20) == 78
    assert "CG_LOG_LEVEL" in process.tail()


def test_a_killed_process_leaves_no_key_behind(run_notebook, fresh_database):
    first = run_notebook()
    first.api.send("POST", "/v1/notes", {"text": "slow"}, as_=ANA, idempotency_key="k1")
    time.sleep(0.3)
    first.kill()
    second = run_notebook()
    end = time.monotonic() + 15
    while (answer := second.api.post("/v1/notes", {"text": "slow"}, as_=ANA, idempotency_key="k1")).status == 409:
        assert time.monotonic() < end
        time.sleep(0.2)
    assert answer.status == 201
    with MongoClient(fresh_database) as client:
        assert client.get_default_database().notes.count_documents({}) == 1


def test_a_service_that_is_away_is_known_at_once(run_notebook):
    notebook = run_notebook()
    notebook.stop()
    started = time.monotonic()
    with pytest.raises(NoAnswer, match="away"):
        notebook.api.get("/v1/notes")
    assert time.monotonic() - started < 1


def test_on_sigterm_what_was_taken_is_answered_and_the_process_ends_with_0(run_notebook):
    notebook = run_notebook()
    sent = [notebook.api.send("POST", "/v1/naps") for _ in range(20)]
    time.sleep(0.2)
    notebook.process.send(signal.SIGTERM)
    assert [notebook.api.receive(one).status for one in sent] == [204] * 20
    assert notebook.process.wait(5) == 0


def test_only_so_many_calls_are_worked_on_at_a_time(run_notebook):
    notebook = run_notebook(CG_CALLS_AT_ONCE="2")
    started = time.monotonic()
    sent = [notebook.api.send("POST", "/v1/naps") for _ in range(4)]
    assert [notebook.api.receive(one).status for one in sent] == [204] * 4
    assert 1 <= time.monotonic() - started < 1.5


def test_a_call_that_cannot_be_read_is_dropped_and_harms_nobody(run_notebook):
    notebook = run_notebook()
    for payload in (b"", b"nonsense", b"{}\n", b'{"endpoint": 1}\nbody', b"[1]\n", b"\xff\n"):
        notebook.api.channel.basic_publish(amqp.Message(payload), routing_key="commonground.calls.notebook")
    assert notebook.api.get("/v1/notes").status == 200
