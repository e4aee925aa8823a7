"""An endpoint declares its HTTP surface in one place; from the declaration come its entrypoint, route, documents and checks."""

from __future__ import annotations

import functools
import json
import logging
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import parse_qs, quote, urlencode

import eventlet
import marshmallow
from nameko.extensions import Entrypoint, register_entrypoint
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError

from chassis import idempotency, metrics, tracing
from chassis.calls import CallServer
from chassis.problems import (
    AuthenticationRequired,
    Invalid,
    MalformedRequest,
    NotAllowed,
    PreconditionFailed,
    Problem,
    Unavailable,
)
from chassis.schemas import Page, Query

log = logging.getLogger(__name__)

Access = Literal["anyone", "signed-in"]
ANYONE: Access = "anyone"
SIGNED_IN: Access = "signed-in"

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
EVENT_STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Stream:
    """What makes an endpoint a stream (Server-Sent Events): the names of the internal endpoints by which it goes on.

    The endpoint itself answers each time somebody comes, or comes back: `{"topics", "items": [{"id", "data"}], "after",
    "more"}`: what to wait for, what they have missed since `call.last_event_id` in the order of ids (nothing if that is
    None), from where to go on, and whether there is more already.
    """

    event: str
    """What each thing that is told is called."""
    follow: str
    """Takes `{"after", "until", "people"}` and answers what is new after one place, up to another one (or as far as it goes,
    where that is null), and for which of these people: `{"until", "more", "topics", "items": [{"id", "data", "people"}]}`,
    with the topics of all that is new, whoever it is for."""
    topics: str
    """Takes `{"people"}` and answers what each of them waits for: `{"topics": {person: [topic]}}`."""
    ticket: str | None = None
    """Takes `{"ticket"}`, from the query, and answers who that lets in, once: `{"caller"}`, else null."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The person on whose behalf a call is made, as their token says."""

    id: str
    handle: str
    display_name: str
    scopes: frozenset[str] = frozenset({"read", "write", "subscribe"})
    session: str | None = None
    """The id of the session, or None for an API token."""

    def reference(self) -> dict[str, str]:
        """The person as messages name them: id, handle, display_name."""
        return {"id": self.id, "handle": self.handle, "display_name": self.display_name}


@dataclass(slots=True)
class Call:
    """One request, as the gateway hands it on."""

    id: str
    endpoint: str
    path: dict[str, str]
    query: str
    target: str
    """The path as it was asked for, without the query."""
    body: bytes
    deadline: float
    """Seconds since the epoch after which nobody waits for the answer any more."""
    person: Caller | None = None
    address: str = ""
    traceparent: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    idempotency_key: str | None = None
    last_event_id: str | None = None
    """From where a stream goes on, for who comes back."""
    now: datetime = field(default_factory=lambda: _now())
    claim: idempotency.Claim | None = None
    pending: Any = None
    """The unit of work that waits for the answer before it commits (see Store.transaction)."""

    @property
    def caller(self) -> Caller:
        """Who calls, on endpoints for those signed in. Raises AuthenticationRequired otherwise."""
        if self.person is None:
            raise AuthenticationRequired()
        return self.person

    def time_left(self) -> float:
        """Seconds until nobody waits for the answer any more."""
        return self.deadline - time.time()

    def expect_version(self, version: int) -> None:
        """Honour `If-Match` (RFC 9110, section 13.1.1). Raises PreconditionFailed when it names other versions only."""
        if self.if_match is not None and not _matches(self.if_match, etag(version)):
            raise PreconditionFailed("Read it again, then repeat your change on what it is now.", version=version)

    def soon(self, find: Callable[[], Any], within: float = 1.0) -> Any:
        """What `find` returns, waiting at most `within` seconds for it to be true: for projections that lag behind a message.

        Returns what `find` returned last, so a caller decides on the refusal. Use it before a transaction, not inside.
        """
        end = time.monotonic() + min(within, max(self.time_left() - 0.5, 0))
        pause = 0.005
        while not (found := find()) and time.monotonic() < end:
            eventlet.sleep(pause)
            pause = min(pause * 1.5, 0.05)
        return found


@dataclass(slots=True)
class Answer:
    """An answer that says more than its content: another status, `location`, headers, or a body that is not JSON (`raw`).

    A `raw` body whose headers have an `ETag` answers `If-None-Match`, as content with a version does.
    """

    content: Any = None
    status: int | None = None
    location: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    media_type: str = JSON


@dataclass(slots=True)
class Reply:
    """An answer as it goes over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


class Endpoint(Entrypoint):
    """What `@endpoint` declares. See there."""

    calls = CallServer()

    def __init__(
        self,
        method: str,
        path: str,
        *,
        access: Access,
        body: type[marshmallow.Schema] | None = None,
        query: type[Query] | None = None,
        returns: type[marshmallow.Schema] | None = None,
        status: int = 200,
        idempotent: bool = False,
        scope: str | None = None,
        problems: tuple[type[Problem], ...] = (),
        media_type: str = JSON,
        tag: str | None = None,
        limit: str | None = None,
        answers: dict[int, str] | None = None,
        internal: bool = False,
        form: bool = False,
        stream: Stream | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.method, self.path, self.access, self.status, self.idempotent = method, path, access, status, idempotent
        self.scope = scope or ("read" if method in ("GET", "HEAD") else "write")
        self.body = body() if body else None
        self.query = query() if query else None
        self.returns = returns() if returns else None
        self.problems, self.media_type, self.tag, self.limit = problems, media_type, tag, limit
        self.answers, self.internal, self.form, self.stream = answers or {}, internal, form, stream

    def setup(self) -> None:
        self.calls.register_provider(self)

    def stop(self) -> None:
        self.calls.unregister_provider(self)

    # -- one call, from arguments to answer

    def answer(self, function: Callable[..., Any], service: Any, call: Call) -> Reply:
        """Check the call, run the endpoint (again while its transaction meets another one), and make the answer."""
        started = time.perf_counter()
        with tracing.span(f"{self.method} {self.path}", call):
            try:
                reply = self._answer(function, service, call)
            except Problem as problem:
                reply = problem_reply(problem, call.id)
            except (ConnectionFailure, ExecutionTimeout) as fault:
                log.warning(
                    "database unavailable", extra={"call": call.id, "endpoint": call.endpoint, "fault": str(fault)}
                )
                reply = problem_reply(
                    Unavailable("The service cannot reach its data just now. Try again soon."), call.id
                )
            except Exception:
                log.exception("endpoint failed", extra={"call": call.id, "endpoint": call.endpoint})
                reply = problem_reply(Problem("This is our fault and has been noted. Try again later."), call.id)
        metrics.answered(call.endpoint, reply.status, time.perf_counter() - started)
        return reply

    def _answer(self, function: Callable[..., Any], service: Any, call: Call) -> Reply:
        self._admit(call)
        arguments: dict[str, Any] = dict(call.path)
        if self.query:
            arguments["query"] = self._read_query(call)
        elif call.query:
            self._refuse_query(call)
        if self.body:
            arguments["body"] = self._read_body(call)
        elif call.body and not (self.internal or self.form):
            raise MalformedRequest("This takes no body.")
        if self.idempotent and call.idempotency_key is not None:
            call.claim = idempotency.Claim.of(call)
            if replayed := service.store.replay(call.claim):
                return replayed
        return self._run(function, service, call, arguments)

    def _run(self, function: Callable[..., Any], service: Any, call: Call, arguments: dict[str, Any]) -> Reply:
        pause = 0.001
        while True:
            call.pending = None
            try:
                reply = self._reply(function(service, call, **arguments), call)
                if call.pending is not None:
                    call.pending.commit(reply)
                return reply
            except PyMongoError as fault:
                if not fault.has_error_label("TransientTransactionError"):
                    raise
                # Another transaction touched the same documents. Nothing of ours was kept: begin again, a little later.
                if call.time_left() < 0.5:
                    raise Unavailable("Too many changes at once. Try again soon.") from fault
                metrics.transaction_retries.inc()
                eventlet.sleep(random.uniform(0, pause))
                pause = min(pause * 2, 0.1)
            finally:
                if call.pending is not None:
                    call.pending.close()

    def _admit(self, call: Call) -> None:
        if self.access != ANYONE and call.person is None:
            raise AuthenticationRequired()
        if call.person is not None and self.scope not in call.person.scopes:
            raise NotAllowed(f"This token lacks the scope `{self.scope}`.")

    def _read_query(self, call: Call) -> dict[str, Any]:
        assert self.query is not None
        try:
            return self.query.read(parse_qs(call.query, keep_blank_values=True, errors="strict", max_num_fields=100))
        except marshmallow.ValidationError as fault:
            raise MalformedRequest(
                "; ".join(f"{e['pointer'][1:]}: {e['detail']}" for e in pointers(fault.messages))
            ) from None
        except (UnicodeDecodeError, ValueError):
            raise MalformedRequest("The query cannot be read.") from None

    def _refuse_query(self, call: Call) -> None:
        names = sorted(parse_qs(call.query, keep_blank_values=True))
        if names:
            raise MalformedRequest(f"This takes no query parameter `{names[0]}`.")

    def _read_body(self, call: Call) -> dict[str, Any]:
        assert self.body is not None
        # A POST whose fields are all optional, such as joining a group, needs no body at all.
        optional = self.method == "POST" and not any(one.required for one in self.body.fields.values())
        content = {} if optional and not call.body else parse_json(call.body)
        try:
            loaded = self.body.load(content)
        except marshmallow.ValidationError as fault:
            raise Invalid(errors=pointers(fault.messages)) from None
        assert isinstance(loaded, dict)
        return loaded

    def _reply(self, result: Any, call: Call) -> Reply:
        answer = result if isinstance(result, Answer) else Answer(result)
        headers = dict(answer.headers)
        status = answer.status or self.status
        if answer.location:
            headers["Location"] = answer.location
        if answer.raw is not None:
            if self._has(call, headers.get("ETag")):
                return Reply(304, headers, b"")
            headers["Content-Type"] = answer.media_type
            return Reply(status, headers, answer.raw)
        if answer.content is None:
            return Reply(status, headers, b"")
        content = self.returns.dump(answer.content) if self.returns else answer.content
        if isinstance(answer.content, Page) and answer.content.next is not None:
            headers["Link"] = f'<{self._next_page(call, answer.content.next)}>; rel="next"'
        if self.returns and "version" in self.returns.fields:
            tag = headers["ETag"] = etag(content["version"])
            if self._has(call, tag):
                return Reply(304, headers, b"")
        headers["Content-Type"] = answer.media_type
        return Reply(status, headers, to_json(content))

    def _has(self, call: Call, tag: str | None) -> bool:
        """Whether the caller has what this entity tag stands for already (RFC 9110, section 13.1.2)."""
        asked = call.if_none_match
        return self.method == "GET" and None not in (tag, asked) and _matches(str(asked), str(tag), weak=True)

    @staticmethod
    def _next_page(call: Call, cursor: str) -> str:
        parameters = parse_qs(call.query, keep_blank_values=True)
        parameters["cursor"] = [cursor]
        return quote(call.target) + "?" + urlencode(parameters, doseq=True)


def endpoint(
    method: str,
    path: str,
    *,
    access: Access,
    body: type[marshmallow.Schema] | None = None,
    query: type[Query] | None = None,
    returns: type[marshmallow.Schema] | None = None,
    status: int = 200,
    idempotent: bool = False,
    **options: Any,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a method of a service class as an HTTP endpoint.

    - `method`, `path`: as clients call it; `{name}` in the path becomes the argument `name`.
    - `access`: `SIGNED_IN` or `ANYONE`; there is no default, so that nothing is open by oversight.
    - `body`: the schema of the JSON body, loaded into the argument `body` (422 `invalid` otherwise).
    - `query`: the schema of the query parameters, loaded into the argument `query` (400 `malformed-request` otherwise).
    - `returns`: the schema that dumps what the method returns; if it has a field `version`, the answer carries an `ETag`.
    - `status`: of a successful answer.
    - `idempotent`: honours `Idempotency-Key`; the method must do its work in `self.store.transaction(call)`.
    - `scope`: what an API token needs: `read`, `write` or `subscribe`; by default `read` for GET, else `write`.
    - `problems`: the Problem classes a client should expect, for the OpenAPI document.
    - `answers`: other successful statuses and what they mean, e.g. `{202: "Waiting for approval"}`.
    - `limit`: a tighter rate limit of its own, e.g. `"10/minute"`.
    - `form`: takes an HTML form too, and what stands in it changes nothing (as in RFC 8058).
    - `internal`: callable by the gateway only, in no document.
    - `stream`: clients get a stream of Server-Sent Events, which the gateway keeps open; see Stream.

    The docstring's first line is the summary in the OpenAPI document, the rest its description. The method gets
    `(self, call, **path arguments, query=…, body=…)` and returns the content, a Page, an Answer, or None for no content.
    It runs again from the start when its transaction meets another one, so what it does outside must be harmless twice.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        entrypoint = Endpoint(
            method,
            path,
            access=access,
            body=body,
            query=query,
            returns=returns,
            status=status,
            idempotent=idempotent,
            **options,
        )

        @functools.wraps(function)
        def run(service: Any, call: Call) -> Reply:
            return entrypoint.answer(function, service, call)

        register_entrypoint(run, entrypoint)
        return run

    return declare


def etag(version: int) -> str:
    """A strong entity tag made from a version."""
    return f'"{version}"'


def problem_reply(problem: Problem, request: str) -> Reply:
    """A problem as it goes over the wire (RFC 9457)."""
    headers = {"Content-Type": PROBLEM_JSON, **type(problem).headers, **getattr(problem, "extra_headers", {})}
    return Reply(problem.status, headers, to_json(problem.document(request)))


def to_json(content: Any) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def parse_json(body: bytes) -> Any:
    """Strict JSON (RFC 8259): UTF-8, no NaN, no name twice. Raises MalformedRequest."""
    try:
        return json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_no_name_twice)
    except (ValueError, RecursionError) as fault:
        raise MalformedRequest(f"The body is not JSON: {fault}.") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def pointers(messages: Any, at: str = "") -> list[dict[str, str]]:
    """marshmallow's nested messages as a flat list of `{"pointer", "detail"}` (RFC 6901)."""
    if isinstance(messages, dict):
        found = []
        for name, nested in messages.items():
            step = "" if name == "_schema" else "/" + str(name).replace("~", "~0").replace("/", "~1")
            found += pointers(nested, at + step)
        return found
    if isinstance(messages, list | tuple):
        return [error for nested in messages for error in pointers(nested, at)]
    return [{"pointer": at, "detail": str(messages)}]


_ETAG = re.compile(r'(W/)?("[^"]*")')


def _matches(condition: str, tag: str, weak: bool = False) -> bool:
    """Whether a list of entity tags (RFC 9110, section 8.8.3) has `tag`; `*` has all. Weak ones count only if `weak`."""
    if condition.strip() == "*":
        return True
    return any(found == tag and (weak or not prefix) for prefix, found in _ETAG.findall(condition))


def _now() -> datetime:
    """The present time in UTC, to the millisecond, which is what MongoDB keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
