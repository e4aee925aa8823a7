"""The same path with FastAPI and FastStream, its far half: a subscriber that answers, and PyMongo's asynchronous client."""

from __future__ import annotations

import logging
import os
from typing import Any

import uvloop
from faststream import FastStream
from faststream.rabbit import RabbitBroker
from pymongo import AsyncMongoClient
from tests.bench.peers.fast_models import QUEUE, Group, ReadGroup, Viewer

# Its log of each message is for development.
broker = RabbitBroker(os.environ["PEER_AMQP_URI"], log_level=logging.DEBUG)
app = FastStream(broker)
client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(os.environ["PEER_MONGO_URI"], tz_aware=True)
database = client.get_default_database()


@broker.subscriber(QUEUE)
async def read_group(asked: ReadGroup) -> Group | None:
    """One group as a person sees it, or None."""
    group = await database.groups.find_one({"slug": asked.slug})
    if group is None:
        return None
    membership = await database.members.find_one({"group_id": group["_id"], "person_id": asked.person_id})
    viewer = Viewer(role=membership["role"], status=membership["status"]) if membership else None
    return Group(id=group["_id"], viewer=viewer, **group)


if __name__ == "__main__":
    uvloop.run(app.run())
