"""What happens to a request: it is marked, recognised, counted, handed to its service, and the answer handed back."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any
from urllib.parse import parse_qs

from chassis import tracing
from chassis.endpoints import EVENT_STREAM
from chassis.problems import (
    AuthenticationRequired,
    MalformedRequest,
    MethodNotAllowed,
    NotFound,
    Problem,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from gateway import marks, measures
from gateway.access import AccessLog
from gateway.addresses import Addresses
from gateway.contracts import Call, Contracts, question
from gateway.credentials import TRUST_SECONDS, Credentials, InvalidToken
from gateway.http1 import Answer, Gone, Malformed, Request, Streaming, TooLong
from gateway.pages import Pages
from gateway.rates import Rates
from gateway.routes import BadPath, Match, Route, decode
from gateway.streams import Stream, Streams

log = logging.getLogger(__name__)

BODY_BYTES = 256 * 1024
"""The most that a body may have."""

_NOSNIFF = ("X-Content-Type-Options", "nosniff")
_VARY = ("Vary", "Authorization")
_KEEP_TO_CHECK = ("Cache-Control", "private, no-cache")
_DO_NOT_KEEP = ("Cache-Control", "no-store")
_EVENTS = ("Content-Type", EVENT_STREAM)
_DO_NOT_GATHER = ("X-Accel-Buffering", "no")
_PROBLEM_TYPE = ("Content-Type", "application/problem+json")


class Exchange:
    """One request and what was found out about it on its way."""

    __slots__ = ("address", "caller", "id", "path", "request", "route", "traceparent")

    def __init__(self, request: Request, address: str) -> None:
        headers = request.headers
        self.request, self.address = request, address
        self.id = marks.request_id(headers.get("x-request-id"))
        self.traceparent: str | None = marks.traceparent(headers.get("traceparent"))
        self.caller: dict[str, Any] | None = None
        self.path: str | None = ""
        self.route = "none"


class Gateway:
    """The application: it answers what it has itself (`pages`), and hands on what the services' contracts offer."""

    def __init__(
        self,
        *,
        contracts: Contracts,
        credentials: Credentials,
        rates: Rates,
        addresses: Addresses,
        pages: Pages,
        call: Call,
        streams: Streams,
        deadline_seconds: float = 5.0,
        access_log: AccessLog | None = None,
    ) -> None:
        self.contracts, self.credentials, self.rates = contracts, credentials, rates
        self.addresses, self.pages, self.call, self.streams = addresses, pages, call, streams
        self.deadline_seconds, self.access_log = deadline_seconds, access_log

    # -- what the server asks for

    def answer(self, request: Request) -> Answer | Streaming:
        """Answer a request; whatever goes wrong is told as a problem (RFC 9457). Raises Gone."""
        started = time.perf_counter()
        exchange = Exchange(request, self.addresses.of(request.peer, request.headers.get("x-forwarded-for")))
        with tracing.span(request.method, exchange):
            answer: Answer | Streaming
            try:
                answer = self._answer(exchange)
            except Problem as problem:
                answer = _refusal(problem, exchange.id)
            except Malformed as fault:
                answer = _refusal(MalformedRequest(str(fault)), exchange.id)
            except Gone:
                raise
            except Exception:
                log.exception("a request failed", extra={"request": exchange.id})
                answer = _refusal(Problem("This is our fault and has been noted. Try again later."), exchange.id)
            seconds = time.perf_counter() - started
            measures.answered(request.method, exchange.route, answer.status, seconds)
            if self.access_log is not None:
                self.access_log.note(exchange, answer, seconds)
        return answer

    def refuse(self, fault: str, peer: str) -> Answer:
        """Answer what is no request (400)."""
        measures.answered("other", "none", 400, 0.0)
        return _refusal(MalformedRequest(fault), marks.request_id(None))

    def failed(self, fault: Exception) -> Answer:
        """Answer in place of an answer that cannot be sent (500)."""
        log.error("an answer cannot be sent", extra={"fault": str(fault)})
        return _refusal(Problem("This is our fault and has been noted."), marks.request_id(None))

    # -- the way of a request

    def _answer(self, exchange: Exchange) -> Answer | Streaming:
        request = exchange.request
        if request.length is not None and request.length > BODY_BYTES:
            raise _too_large()
        page = self.pages.find(request.path)
        if page is not None:
            exchange.route = page.label
            return self._serve_page(page, exchange)
        match = self._match(exchange)
        self._recognise(exchange)
        self._count(exchange, match)
        if match is None:
            raise self._nothing_there()
        route = match.route
        if route is None:
            return self._other_method(exchange, match)
        if route.endless is not None:
            return self._stream(exchange, route, match.path, self._body(request, route.form))
        if route.signed_in and exchange.caller is None:
            raise AuthenticationRequired()
        return self._hand_on(exchange, route, match.path, self._body(request, route.form))

    def _serve_page(self, page: Any, exchange: Exchange) -> Answer:
        if exchange.request.method not in ("GET", "HEAD"):
            return self._other_method(exchange, Match(None, {}, ("GET", "HEAD", "OPTIONS")))
        status, headers, body = page.answer(exchange.request)
        return Answer(status, [*headers, ("X-Request-Id", exchange.id), _NOSNIFF], body)

    def _match(self, exchange: Exchange) -> Match | None:
        try:
            exchange.path = decode(exchange.request.path)
        except BadPath as fault:
            raise MalformedRequest(f"The path cannot be read: {fault}.") from None
        if exchange.path is None:
            return None
        match = self.contracts.table.find(exchange.request.method, exchange.path)
        if match is not None and match.route is not None:
            exchange.route = match.route.path
        return match

    def _recognise(self, exchange: Exchange) -> None:
        """Find out who calls. False credentials are refused wherever they are sent, and count for their address."""
        authorization = exchange.request.headers.get("authorization")
        if authorization is None:
            return
        exchange.caller = self.credentials.remembered(authorization)
        if exchange.caller is None:
            self.rates.admit_guess(exchange.address)
            try:
                exchange.caller = self.credentials.verify(authorization)
            except AuthenticationRequired:
                self.rates.admit(None, exchange.address)
                raise

    def _count(self, exchange: Exchange, match: Match | None) -> None:
        person = exchange.caller["id"] if exchange.caller else None
        self.rates.admit(person, exchange.address)
        route = match.route if match else None
        if route is not None and route.limit is not None:
            # Where nobody needs to be signed in, being so must not multiply the tries.
            whose = person if route.signed_in else None
            self.rates.admit_to_route(f"{route.service}.{route.name}", route.limit, whose, exchange.address)

    def _nothing_there(self) -> Problem:
        missing = self.contracts.missing
        if missing:
            # One of them may have this path.
            return Unavailable(f"Not everything is there yet: {', '.join(missing)}. Try again soon.")
        return NotFound("There is no such path.")

    def _other_method(self, exchange: Exchange, match: Match) -> Answer:
        allow = ("Allow", ", ".join(match.allowed))
        if exchange.request.method == "OPTIONS":
            return Answer(204, [allow, ("X-Request-Id", exchange.id)], b"")
        problem = MethodNotAllowed(f"Here it is one of {', '.join(match.allowed)}.")
        return _refusal(problem, exchange.id, allow)

    def _body(self, request: Request, form: bool) -> bytes:
        if request.length == 0:
            return b""
        if not (form and is_form(request.headers.get("content-type"))) and not is_json(
            request.headers.get("content-type"), request.method
        ):
            raise UnsupportedMediaType("Send the body as application/json, in UTF-8.")
        try:
            return request.body(BODY_BYTES)
        except TooLong:
            raise _too_large() from None

    def _hand_on(self, exchange: Exchange, route: Route, path: dict[str, str], body: bytes) -> Answer:
        head = self._head(exchange, route, path)
        status, said, content = self.call(route.service, head, body, head["deadline"])
        return self._pass_on(exchange, status, said, content)

    def _head(self, exchange: Exchange, route: Route, path: dict[str, str]) -> dict[str, Any]:
        request = exchange.request
        headers = request.headers
        return {
            "id": exchange.id,
            "endpoint": route.name,
            "path": path,
            "target": exchange.path,
            "query": request.query,
            "deadline": time.time() + self.deadline_seconds,
            "caller": exchange.caller,
            "address": exchange.address,
            "traceparent": tracing.current(),
            "if_match": headers.get("if-match"),
            "if_none_match": headers.get("if-none-match"),
            "idempotency_key": headers.get("idempotency-key"),
        }

    def _pass_on(self, exchange: Exchange, status: int, said: dict[str, str], content: bytes) -> Answer:
        answered = [*said.items(), ("X-Request-Id", exchange.id), _NOSNIFF, _VARY]
        if "Cache-Control" not in said:
            answered.append(_KEEP_TO_CHECK if "ETag" in said else _DO_NOT_KEEP)
        return Answer(status, answered, content)

    # -- streams

    def _stream(self, exchange: Exchange, route: Route, path: dict[str, str], body: bytes) -> Answer | Streaming:
        """Open a stream, if the service admits it; what it answers otherwise is passed on."""
        check, until = self._admission(exchange, route)
        head = {
            **self._head(exchange, route, path),
            "last_event_id": exchange.request.headers.get("last-event-id") or None,
        }
        self.streams.admit(route, head["caller"]["id"])
        status, said, content = self.call(route.service, head, body, head["deadline"])
        if status != 200:
            return self._pass_on(exchange, status, said, content)
        stream = Stream(route, head, check, until)
        headers = [_EVENTS, ("X-Request-Id", exchange.id), _NOSNIFF, _VARY, _DO_NOT_KEEP, _DO_NOT_GATHER]
        return Streaming(200, headers, partial(self.streams.run, stream, json.loads(content)))

    def _admission(self, exchange: Exchange, route: Route) -> tuple[Callable[[], object], float]:
        """What tells later whether the stream may go on, and until when it may at most. Raises AuthenticationRequired."""
        authorization = exchange.request.headers.get("authorization")
        if authorization is not None:
            return partial(self.credentials.verify, authorization), self.credentials.until(authorization)
        exchange.caller = caller = self._redeem(exchange, route)
        session = caller["session"]
        # As long as an access token is good, for nobody knows when the one ends with which the ticket was made.
        return partial(self.credentials.confirm, session) if session else _nothing, time.time() + TRUST_SECONDS

    def _redeem(self, exchange: Exchange, route: Route) -> dict[str, Any]:
        """Who a ticket lets in. Raises AuthenticationRequired."""
        tickets = parse_qs(exchange.request.query).get("ticket", [])
        if route.endless is None or route.endless.ticket is None or not tickets:
            raise AuthenticationRequired()
        deadline = time.time() + self.deadline_seconds
        head = question(route.endless.ticket, exchange.id, deadline, tracing.current())
        status, _, body = self.call(route.service, head, json.dumps({"ticket": tickets[0]}).encode(), deadline)
        found: dict[str, Any] | None = json.loads(body)["caller"] if status == 200 else None
        if found is None:
            raise InvalidToken("The ticket has been used, has expired, or is not one of ours.")
        self.rates.admit(found["id"], exchange.address)
        return found


def _nothing() -> None:
    """What an API token's ticket is checked by later: it is too short-lived to be."""


def _too_large() -> TooLarge:
    return TooLarge(f"A body may have {BODY_BYTES // 1024} KiB.")


def _refusal(problem: Problem, request: str, *headers: tuple[str, str]) -> Answer:
    said = {**type(problem).headers, **getattr(problem, "extra_headers", {})}
    body = json.dumps(problem.document(request), ensure_ascii=False, separators=(",", ":")).encode()
    marks_of_all = [_PROBLEM_TYPE, ("X-Request-Id", request), _NOSNIFF, _VARY, _DO_NOT_KEEP]
    return Answer(problem.status, [*marks_of_all, *said.items(), *headers], body)


def is_form(content_type: str | None) -> bool:
    """Whether this is the type of an HTML form, in either of its two kinds."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind in ("application/x-www-form-urlencoded", "multipart/form-data")


@lru_cache(maxsize=256)
def is_json(content_type: str | None, method: str) -> bool:
    """Whether this type is accepted: `application/json` in UTF-8, for PATCH also `application/merge-patch+json`."""
    if content_type is None:
        return False
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if kind != "application/json" and not (kind == "application/merge-patch+json" and method == "PATCH"):
        return False
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in ("utf-8", "utf8"):
            return False
    return True
