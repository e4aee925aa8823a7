"""Joins what the services say of themselves: one OpenAPI and one AsyncAPI document, the schemas of all messages."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from chassis import problems
from chassis.problems import Problem

Document = dict[str, Any]
Section = tuple[str, ...]
Entry = tuple[Section, str]

TITLE = "Common Ground"
VERSION = "1"
"""Of the interface (/v1), not of a release."""

_DESCRIPTION = """\
People who love the same thing find each other here, found groups, meet and help each other.

**Signing in.** Send the access token as `Authorization: Bearer …`. It lives for 15 minutes. Other systems
use API tokens (`cg_…`).

**Errors** are problem details (RFC 9457): `type`, `title`, `status`, `detail`, `instance` (the request's id),
and for what is not valid `errors` with a pointer to each.

**Doing it once.** A `POST` that creates honours `Idempotency-Key`: send the same key again when no answer came.

**Not overwriting.** An `ETag` sent back as `If-Match` makes a change happen only if nothing else changed; as
`If-None-Match` it saves the transfer.

**Lists** come in pages: follow `next`, or the header `Link`.
"""


class Documents:
    """The documents of one set of contracts, made when they are first asked for."""

    def __init__(self, contracts: Iterable[Document]) -> None:
        self._contracts = list(contracts)

    @cached_property
    def openapi(self) -> Document:
        """The OpenAPI 3.1.0 document of all services. https://spec.openapis.org/oas/v3.1.0"""
        return join_openapi([(one["service"], one.get("openapi", {})) for one in self._contracts])

    @cached_property
    def asyncapi(self) -> Document:
        """The AsyncAPI 3.0.0 document of all services. https://www.asyncapi.com/docs/reference/specification/v3.0.0"""
        return join_asyncapi([(one["service"], one.get("asyncapi", {})) for one in self._contracts])

    @cached_property
    def schemas(self) -> dict[str, Document]:
        """The JSON Schema of each type of message."""
        return {name: schema for one in reversed(self._contracts) for name, schema in one.get("schemas", {}).items()}


def join_openapi(parts: list[tuple[str, Document]]) -> Document:
    """One OpenAPI document from the services' `paths`, `components` and `tags`. What the first one says stays."""
    joined = join([("gateway", {"components": _components()}), *parts], _sections_of(parts, ()))
    paths: Document = {}
    names: set[str] = set()
    tags: dict[str, Document] = {}
    for service, part in joined.parts:
        for path, operations in part.get("paths", {}).items():
            for method, operation in operations.items():
                if method not in paths.setdefault(path, {}):
                    paths[path][method] = _named(service, operation, names)
        for tag in part.get("tags", []):
            tags.setdefault(tag["name"], tag)
    return {
        "openapi": "3.1.0",
        "info": {"title": TITLE, "version": VERSION, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": list(tags.values()),
        "paths": dict(sorted(paths.items())),
        "components": joined.sections_under("components"),
    }


def join_asyncapi(parts: list[tuple[str, Document]]) -> Document:
    """One AsyncAPI document from those of the services."""
    joined = join(parts, _sections_of(parts, (("channels",), ("operations",))))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"{TITLE}: messages",
            "version": VERSION,
            "description": "Every fact as a message: what each service sends, and what it reads of others.",
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": joined.section("channels"),
        "operations": joined.section("operations"),
        "components": joined.sections_under("components"),
    }


class Joined:
    """The parts with their references mended, and the named entries of all of them by section."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, Document]] = []
        self.entries: dict[Section, Document] = {}

    def section(self, *path: str) -> Document:
        """The entries of one section, e.g. `channels`."""
        return self.entries.get(path, {})

    def sections_under(self, name: str) -> Document:
        """The sections that stand under one name, e.g. `components`; empty ones are left out."""
        return {section[1]: entries for section, entries in self.entries.items() if section[0] == name and entries}


def join(parts: list[tuple[str, Document]], sections: list[Section]) -> Joined:
    """Bring the entries of the parts together. One whose name means something else already gets its service's name."""
    joined = Joined()
    for section in sections:
        joined.entries[section] = {}
    for service, part in parts:
        clashing = _clashing(part, joined, sections)
        renamed = {entry: f"{service}_{entry[1]}" for entry in clashing}
        part = _repoint(part, renamed)
        for section in sections:
            for name, value in _at(part, section).items():
                joined.entries[section][renamed.get((section, name), name)] = value
        joined.parts.append((service, part))
    return joined


def _clashing(part: Document, joined: Joined, sections: list[Section]) -> set[Entry]:
    """The entries of a part whose name stands for something else already, or that refer to such a one."""
    shared = {
        (section, name): value
        for section in sections
        for name, value in _at(part, section).items()
        if name in joined.entries[section]
    }
    found = {(section, name) for (section, name), value in shared.items() if joined.entries[section][name] != value}
    while more := {one for one, value in shared.items() if one not in found and found & _referred_to(value)}:
        found |= more
    return found


def _sections_of(parts: list[tuple[str, Document]], first: tuple[Section, ...]) -> list[Section]:
    kinds = dict.fromkeys(kind for _, part in parts for kind in part.get("components", {}))
    under = [("components", kind) for kind in dict.fromkeys([*_components(), *kinds])]
    return [*first, *under]


def _at(part: Document, section: Section) -> Document:
    for name in section:
        part = part.get(name, {})
    return part


def _entry_of(reference: str) -> tuple[Entry, str] | None:
    """What a reference names, and the rest of it: `#/channels/x/messages/y` is channel x, `/messages/y`."""
    steps = reference.split("/")
    depth = 2 if steps[1:2] == ["components"] else 1
    if steps[0] != "#" or len(steps) < depth + 2:
        return None
    rest = "".join(f"/{step}" for step in steps[depth + 2 :])
    return (tuple(steps[1 : depth + 1]), steps[depth + 1]), rest


def _referred_to(value: Any) -> set[Entry]:
    if isinstance(value, dict):
        found = {entry for nested in value.values() for entry in _referred_to(nested)}
        reference = value.get("$ref")
        if isinstance(reference, str) and (named := _entry_of(reference)):
            found.add(named[0])
        return found
    return {entry for nested in value for entry in _referred_to(nested)} if isinstance(value, list) else set()


def _repoint(value: Any, renamed: dict[Entry, str]) -> Any:
    """A copy with its references following the new names."""
    if not renamed:
        return value
    if isinstance(value, list):
        return [_repoint(one, renamed) for one in value]
    if not isinstance(value, dict):
        return value
    copy = {name: _repoint(nested, renamed) for name, nested in value.items()}
    reference = copy.get("$ref")
    if isinstance(reference, str) and (named := _entry_of(reference)) and named[0] in renamed:
        copy["$ref"] = "/".join(["#", *named[0][0], renamed[named[0]]]) + named[1]
    return copy


def _named(service: str, operation: Document, names: set[str]) -> Document:
    """An operation with a name that no other one has."""
    name = operation.get("operationId")
    if name in names:
        name = f"{service}_{name}"
        operation = {**operation, "operationId": name}
    if name:
        names.add(name)
    return operation


def _components() -> Document:
    text = {"type": "string"}
    problem = {
        "type": "object",
        "description": "Why something was refused (RFC 9457).",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            "type": {**text, "description": "`/problems/` and what it is", "examples": ["/problems/not-found"]},
            "title": {**text, "description": "The same for every problem of this type"},
            "status": {"type": "integer", "examples": [404]},
            "detail": {**text, "description": "What happened, and what to do"},
            "instance": {**text, "description": "The id of the request, as in `X-Request-Id`"},
            "errors": {
                "type": "array",
                "description": "What is not valid, each with a JSON pointer (RFC 6901) into the body",
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {"pointer": text, "detail": text},
                },
            },
        },
    }
    return {
        "schemas": {"Problem": problem},
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An access token (a JWT of 15 minutes) or an API token (`cg_…`)",
            }
        },
        "responses": {kind.__name__: _response(kind) for kind in known_problems()},
    }


def known_problems() -> list[type[Problem]]:
    """The problems that any call may meet, by status."""
    kinds = [
        one
        for one in vars(problems).values()
        if isinstance(one, type) and issubclass(one, Problem) and one is not Problem
    ]
    return sorted(kinds, key=lambda one: (one.status, one.slug))


def _response(kind: type[Problem]) -> Document:
    response: Document = {
        "description": f"`{kind.slug}`: {kind.title}",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    text: Document = {"schema": {"type": "string"}}
    if kind is problems.TooManyRequests:
        response["headers"] = dict.fromkeys(("Retry-After", "RateLimit", "RateLimit-Policy"), text)
    elif kind is problems.Unavailable:
        response["headers"] = {"Retry-After": text}
    elif kind is problems.AuthenticationRequired:
        response["headers"] = {"WWW-Authenticate": text}
    return response
