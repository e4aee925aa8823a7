"""What the gateway answers by itself, whatever becomes of the services: health, metrics, keys, documents."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from chassis import metrics
from chassis.health import Health
from chassis.problems import NotFound, Unavailable
from gateway import reference
from gateway.contracts import Contracts
from gateway.documents import Documents
from gateway.http1 import Request

JSON = "application/json"
Parts = tuple[int, list[tuple[str, str]], bytes]

_ASK_AGAIN = ("Cache-Control", "public, no-cache")
_DO_NOT_KEEP = ("Cache-Control", "no-store")
# The reference has its style in itself and needs nothing else, so nothing else is allowed.
_POLICY = (
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
_ETAG = re.compile(r'(?:W/)?("[^"]*")')


class Page:
    """One resource of the gateway itself. `label` names it in metrics."""

    __slots__ = ("_make", "label")

    def __init__(self, label: str, make: Callable[[Request], Parts]) -> None:
        self.label, self._make = label, make

    def answer(self, request: Request) -> Parts:
        """Status, headers and body."""
        return self._make(request)


class Pages:
    """All of them, by path."""

    def __init__(self, contracts: Contracts, health: Health) -> None:
        self.contracts, self.health = contracts, health
        self._made: dict[tuple[str, str], tuple[Documents, bytes, str]] = {}
        self._pages = {
            path: Page(path, make)
            for path, make in {
                "/health/live": self._live,
                "/health/ready": self._ready,
                "/metrics": self._metrics,
                "/openapi.json": self._openapi,
                "/asyncapi.json": self._asyncapi,
                "/docs": self._docs,
                "/.well-known/jwks.json": self._jwks,
            }.items()
        }
        self._schema_page = Page("/schemas/{type}", self._schema)

    def find(self, path: str) -> Page | None:
        """The page at a path, or None."""
        page = self._pages.get(path)
        if page is None and path.startswith("/schemas/"):
            return self._schema_page
        return page

    def _live(self, request: Request) -> Parts:
        return 200, [("Content-Type", JSON), _DO_NOT_KEEP], b'{"status":"live"}'

    def _ready(self, request: Request) -> Parts:
        ready = self.health.is_ready
        document = {"status": "ready" if ready else "waiting", "waiting_for": self.health.reasons}
        return 200 if ready else 503, [("Content-Type", JSON), _DO_NOT_KEEP], json.dumps(document).encode()

    def _metrics(self, request: Request) -> Parts:
        kind, body = metrics.exposition()
        return 200, [("Content-Type", kind), _DO_NOT_KEEP], body

    def _openapi(self, request: Request) -> Parts:
        return self._document(request, "openapi", JSON, lambda documents: _dump(documents.openapi))

    def _asyncapi(self, request: Request) -> Parts:
        return self._document(request, "asyncapi", JSON, lambda documents: _dump(documents.asyncapi))

    def _docs(self, request: Request) -> Parts:
        status, headers, body = self._document(request, "docs", "text/html; charset=utf-8", self._render)
        return status, [*headers, _POLICY], body

    def _render(self, documents: Documents) -> bytes:
        return reference.render(documents.openapi, documents.asyncapi, self.contracts.missing).encode()

    def _schema(self, request: Request) -> Parts:
        name = request.path.removeprefix("/schemas/")
        if name not in self.contracts.documents.schemas:
            raise NotFound("There is no message of this type.")
        kind = "application/schema+json"
        return self._document(request, name, kind, lambda documents: _dump(documents.schemas[name]))

    def _jwks(self, request: Request) -> Parts:
        identity = self.contracts.identity
        if identity is None:
            raise Unavailable("The keys are not known yet. Try again soon.")
        # Short, so that a key that was replaced is soon known everywhere.
        headers = [("Content-Type", "application/jwk-set+json"), ("Cache-Control", "public, max-age=300")]
        return 200, headers, _dump(identity.jwks)

    def _document(self, request: Request, name: str, kind: str, make: Callable[[Documents], bytes]) -> Parts:
        """A document, made once for each set of contracts, with an ETag of its content (RFC 9110, section 8.8.3)."""
        documents = self.contracts.documents
        made = self._made.get((name, kind))
        if made is None or made[0] is not documents:
            body = make(documents)
            made = self._made[name, kind] = documents, body, f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        _, body, tag = made
        headers = [("ETag", tag), _ASK_AGAIN]
        condition = request.headers.get("if-none-match")
        if condition is not None and (condition.strip() == "*" or tag in _ETAG.findall(condition)):
            return 304, headers, b""
        return 200, [("Content-Type", kind), *headers], body


def _dump(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
