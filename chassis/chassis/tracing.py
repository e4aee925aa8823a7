"""W3C trace context from HTTP through calls, outbox and messages; OpenTelemetry spans where an exporter is configured.

Without `OTEL_EXPORTER_OTLP_ENDPOINT` the context is only carried on, which costs next to nothing.
https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import os
import re
import secrets
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol

_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_tracer: Any = None

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class Traced(Protocol):
    """What carries a trace context: a call or a received message."""

    @property
    def traceparent(self) -> str | None:
        """The `traceparent` it came with, or None."""


def current() -> str | None:
    """The traceparent of what this greenlet is doing, or None."""
    return _current.get()


def valid(traceparent: str | None) -> bool:
    """Whether a text is a traceparent of version 00 (or one that a later version sends, of the same form)."""
    return traceparent is not None and _TRACEPARENT.fullmatch(traceparent) is not None


def begin() -> str:
    """The traceparent of a new trace, sampled."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


class span:
    """Do something as part of the trace of `cause`: `with span("POST /v1/groups", call): …`."""

    __slots__ = ("cause", "name", "open", "token")

    def __init__(self, name: str, cause: Traced) -> None:
        self.name, self.cause = name, cause
        self.open: Any = None

    def __enter__(self) -> span:
        traceparent = self.cause.traceparent
        if _tracer is not None:
            traceparent = self._start(traceparent)
        self.token = _current.set(traceparent)
        return self

    def _start(self, traceparent: str | None) -> str:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carrier = {"traceparent": traceparent} if traceparent else {}
        propagator = TraceContextTextMapPropagator()
        self.open = _tracer.start_span(self.name, context=propagator.extract(carrier))
        context = self.open.get_span_context()
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, tb: TracebackType | None) -> None:
        _current.reset(self.token)
        if self.open is not None:
            if fault is not None:
                self.open.record_exception(fault)
            self.open.end()


def configure(service: str) -> None:
    """Export spans when the environment names where to (OTEL_EXPORTER_OTLP_ENDPOINT, as OpenTelemetry specifies)."""
    global _tracer
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": f"commonground-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("commonground")
