"""Accounts of other systems on a running broker: an operator makes, lists and revokes them, by RabbitMQ's management API.

AMQP knows no accounts, and rabbitmqctl must run on a node of the broker; the API works from anywhere, for any cluster.
https://www.rabbitmq.com/docs/management#http-api
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from chassis import topology
from chassis.operate import Refused

TAG, TRUSTED = "subscriber", "trusted"
"""What is written on the account, so that no other one is ever listed or revoked as a subscriber's."""

API_PORT = 15672
ANSWER_SECONDS = 10
# A name is a part of the names of the subscriber's queues, and ends there at a dot.
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Another system that has an account; a trusted one hears what is not public, too."""

    name: str
    trusted: bool


class Subscribers:
    """The accounts of other systems on one broker."""

    def __init__(self, amqp_uri: str, api: str = "") -> None:
        """`amqp_uri` is the address of an administrator; `api` that of the management API, by default on the same host."""
        self._uri = urlsplit(amqp_uri)
        self._api = (api or f"http://{self._uri.hostname}:{API_PORT}").rstrip("/")
        self._vhost = unquote(self._uri.path[1:]) or "/"
        login = f"{unquote(self._uri.username or 'guest')}:{unquote(self._uri.password or 'guest')}"
        self._authorization = "Basic " + base64.b64encode(login.encode()).decode()

    def add(self, name: str, trusted: bool = False) -> str:
        """Make an account; gives its AMQP address, with the password that nothing tells again.

        Raises Refused when the name is taken or none, or the broker cannot be told.
        """
        if not _NAME.fullmatch(name):
            raise Refused(
                f"{name!r} cannot be a subscriber's name: 1 to 50 of a-z, 0-9, _ and -, beginning with a letter or digit."
            )
        if self._call("GET", "users", name) is not None:
            raise Refused(f"The broker has an account {name} already. Revoke it first if it is a subscriber's.")
        password = secrets.token_urlsafe(24)
        allowed = topology.subscriber_permissions(name, trusted)
        tags = ",".join([TAG, TRUSTED] if trusted else [TAG])
        limits = {"pattern": topology.SUBSCRIBERS, "definition": topology.SUBSCRIBER_LIMITS, "apply-to": "queues"}
        # An account without permissions may do nothing: whatever comes between, it can be revoked.
        self._call("PUT", "policies", self._vhost, "commonground-subscribers", body=limits)
        self._call("PUT", "users", name, body={"password": password, "tags": tags})
        self._call("PUT", "permissions", self._vhost, name, body=allowed._asdict())
        host = self._uri.netloc.rpartition("@")[2]
        return f"{self._uri.scheme}://{name}:{password}@{host}/{quote(self._vhost, safe='')}"

    def each(self) -> list[Subscriber]:
        """All of them, by name."""
        found = [Subscriber(one["name"], TRUSTED in one["tags"]) for one in self._call("GET", "users") if _is_ours(one)]
        return sorted(found, key=lambda one: one.name)

    def revoke(self, name: str) -> int:
        """Remove an account: it is disconnected, and its queues go with it. Gives how many there were.

        Raises Refused when no subscriber has this name.
        """
        account = self._call("GET", "users", name)
        if account is None or not _is_ours(account):
            raise Refused(f"There is no subscriber {name}. `subscribers list` names those that there are.")
        self._call("DELETE", "users", name)
        own = re.compile(topology.subscriber_queues(name))
        there = self._call("GET", "queues", self._vhost)
        # An exclusive one goes with its connection, which the broker is closing now.
        queues = [one["name"] for one in there if own.fullmatch(one["name"]) and not one["exclusive"]]
        for queue in queues:
            self._call("DELETE", "queues", self._vhost, queue)
        return len(queues)

    def _call(self, method: str, *path: str, body: Any = None) -> Any:
        """The JSON that the API answers, None for nothing and for 404. Raises Refused."""
        url = "/".join([self._api, "api", *(quote(one, safe="") for one in path)])
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body is not None else None
        try:
            request = urllib.request.Request(url, data, headers, method=method)
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                content = answer.read()
        except urllib.error.HTTPError as fault:
            fault.close()
            if fault.code == 404:
                return None
            raise Refused(_why(fault.code, self._api, self._uri.username or "guest")) from None
        except (OSError, ValueError) as fault:
            raise Refused(
                f"RabbitMQ's management API does not answer at {self._api} ({fault}). `rabbitmq-plugins enable "
                "rabbitmq_management` starts it on a node; CG_AMQP_API says where it is, e.g. https://rabbit.example.org:15671"
            ) from None
        return json.loads(content) if content else None


def _is_ours(account: dict[str, Any]) -> bool:
    return TAG in account["tags"]


def _why(status: int, api: str, user: str) -> str:
    if status in (401, 403):
        return (
            f"The account {user} of CG_AMQP_URI may not administer the broker at {api}: give that of an administrator."
        )
    return f"RabbitMQ's management API at {api} answered {status}. What was done until then can be done again."
