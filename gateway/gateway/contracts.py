"""Learns what the services offer, and makes of it the routes, the identity and the documents that are served."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from chassis.health import Health
from chassis.problems import Problem
from gateway.documents import Documents
from gateway.rates import is_limit
from gateway.routes import Endless, Route, RouteTable

log = logging.getLogger(__name__)

REFRESH_SECONDS = 30.0
"""How often a service is asked again, in case an announcement was lost."""
AGAIN_SECONDS = (1.0, 5.0, 15.0)
"""When to ask again after an announcement: during a rollout, an instance of the old release may answer."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

Call = Callable[[str, dict[str, Any], bytes, float], tuple[int, dict[str, str], bytes]]


class BadContract(ValueError):
    """A service's contract says something that cannot be served."""


@dataclass(frozen=True)
class Identity:
    """Who says who people are: the service, the claims and keys of its access tokens, its endpoint for questions."""

    service: str
    issuer: str
    audience: str
    jwks: dict[str, Any]
    introspect: str


@dataclass(frozen=True)
class Contract:
    """What one service offers."""

    service: str
    digest: str
    routes: tuple[Route, ...]
    identity: Identity | None
    document: dict[str, Any]

    @classmethod
    def read(cls, service: str, document: dict[str, Any]) -> Contract:
        """Take a service's answer to the call `contract`. Raises BadContract."""
        try:
            if document["service"] != service:
                raise BadContract(f"it is of {document['service']!r}")
            identity = document.get("identity")
            return cls(
                service=service,
                digest=str(document["digest"]),
                routes=tuple(_read_route(service, one) for one in document["routes"]),
                identity=_read_identity(service, identity) if identity else None,
                document=document,
            )
        except (KeyError, TypeError, AttributeError) as fault:
            raise BadContract(f"{type(fault).__name__}: {fault}") from fault


def _read_route(service: str, said: dict[str, Any]) -> Route:
    method, path, limit = said["method"], said["path"], said.get("limit")
    if method not in METHODS or not path.startswith("/v"):
        raise BadContract(f"{method} {path} cannot be a route")
    if not is_limit(limit):
        raise BadContract(f"{method} {path} has the limit {limit!r}, which is none")
    stream = said.get("stream")
    if stream and (method != "GET" or said["access"] == "anyone"):
        raise BadContract(f"{method} {path} cannot be a stream")
    endless = Endless(**stream) if stream else None
    return Route(
        service, said["name"], method, path, said["access"] != "anyone", limit, said.get("form", False), endless
    )


def _read_identity(service: str, said: dict[str, Any]) -> Identity:
    # Only what is public may be kept: these keys are published.
    keys = [{name: value for name, value in key.items() if name != "d"} for key in said["jwks"]["keys"]]
    return Identity(service, said["issuer"], said["audience"], {"keys": keys}, said["introspect"])


def question(endpoint: str, request: str, deadline: float, traceparent: str | None = None) -> dict[str, Any]:
    """The head of a call that the gateway makes on its own behalf."""
    return {
        "id": request,
        "endpoint": endpoint,
        "path": {},
        "target": "",
        "query": "",
        "deadline": deadline,
        "caller": None,
        "address": "",
        "traceparent": traceparent,
        "if_match": None,
        "if_none_match": None,
        "idempotency_key": None,
    }


class Contracts:
    """The contracts of the services. `table`, `identity` and `documents` are whole at any time: they are replaced."""

    def __init__(self, services: Iterable[str], call: Call, health: Health) -> None:
        self.services = tuple(dict.fromkeys(services))
        self.call, self.health = call, health
        self.table = RouteTable()
        self.identity: Identity | None = None
        self.documents = Documents([])
        self.stopping = False
        self._known: dict[str, Contract] = {}
        self._taking = threading.Lock()
        self._nudges = {service: threading.Event() for service in self.services}
        for service in self.services:
            health.waiting(f"contract of {service}", "not asked yet")

    @property
    def missing(self) -> list[str]:
        """The services that have not answered yet."""
        return [service for service in self.services if service not in self._known]

    def start(self) -> None:
        """Learn in the background, and go on learning."""
        for service in self.services:
            threading.Thread(target=self._learn, args=(service,), name=f"contract-{service}", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self.stopping = True
        self.announced(None)

    def announced(self, service: str | None) -> None:
        """Ask a service now, or all when it is None; returns at once."""
        for name, nudge in self._nudges.items():
            if service is None or name == service:
                nudge.set()

    def refresh(self, service: str) -> None:
        """Ask a service and take what it says. Raises Problem when it does not answer, BadContract."""
        deadline = time.time() + 5
        status, _, body = self.call(service, question("contract", f"contract of {service}", deadline), b"", deadline)
        if status != 200:
            raise BadContract(f"the status of the answer is {status}")
        try:
            document = json.loads(body)
        except ValueError as fault:
            raise BadContract(f"it is not JSON: {fault}") from fault
        self._take(Contract.read(service, document))

    def _learn(self, service: str) -> None:
        nudge = self._nudges[service]
        again: list[float] = []
        pause = 0.1
        while not self.stopping:
            try:
                self.refresh(service)
                wait = again.pop(0) if again else REFRESH_SECONDS
                pause = 0.1
            except Problem as fault:
                self._missed(service, fault.detail)
                wait, pause = pause, min(pause * 2, 5)
            except BadContract as fault:
                log.error("a contract cannot be used", extra={"service_name": service, "fault": str(fault)})
                self._missed(service, f"its contract cannot be used: {fault}")
                wait, pause = pause, min(pause * 2, 5)
            if nudge.wait(wait):
                nudge.clear()
                again = list(AGAIN_SECONDS)

    def _missed(self, service: str, why: str) -> None:
        if service not in self._known:
            self.health.waiting(f"contract of {service}", why)

    def _take(self, contract: Contract) -> None:
        with self._taking:
            known = self._known.get(contract.service)
            if known is not None and known.digest == contract.digest:
                return
            # A service keeps its place, so that what was offered first stays with who offered it first.
            everything = {**self._known, contract.service: contract}
            contracts = list(everything.values())
            table = RouteTable(route for one in contracts for route in one.routes)
            for kept, refused in table.conflicts:
                log.error(
                    "two services offer the same endpoint",
                    extra={
                        "endpoint": f"{refused.method} {refused.path}",
                        "kept": kept.service,
                        "refused": refused.service,
                    },
                )
            # The documents are the same whoever answered first.
            documents = Documents(everything[name].document for name in self.services if name in everything)
            self.table, self.documents, self._known = table, documents, everything
            self.identity = next((one.identity for one in contracts if one.identity), None)
        log.info("contract taken", extra={"service_name": contract.service, "digest": contract.digest})
        self.health.ready(f"contract of {contract.service}")
