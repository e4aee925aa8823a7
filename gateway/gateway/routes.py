"""Finds the endpoint that a method and a path mean, quickly and without regard to how many there are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote


class BadPath(ValueError):
    """The path is not percent-encoded UTF-8 text (RFC 3986, section 2.1), or holds control characters."""


@dataclass(frozen=True, slots=True)
class Endless:
    """What makes a route a stream, as contracts declare it (chassis.endpoints.Stream): names of endpoints, and of its events."""

    event: str
    follow: str
    topics: str
    ticket: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint of a service, as its contract declares it. `path` is like `/v1/things/{thing}`."""

    service: str
    name: str
    method: str
    path: str
    signed_in: bool = False
    limit: str | None = None
    form: bool = False
    endless: Endless | None = None
    parameters: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = tuple(one[1:-1] for one in segments(self.path) if _is_parameter(one))
        object.__setattr__(self, "parameters", names)


@dataclass(frozen=True, slots=True)
class Match:
    """What a path means: its route with the values of its parameters, or no route but the methods that there are."""

    route: Route | None
    path: dict[str, str]
    allowed: tuple[str, ...] = ()


class _Node:
    """What may stand at one place in a path, after what stood before it."""

    __slots__ = ("any", "named", "routes")

    def __init__(self) -> None:
        self.named: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.routes: dict[str, Route] = {}


class RouteTable:
    """The routes of all services. It is never changed: a new one takes its place.

    `conflicts` lists the routes that were left out because another one, named first, has their method and path.
    """

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._root = _Node()
        self.conflicts: list[tuple[Route, Route]] = []
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in segments(route.path):
            if _is_parameter(segment):
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.named.setdefault(segment, _Node())
        kept = node.routes.setdefault(route.method, route)
        if kept is not route:
            self.conflicts.append((kept, route))

    def find(self, method: str, path: str) -> Match | None:
        """What a decoded path (see `decode`) means, or None when there is no such path.

        A literal segment goes before a parameter. HEAD means GET where no route has HEAD (RFC 9110, section 9.3.2).
        """
        found: list[tuple[_Node, list[str]]] = []
        _walk(self._root, segments(path), 0, [], found)
        for node, values in found:
            route = node.routes.get(method)
            if route is None and method == "HEAD":
                route = node.routes.get("GET")
            if route is not None:
                return Match(route, dict(zip(route.parameters, values, strict=True)))
        if not found:
            return None
        return Match(None, {}, _allowed({name for node, _ in found for name in node.routes}))


def _walk(node: _Node, wanted: list[str], at: int, values: list[str], found: list[tuple[_Node, list[str]]]) -> None:
    """Collect the nodes that the segments lead to, the most literal first."""
    if at == len(wanted):
        if node.routes:
            found.append((node, values))
        return
    segment = wanted[at]
    named = node.named.get(segment)
    if named is not None:
        _walk(named, wanted, at + 1, values, found)
    if node.any is not None and segment:
        _walk(node.any, wanted, at + 1, [*values, segment], found)


def _allowed(methods: set[str]) -> tuple[str, ...]:
    if "GET" in methods:
        methods = methods | {"HEAD"}
    return tuple(sorted(methods | {"OPTIONS"}))


def _is_parameter(segment: str) -> bool:
    return segment.startswith("{") and segment.endswith("}")


def segments(path: str) -> list[str]:
    """The parts of a path between its slashes; a slash at the end makes an empty one, which no route has."""
    return path[1:].split("/")


def decode(path: str) -> str | None:
    """A path with its percent-encoding undone, or None for one that no route has (an encoded slash). Raises BadPath."""
    if "%" in path:
        decoded = [_decode(one) for one in path.split("/")]
        if any("/" in one for one in decoded):
            return None
        path = "/".join(decoded)
    if not path.isprintable() and any(ord(one) < 0x20 or 0x7F <= ord(one) < 0xA0 for one in path):
        raise BadPath("it holds control characters")
    return path


def _decode(segment: str) -> str:
    at = segment.find("%")
    while at >= 0:
        if not _is_hex(segment[at + 1 : at + 3]):
            raise BadPath("a % is not followed by two hexadecimal digits")
        at = segment.find("%", at + 3)
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise BadPath("its percent-encoding is not of UTF-8") from None


def _is_hex(digits: str) -> bool:
    return len(digits) == 2 and all(one in "0123456789abcdefABCDEF" for one in digits)
