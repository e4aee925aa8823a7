"""Endpoints for API tokens, by which other systems act for a person."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.problems import NotFound
from chassis.schemas import ListQuery, Page
from groups.sessions.model import new_secret
from groups.tokens import model
from groups.tokens.schemas import MadeToken, NewToken, TokensPage


class TokensApi:
    """API tokens for other systems."""

    store: Any

    @endpoint("POST", "/v1/tokens", body=NewToken, returns=MadeToken, status=201, access=SIGNED_IN, idempotent=True)
    def make_token(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Make an API token. Its secret is in this answer and nowhere else."""
        secret = new_secret(model.PREFIX)
        with self.store.transaction(call) as tx:
            token = model.make(call.caller.id, call.caller.session, body, call.now)
            tx.people.hold(call.caller.id)
            tx.tokens.add(token, secret)
        return {**asdict(token), "token": secret}

    @endpoint("GET", "/v1/tokens", query=ListQuery, returns=TokensPage, access=SIGNED_IN)
    def list_tokens(self, call: Call, query: dict[str, Any]) -> Page:
        """The caller's API tokens, in the order they were made."""
        (after,) = query.get("cursor") or ("",)
        found = self.store.tokens.of(call.caller.id, after, query["limit"] + 1)
        return Page.cut(found, query["limit"], lambda token: [token.id])

    @endpoint("DELETE", "/v1/tokens/{token}", status=204, access=SIGNED_IN, problems=(NotFound,))
    def delete_token(self, call: Call, token: str) -> None:
        """End an API token; it is refused within 60 seconds."""
        self.store.tokens.remove(token, call.caller.id)
