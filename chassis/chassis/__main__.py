"""The operator's commands: `python -m chassis --help`."""

# isort: off
import eventlet

eventlet.monkey_patch()
# isort: on

import argparse
import getpass
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

import amqp
from pymongo.errors import PyMongoError

from chassis import operate, topology
from chassis.connection import connect
from chassis.operate import Parked, ParkedMessage, Refused
from chassis.process import load, settings_class
from chassis.settings import EXIT_CONFIGURATION, ServiceSettings, read_or_exit, setting
from chassis.subscribers import Subscribers

EXIT_REFUSED = 1
EXIT_UNAVAILABLE = 69
"""EX_UNAVAILABLE of sysexits.h: the broker or the database is away."""


class BrokerSettings(ServiceSettings):
    """What the commands that need the broker alone read."""

    amqp_api: str = setting(
        "str", "CG_AMQP_API", "", help="The broker's management API; by default at port 15672 of its host"
    )
    unused = tuple(name for name in ServiceSettings.declared() if name != "amqp_uri")


def declare_topology(options: argparse.Namespace) -> None:
    """Declare what all share, and what each named service has."""
    with connect(read_or_exit(BrokerSettings).amqp_uri, "topology") as connection:
        topology.declare(connection, topology.shared(options.services))
        for service in options.services:
            topology.declare(connection, topology.queues_of(service))
    print("The topology stands: what is shared, and " + ", ".join(options.services) + ".")


def list_parked(options: argparse.Namespace) -> None:
    """One line for each parked message."""
    with _parked(options) as parked:
        found = list(parked.each())
        for one in found:
            print(f"{one.id}  {one.type or '?'}  {one.attempts} attempts  since {one.failed_at or '?'}  {_reason(one)}")
    print(f"{len(found)} parked for {options.service}.", file=sys.stderr)


def show_parked(options: argparse.Namespace) -> None:
    """All that is known of one parked message, and its body."""
    with _parked(options) as parked:
        one = parked.find(options.id)[0]
    for name in ("id", "type", "reason", "consumer", "attempts", "failed_at", "parked_at"):
        print(f"{name + ':':<11}{getattr(one, name)}")
    print()
    try:
        print(json.dumps(json.loads(one.raw.body), indent=2, ensure_ascii=False))
    except ValueError:
        print(one.raw.body.decode(errors="backslashreplace"))


def replay_parked(options: argparse.Namespace) -> None:
    """Send one or all parked messages to the service again."""
    count = 0
    with _parked(options) as parked:
        for one in parked.each() if options.all else parked.find(options.id):
            parked.replay(one)
            _note("replayed", options.service, one)
            count += 1
    print(f"{count} sent to {options.service} again.", file=sys.stderr)


def drop_parked(options: argparse.Namespace) -> None:
    """Forget one parked message for good."""
    with _parked(options) as parked:
        for one in parked.find(options.id):
            parked.drop(one)
            _note("dropped", options.service, one, reason=options.reason)


def rebuild(options: argparse.Namespace) -> None:
    """Build a projection anew from the log."""
    service = load(options.service_class)
    rebuilding = operate.Rebuilding(service, options.projection, read_or_exit(settings_class(service)))

    def progress(offset: int, end: int, applied: int) -> None:
        print(f"message {offset:,} of {end:,}, {applied:,} concern {options.projection}", file=sys.stderr)

    done = rebuilding.run(progress, options.even_if_incomplete)
    counts = f"{done.read:,} messages read, {done.applied:,} applied, {done.refused:,} refused"
    print(f"{options.projection} stands anew: {counts}.")


def add_subscriber(options: argparse.Namespace) -> None:
    """Make an account for another system, and print its address, which is not to be had again."""
    print(_subscribers().add(options.name, options.trusted))
    hears = "everything" if options.trusted else "what is public"
    print(
        f"{options.name} hears {hears}, from queues subscriber.{options.name} and subscriber.{options.name}.…: "
        "docs/subscribing.md. The address has the password, and is shown this once.",
        file=sys.stderr,
    )


def list_subscribers(options: argparse.Namespace) -> None:
    """One line for each."""
    found = _subscribers().each()
    for one in found:
        print(f"{one.name}  {'everything' if one.trusted else 'public'}")
    print(f"{len(found)} subscribers.", file=sys.stderr)


def revoke_subscriber(options: argparse.Namespace) -> None:
    """Remove an account and its queues."""
    queues = _subscribers().revoke(options.name)
    print(f"{options.name} is revoked and disconnected; queues deleted: {queues}.")


def _subscribers() -> Subscribers:
    settings = read_or_exit(BrokerSettings)
    return Subscribers(settings.amqp_uri, settings.amqp_api)


def _parked(options: argparse.Namespace) -> Parked:
    return Parked(read_or_exit(BrokerSettings).amqp_uri, options.service)


def _reason(one: ParkedMessage) -> str:
    return " ".join(f"{one.consumer}: {one.reason}".lstrip(": ").split())


def _note(what: str, service: str, one: ParkedMessage, **more: str) -> None:
    """Say as a line of JSON who did what to which message, for the record."""
    entry = {"timestamp": datetime.now(UTC).isoformat(), "message": f"parked message {what}", "service": service}
    entry |= {"id": one.id, "type": one.type, "failed_with": one.reason, "by": _operator(), **more}
    print(json.dumps(entry, ensure_ascii=False))


def _operator() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def parser() -> argparse.ArgumentParser:
    """The commands and their arguments."""
    commands = argparse.ArgumentParser(
        prog="python -m chassis",
        description="What an operator of Common Ground does with messages, and with who hears them, on the broker that "
        "CG_AMQP_URI names.",
    )
    found = commands.add_subparsers(required=True, metavar="command")

    one = found.add_parser("topology", help="declare exchanges, logs and queues; changes nothing that stands already")
    one.add_argument("services", nargs="+", metavar="service", help="the services that publish, e.g. groups events")
    one.set_defaults(run=declare_topology)

    one = found.add_parser("parked", help="look at messages that a service could do nothing with; replay or drop them")
    actions = one.add_subparsers(required=True, metavar="action")
    _add_parked(actions)

    one = found.add_parser("subscribers", help="give other systems accounts that hear messages; list and revoke them")
    _add_subscribers(one.add_subparsers(required=True, metavar="action"))

    one = found.add_parser("rebuild", help="build a projection anew from the log, while the service runs")
    one.add_argument("service_class", metavar="package.module:Class", help="the service, e.g. events.service:Events")
    one.add_argument("projection", help="the name of the projection in its Store")
    one.add_argument(
        "--even-if-incomplete",
        action="store_true",
        help="accept that the log has lost its oldest messages, and what they told",
    )
    one.set_defaults(run=rebuild)
    return commands


def _add_parked(actions: Any) -> None:
    def action(name: str, run: Any, help: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = actions.add_parser(name, help=help)
        added.add_argument("--service", required=True, help="whose parked messages, e.g. events")
        added.set_defaults(run=run)
        return added

    action("list", list_parked, "one line for each")
    action("show", show_parked, "all of one, with its body").add_argument("id", help="as `parked list` says it")
    which = action("replay", replay_parked, "send them to the service again").add_mutually_exclusive_group(
        required=True
    )
    which.add_argument("id", nargs="?", help="as `parked list` says it")
    which.add_argument("--all", action="store_true", help="all that are parked now")
    dropped = action("drop", drop_parked, "forget one for good")
    dropped.add_argument("id", help="as `parked list` says it")
    dropped.add_argument("--reason", required=True, help="why; it goes into the record")


def _add_subscribers(actions: Any) -> None:
    added = actions.add_parser("add", help="make an account; prints its address once")
    added.add_argument("name", help="of the other system, e.g. newsletter")
    added.add_argument(
        "--trusted", action="store_true", help="it may hear what concerns private groups and single people"
    )
    added.set_defaults(run=add_subscriber)
    actions.add_parser("list", help="one line for each").set_defaults(run=list_subscribers)
    revoked = actions.add_parser("revoke", help="remove an account: it is disconnected, its queues are deleted")
    revoked.add_argument("name", help="as `subscribers list` says it")
    revoked.set_defaults(run=revoke_subscriber)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except Refused as fault:
        print(fault, file=sys.stderr)
        return EXIT_REFUSED
    except (topology.Mismatch, topology.Missing, amqp.exceptions.AccessRefused) as fault:
        print(fault, file=sys.stderr)
        return EXIT_CONFIGURATION
    except (OSError, amqp.AMQPError, PyMongoError) as fault:
        print(f"The broker or the database is away, nothing more was done: {fault}", file=sys.stderr)
        return EXIT_UNAVAILABLE
    return 0


if __name__ == "__main__":
    sys.exit(main())
