"""The accounts of a broker, each with what `chassis.topology` lets it do."""

from __future__ import annotations

from chassis import topology
from chassis.nodes.rabbitmq import BrokerUser

GATEWAY = "gateway"


def broker_user(service: str, password: str) -> BrokerUser:
    """Give the account of a service, or of the gateway."""
    allowed = topology.gateway_permissions() if service == GATEWAY else topology.permissions(service)
    return BrokerUser(service, password, *allowed)


def operator_user(password: str) -> BrokerUser:
    """Give the operator's account, which declares the topology and may read everything."""
    return BrokerUser("operator", password, *topology.operator_permissions(), tags=("administrator",))


def subscriber_user(name: str, password: str, *, trusted: bool = False) -> BrokerUser:
    """Give the account of another system: it hears the public messages, and all of them when it is trusted."""
    return BrokerUser(name, password, *topology.subscriber_permissions(name, trusted))
