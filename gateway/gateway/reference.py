"""Shows the documents to people: one page of plain HTML that needs no script and loads nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from importlib.resources import files
from typing import Any

Document = dict[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")
_SCHEMAS = "#/components/schemas/"
_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")


def render(openapi: Document, asyncapi: Document, missing: Iterable[str] = ()) -> str:
    """The reference as an HTML page; `missing` names the services whose part is not known yet."""
    calls = list(_operations(openapi))
    schemas = openapi.get("components", {}).get("schemas", {})
    messages = _messages(asyncapi)
    info = openapi["info"]
    body = [
        '<a class="skip" href="#main">Skip to the content</a>',
        _navigation(openapi, calls, messages),
        '<main id="main">',
        f"<header><h1>{escape(info['title'])}</h1><p>The interface for people's apps and for other systems, version ",
        f"{escape(info['version'])}. For programs: <a href='/openapi.json'>OpenAPI</a>, ",
        "<a href='/asyncapi.json'>AsyncAPI</a>.</p>",
        _incomplete(missing),
        _text(info.get("description", "")),
        "</header>",
        *_call_sections(openapi, calls),
        *_message_section(messages, asyncapi),
        '<section id="schemas"><h2>Schemas</h2>',
        *(_schema_block(f"schema-{name}", name, schema, _link_http) for name, schema in sorted(schemas.items())),
        "</section></main>",
    ]
    return _PAGE.format(title=escape(info["title"]), style=_STYLE, body="\n".join(part for part in body if part))


# -- navigation


def _navigation(openapi: Document, calls: list[tuple[str, str, Document]], messages: dict[str, Document]) -> str:
    parts = ['<nav aria-label="Contents"><a class="home" href="#main">Common Ground</a>']
    for tag in _tags(openapi, calls):
        parts.append(f'<h2><a href="#tag-{escape(tag)}">{escape(_title(tag))}</a></h2><ul>')
        parts += [
            f'<li><a href="#{_anchor(method, path)}">{_badge(method)} <span>{_path(path)}</span></a></li>'
            for method, path, operation in calls
            if _tag(operation) == tag
        ]
        parts.append("</ul>")
    parts.append('<h2><a href="#messages">Messages</a></h2><ul>')
    parts += [f'<li><a href="#message-{escape(name)}"><span>{escape(name)}</span></a></li>' for name in messages]
    parts.append('</ul><h2><a href="#schemas">Schemas</a></h2></nav>')
    return "\n".join(parts)


def _tags(openapi: Document, calls: list[tuple[str, str, Document]]) -> list[str]:
    used = {_tag(operation) for _, _, operation in calls}
    named = [tag["name"] for tag in openapi.get("tags", [])]
    return [tag for tag in dict.fromkeys([*named, *sorted(used)]) if tag in used]


def _tag(operation: Document) -> str:
    return str((operation.get("tags") or ["other"])[0])


def _operations(openapi: Document) -> Iterator[tuple[str, str, Document]]:
    for path, operations in openapi.get("paths", {}).items():
        for method in METHODS:
            if method in operations:
                yield method, path, operations[method]


def _anchor(method: str, path: str) -> str:
    return escape(method + re.sub(r"[^a-z0-9]+", "-", path.lower()).rstrip("-"))


def _incomplete(missing: Iterable[str]) -> str:
    names = ", ".join(missing)
    return f'<p class="note" role="status">Not all is here yet: waiting for {escape(names)}.</p>' if names else ""


# -- calls


def _call_sections(openapi: Document, calls: list[tuple[str, str, Document]]) -> Iterator[str]:
    described = {tag["name"]: tag.get("description", "") for tag in openapi.get("tags", [])}
    for tag in _tags(openapi, calls):
        yield f'<section id="tag-{escape(tag)}"><h2>{escape(_title(tag))}</h2>{_text(described.get(tag, ""))}'
        for method, path, operation in calls:
            if _tag(operation) == tag:
                yield _call(openapi, method, path, operation)
        yield "</section>"


def _call(openapi: Document, method: str, path: str, operation: Document) -> str:
    open_to_all = any(not one for one in operation.get("security", [{}]))
    access = "" if open_to_all else '<span class="lock">signed in</span>'
    parts = [
        f'<details class="call"><summary>{_badge(method)} <code>{_path(path)}</code> ',
        f'<span class="what">{escape(operation.get("summary", ""))}</span> {access}</summary>',
        _inside(_anchor(method, path)),
        _text(operation.get("description", "")),
        _parameters(operation.get("parameters", [])),
        _request_body(openapi, operation.get("requestBody", {})),
        _responses(openapi, operation.get("responses", {})),
        "</div></details>",
    ]
    return "".join(parts)


def _inside(anchor: str) -> str:
    """Begins what a summary hides. The anchor is in there because browsers open what hides the target of a link."""
    return f'<div class="inside" id="{anchor}">'


def _parameters(parameters: list[Document]) -> str:
    rows = [
        _row(
            one["name"],
            one.get("schema", {}),
            one.get("required", False),
            _link_http,
            one.get("description"),
            one["in"],
        )
        for one in parameters
    ]
    return _table("Parameters", ["Name", "What", "Meaning"], rows)


def _request_body(openapi: Document, body: Document) -> str:
    for kind, content in body.get("content", {}).items():
        schema = content.get("schema", {})
        note = "" if body.get("required") else " (may be left out)"
        shown = _properties(_resolve(openapi, schema), _link_http, f"Body: {kind}{note}")
        return shown + _example(_sample(openapi, schema), "An example")
    return ""


def _responses(openapi: Document, responses: dict[str, Document]) -> str:
    rows = []
    for status, response in sorted(responses.items()):
        response = _resolve(openapi, response)
        contents = list(response.get("content", {}).values())
        what = _type(contents[0].get("schema", {}), _link_http) if contents else ""
        kind = "good" if status.startswith("2") else "other"
        rows.append(
            f'<tr><td><span class="status {kind}">{escape(status)}</span></td>'
            f"<td>{_inline(response.get('description', ''))}</td><td>{what}</td></tr>"
        )
    return _table("Answers", ["Status", "When", "Content"], rows)


# -- messages


def _messages(asyncapi: Document) -> dict[str, Document]:
    """Each message that somebody sends, by its name, with who sends it and who reads it."""
    found: dict[str, Document] = {}
    readers: dict[str, set[str]] = {}
    for operation in asyncapi.get("operations", {}).values():
        channel = _resolve(asyncapi, operation.get("channel", {}))
        for one in operation.get("messages", []):
            message = _resolve(asyncapi, _resolve(asyncapi, one))
            name = message.get("name", "")
            if operation.get("action") == "send":
                found[name] = {**message, "address": channel.get("address", "")}
            else:
                readers.setdefault(name, set()).add(str(operation.get("channel", {}).get("$ref", "")).split("/")[-1])
    return dict(sorted(found.items()))


def _message_section(messages: dict[str, Document], asyncapi: Document) -> Iterator[str]:
    yield '<section id="messages"><h2>Messages</h2>'
    yield _text(
        "Every fact that another system may care about is published as a CloudEvents 1.0 message. "
        "`source` and `id` together are unique, also when a message is sent again; `subject` and `sequence` give the "
        "order. Subscribe to the exchange `commonground.public`, by routing key."
    )
    for name, message in messages.items():
        payload = message.get("payload", {})
        data = _resolve(asyncapi, payload.get("properties", {}).get("data", payload))
        example = next((one.get("payload") for one in message.get("examples", [])), None)
        yield f'<details class="call"><summary>{_badge("message")} <code>{escape(name)}</code> '
        yield f'<span class="what">{escape(message.get("summary", ""))}</span></summary>'
        yield _inside(f"message-{escape(name)}")
        yield f"<p>Routing key <code>{escape(message['address'])}</code>. "
        yield f"<a href='/schemas/{escape(name)}'>JSON Schema</a>.</p>"
        yield _properties(data, _link_nothing, "Data", asyncapi)
        yield _example(example, "An example")
        yield "</div></details>"
    yield "</section>"


# -- schemas


def _schema_block(anchor: str, name: str, schema: Document, link: Any) -> str:
    inside = _text(schema.get("description", "")) + (_properties(schema, link, "") or f"<p>{_type(schema, link)}</p>")
    return (
        f'<details class="call"><summary><code>{escape(name)}</code></summary>'
        f"{_inside(escape(anchor))}{inside}</div></details>"
    )


def _properties(schema: Document, link: Any, caption: str, document: Document | None = None, prefix: str = "") -> str:
    rows = list(_property_rows(schema, link, document, prefix))
    return _table(caption, ["Name", "What", "Meaning"], rows)


def _property_rows(schema: Document, link: Any, document: Document | None, prefix: str) -> Iterator[str]:
    required = schema.get("required", [])
    for name, one in schema.get("properties", {}).items():
        yield _row(prefix + name, one, name in required, link, one.get("description"))
        if document is not None:
            # Schemas of messages have no place of their own on the page: what they hold is shown where it stands.
            nested = _resolve(document, one.get("items", one))
            if nested.get("properties") and prefix.count(".") < 3:
                yield from _property_rows(nested, link, document, f"{prefix}{name}.")


def _row(name: str, schema: Document, required: bool, link: Any, description: str | None, place: str = "") -> str:
    marks = ['<span class="needed">required</span>'] if required else []
    marks += [f'<span class="place">{escape(place)}</span>'] if place and place != "query" else []
    limits = ", ".join(_limits(schema))
    meaning = _inline(description or "")
    if limits:
        meaning += f' <span class="limits">{escape(limits)}</span>'
    what = _type(schema, link)
    return f"<tr><td><code>{escape(name)}</code> {' '.join(marks)}</td><td>{what}</td><td>{meaning}</td></tr>"


def _type(schema: Document, link: Any) -> str:
    if "$ref" in schema:
        return str(link(schema["$ref"]))
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return " or ".join(_type(one, link) for one in schema[choice])
    if "const" in schema:
        return f"<code>{escape(_literal(schema['const']))}</code>"
    if "enum" in schema:
        return ", ".join(f"<code>{escape(_literal(one))}</code>" for one in schema["enum"])
    kind = schema.get("type", "anything")
    kinds = [kind] if isinstance(kind, str) else list(kind)
    named = [f"list of {_type(schema.get('items', {}), link)}" if one == "array" else escape(one) for one in kinds]
    shown = " or ".join(named)
    return f"{shown} ({escape(schema['format'])})" if "format" in schema else shown


def _limits(schema: Document) -> Iterator[str]:
    for low, high, unit in (
        ("minLength", "maxLength", " characters"),
        ("minimum", "maximum", ""),
        ("minItems", "maxItems", " items"),
    ):
        least, most = schema.get(low), schema.get(high)
        if least and most is not None:
            yield f"{least} to {most}{unit}"
        elif most is not None:
            yield f"up to {most}{unit}"
        elif least:
            yield f"{least}{unit} or more"
    if schema.get("default") not in (None, [], {}, ""):
        yield f"default {_literal(schema['default'])}"


def _literal(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _link_http(reference: str) -> str:
    name = escape(reference.removeprefix(_SCHEMAS))
    return f'<a href="#schema-{name}">{name}</a>'


def _link_nothing(reference: str) -> str:
    return f"<em>{escape(reference.rpartition('/')[2])}</em>"


def _resolve(document: Document, value: Document) -> Document:
    """What a reference into the document stands for; other values as they are."""
    reference = value.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return value
    found: Any = document
    for step in reference[2:].split("/"):
        found = found.get(step, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _sample(openapi: Document, schema: Document, depth: int = 0) -> Any:
    """A value that a schema may allow, to show what a body looks like."""
    schema = _resolve(openapi, schema)
    for said in ("example", "default", "const"):
        if schema.get(said) is not None:
            return schema[said]
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("enum"):
        return schema["enum"][0]
    for choice in ("anyOf", "oneOf", "allOf"):
        if schema.get(choice):
            return _sample(openapi, schema[choice][0], depth)
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        shown = schema.get("properties", {}) if depth < 4 else {}
        return {name: _sample(openapi, one, depth + 1) for name, one in shown.items()}
    if kind == "array":
        return [_sample(openapi, schema.get("items", {}), depth + 1)] if depth < 4 else []
    plain = {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1), "boolean": True, "null": None}
    return plain.get(kind, {"date-time": "2026-11-23T18:00:00Z"}.get(schema.get("format", ""), "…"))


# -- text


def _example(value: Any, caption: str) -> str:
    if value in (None, {}, []):
        return ""
    shown = escape(json.dumps(value, ensure_ascii=False, indent=2), quote=False)
    return (
        f'<details class="example"><summary>{caption}</summary><pre tabindex="0"><code>{shown}</code></pre></details>'
    )


def _table(caption: str, heads: list[str], rows: list[str]) -> str:
    if not rows:
        return ""
    columns = "".join(f'<th scope="col">{one}</th>' for one in heads)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    head, body = f"<thead><tr>{columns}</tr></thead>", f"<tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll"><table>{said}{head}{body}</table></div>'


def _badge(method: str) -> str:
    return f'<span class="badge {escape(method)}">{escape(method.upper() if method in METHODS else "MSG")}</span>'


def _path(path: str) -> str:
    return re.sub(r"(\{[^}]*\})", r"<i>\1</i>", escape(path).replace("/", "/<wbr>"))


def _title(tag: str) -> str:
    return tag[:1].upper() + tag[1:].replace("_", " ")


def _text(text: str) -> str:
    """Paragraphs, with `code` and **bold**."""
    paragraphs = [one.strip() for one in text.split("\n\n") if one.strip()]
    return "".join(f"<p>{_inline(one)}</p>" for one in paragraphs)


def _inline(text: str) -> str:
    return _BOLD.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", escape(text, quote=False)))


_STYLE = files(__package__).joinpath("reference.css").read_text()

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}: reference</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
