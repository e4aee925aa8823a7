"""Who may do what on the broker: said once, for the local stack, for tests and for whoever sets a cluster up."""

from __future__ import annotations

import re

from chassis.nodes.rabbitmq import BrokerUser

# The default exchange, which reaches a queue by its name: calls and their answers travel that way.
DEFAULT_EXCHANGE = r"amq\.default"
# Queues that the broker names, gone with their connection.
ANONYMOUS_QUEUES = r"amq\.gen.*"
# Where a service announces its contract and the gateway hears of it.
CONTRACTS = r"commonground\.contracts"


def broker_user(service: str, password: str) -> BrokerUser:
    """Give the account of a service or the gateway: its own exchange and queues, calls to it, and what all may hear.

    It publishes messages to its own exchange only, so that no service can speak for another.
    """
    name = re.escape(service)
    own = rf"commonground\.calls\.{name}|commonground\.{name}(\..*)?|{ANONYMOUS_QUEUES}|{CONTRACTS}"
    return BrokerUser(
        name=service,
        password=password,
        configure=f"^({own})$",
        write=f"^({own}|{DEFAULT_EXCHANGE})$",
        read=rf"^({own}|commonground\.messages|commonground\.log)$",
    )


def operator_user(password: str) -> BrokerUser:
    """Give the operator's account, which declares the topology and may read everything."""
    return BrokerUser("operator", password, configure=".*", write=".*", read=".*", tags=("administrator",))
