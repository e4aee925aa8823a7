"""Queues what webhooks want, pushes it, and shows their owners what became of it."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from chassis.crews import Job, crew
from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.messages import PREFIX, Received
from chassis.problems import NotFound
from chassis.schemas import Page
from chassis.subscriptions import subscribe_to_all
from chassis.timers import Tick
from notifications.deliveries import measures, model
from notifications.deliveries.model import Delivery, Health, Letter
from notifications.deliveries.schemas import DeliveriesPage, DeliveriesQuery, DeliveryFailed, DeliveryView
from notifications.deliveries.sender import sender
from notifications.deliveries.store import Lane
from notifications.notices.model import webhook_disabled
from notifications.notices.schemas import NoticePosted
from notifications.webhooks.api import SUBSCRIBE
from notifications.webhooks.model import FAILING, GONE, Webhook, check_active, disable, selectors
from notifications.webhooks.sealing import Seal

ENDPOINTS_AT_ONCE = 100
"""How many endpoints one process pushes to at a time; to each one message at a time."""
LOOK_SECONDS = 1.0
QUEUED_AT_ONCE = 500
ROUND = 20
ROUND_SECONDS = 1.0
"""How much of what waits for an endpoint is pushed before it is looked again whether that is still right, and others' turn."""


class DeliveriesApi:
    """The log of what was pushed to a webhook."""

    store: Any
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
        problems=(NotFound,),
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
        problems=(NotFound,),
    )
    def test_webhook(self, call: Call, webhook: str) -> Delivery:
        """Push a message of the type `commonground.notifications.ping.v1`, made up for this. It is tried once."""
        with self.store.transaction(call) as tx:
            check_active(tx.webhooks.get(webhook, call.caller.id))
            letter = model.ping(webhook, call.caller.id, call.now)
            delivery = model.delivery_of(letter, webhook, call.now, once=True)
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
        now = message.now.replace(microsecond=message.now.microsecond // 1000 * 1000)
        for chunk in self.store.webhooks.wanting(selectors(letter.type), letter.group, letter.person, QUEUED_AT_ONCE):
            sight = Sight(self.store, [(letter, owner) for _, owner in chunk])
            wanted = [webhook for webhook, owner in chunk if sight.allows(letter, owner)]
            if wanted:
                self.store.letters.add(letter, now)
                self.store.deliveries.add([model.delivery_of(letter, one, now) for one in wanted])
                self.store.lanes.wake(wanted, now)
                self.push.ring()  # type: ignore[attr-defined]

    # -- pushing

    @crew(ENDPOINTS_AT_ONCE, LOOK_SECONDS)
    def push(self, tick: Tick, free: int) -> Sequence[Job]:
        """Take what is due for as many endpoints as there are places, to push it."""
        return [partial(self._push, lane) for lane in self.store.lanes.claim(tick.now, free)]

    def _push(self, lane: Lane) -> bool:
        """Push what is due for one webhook, for a while. Says whether there is more."""
        webhook = self.store.webhooks.find(lane.webhook)
        if webhook is None or self.store.forgotten.has(webhook.person):
            self._drop(lane.webhook, webhook)
            return False
        if not webhook.is_active:
            self.store.lanes.release(lane, lane.health, None, Tick().now)
            return False
        due = self.store.deliveries.due(webhook.id, Tick().now, ROUND)
        pairs, health, hopeless = self._round(webhook, due, lane.health)
        self.store.deliveries.save(pairs)
        if hopeless is not None:
            self._disable(webhook.id, hopeless, pairs[-1][1])
        now = Tick().now
        next_due = self.store.deliveries.next_due(webhook.id)
        self.store.lanes.release(lane, health, next_due, now)
        return next_due is not None and next_due <= now and health.rests_until is None

    def _round(
        self, webhook: Webhook, due: Sequence[Delivery], health: Health
    ) -> tuple[list[tuple[Delivery, Delivery]], Health, str | None]:
        """Push one after another until one fails or the time of a round is over.

        Gives each delivery as it was and is, how the endpoint does, and why there is no use in going on, if so.
        """
        letters = self.store.letters.get({one.letter for one in due})
        sight = Sight(self.store, [(letter, webhook.person) for letter in letters.values()])
        pairs: list[tuple[Delivery, Delivery]] = []
        end = time.monotonic() + ROUND_SECONDS
        for delivery in due:
            letter = letters.get(delivery.letter)
            if letter is None:
                pairs.append((delivery, model.lose(delivery)))
                continue
            if not sight.allows(letter, webhook.person):
                pairs.append((delivery, model.withhold(delivery)))
                measures.attempts.labels("withheld").inc()
                continue
            after = self._attempt(webhook, delivery, letter)
            pairs.append((delivery, after))
            arrived = after.status == model.DELIVERED
            health = model.health_after(health, arrived, Tick().now, random.random())
            if after.response_code == model.GONE_CODE:
                return pairs, health, GONE
            if model.is_hopeless(health, Tick().now):
                return pairs, health, FAILING
            if not arrived or time.monotonic() > end:
                break
        return pairs, health, None

    def _attempt(self, webhook: Webhook, delivery: Delivery, letter: Letter) -> Delivery:
        now, seal = Tick().now, Seal(self.settings.seal_keys)
        secrets = [seal.open(one, webhook.id) for one in webhook.secrets_at(now)]
        headers = model.headers_of(letter, secrets, now)
        outcome = sender(tuple(self.settings.webhook_networks)).push(webhook.url, headers, letter.body)
        after = model.after(delivery, outcome, Tick().now, random.random())
        measures.attempt_seconds.observe(outcome.ms / 1000)
        measures.attempts.labels("retry" if after.status == model.QUEUED else after.status).inc()
        return after

    def _disable(self, webhook: str, reason: str, last: Delivery) -> None:
        """Push nothing more to a webhook, and tell its owner, unless that is done or somebody else did something with it."""
        with self.store.transaction(Tick()) as tx:
            found = tx.webhooks.find(webhook)
            if found is None or not found.is_active:
                tx.rollback()
                return
            off = disable(found, reason, tx.now)
            tx.webhooks.save(off)
            notice = webhook_disabled(off.id, off.person, off.url, reason, tx.now)
            tx.notices.add(notice)
            tx.publish(NoticePosted(notice, subject=notice.id, sequence=1, audience="person"))
            content = {"channel": "webhook", "kind": last.type.removeprefix(PREFIX), "reason": reason}
            tx.publish(DeliveryFailed(content, subject=off.id, sequence=off.version, audience="person"))
        measures.disabled.labels(reason).inc()

    def _drop(self, identifier: str, webhook: Webhook | None) -> None:
        """Forget what waits for a webhook that is gone, and one whose owner erased themselves while they made it."""
        self.store.deliveries.forget(identifier)
        self.store.lanes.remove(identifier)
        if webhook is not None:
            self.store.webhooks.remove(identifier)


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
