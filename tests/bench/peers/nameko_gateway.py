"""The same path with nameko as it comes, its near half: `@http` and `RpcProxy`."""

import eventlet

eventlet.monkey_patch()

import json
import os

from nameko.rpc import RpcProxy
from nameko.runners import ServiceRunner
from nameko.web.handlers import http
from tests.bench.peers import tokens
from werkzeug import Request, Response

KEYS = tokens.public_keys()


class Gateway:
    """The HTTP door of the nameko peer."""

    name = "peer_gateway"
    groups = RpcProxy("peer_groups")

    @http("GET", "/v1/groups/<string:slug>")
    def read_group(self, request: Request, slug: str) -> Response:
        """Read one group as the person who asks sees it."""
        claims = tokens.claims_of(request.headers.get("Authorization"), KEYS)
        if claims is None:
            return Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        group = self.groups.read_group(slug, claims["sub"])
        if group is None:
            return Response(status=404)
        return Response(json.dumps(group), mimetype="application/json")


def main() -> None:
    """Serve until the process is ended."""
    runner = ServiceRunner(
        {"AMQP_URI": os.environ["PEER_AMQP_URI"], "WEB_SERVER_ADDRESS": f"127.0.0.1:{os.environ['PEER_PORT']}"}
    )
    runner.add_service(Gateway)
    runner.start()
    runner.wait()


if __name__ == "__main__":
    main()
