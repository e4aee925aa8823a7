"""Endpoints for webhooks: what is pushed where, for whom, and with which secret it is signed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from chassis.endpoints import SIGNED_IN, Answer, Call, endpoint
from chassis.problems import AuthenticationRequired, NotFound
from chassis.schemas import Page
from chassis.threads import within
from notifications.webhooks import model
from notifications.webhooks.model import Webhook
from notifications.webhooks.resolving import all_allowed
from notifications.webhooks.schemas import (
    MadeWebhook,
    NewSecret,
    NewWebhook,
    WebhookPatch,
    WebhooksPage,
    WebhooksQuery,
    WebhookView,
)
from notifications.webhooks.sealing import Seal

SUBSCRIBE = "subscribe"
RESOLVING_SECONDS = 2


class WebhooksApi:
    """Webhooks: messages pushed to other systems."""

    store: Any
    settings: Any

    @endpoint(
        "POST",
        "/v1/webhooks",
        body=NewWebhook,
        returns=MadeWebhook,
        status=201,
        access=SIGNED_IN,
        scope=SUBSCRIBE,
        idempotent=True,
        problems=(NotFound, model.TooManyWebhooks),
    )
    def make_webhook(self, call: Call, body: dict[str, Any]) -> Answer:
        """Have messages pushed to a URL.

        Those of the given types are, from now on, as far as the caller may know of them: public ones, those of groups in which
        they are a member at that time, and what concerns the caller alone. Each is signed as Standard Webhooks says, with
        the `secret` that is in this answer and nowhere else.
        """
        self._check(body["url"])
        group = self._group(call, body.get("group"))
        identifier, secret = model.new_identifier(), model.new_secret()
        sealed = Seal(self.settings.seal_keys).close(secret, identifier)
        with self.store.transaction(call) as tx:
            if tx.forgotten.has(call.caller.id):
                raise AuthenticationRequired()
            model.check_number(tx.owners.one_more(call.caller.id), self.settings.webhooks_per_person)
            webhook = model.make(identifier, call.caller.id, body, group, sealed, call.now)
            tx.webhooks.add(webhook)
            tx.lanes.add(webhook.id)
        return Answer({**asdict(webhook), "secret": secret}, location=f"/v1/webhooks/{webhook.id}")

    @endpoint("GET", "/v1/webhooks", query=WebhooksQuery, returns=WebhooksPage, access=SIGNED_IN, scope=SUBSCRIBE)
    def list_webhooks(self, call: Call, query: dict[str, Any]) -> Page:
        """The caller's webhooks, the newest first."""
        (before,) = query.get("cursor") or (None,)
        found = self.store.webhooks.of(call.caller.id, before, query["limit"] + 1)
        return Page.cut(found, query["limit"], lambda webhook: [webhook.id])

    @endpoint("GET", "/v1/webhooks/{webhook}", returns=WebhookView, access=SIGNED_IN, scope=SUBSCRIBE)
    def read_webhook(self, call: Call, webhook: str) -> Webhook:
        """One of the caller's webhooks."""
        found: Webhook = self.store.webhooks.get(webhook, call.caller.id)
        return found

    @endpoint(
        "PATCH",
        "/v1/webhooks/{webhook}",
        body=WebhookPatch,
        returns=WebhookView,
        access=SIGNED_IN,
        scope=SUBSCRIBE,
        problems=(NotFound,),
    )
    def change_webhook(self, call: Call, webhook: str, body: dict[str, Any]) -> Webhook:
        """Push elsewhere or something else, or stop or go on pushing.

        What waits while a webhook is disabled is pushed when it is active again; what happens meanwhile is not kept for it.
        """
        self.store.webhooks.get(webhook, call.caller.id)
        if "url" in body:
            self._check(body["url"])
        if "group" in body:
            body = {**body, "group": self._group(call, body["group"])}
        with self.store.transaction(call) as tx:
            before = tx.webhooks.get(webhook, call.caller.id)
            call.expect_version(before.version)
            after = model.change(before, body, call.now)
            if after != before:
                tx.webhooks.save(after)
            if after.is_active and not before.is_active:
                tx.lanes.begin_anew(webhook, call.now)
        return after

    @endpoint("DELETE", "/v1/webhooks/{webhook}", status=204, access=SIGNED_IN, scope=SUBSCRIBE, problems=(NotFound,))
    def delete_webhook(self, call: Call, webhook: str) -> None:
        """Push no more. What was waiting to be pushed, and the log of what was, is gone."""
        with self.store.transaction(call) as tx:
            found = tx.webhooks.get(webhook, call.caller.id)
            call.expect_version(found.version)
            tx.webhooks.remove(webhook)
            tx.lanes.remove(webhook)
            tx.owners.one_less(call.caller.id)
        self.store.deliveries.forget(webhook)

    @endpoint(
        "POST",
        "/v1/webhooks/{webhook}/secret",
        returns=NewSecret,
        status=201,
        access=SIGNED_IN,
        scope=SUBSCRIBE,
        idempotent=True,
        problems=(NotFound,),
    )
    def renew_secret(self, call: Call, webhook: str) -> dict[str, Any]:
        """Give the webhook a new secret, which is in this answer and nowhere else.

        For 24 hours what is pushed is signed with both, so that the receiver can change over at any time in between.
        """
        secret = model.new_secret()
        sealed = Seal(self.settings.seal_keys).close(secret, webhook)
        with self.store.transaction(call) as tx:
            after = model.rotate(tx.webhooks.get(webhook, call.caller.id), sealed, call.now)
            tx.webhooks.save(after)
        return {"secret": secret, "previous_until": after.secrets[1].until}

    def _check(self, url: str) -> None:
        """Raises Invalid for a URL to which nothing is pushed."""
        networks = self.settings.webhook_networks
        host = model.check_url(url, networks)
        if host is None:
            return
        try:
            with within(RESOLVING_SECONDS):
                allowed = all_allowed(host, networks)
        except TimeoutError:
            allowed = False
        if not allowed:
            raise model.plain_name_refused()

    def _group(self, call: Call, named: str | None) -> str | None:
        """The id of a group that the caller may know of. Raises NotFound."""
        if named is None:
            return None
        found: str | None = call.soon(lambda: self._known(call.caller.id, named))
        if found is None:
            raise NotFound("There is no such group here.")
        return found

    def _known(self, person: str, named: str) -> str | None:
        for group, visibility in self.store.groups.visibilities(self.store.groups.named(named)).items():
            if visibility != "private" or self.store.standings.present([(person, group)]):
                return str(group)
        return None


def forget_webhooks(store: Any, tx: Any, person: str) -> None:
    """Forget the webhooks of a person who erased themselves, in a transaction, and before that what was pushed to them."""
    for webhook in store.webhooks.of(person):
        store.deliveries.forget(webhook.id)
        tx.lanes.remove(webhook.id)
    tx.webhooks.forget(person)
    tx.owners.forget(person)
