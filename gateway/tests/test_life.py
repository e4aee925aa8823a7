"""How a gateway begins, learns and ends, as a real process on the real broker."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from chassis.nodes import free_port
from chassis.testing import wait_until

from .conftest import ROUTES, route

pytestmark = pytest.mark.kills_nodes


def test_serves_at_once_and_says_what_it_waits_for(new_shelf, open_door):
    door = open_door("nobody-there")
    assert door.get("/health/live").status_code == 200
    wait_until(lambda: "broker" not in door.get("/health/ready").json()["waiting_for"])
    answer = door.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["status"] == "waiting"
    assert "contract of nobody-there" in answer.json()["waiting_for"]
    for path in ("/docs", "/openapi.json", "/asyncapi.json", "/metrics"):
        assert door.get(path).status_code == 200
    assert "waiting for nobody-there" in door.get("/docs").text
    assert door.get("/.well-known/jwks.json").status_code == 503
    assert door.get("/v1/things", "a-token").status_code == 503


def test_a_path_is_503_not_404_while_a_service_has_not_answered(new_shelf, open_door):
    first, second = new_shelf(), new_shelf()
    second.stop()
    second.contract["routes"] = [route("GET", "/v1/others", "list_others")]
    door = open_door(f"{first.name},{second.name}")
    wait_until(lambda: door.get("/v1/things").status_code == 200)
    answer = door.get("/v1/others")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/unavailable")
    assert second.name in answer.json()["detail"]
    assert door.get("/health/ready").status_code == 503
    second.start()
    door.wait_ready()
    assert door.get("/v1/others").status_code == 200
    assert door.get("/v1/nothing").status_code == 404


def test_new_routes_are_taken_on_when_they_are_announced_and_old_ones_left(new_shelf, open_door):
    shelf = new_shelf()
    door = open_door(shelf.name).wait_ready()
    assert door.get("/v1/new").status_code == 404
    tag = door.get("/openapi.json").headers["ETag"]
    openapi = {"paths": {"/v1/new": {"get": {"operationId": "x", "responses": {"200": {"description": "x"}}}}}}
    shelf.change(routes=[route("GET", "/v1/new", "get_thing")], openapi=openapi)
    shelf.announce()
    wait_until(lambda: door.get("/v1/new").status_code == 200, 5)
    assert door.get("/v1/things").status_code == 404
    answer = door.get("/openapi.json")
    assert answer.headers["ETag"] != tag
    assert list(answer.json()["paths"]) == ["/v1/new"]


def test_while_routes_are_swapped_no_request_is_lost(new_shelf, open_door):
    shelf = new_shelf()
    door = open_door(shelf.name).wait_ready()
    statuses: set[int] = set()
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=door.address) as http:
            while not done.is_set():
                statuses.add(http.get("/v1/things").status_code)

    asker = threading.Thread(target=ask)
    asker.start()
    for number in range(10):
        shelf.change(routes=[*ROUTES, route("GET", f"/v1/new{number}", "get_thing")])
        shelf.announce()
        wait_until(lambda number=number: door.get(f"/v1/new{number}").status_code == 200, 5)
    done.set()
    asker.join()
    assert statuses == {200}


def test_of_two_services_that_offer_the_same_the_first_is_kept_and_it_is_said(new_shelf, open_door):
    first, second = new_shelf(), new_shelf()
    second.stop()
    second.contract["routes"] = [route("GET", "/v1/things", "list_things"), route("GET", "/v1/others", "list_others")]
    door = open_door(f"{first.name},{second.name}")
    wait_until(lambda: door.get("/v1/things").status_code == 200)
    second.start()
    door.wait_ready()
    assert door.get("/v1/others").status_code == 200
    first.calls.clear()
    second.calls.clear()
    door.get("/v1/things")
    assert (len(first.calls), len(second.calls)) == (1, 0)
    assert "two services offer the same endpoint" in door.process.log.read_text()


def test_a_contract_that_cannot_be_used_leaves_the_old_one_in_place(new_shelf, open_door):
    shelf = new_shelf()
    door = open_door(shelf.name).wait_ready()
    good = shelf.contract
    for number, wrong in enumerate(
        [
            {"routes": [{**ROUTES[0], "limit": "often"}]},
            {"routes": [{**ROUTES[0], "path": "/health/live"}]},
            {"routes": [{"method": "GET"}]},
            {"service": "somebody else"},
        ]
    ):
        shelf.contract = good
        shelf.change(**wrong)
        shelf.announce()
        wait_until(lambda n=number: door.process.log.read_text().count("a contract cannot be used") > n)
        assert door.get("/v1/things").status_code == 200
        assert door.get("/health/ready").status_code == 200


def test_starts_without_a_broker_and_ends_without_one(start_process, tmp_path):
    port = free_port()
    env = {"CG_AMQP_URI": f"amqp://x:y@127.0.0.1:{free_port()}/", "CG_HTTP_PORT": str(port)}
    process = start_process([sys.executable, "-m", "gateway"], env)

    def live() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(live, 20)
    ready = httpx.get(f"http://127.0.0.1:{port}/health/ready")
    assert (ready.status_code, "broker" in ready.json()["waiting_for"]) == (503, True)
    answer = httpx.get(f"http://127.0.0.1:{port}/v1/things")
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "application/problem+json")
    started = time.monotonic()
    process.send(signal.SIGTERM)
    assert process.wait(10) == 0
    assert time.monotonic() - started < 5
    assert "Traceback" not in process.log.read_text()


def test_a_broker_that_comes_back_is_used_again(broker, new_shelf, open_door):
    shelf = new_shelf()
    door = open_door(shelf.name).wait_ready()
    broker.kill()
    wait_until(lambda: door.get("/health/ready").status_code == 503)
    assert door.get("/v1/things").status_code == 503
    assert door.get("/openapi.json").json()["paths"]
    broker.start()
    shelf.stop()
    shelf.start()
    wait_until(lambda: door.get("/v1/things").status_code == 200, 20)
    assert door.get("/health/ready").status_code == 200
    # And announcements are heard again.
    shelf.change(routes=[route("GET", "/v1/new", "get_thing")])
    wait_until(lambda: (shelf.announce(), door.get("/v1/new").status_code == 200)[1], 20)


def test_on_sigterm_finishes_what_is_in_flight_and_takes_nothing_new(new_shelf, open_door):
    shelf = new_shelf()
    begun, go_on = threading.Event(), threading.Event()

    def slow(head, body):
        begun.set()
        assert go_on.wait(10)
        return 200, {}, b"done"

    shelf.answers["get_thing"] = slow
    door = open_door(shelf.name).wait_ready()
    with socket.create_connection(("127.0.0.1", door.port), timeout=10) as idle:
        idle.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"live" in idle.recv(1000)
        answers: list[httpx.Response] = []
        asker = threading.Thread(target=lambda: answers.append(httpx.get(f"{door.address}/v1/things/1")))
        asker.start()
        assert begun.wait(5)
        door.process.send(signal.SIGTERM)
        assert idle.recv(10) == b""
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", door.port), timeout=1)
        assert door.process.is_running
        go_on.set()
        asker.join(10)
    assert (answers[0].status_code, answers[0].content) == (200, b"done")
    assert answers[0].headers["Connection"] == "close"
    assert door.process.wait(10) == 0


def test_under_load_sigterm_ends_it_soon_and_no_answer_is_cut_off(new_shelf, open_door):
    shelf = new_shelf()
    door = open_door(shelf.name).wait_ready()
    wrong: list[object] = []

    def ask() -> None:
        with httpx.Client(base_url=door.address) as http:
            while True:
                try:
                    answer = http.get("/v1/things")
                except httpx.ConnectError:
                    return
                except (httpx.ReadError, httpx.WriteError):
                    continue
                except httpx.RemoteProtocolError as fault:
                    # An idle connection may be closed just when a request is sent on it; an answer may not be cut off.
                    if "without sending" not in str(fault):
                        wrong.append(fault)
                    continue
                if answer.status_code != 200:
                    wrong.append(answer.status_code)

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for one in askers:
        one.start()
    time.sleep(0.5)
    started = time.monotonic()
    door.process.send(signal.SIGTERM)
    assert door.process.wait(10) == 0
    assert time.monotonic() - started < 5
    for one in askers:
        one.join(10)
    assert not wrong


def test_limits_count_by_person_by_address_and_by_route(new_shelf, open_door):
    shelf = new_shelf()
    limits = {"CG_RATE_LIMITS": "on", "CG_RATE_LIMIT_PERSON": "6/hour", "CG_RATE_LIMIT_ADDRESS": "7/hour"}
    door = open_door(shelf.name, **limits, CG_TRUSTED_PROXIES="127.0.0.0/8").wait_ready()

    def many(count: int, method: str, path: str, token: str | None, address: str) -> list[int]:
        headers = {"X-Forwarded-For": address}
        return [door.ask(method, path, token, headers=headers).status_code for _ in range(count)]

    ana, ben = shelf.token(), shelf.token(sub="psn_ben", session="ses_ben")
    assert many(7, "GET", "/v1/things", ana, "192.0.2.1") == [200] * 6 + [429]
    assert many(1, "GET", "/v1/things", ana, "192.0.2.2") == [429]
    assert many(1, "GET", "/v1/things", ben, "192.0.2.1") == [200]
    assert many(8, "GET", "/v1/things", None, "192.0.2.3") == [200] * 7 + [429]
    assert many(1, "GET", "/v1/things", None, "192.0.2.4") == [200]
    # A route with its own limit counts by address, so that being signed in does not help.
    assert many(4, "POST", "/v1/tries", None, "192.0.2.5") == [200] * 3 + [429]
    assert many(1, "POST", "/v1/tries", ben, "192.0.2.5") == [429]
    # False credentials count for their address, and are not even looked at when it has used its requests up.
    assert many(8, "GET", "/v1/things", "cg_guess", "192.0.2.6") == [401] * 7 + [429]
    # Its own resources are not counted.
    assert many(9, "GET", "/health/live", None, "192.0.2.3") == [200] * 9

    reached = len(shelf.calls)
    answer = door.get("/v1/things", headers={"X-Forwarded-For": "192.0.2.3"})
    assert answer.json()["type"] == "/problems/too-many-requests"
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.headers["RateLimit-Policy"] == '"address";q=7;w=3600'
    assert answer.headers["RateLimit"].startswith('"address";r=0;t=')
    assert len(shelf.calls) == reached


def test_signing_out_ends_access_within_30_s_over_http(new_shelf, open_door):
    shelf = new_shelf()
    door = open_door(shelf.name).wait_ready()
    # Issued 28 s ago: in 2 s the session is asked about.
    token = shelf.token(iat=int(time.time()) - 28)
    assert door.get("/v1/things/mine", token).status_code == 200
    shelf.ended.add("ses_ana")
    wait_until(lambda: door.get("/v1/things/mine", token).status_code == 401, 6)
    assert shelf.asked == [{"session": "ses_ana"}]


def misconfigured(**wrong: str) -> str:
    """What a gateway with these settings says before it exits 78."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("CG_")}
    command = [sys.executable, "-m", "gateway"]
    done = subprocess.run(command, env={**env, **wrong}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78
    return done.stderr


def test_wrong_settings_are_named_all_at_once():
    said = misconfigured(CG_HTTP_PORT="eighty", CG_TRUSTED_PROXIES="nonsense", CG_RATE_LIMIT_PERSON="often")
    for one in ("CG_AMQP_URI", "CG_HTTP_PORT", "CG_TRUSTED_PROXIES", "CG_RATE_LIMIT_PERSON"):
        assert one in said


def test_a_store_that_is_not_known_is_named():
    assert "CG_RATE_LIMITS_STORE" in misconfigured(CG_AMQP_URI="amqp://x", CG_RATE_LIMITS_STORE="nowhere://")


def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in misconfigured(CG_AMQP_URI="amqp://x", CG_HTTP_PORT=port)


def test_json_logs_are_lines_of_json(new_shelf, open_door):
    shelf = new_shelf()
    door = open_door(shelf.name).wait_ready()
    door.get("/v1/things")
    door.process.send(signal.SIGTERM)
    assert door.process.wait(10) == 0
    lines = [one for one in door.process.log.read_text().splitlines() if one.startswith("{")]
    assert {json.loads(one)["message"] for one in lines} >= {"serving", "request", "stopped"}
