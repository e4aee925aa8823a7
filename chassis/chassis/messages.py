"""What a message is: a fact in a CloudEvents 1.0 envelope (structured JSON mode), declared once and used by all who send it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeAlias

from marshmallow import Schema

from chassis.ids import new_id

PREFIX = "commonground."
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
Audience = Literal["public", "group", "person", "private"]
"""Who may know of a message. `private` is what one service hands to another: it goes by no exchange and stands in no log."""
DataSchema: TypeAlias = type[Schema]


class Message:
    """A fact that a service publishes. Each kind is a subclass that declares what it is:

    - `type`: without the prefix, with its major version, e.g. `groups.member.joined.v1` (also the routing key);
    - `data`: the marshmallow schema of its data (what is dumped, what the JSON Schema and AsyncAPI documents say);
    - `example`: data that the schema accepts;
    - its docstring: the description readers of the AsyncAPI document see;
    - `to`: the one service that it is handed to, for what nobody else may ever read, such as an email address. It goes straight
      to that service's inbox, and is in no log and no document.

    An instance is one fact: `subject` is the id of the aggregate, `sequence` its version (per subject strictly growing: a
    message takes one version), `audience` who may know it, `content` the data to be dumped by the schema.
    """

    type: ClassVar[str]
    data: ClassVar[DataSchema]
    example: ClassVar[dict[str, Any]]
    to: ClassVar[str | None] = None

    traceparent: str | None = None
    """Of what caused this one message, where a unit of work has several causes; otherwise that of the unit of work is used."""

    def __init__(self, content: Any, *, subject: str, sequence: int, audience: Audience = "public") -> None:
        self.content = content
        self.subject = subject
        self.sequence = sequence
        self.audience = audience

    @classmethod
    def full_type(cls) -> str:
        """The CloudEvents `type`, e.g. `commonground.groups.member.joined.v1`."""
        return PREFIX + cls.type

    def envelope(self, traceparent: str | None) -> dict[str, Any]:
        """The CloudEvents document of this fact, with a new `id`, the present time and the data as its schema dumps it."""
        document: dict[str, Any] = {
            "specversion": "1.0",
            "id": new_id("msg"),
            "source": "/services/" + self.type.partition(".")[0],
            "type": self.full_type(),
            "subject": self.subject,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "dataschema": "/schemas/" + self.full_type(),
            "sequence": str(self.sequence),
            "audience": self.audience,
            "data": _schema(self.data).dump(self.content),
        }
        if traceparent:
            document["traceparent"] = traceparent
        return document


_schemas: dict[type[Schema], Schema] = {}


def _schema(declared: type[Schema]) -> Schema:
    """One instance per schema class: making one costs far more than using it."""
    if declared not in _schemas:
        _schemas[declared] = declared()
    return _schemas[declared]


class Undecodable(Exception):
    """What arrived is no CloudEvents 1.0 document in structured JSON mode."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message as a subscription gets it. `data` is what the subscription's schema loaded; `sequence` is an integer."""

    id: str
    source: str
    type: str
    subject: str
    sequence: int
    time: datetime
    audience: str
    data: dict[str, Any]
    traceparent: str | None
    now: datetime
    raw: bytes = b""
    """The envelope as it came, to the byte: for who passes it on."""
    consumer: str = ""
    """Whose effect this is, `service.method`: the inbox counts (consumer, source, id) once."""

    @classmethod
    def decode(cls, body: bytes) -> Received:
        """Read an envelope, tolerant of attributes it does not know. `data` is still raw JSON. Raises Undecodable."""
        try:
            document = json.loads(body)
            if document["specversion"] != "1.0":
                raise Undecodable(f"specversion {document['specversion']!r} is not 1.0")
            return cls(
                id=_text(document, "id"),
                source=_text(document, "source"),
                type=_text(document, "type"),
                subject=_text(document, "subject"),
                sequence=int(document["sequence"]),
                time=datetime.fromisoformat(_text(document, "time")),
                audience=str(document.get("audience", "public")),
                data=document["data"],
                traceparent=document.get("traceparent"),
                now=datetime.now(UTC),
                raw=body,
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as fault:
            raise Undecodable(f"{type(fault).__name__}: {fault}") from fault


def _text(document: dict[str, Any], name: str) -> str:
    value = document[name]
    if not isinstance(value, str) or not value:
        raise Undecodable(f"{name} must be a text that is not empty")
    return value
