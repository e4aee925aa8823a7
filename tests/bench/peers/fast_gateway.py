"""The same path with FastAPI and FastStream, its near half: one uvicorn process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import cycle
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from faststream.rabbit import RabbitBroker
from tests.bench.peers import tokens
from tests.bench.peers.fast_models import QUEUE, Group, ReadGroup

KEYS = tokens.public_keys()
# A broker of FastStream has one request in flight at a time, the others wait for its lock; so a good engineer takes several.
BROKERS = [RabbitBroker(os.environ["PEER_AMQP_URI"]) for _ in range(4)]
turn = cycle(BROKERS)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect before the first request, part after the last."""
    for broker in BROKERS:
        await broker.start()
    yield
    for broker in BROKERS:
        await broker.stop()


app = FastAPI(lifespan=lifespan)


async def signed_in(request: Request) -> dict[str, Any]:
    """The claims of the caller's token."""
    claims = tokens.claims_of(request.headers.get("Authorization"), KEYS)
    if claims is None:
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return claims


@app.get("/v1/groups/{slug}", response_model=Group)
async def read_group(slug: str, claims: Annotated[dict[str, Any], Depends(signed_in)]) -> Response:
    """Read one group as the person who asks sees it. What the service made is passed on as it is."""
    reply = await next(turn).request(ReadGroup(slug=slug, person_id=claims["sub"]), queue=QUEUE, timeout=5)
    if reply.body in (b"", b"null"):
        raise HTTPException(404)
    return Response(reply.body, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PEER_PORT"]), log_level="warning", access_log=False)
