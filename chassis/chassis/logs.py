"""Logs as JSON lines for machines, as text on a terminal, with trace ids and never with secrets or bodies.

Code logs with the standard library: `log.info("what happened", extra={"subject": …})`.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

from chassis import tracing

_QUIET = {"amqp": logging.WARNING, "kombu": logging.WARNING, "nameko": logging.WARNING, "pymongo": logging.WARNING}


def configure(service: str, level: str = "INFO", form: str = "auto") -> None:
    """Send this process' logs to standard output: `form` is `json`, `text`, or `auto` (text on a terminal)."""
    text = form == "text" or (form == "auto" and sys.stdout.isatty())
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]
    final: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if text:
        colors = sys.stdout.isatty()
        final += [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]
    else:
        final += [
            _ServiceName(service),
            # As plain text: a structured traceback would carry local variables, and with them passwords.
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ]
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(max(quiet, root.level))


class _ServiceName:
    """Adds which service speaks."""

    def __init__(self, service: str) -> None:
        self.service = service

    def __call__(self, logger: Any, method: str, entry: dict[str, Any]) -> dict[str, Any]:
        entry["service"] = self.service
        return entry


def _add_trace(logger: Any, method: str, entry: dict[str, Any]) -> dict[str, Any]:
    if traceparent := tracing.current():
        entry["trace_id"] = traceparent[3:35]
    return entry
