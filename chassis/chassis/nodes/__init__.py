"""Private nodes of the real broker and database, for one machine and for tests: nothing else may stand in for them."""

from chassis.nodes.access import broker_user, operator_user, subscriber_user
from chassis.nodes.mongodb import MongoDB
from chassis.nodes.process import HOST, NodeError, NotInstalled, Process, free_port, is_free
from chassis.nodes.rabbitmq import BrokerUser, RabbitMQ

__all__ = [
    "HOST",
    "BrokerUser",
    "MongoDB",
    "NodeError",
    "NotInstalled",
    "Process",
    "RabbitMQ",
    "broker_user",
    "free_port",
    "is_free",
    "operator_user",
    "subscriber_user",
]
