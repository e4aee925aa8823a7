"""People and groups for the benches to play with, made over HTTP as anybody would make them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.bench.client import Api

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class SignedIn:
    """Somebody with an account who has signed in."""

    id: str
    handle: str
    token: str
    api: Api


def sign_up(port: int, handle: str) -> SignedIn:
    """Register a person and sign them in."""
    anybody = Api(port)
    anybody.post("/v1/people", {"handle": handle, "display_name": handle.capitalize(), "password": PASSWORD})
    session = anybody.post("/v1/sessions", {"handle": handle, "password": PASSWORD})
    token = session["access_token"]
    return SignedIn(session["person"]["id"], handle, token, Api(port, token))


def new_group(name: str, interests: list[str]) -> dict[str, Any]:
    """The body that founds a local group of a usual size."""
    return {
        "name": name,
        "interests": interests,
        "scope": "local",
        "summary": "For people who like both, not either or.",
        "description": "We meet every other week, cook together and bring the cats along where the host allows it. " * 5,
        "place": {"name": "Washington", "country": "US", "region": "US-DC", "location": {"lat": 38.9072, "lon": -77.0369}},
        "rules": "Be kind. Bring something to share.",
    }
