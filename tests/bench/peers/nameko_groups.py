"""The same path with nameko as it comes, its far half: `@rpc` and PyMongo."""

import eventlet

eventlet.monkey_patch()

import os
from typing import Any

from nameko.extensions import DependencyProvider
from nameko.rpc import rpc
from nameko.runners import ServiceRunner
from pymongo import MongoClient
from tests.bench.peers import documents


class Mongo(DependencyProvider):
    """Gives the service its database."""

    def setup(self) -> None:
        self.client: MongoClient[dict[str, Any]] = MongoClient(self.container.config["MONGO_URI"], tz_aware=True)

    def stop(self) -> None:
        self.client.close()

    def get_dependency(self, worker_ctx: Any) -> Any:
        return self.client.get_default_database()


class Groups:
    """The groups of the nameko peer."""

    name = "peer_groups"
    database = Mongo()

    @rpc
    def read_group(self, slug: str, person_id: str) -> dict[str, Any] | None:
        """One group as a person sees it, ready for JSON, or None."""
        group = self.database.groups.find_one({"slug": slug})
        if group is None:
            return None
        membership = self.database.members.find_one({"group_id": group["_id"], "person_id": person_id})
        return documents.to_json(group, membership)


def main() -> None:
    """Serve until the process is ended."""
    runner = ServiceRunner({"AMQP_URI": os.environ["PEER_AMQP_URI"], "MONGO_URI": os.environ["PEER_MONGO_URI"]})
    runner.add_service(Groups)
    runner.start()
    runner.wait()


if __name__ == "__main__":
    main()
