"""Promoting a group: who is reached is decided at once, and sent chunk by chunk, each when the one before is on its way.

A chunk, the people it claims and its message are one transaction; the message then is what calls for the next chunk. So
whatever crashes, the promotion goes on where it was, and nobody receives it twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.messages import Received
from chassis.subscriptions import subscribe
from groups.groups.api import hold
from groups.groups.model import AlreadyArchived, Group, check_visible
from groups.promotions import model
from groups.promotions.schemas import NewPromotion, PromotionSent, PromotionView, SentData


class PromotionsApi:
    """Calls to people who may like a group."""

    store: Any
    settings: Any

    @endpoint(
        "POST",
        "/v1/groups/{group}/promotions",
        body=NewPromotion,
        returns=PromotionView,
        status=202,
        access=SIGNED_IN,
        idempotent=True,
        problems=(model.PromotedRecently, model.NotPublic, AlreadyArchived),
    )
    def promote_group(self, call: Call, group: str, body: dict[str, Any]) -> model.Promotion:
        """Promote a group to people who share its interests and are not in it; for organizers, once in 7 days.

        It reaches those who allow it and live in reach of the group's scope, those who share most first. Nobody
        receives more than one promotion a day; `held_back` says how many are not reached for that.
        """
        seen = _promotable(self.store, call, self.store.groups.seen_by(group, call.caller.id))
        promotion = model.promote(seen, call.caller.id, body["text"], call.now)
        try:
            gather(self.store, promotion, seen, self.settings.promotion_reach)
            with self.store.transaction(call) as tx:
                # Held, so that of two organizers who promote it at the same moment, one is too late.
                held = _promotable(tx, call, hold(tx, call, seen.id))
                tx.people.hold(call.caller.id)
                send_next(tx, promotion, held)
                tx.promotions.add(promotion)
        except BaseException:
            self.store.promotion_chunks.drop(promotion)
            raise
        return promotion

    @subscribe(PromotionSent.type, data=SentData)
    def send_more(self, message: Received) -> None:
        """A chunk of a promotion is on its way: send the next."""
        with self.store.transaction(message) as tx:
            promotion = tx.promotions.find(message.data["promotion_id"])
            if promotion is None or promotion.sent != message.sequence:
                return
            group = tx.groups.seen_by(promotion.group, None)
            if group.listed:
                send_next(tx, promotion, group)
            else:
                # What is not for everybody any more is told to nobody else.
                tx.promotion_chunks.drop(promotion)
            tx.promotions.save(promotion)


def gather(store: Any, promotion: model.Promotion, group: Group, most: int) -> None:
    """Find whom a promotion reaches, up to `most` of them, and keep them in chunks; count them, and who is held back."""
    number, waiting = 0, []
    for some in store.audiences.of(group):
        members = store.members.known(group.id, [one["_id"] for one in some])
        free, held_back = model.divide([one for one in some if one["_id"] not in members], promotion.at)
        del free[most - promotion.reach :]
        promotion.reach += len(free)
        promotion.held_back += len(held_back)
        waiting += [one["_id"] for one in free]
        whole = len(waiting) - len(waiting) % model.CHUNK
        number = store.promotion_chunks.add(promotion, number, waiting[:whole])
        del waiting[:whole]
        if promotion.reach == most:
            break
    store.promotion_chunks.add(promotion, number, waiting)


def send_next(tx: Any, promotion: model.Promotion, group: Group) -> None:
    """Send the next chunk of a promotion of which somebody can still be reached, within a unit of work."""
    sent = promotion.sent
    while promotion.sent == sent and (chunk := tx.promotion_chunks.take(promotion)) is not None:
        members = tx.members.known(group.id, chunk)
        audience = [one for one in tx.audiences.still(chunk) if one["_id"] not in members]
        free, held_back = model.divide(audience, tx.now)
        promotion.note(len(chunk), len(free), len(held_back))
        if free:
            tx.audiences.claim((one["_id"] for one in free), tx.now)
            tx.publish(_told(promotion, group, free))


def _promotable(store: Any, call: Call, group: Group | None) -> Group:
    """The group, if the caller may promote it now. Raises what check_visible, check_promotable and check_due raise."""
    seen = check_visible(group)
    model.check_promotable(seen)
    last: datetime | None = store.promotions.last_of(seen.id)
    model.check_due(last, call.now)
    return seen


def _told(promotion: model.Promotion, group: Group, people: list[dict[str, Any]]) -> PromotionSent:
    content: dict[str, Any] = {"promotion_id": promotion.id, "group": group.reference, "text": promotion.text}
    content["people"] = [{"id": one["_id"], **one} for one in people]
    return PromotionSent(content, subject=promotion.id, sequence=promotion.sent, audience="person")
