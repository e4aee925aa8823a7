"""A service's contract, made from the declarations that run: its routes, OpenAPI and AsyncAPI documents, and JSON Schemas.

https://spec.openapis.org/oas/v3.1.0, https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

import hashlib
import inspect
import re
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import marshmallow
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin

from chassis import problems as known
from chassis.endpoints import ANYONE, EVENT_STREAM, JSON, PROBLEM_JSON, Endpoint, Reply, to_json
from chassis.messages import CONTENT_TYPE, PREFIX, Message
from chassis.problems import Problem
from chassis.schemas import Cursor, Either, Text, Time
from chassis.subscriptions import Subscription
from chassis.topology import EVERYTHING
from chassis.vocabulary import Near

_PARAMETER = re.compile(r"{(\w+)}")


def reply_of(service: type[Any], settings: Any = None) -> Reply:
    """The contract as the answer to the call `contract`."""
    return Reply(200, {"Content-Type": JSON}, to_json(contract_of(service, settings)))


def contract_of(service: type[Any], settings: Any = None) -> dict[str, Any]:
    """The contract of a service class, as JSON values.

    `service`, `version`, `digest` (changes when anything else does), `routes`, `openapi` (paths, components, tags), `asyncapi` (a
    whole document), `schemas` (by message type), and `identity` where the service says who people are: its class then has
    `identity(settings)` that returns `{"issuer", "audience", "jwks", "introspect": endpoint name}`.
    """
    endpoints = endpoints_of(service)
    contract: dict[str, Any] = {
        "service": service.name,
        "version": _version(service.name),
        "routes": [_route(name, one) for name, one in endpoints.items() if not one.internal],
        "openapi": _openapi(service, {name: one for name, one in endpoints.items() if not one.internal}),
        "asyncapi": asyncapi_of(service),
        "schemas": {one.full_type(): json_schema(one) for one in messages_of(service)},
        "identity": service.identity(settings) if hasattr(service, "identity") and settings is not None else None,
    }
    contract["digest"] = hashlib.sha256(to_json(contract)).hexdigest()[:16]
    return contract


def endpoints_of(service: type[Any]) -> dict[str, Endpoint]:
    """The endpoints that a service class declares, by name, in the order of their paths."""
    found = {name: one for name, one in _entrypoints(service) if isinstance(one, Endpoint)}
    return dict(sorted(found.items(), key=lambda item: (item[1].path, item[1].method)))


def subscriptions_of(service: type[Any]) -> list[tuple[str, Subscription]]:
    """The subscriptions that a service class declares, each with its method's name."""
    found = [(name, one) for name, one in _entrypoints(service) if isinstance(one, Subscription)]
    return sorted(found, key=lambda item: (item[1].type, item[0]))


def messages_of(service: type[Any]) -> list[type[Message]]:
    """The kinds of message that a service publishes, by type; not those that it hands to one service alone."""
    found: list[type[Message]] = []
    kinds = [Message]
    while kinds:
        for one in kinds.pop().__subclasses__():
            kinds.append(one)
            if "type" in vars(one) and one.to is None and one.type.startswith(service.name + "."):
                found.append(one)
    return sorted(found, key=lambda one: one.type)


def _entrypoints(service: type[Any]) -> list[tuple[str, Any]]:
    methods = inspect.getmembers(service, inspect.isfunction)
    return [(name, one) for name, method in methods for one in getattr(method, "nameko_entrypoints", ())]


def _version(distribution: str) -> str:
    try:
        return version(f"commonground-{distribution}")
    except PackageNotFoundError:
        return "0.0.0"


def _route(name: str, one: Endpoint) -> dict[str, Any]:
    return {
        "name": name,
        "method": one.method,
        "path": one.path,
        "access": one.access,
        "idempotent": one.idempotent,
        "limit": one.limit,
        "form": one.form,
        "stream": one.stream and asdict(one.stream),
    }


# -- schemas


def _plugin() -> tuple[APISpec, MarshmallowPlugin]:
    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(title="", version="", openapi_version="3.1.0", plugins=[plugin])
    assert plugin.converter is not None
    plugin.map_to_openapi_type(Time, "string", "date-time")
    plugin.map_to_openapi_type(Cursor, "string", None)
    plugin.map_to_openapi_type(Near, "string", None)
    plugin.converter.add_attribute_function(_patterns)
    return spec, plugin


def _name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return str(kind.__name__).removesuffix("Schema")


def _patterns(self: Any, field: Any, **kwargs: Any) -> dict[str, Any]:
    """What fields of ours check beyond what apispec can see."""
    if isinstance(field, Near):
        return {"pattern": r"^\s*-?[0-9]{1,3}(\.[0-9]+)?\s*,\s*-?[0-9]{1,3}(\.[0-9]+)?\s*$"}
    if isinstance(field, Text) and not any(isinstance(one, marshmallow.validate.Regexp) for one in field.validators):
        char = r"[^\x00-\x08\x0b-\x1f\x7f-\x9f]" if field.lines else r"[^\x00-\x1f\x7f-\x9f]"
        return {"pattern": f"^{char}*$"}
    return {}


def schema_components(*schemas: type[marshmallow.Schema]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """References to the given schemas, and all components that they need, by name."""
    spec, plugin = _plugin()
    assert plugin.converter is not None
    references = [plugin.converter.resolve_nested_schema(one) for one in schemas]
    return references, spec.to_dict().get("components", {}).get("schemas", {})


def json_schema(message: type[Message]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a message: its envelope, with the data as declared."""
    (reference,), components = schema_components(message.data)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"/schemas/{message.full_type()}",
        **_repoint(_envelope(message.full_type(), reference, message), "#/$defs/"),
        "$defs": _repoint(components, "#/$defs/"),
    }


def _repoint(value: Any, to: str) -> Any:
    if isinstance(value, dict):
        return {
            name: nested.replace("#/components/schemas/", to) if name == "$ref" else _repoint(nested, to)
            for name, nested in value.items()
        }
    return [_repoint(one, to) for one in value] if isinstance(value, list) else value


def _envelope(full_type: str, data: dict[str, Any], described: Any) -> dict[str, Any]:
    """The CloudEvents attributes of a message, https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md."""
    text = {"type": "string", "minLength": 1}
    properties = {
        "specversion": {"const": "1.0"},
        "id": {**text, "description": "Unique for this source, and the same when the message is sent again."},
        "source": {**text, "examples": ["/services/groups"]},
        "type": {"const": full_type},
        "subject": {**text, "description": "The id of what the fact is about."},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "dataschema": text,
        "sequence": {
            "type": "string",
            "pattern": "^[0-9]+$",
            "description": "The version of the subject: strictly growing.",
        },
        "traceparent": text,
        "audience": {"enum": ["public", "group", "person"]},
        "data": data,
    }
    required = [name for name in properties if name != "traceparent"]
    return {
        "title": full_type,
        "description": _doc(described),
        "type": "object",
        "properties": properties,
        "required": required,
    }


# -- OpenAPI


def _openapi(service: type[Any], endpoints: dict[str, Endpoint]) -> dict[str, Any]:
    spec, plugin = _plugin()
    paths: dict[str, Any] = {}
    tags: dict[str, str] = {}
    for name, one in endpoints.items():
        function = getattr(service, name)
        tag = one.tag or _tag(service, name, tags)
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(plugin, name, one, function, tag)
    return {
        "paths": paths,
        "components": {"schemas": spec.to_dict().get("components", {}).get("schemas", {})},
        "tags": [{"name": name, "description": text} for name, text in tags.items()],
    }


def _tag(service: type[Any], name: str, tags: dict[str, str]) -> str:
    """An endpoint's tag is its feature: the folder whose class declares it."""
    declaring = next(one for one in service.__mro__ if name in vars(one))
    tag = declaring.__module__.rpartition(".")[0].rpartition(".")[2] or declaring.__module__
    tags.setdefault(tag, _doc(declaring).partition("\n")[0])
    return tag


def _operation(plugin: MarshmallowPlugin, name: str, one: Endpoint, function: Any, tag: str) -> dict[str, Any]:
    summary, _, description = _doc(function).partition("\n")
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "parameters": _parameters(plugin, one),
        "responses": _responses(plugin, one),
        "security": [{}, {"bearer": []}] if one.access == ANYONE else [{"bearer": []}],
    }
    if description.strip():
        operation["description"] = inspect.cleandoc(description)
    if one.body is not None:
        kinds = [JSON] if one.method != "PATCH" else [JSON, "application/merge-patch+json"]
        schema = _reference(plugin, one.body)
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
        if one.method == "POST" and not any(field.required for field in one.body.fields.values()):
            operation["requestBody"]["required"] = False
    return operation


def _reference(plugin: MarshmallowPlugin, schema: marshmallow.Schema) -> dict[str, Any]:
    assert plugin.converter is not None
    if isinstance(schema, Either):
        return {"oneOf": [_reference(plugin, kind) for kind in schema.made.values()], "description": _doc(schema)}
    reference: dict[str, Any] = plugin.converter.resolve_nested_schema(type(schema))
    return reference


def _parameters(plugin: MarshmallowPlugin, one: Endpoint) -> list[dict[str, Any]]:
    assert plugin.converter is not None
    text = {"type": "string", "minLength": 1}
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in _PARAMETER.findall(one.path)
    ]
    if one.query is not None:
        parameters += plugin.converter.schema2parameters(type(one.query), location="query")
    if one.idempotent:
        key = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x21-\\x7e]+$"}
        parameters.append(
            _header("Idempotency-Key", key, "The same key and body has one effect and one answer, for 24 hours.")
        )
    versioned = one.returns is not None and "version" in one.returns.fields
    if versioned and one.method == "GET":
        parameters.append(_header("If-None-Match", {"type": "string"}, "Answers 304 while it has this ETag."))
    if one.stream is not None:
        parameters.append(_header("Last-Event-ID", {"type": "string"}, "Goes on after the event that had this id."))
    if one.method in ("PATCH", "DELETE"):
        parameters.append(_header("If-Match", {"type": "string"}, "Change it only while it has this ETag."))
    return parameters


def _header(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


def _responses(plugin: MarshmallowPlugin, one: Endpoint) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done"}
    if one.returns is not None and one.status != 204:
        success["content"] = {one.media_type: {"schema": _reference(plugin, one.returns)}}
    elif one.stream is not None:
        success["content"] = {EVENT_STREAM: {"schema": {"type": "string"}}}
    elif one.media_type != JSON:
        success["content"] = {one.media_type: {"schema": {"type": "string"}}}
    if one.returns is not None and "version" in one.returns.fields:
        success["headers"] = {"ETag": {"schema": {"type": "string"}, "description": "Made from its version"}}
    responses: dict[str, Any] = {str(one.status): success}
    for status, meaning in one.answers.items():
        # A 304 has no content (RFC 9110, section 15.4.5).
        responses[str(status)] = {**(success if status != 304 else {}), "description": meaning}
    if one.method == "GET" and "headers" in success:
        responses["304"] = {"description": "Not changed"}
    for status, kinds in sorted(_refusals(one).items()):
        responses[str(status)] = {
            "description": "; ".join(f"`{kind.slug}`: {kind.title}" for kind in kinds),
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return responses


def _refusals(one: Endpoint) -> dict[int, list[type[Problem]]]:
    """The problems that an endpoint can answer with, by status."""
    kinds: list[type[Problem]] = [known.MalformedRequest, known.AuthenticationRequired, known.NotAllowed]
    kinds += [known.TooManyRequests, known.Unavailable, known.DeadlineExceeded, known.TooLarge]
    if "{" in one.path or one.query is not None:
        kinds.append(known.NotFound)
    if one.method not in ("GET", "DELETE"):
        kinds.append(known.UnsupportedMediaType)
    if one.body is not None:
        kinds += [known.Invalid, known.Conflict]
    if one.idempotent:
        kinds += [known.IdempotencyInProgress, known.IdempotencyMismatch]
    if one.method in ("PATCH", "DELETE"):
        kinds += [known.PreconditionFailed, known.Conflict]
    kinds += one.problems
    found: dict[int, list[type[Problem]]] = {}
    for kind in dict.fromkeys(kinds):
        found.setdefault(kind.status, []).append(kind)
    return found


# -- AsyncAPI


def asyncapi_of(service: type[Any]) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of what a service sends and receives, with an example of each message it sends."""
    sent = messages_of(service)
    received: dict[str, Subscription] = {}
    for _, one in subscriptions_of(service):
        if not one.private:
            received.setdefault(one.type, one)
    received.pop(EVERYTHING, None)  # who listens to everything reads nothing in particular
    document: dict[str, Any] = {
        "asyncapi": "3.0.0",
        "info": {
            "title": f"Common Ground: messages of the {service.name} service",
            "version": _version(service.name),
            "description": _doc(service),
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {},
        "operations": {},
        "components": {"messages": {}, "schemas": {}},
    }
    references, schemas = schema_components(
        *(one.data for one in sent), *(type(one.data) for one in received.values() if one.data is not None)
    )
    document["components"]["schemas"] = schemas
    for message, reference in zip(sent, references[: len(sent)], strict=True):
        example = {"name": "example", "summary": _doc(message).partition("\n")[0], "payload": example_of(message)}
        _describe(document, service, "send", message.type, reference, _doc(message), [example])
    for kind, reference in zip(received, references[len(sent) :], strict=True):
        _describe(document, service, "receive", kind, reference, f"What {service.name} reads of {kind}", [])
    return document


def _describe(
    document: dict[str, Any],
    service: type[Any],
    action: str,
    kind: str,
    data: dict[str, Any],
    description: str,
    examples: list[dict[str, Any]],
) -> None:
    # The keys of channels, operations and messages take letters, digits, hyphens and underscores only.
    name = kind.replace(".", "-") if action == "send" else f"{service.name}-receives-{kind.replace('.', '-')}"
    source = kind.partition(".")[0]
    exchange = {"name": f"commonground.{source}", "type": "topic", "durable": True, "autoDelete": False, "vhost": "/"}
    message: dict[str, Any] = {
        "name": PREFIX + kind,
        "title": PREFIX + kind,
        "summary": description.partition("\n")[0],
        "contentType": CONTENT_TYPE,
        "payload": _envelope(PREFIX + kind, data, description),
    }
    if examples:
        message["examples"] = examples
    document["components"]["messages"][name] = message
    document["channels"][name] = {
        "address": kind,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    }
    document["operations"][name] = {
        "action": action,
        "channel": {"$ref": f"#/channels/{name}"},
        "summary": description.partition("\n")[0],
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
    }


def example_of(message: type[Message]) -> dict[str, Any]:
    """A whole message of this kind: an envelope around its declared example."""
    return {
        "specversion": "1.0",
        "id": "msg_01JDCM0Y0G0000000000000000",
        "source": "/services/" + message.type.partition(".")[0],
        "type": message.full_type(),
        "subject": "grp_01JDCM0Y0G0000000000000000",
        "time": "2026-11-23T18:00:00.123Z",
        "datacontenttype": "application/json",
        "dataschema": f"/schemas/{message.full_type()}",
        "sequence": "42",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "audience": "public",
        "data": message.example,
    }


def _doc(described: Any) -> str:
    if isinstance(described, str):
        return described
    return inspect.getdoc(described) or ""
