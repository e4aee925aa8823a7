"""Queues what webhooks want, pushes it, and shows their owners what became of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from chassis.crews import Job, crew
from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.messages import PREFIX, Received
from chassis.schemas import Page
from chassis.subscriptions import subscribe_to_all
from chassis.timers import Tick, now
from chassis.together import Together
from notifications.deliveries import measures, model
from notifications.deliveries.model import Delivery, Health, Letter, Outcome
from notifications.deliveries.schemas import DeliveriesPage, DeliveriesQuery, DeliveryView
from notifications.deliveries.sender import sender
from notifications.deliveries.store import Lane, Release
from notifications.mails.schemas import DeliveryFailed
from notifications.notices.model import Draft, webhook_disabled
from notifications.notices.posting import post_drafts
from notifications.webhooks.api import SUBSCRIBE
from notifications.webhooks.model import FAILING, GONE, Webhook, WebhookDisabled, check_active, disable, selectors
from notifications.webhooks.sealing import Seal

ENDPOINTS_AT_ONCE = 100
"""How many endpoints one process pushes to at a time; to each one message at a time."""
LOOK_SECONDS = 1.0
QUEUED_AT_ONCE = 500
ROUND = 20
ROUND_SECONDS = 1.0
"""How much of what waits for an endpoint is pushed before it is looked again whether that is still right, and others' turn."""
GATHER_SECONDS = 0.02
"""How long what came of pushes gathers before it is written down."""


class DeliveriesApi:
    """The log of what was pushed to a webhook."""

    store: Any
    live: Any
    settings: Any

    @endpoint(
        "GET",
        "/v1/webhooks/{webhook}/deliveries",
        query=DeliveriesQuery,
        returns=DeliveriesPage,
        access=SIGNED_IN,
        scope=SUBSCRIBE,
    )
    def list_deliveries(self, call: Call, webhook: str, query: dict[str, Any]) -> Page:
        """What was pushed to a webhook in the last 30 days, or is to be: the newest messages first."""
        self.store.webhooks.get(webhook, call.caller.id)
        (before,) = query.get("cursor") or (None,)
        found = self.store.deliveries.of(webhook, before, query["limit"] + 1)
        return Page.cut(found, query["limit"], lambda delivery: [delivery.id])

    @endpoint(
        "POST",
        "/v1/webhooks/{webhook}/deliveries/{delivery}/redelivery",
        returns=DeliveryView,
        status=202,
        access=SIGNED_IN,
        scope=SUBSCRIBE,
        idempotent=True,
        problems=(WebhookDisabled,),
    )
    def redeliver(self, call: Call, webhook: str, delivery: str) -> Delivery:
        """Push a message again, whatever became of it, with all its attempts and the same `webhook-id`."""
        with self.store.transaction(call) as tx:
            check_active(tx.webhooks.get(webhook, call.caller.id))
            before = tx.deliveries.get(delivery, webhook)
            after = model.again(before, call.now)
            tx.deliveries.save([(before, after)])
            tx.lanes.wake([webhook], call.now)
        self.push.ring()  # type: ignore[attr-defined]
        return after

    @endpoint(
        "POST",
        "/v1/webhooks/{webhook}/test",
        returns=DeliveryView,
        status=202,
        access=SIGNED_IN,
        scope=SUBSCRIBE,
        idempotent=True,
        problems=(WebhookDisabled,),
    )
    def test_webhook(self, call: Call, webhook: str) -> Delivery:
        """Push a message of the type `commonground.notifications.ping.v1`, made up for this. It is tried once."""
        with self.store.transaction(call) as tx:
            check_active(tx.webhooks.get(webhook, call.caller.id))
            letter = model.ping(webhook, call.caller.id, call.now)
            [delivery] = model.deliveries_of(letter, [webhook], call.now, once=True)
            tx.letters.add(letter, call.now)
            tx.deliveries.add([delivery])
            tx.lanes.wake([webhook], call.now)
        self.push.ring()  # type: ignore[attr-defined]
        return delivery

    # -- what is to be pushed

    @subscribe_to_all()
    def queue_for_webhooks(self, message: Received) -> None:
        """Queue a message for each webhook that wants it and whose owner may see it.

        There is no transaction: each of these writes is the same when it is done again, and the last one makes it count.
        """
        letter = model.letter_of(message.raw)
        if letter is None:
            return
        for chunk in self.store.webhooks.wanting(selectors(letter.type), letter.group, letter.person, QUEUED_AT_ONCE):
            sight = Sight(self.store, [(letter, owner) for _, owner in chunk])
            wanted = [webhook for webhook, owner in chunk if sight.allows(letter, owner)]
            if wanted and not self._names_who_is_gone(letter):
                self._queue(letter, wanted)

    def _queue(self, letter: Letter, webhooks: Sequence[str]) -> None:
        queued_at = now()
        self.store.letters.add(letter, queued_at)
        self.store.deliveries.add(model.deliveries_of(letter, webhooks, queued_at))
        for one in self._names_who_is_gone(letter):  # meanwhile: see Forgotten
            self.store.letters.forget(one)
        self.store.lanes.wake(webhooks, queued_at)
        self.push.ring()  # type: ignore[attr-defined]

    def _names_who_is_gone(self, letter: Letter) -> set[str]:
        """The people in a letter who erased themselves, unless it tells just that."""
        gone: set[str] = set() if letter.is_farewell else self.store.forgotten.among(letter.people)
        return gone

    # -- pushing

    @crew(ENDPOINTS_AT_ONCE, LOOK_SECONDS)
    def push(self, tick: Tick, free: int) -> Sequence[Job]:
        """Take what is due for as many endpoints as there are places, to push it. What that needs is read for all at once."""
        checked = time.monotonic()
        lanes = self.store.lanes.claim(tick.now, free, ROUND + 1)
        if not lanes:
            return []
        webhooks = self.store.webhooks.those(one.webhook for one in lanes)
        forgotten = self.store.forgotten.among({one.person for one in webhooks.values()})
        letters = self.store.letters.get({each.letter for one in lanes for each in one.waiting[:ROUND]})
        wanted = [
            (letters[each.letter], webhooks[one.webhook].person)
            for one in lanes
            for each in one.waiting[:ROUND]
            if one.webhook in webhooks and each.letter in letters
        ]
        check = Check(Sight(self.store, wanted), letters, checked + ROUND_SECONDS)
        jobs: list[Job] = []
        for lane in lanes:
            webhook = webhooks.get(lane.webhook)
            if webhook is None or webhook.person in forgotten:
                jobs.append(partial(self._drop, lane.webhook))
            elif not webhook.is_active:
                jobs.append(partial(_released.do, self.store, Release(lane, lane.health, None)))
            else:
                jobs.append(partial(self._push, lane, webhook, check))
        return jobs

    def _push(self, lane: Lane, webhook: Webhook, check: Check) -> bool:
        """Push what is due for one webhook, for a while. Says whether there is more."""
        began = now()
        due = [one for one in lane.waiting[:ROUND] if one.due_at is not None and one.due_at <= began]
        notes = Notes(self.store)
        health, hopeless = self._round(webhook, due, lane.health, check, notes)
        notes.wait()
        if hopeless is not None:
            self._disable(webhook.id, hopeless, notes.pairs[-1][1])
        next_due = None if hopeless else _next_due(lane.waiting, notes.pairs)
        _released.do(self.store, Release(lane, health, next_due))
        return next_due is not None and next_due <= began and health.rests_until is None

    def _round(
        self, webhook: Webhook, due: Sequence[Delivery], health: Health, check: Check, notes: Notes
    ) -> tuple[Health, str | None]:
        """Push one after another until one fails or the time of a round is over, and note what becomes of each.

        Gives how the endpoint does, and why there is no use in going on, if so.
        """
        seal = Seal(self.settings.seal_keys)
        secrets = [seal.open(one, webhook.id) for one in webhook.secrets_at(now())]
        for delivery in due:
            letter = check.letters.get(delivery.letter)
            if letter is None:
                notes.add(delivery, model.lose(delivery))
                continue
            if not check.sight.allows(letter, webhook.person):
                notes.add(delivery, model.withhold(delivery))
                measures.attempts.labels("withheld").inc()
                continue
            outcome = self._attempt(webhook.url, letter, secrets)
            after = model.after(delivery, outcome, now(), random.random())
            measures.attempts.labels("retry" if after.status == model.QUEUED else after.status).inc()
            notes.add(delivery, after)
            health = model.health_after(health, outcome, now(), random.random())
            if outcome.code == model.GONE_CODE:
                return health, GONE
            if model.is_hopeless(health, now()):
                return health, FAILING
            if not outcome.arrived or time.monotonic() > check.until:
                break
        return health, None

    def _attempt(self, url: str, letter: Letter, secrets: Sequence[str]) -> Outcome:
        headers = model.headers_of(letter, secrets, now())
        outcome = sender(tuple(self.settings.webhook_networks)).push(url, headers, letter.body)
        measures.attempt_seconds.observe(outcome.ms / 1000)
        return outcome

    def _disable(self, webhook: str, reason: str, last: Delivery) -> None:
        """Push nothing more to a webhook, and tell its owner, unless that is done or somebody else did something with it."""
        with self.store.transaction(Tick()) as tx:
            found = tx.webhooks.find(webhook)
            if found is None or not found.is_active:
                tx.rollback()
                return
            off = disable(found, reason, tx.now)
            tx.webhooks.save(off)
            tx.drafts.add(Draft(webhook_disabled(off.id, off.person, off.url, reason, tx.now), "person", None))
            content = {"channel": "webhook", "kind": last.type.removeprefix(PREFIX), "reason": reason}
            tx.publish(DeliveryFailed(content, subject=off.id, sequence=off.version, audience="person"))
        post_drafts(self.store, self.live)
        measures.disabled.labels(reason).inc()

    def _drop(self, webhook: str) -> None:
        """Forget a webhook that is gone, or whose owner erased themselves while they made it, and what waits for it."""
        self.store.deliveries.forget(webhook)
        self.store.lanes.remove(webhook)
        self.store.webhooks.remove(webhook)


class Notes:
    """What became of the deliveries of a round, each as it was and is. One is written down while the next are pushed."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.pairs: list[tuple[Delivery, Delivery]] = []
        self._being_written: list[Callable[[], None]] = []

    def add(self, before: Delivery, after: Delivery) -> None:
        """Begin to write down what became of a delivery."""
        self.pairs.append((before, after))
        self._being_written.append(_noted.begin(self.store, (before, after)))

    def wait(self) -> None:
        """Wait until all of it is written down. Raises what the database raises."""
        for written in self._being_written:
            written()


def _note(store: Any, pairs: list[tuple[Delivery, Delivery]]) -> list[None]:
    store.deliveries.save(pairs)
    return [None] * len(pairs)


def _release(store: Any, releases: list[Release]) -> list[None]:
    store.lanes.release(releases, now())
    return [None] * len(releases)


_noted: Together[tuple[Delivery, Delivery], None] = Together(_note, gather_seconds=GATHER_SECONDS)
_released: Together[Release, None] = Together(_release)


def _next_due(waiting: Sequence[Delivery], pairs: Sequence[tuple[Delivery, Delivery]]) -> datetime | None:
    """When something is due next, of what waited before a round and what became of it in the round."""
    after = {one.id: became for one, became in pairs}
    return min((due for one in waiting if (due := after.get(one.id, one).due_at) is not None), default=None)


class Sight:
    """What people may see of letters now: asked of the projections once for all of them."""

    def __init__(self, store: Any, pairs: Iterable[tuple[Letter, str]]) -> None:
        memberships = {(owner, letter.group) for letter, owner in pairs if letter.group}
        groups = {group for _, group in memberships}
        self._private = store.groups.private(groups)
        # Whether somebody is a member of a public group decides nothing about what is public.
        wanted = {
            (owner, letter.group)
            for letter, owner in pairs
            if letter.group and (letter.audience == "group" or letter.group in self._private)
        }
        self._members = store.standings.present(wanted)

    def allows(self, letter: Letter, owner: str) -> bool:
        """Whether somebody may see a letter."""
        member = (owner, letter.group) in self._members
        return model.may_see(letter, owner, member=member, private=letter.group in self._private)


@dataclass(frozen=True, slots=True)
class Check:
    """What was asked before a round: who may see which letters, and until when that is relied on (by the monotonic clock)."""

    sight: Sight
    letters: Mapping[str, Letter]
    until: float
