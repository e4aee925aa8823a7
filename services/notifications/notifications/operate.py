"""The operator's commands: `python -m notifications --help`."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from datetime import UTC, datetime

from chassis.settings import ServiceSettings, read_or_exit
from chassis.store import open_store
from notifications.mails.model import RHYTHMS, period_of
from notifications.mails.store import Digests
from notifications.people.store import Profiles


class DatabaseSettings(ServiceSettings):
    """What the commands read: where the database is."""

    unused = tuple(name for name in ServiceSettings.declared() if name != "mongo_uri")


def send_digest(options: argparse.Namespace) -> str:
    """Have the running service send somebody's digest now, in place of the one at 08:00. Gives what to tell of it."""
    store = open_store(
        read_or_exit(DatabaseSettings).mongo_uri, "notifications", {"digests": Digests, "profiles": Profiles}
    )
    digest = store.digests.get(options.person, options.rhythm)
    if digest is None:
        sys.exit(f"{options.person} gets no mail: no address of theirs was verified.")
    profile = store.profiles.find(options.person)
    now = datetime.now(UTC)
    today = (now.astimezone(profile.zone) if profile else now).date()
    if period_of(options.rhythm, today) <= digest.done:
        sys.exit(f"The {options.rhythm} digest of {digest.done} was sent already; there is one for each.")
    store.digests.save(replace(digest, due_at=now))
    return f"The {options.rhythm} digest is due now, in place of the next one at 08:00."


def main() -> str:
    """Do what the command line says. Gives what to tell of it; exits 1 with the reason where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m notifications", description="Without a command: run the service.")
    commands = parser.add_subparsers(required=True)
    digest = commands.add_parser("digest", help="send somebody's digest now, if there is anything to tell")
    digest.add_argument("person", help="the person's id, psn_…")
    digest.add_argument("--rhythm", choices=RHYTHMS, default="daily")
    digest.set_defaults(do=send_digest)
    options = parser.parse_args()
    done: str = options.do(options)
    return done
