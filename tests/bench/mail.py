"""A notice that is mailed to everybody who comes to an event, chunk by chunk, beside a bare smtplib loop."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import Any

import amqp
from tests.bench.figures import Figure, Result, Target, ratio
from tests.bench.peers import connect
from tests.bench.stage import ROOT, Stage, cpu_seconds

from chassis import outbox, topology
from chassis.ids import new_id
from notifications.email.model import Mailbox
from notifications.email.store import Mailboxes
from notifications.mails import letters, model
from notifications.people.model import Profile
from notifications.settings import NotificationsSettings

TITLE = "Mail: a notice to all who come to an event, until the server has the last of them"

PROGRAMS = ("notifications", "mongodb", "rabbitmq", "smtp_sink")


def measure(stage: Stage, *, quick: bool) -> Result:
    """Let both send in turns, to the same server."""
    count, rounds = (300, 1) if quick else (10_000, 3)
    platform = stage.platform
    connection = connect(stage.broker.uri)
    channel = connection.channel()
    channel.confirm_select()
    content = _content()
    loops: list[float] = []
    ours: list[float] = []
    for number in range(rounds + 1):
        event = _event(stage, count)
        before = {name: cpu_seconds(stage.pid_of(name)) for name in PROGRAMS}
        for rates, send in (
            (loops, lambda: _bare(platform.smtp_port, content, count)),
            (ours, lambda event=event: _mailed(stage, channel, event, count)),
        ):
            seconds = send()
            if number:  # the first round warms up
                rates.append(count / seconds)
        cpu = {name: round((cpu_seconds(stage.pid_of(name)) - before[name]) / count * 1e6) for name in PROGRAMS}
    connection.close()
    return Result(
        figures=[
            Figure("smtplib, one loop, a kept connection, mails that are ready", rate=statistics.median(loops)),
            Figure("Common Ground: from the message to the last mail", rate=statistics.median(ours)),
        ],
        targets=[Target("of the loop's rate", 100 * ratio(ours, loops), 70, "at least", "%")],
        details={
            "bytes": len(content),
            "mails": count,
            "rates": {"smtplib": loops, "ours": ours},
            "cpu_us_per_mail": cpu,
        },
    )


def _event(stage: Stage, count: int) -> dict[str, Any]:
    """An event to which so many people go, each with an address that was verified."""
    event = {"id": new_id("evt"), "title": "Bacon brunch", "starts_at": "2026-12-02T00:00:00Z", "time_zone": "UTC"}
    group, now = new_id("grp"), datetime.now(UTC)
    kept = stage.database("notifications")
    people = [new_id("psn") for _ in range(count)]
    standing = {"schema": 1, "to": event["id"], "group": group, "entered": 1, "since": now, "left": -1, "role_set": 1}
    standing |= {"role": "going", "role_since": now}
    kept.standings.insert_many([{**standing, "_id": f"{one}/{event['id']}", "person": one} for one in people])
    mailboxes = Mailboxes(kept)
    for one in people:
        mailboxes.save(Mailbox(one, address=f"{one.lower()}@example.org"))
    return {"event": event, "group": {"id": group, "slug": "kittens", "name": "Kittens and Bacon"}}


def _mailed(stage: Stage, channel: amqp.Channel, content: dict[str, Any], count: int) -> float:
    """Tell that the event is near, and wait until the last mail of it was taken. The seconds that took."""
    envelope = {
        "specversion": "1.0",
        "id": new_id("msg"),
        "source": "/services/events",
        "type": "commonground.events.event.due.v1",
        "subject": content["event"]["id"],
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "sequence": "9",
        "audience": "public",
        "data": {**content, "in": "PT1H"},
    }
    document = outbox.document(envelope)
    message = amqp.Message(document["body"], type=envelope["type"], message_id=envelope["id"], delivery_mode=2)
    mails = stage.database("notifications").mails
    before, waiting = mails.estimated_document_count(), {"what": "notice", "due_at": {"$type": "date"}}
    begun = time.perf_counter()
    channel.basic_publish(message, exchange=topology.exchange_of("events"), routing_key=document["key"])
    deadline = time.monotonic() + 120
    # By index, and seldom: each look takes a millisecond of the cores that the mails are sent on, and nobody looks at the loop.
    while mails.estimated_document_count() < before + count or mails.find_one(waiting, {"_id": 1}, hint="due"):
        if time.monotonic() > deadline:
            raise RuntimeError(f"Not all mails were sent.\n{stage.programs['notifications'].tail()}")
        time.sleep(0.1)
    return time.perf_counter() - begun


def _bare(port: int, content: bytes, count: int) -> float:
    job = {"port": port, "count": count, "content": content.decode()}
    command = [sys.executable, "-m", "tests.bench.peers.bare_smtplib"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, cwd=ROOT, timeout=120)
    if done.returncode:
        raise RuntimeError(f"the loop failed: {done.stderr[-2000:]}")
    return float(done.stdout.splitlines()[-1])


def _content() -> bytes:
    """A mail as the platform writes it."""
    settings = NotificationsSettings()
    settings.mail_from, settings.public_url = "Common Ground <notices@cg.example>", "https://cg.example"
    now = datetime.now(UTC)
    notice = {
        "_id": new_id("ntc"),
        "kind": "event.due",
        "title": "An hour to go: Bacon brunch",
        "body": "You are going. Wednesday, 2 December 2026, 00:00 (UTC), with Kittens and Bacon",
        "group": {"id": new_id("grp"), "name": "Kittens and Bacon"},
        "subject": {"type": "event", "id": new_id("evt"), "href": f"/v1/events/{new_id('evt')}"},
        "at": now,
    }
    person = new_id("psn")
    mail = model.mail_of(notice, person, now, now)
    mailbox = Mailbox(person, address=f"{person.lower()}@example.org")
    return letters.NoticeLetters(settings, notice).write(mail, mailbox, Profile(""), now)
