"""The ways in which a call can fail, as problem details (RFC 9457): plain exceptions that models may raise.

A service adds its own by subclassing: `class HandleTaken(Conflict): slug = "handle-taken"; title = "This handle is taken"`.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Problem(Exception):
    """A refusal that its caller is told: `status`, `type` (`/problems/<slug>`), `title`, `detail` and extension members.

    `detail` says what happened and what to do; it reaches the caller as written, so it holds nothing internal.
    Keyword arguments become extension members (RFC 9457, section 3.2), such as `remaining` or `next_at`.
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong on our side"
    headers: ClassVar[dict[str, str]] = {}

    def __init__(self, detail: str | None = None, **extensions: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extensions = extensions

    def document(self, instance: str) -> dict[str, Any]:
        """The problem as the members of an `application/problem+json` document; `instance` is the request's id."""
        return {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
            **self.extensions,
        }


class MalformedRequest(Problem):
    """400: not JSON, a bad query parameter, a bad cursor, a malformed header."""

    status, slug, title = 400, "malformed-request", "The request cannot be understood"


class AuthenticationRequired(Problem):
    """401: no, expired or false credentials."""

    status, slug, title = 401, "authentication-required", "Sign in first"
    headers = {"WWW-Authenticate": "Bearer"}


class NotAllowed(Problem):
    """403: known to exist, but not theirs to do."""

    status, slug, title = 403, "not-allowed", "This is not yours to do"


class NotFound(Problem):
    """404: no such thing, or one they may not know of."""

    status, slug, title = 404, "not-found", "There is no such thing here"


class MethodNotAllowed(Problem):
    """405: the path exists, not with this method."""

    status, slug, title = 405, "method-not-allowed", "This cannot be done here"


class Conflict(Problem):
    """409: the state forbids it."""

    status, slug, title = 409, "conflict", "The present state forbids this"


class IdempotencyInProgress(Conflict):
    """409: the first request with this Idempotency-Key still runs."""

    slug, title = "idempotency-in-progress", "The first request with this Idempotency-Key still runs"


class PreconditionFailed(Problem):
    """412: `If-Match` names an old version."""

    status, slug, title = 412, "precondition-failed", "It has changed since you read it"


class TooLarge(Problem):
    """413: the body is over the limit."""

    status, slug, title = 413, "too-large", "The body is too large"


class UnsupportedMediaType(Problem):
    """415: the body is not JSON."""

    status, slug, title = 415, "unsupported-media-type", "Send JSON"


class Invalid(Problem):
    """422: well-formed but wrong. `errors` is a list of `{"pointer": JSON pointer (RFC 6901), "detail": text}`."""

    status, slug, title = 422, "invalid", "Some of this is not valid"

    def __init__(
        self, detail: str | None = None, errors: list[dict[str, str]] | None = None, **extensions: Any
    ) -> None:
        errors = errors or []
        if detail is None and errors:
            detail = "; ".join(f"{error['pointer'] or 'the body'}: {error['detail']}" for error in errors[:3])
        super().__init__(detail, errors=errors, **extensions)

    @classmethod
    def at(cls, pointer: str, detail: str) -> Invalid:
        """The problem with one part of the body, e.g. `Invalid.at("/ends_at", "It must be after starts_at.")`."""
        return cls(errors=[{"pointer": pointer, "detail": detail}])


class IdempotencyMismatch(Problem):
    """422: the Idempotency-Key was used with another body."""

    status, slug, title = 422, "idempotency-mismatch", "This Idempotency-Key was used for another request"


class TooManyRequests(Problem):
    """429: over the rate limit."""

    status, slug, title = 429, "too-many-requests", "Too many requests"


class Unavailable(Problem):
    """503: a service is away, or too busy to take this."""

    status, slug, title = 503, "unavailable", "The service is not available just now"
    headers = {"Retry-After": "1"}


class DeadlineExceeded(Problem):
    """504: the service did not answer within the deadline."""

    status, slug, title = 504, "deadline-exceeded", "The service did not answer in time"
