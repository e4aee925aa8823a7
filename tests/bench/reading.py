"""An authenticated read through all hops to MongoDB and back, beside a bare echo and two well-known stacks doing the same."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

from tests.bench.client import Api
from tests.bench.figures import Result, Target, ratio
from tests.bench.load import Request
from tests.bench.peers import documents
from tests.bench.rounds import Server, take_turns
from tests.bench.scene import new_group, sign_up
from tests.bench.stage import PEERS, Stage, answers

from chassis.nodes import HOST, free_port

TITLE = "Authenticated GET /v1/groups/{slug}, 16 connections"
GROUPS = 100
SHOWN = ("id", "slug", "name", "summary", "description", "interests", "scope", "member_count", "organizers", "viewer")


def measure(stage: Stage, *, quick: bool) -> Result:
    """Load all four in turns."""
    ana = sign_up(stage.platform.port, "ana")
    groups = [_found(ana.api, number) for number in range(GROUPS)]
    asked = [_request(group, ana.token) for group in groups]
    documents.keep(stage.database(PEERS), groups, ana.id)
    ours = Server("Common Ground", stage.platform.port, asked, ("gateway", "groups"))
    keys = json.load(urllib.request.urlopen(f"http://{HOST}:{stage.platform.port}/.well-known/jwks.json", timeout=5))
    env = {"PEER_JWKS": json.dumps(keys), "PEER_MONGO_URI": stage.mongo.uri_for(PEERS)}
    echoed = [Request(one.path, one.path) for one in asked]
    echo = _peer(stage, "bare echo: eventlet.wsgi, py-amqp, no database", "echo", echoed, env)
    nameko = _peer(stage, "nameko: @http, RpcProxy, @rpc, PyMongo", "nameko", asked, env)
    fast = _peer(stage, "FastAPI, FastStream, PyMongo AsyncMongoClient", "fast", asked, env)
    servers = [echo, nameko, fast, ours]
    take_turns(stage, servers, rounds=2 if quick else 6, seconds=1 if quick else 3)
    for one in (echo, nameko, fast):
        for program in one.programs:
            stage.end(program)
    return Result(
        figures=[one.figure() for one in servers],
        targets=[
            Target("of the bare echo's rate", 100 * ratio(ours.rates, echo.rates), 40, "at least", "%"),
            Target("times nameko's rate", ratio(ours.rates, nameko.rates), 3, "at least"),
            Target("times FastAPI and FastStream's rate", ratio(ours.rates, fast.rates), 3, "at least"),
        ],
        details={
            "cpu_us_per_answer": {one.name: one.cpu_per_answer() for one in servers},
            "rates": {one.name: [round(rate) for rate in one.rates] for one in servers},
        },
    )


def _found(api: Api, number: int) -> dict[str, Any]:
    group = new_group(f"Kittens and Bacon {number}", ["kittens", "bacon", "cooking"])
    slug = api.post("/v1/groups", group)["slug"]
    shown: dict[str, Any] = api.get(f"/v1/groups/{slug}")
    return shown


def _request(group: dict[str, Any], token: str) -> Request:
    expected = {name: group[name] for name in SHOWN}
    return Request(f"/v1/groups/{group['slug']}", expected, {"Authorization": f"Bearer {token}"})


def _peer(stage: Stage, title: str, name: str, requests: list[Request], env: dict[str, str]) -> Server:
    """Start both halves of a peer and wait until it answers one request."""
    port = free_port()
    near, far = f"{name}_gateway", f"{name}_groups"
    env = {**env, "PEER_AMQP_URI": stage.broker.uri, "PEER_PORT": str(port)}
    stage.start(far, f"tests.bench.peers.{far}", env)
    stage.start(near, f"tests.bench.peers.{near}", env, _answers(port, requests[0]))
    return Server(title, port, requests, (near, far))


def _answers(port: int, request: Request) -> Callable[[], bool]:
    return lambda: answers(port, request.path, request.headers)
