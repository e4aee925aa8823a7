"""Endpoints for asks and offers: ask for help once warmed up, see who asks, offer, resolve and say thanks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chassis.endpoints import SIGNED_IN, Answer, Call, endpoint
from chassis.schemas import Page
from groups.asks import model
from groups.asks.schemas import (
    AskOpened,
    AskPatch,
    AskResolved,
    AsksPage,
    AsksQuery,
    AskView,
    NewAsk,
    NewOffer,
    OfferMade,
    OffersPage,
    OffersQuery,
    OfferView,
)
from groups.groups.model import AlreadyArchived, Group, NoSuchGroup, check_visible

NO_GROUP = "grp_"
"""The id of no group."""


class AsksApi:
    """Asks for help inside a group, and offers."""

    store: Any

    @endpoint(
        "POST",
        "/v1/groups/{group}/asks",
        body=NewAsk,
        returns=AskView,
        status=201,
        access=SIGNED_IN,
        idempotent=True,
        problems=(model.WarmUpNeeded, AlreadyArchived),
    )
    def open_ask(self, call: Call, group: str, body: dict[str, Any]) -> Answer:
        """Ask the group for help; for members who have warmed up to it."""
        self._await_attendance(call, group)
        with self.store.transaction(call) as tx:
            seen = check_visible(tx.groups.seen_by(group, call.caller.id))
            # Held, so that nothing is written of somebody who erases themselves meanwhile.
            asker = tx.people.hold(call.caller.id)
            ask = model.ask(seen, asker.id, body, _missing(tx, seen, call), call.now)
            tx.asks.add(ask)
            content = {"group": seen.reference, "person": asker.reference, "ask": ask.reference}
            tx.publish(AskOpened(content, subject=ask.id, sequence=ask.version, audience="group"))
        return Answer(_view(ask, seen, {asker.id: asker.reference}), location=f"/v1/asks/{ask.id}")

    @endpoint("GET", "/v1/groups/{group}/asks", query=AsksQuery, returns=AsksPage, access=SIGNED_IN)
    def list_asks(self, call: Call, group: str, query: dict[str, Any]) -> Page:
        """Who asks the group for help, the newest first; for members."""
        seen = check_visible(self.store.groups.seen_by(group, call.caller.id))
        model.check_member(seen)
        found = self.store.asks.of_group(seen.id, query.get("cursor"), query["limit"] + 1)
        page = Page.cut(found, query["limit"], lambda one: [one.id])
        people = _people(self.store, page.items)
        page.items = [_view(one, seen, people) for one in page.items]
        return page

    @endpoint("GET", "/v1/asks/{ask}", returns=AskView, access=SIGNED_IN)
    def read_ask(self, call: Call, ask: str) -> dict[str, Any]:
        """Read an ask; for members of its group."""
        found, group = _seen(self.store, self.store.asks.find(ask), call)
        model.check_member(group)
        return _view(found, group, _people(self.store, [found]))

    @endpoint("PATCH", "/v1/asks/{ask}", body=AskPatch, returns=AskView, access=SIGNED_IN, problems=(AlreadyArchived,))
    def change_ask(self, call: Call, ask: str, body: dict[str, Any]) -> dict[str, Any]:
        """Resolve an ask, and thank who helped, by merge patch (RFC 7396).

        The asker does both; organizers and moderators may resolve it as well. It is resolved for good.
        """
        with self.store.transaction(call) as tx:
            before, group = _seen(tx, tx.asks.find(ask), call)
            tx.asks.hold(before)
            model.check_writable(group)
            call.expect_version(before.version)
            thanked = _helpers(tx, before, group, body["thanked"] or []) if "thanked" in body else None
            status = body.get("status", before.status)
            after, newly = model.change(group, before, call.caller.id, status, thanked, call.now)
            people = _people(tx, [after])
            if after is not before:
                tx.asks.save(after)
            if model.is_told(before, after, newly) and after.person in people:
                content: dict[str, Any] = {
                    "group": group.reference,
                    "person": people[after.person],
                    "ask": after.reference,
                }
                content["thanked"] = [people[one] for one in newly if one in people]
                if after.person != call.caller.id:
                    content["by"] = call.caller.reference()
                tx.publish(AskResolved(content, subject=after.id, sequence=after.version, audience="group"))
        return _view(after, group, people)

    @endpoint(
        "POST",
        "/v1/asks/{ask}/offers",
        body=NewOffer,
        returns=OfferView,
        status=201,
        access=SIGNED_IN,
        idempotent=True,
        problems=(model.AlreadyResolved, model.OwnAsk, AlreadyArchived),
    )
    def make_offer(self, call: Call, ask: str, body: dict[str, Any]) -> dict[str, Any]:
        """Offer help; for members of the group."""
        with self.store.transaction(call) as tx:
            before, group = _seen(tx, tx.asks.find(ask), call)
            tx.asks.hold(before)
            helper = tx.people.hold(call.caller.id)
            after, offer = model.offer(group, before, helper.id, body["body"], call.now)
            tx.asks.save(after)
            tx.offers.add(offer)
            content: dict[str, Any] = {"group": group.reference, "person": helper.reference, "ask": after.reference}
            # Who asks is here: with their erasure, an ask is resolved.
            content["asker"] = tx.people.references([after.person])[after.person]
            tx.publish(OfferMade(content, subject=after.id, sequence=after.version, audience="group"))
        return _offer_view(offer, {helper.id: helper.reference})

    @endpoint("GET", "/v1/asks/{ask}/offers", query=OffersQuery, returns=OffersPage, access=SIGNED_IN)
    def list_offers(self, call: Call, ask: str, query: dict[str, Any]) -> Page:
        """Who offers help, the first first; for members of the group."""
        found, group = _seen(self.store, self.store.asks.find(ask), call)
        model.check_member(group)
        offers = self.store.offers.of_ask(found.id, query.get("cursor"), query["limit"] + 1)
        page = Page.cut(offers, query["limit"], lambda one: [one.id])
        people = self.store.people.references({one.person for one in page.items if one.person})
        page.items = [_offer_view(one, people) for one in page.items]
        return page

    def _await_attendance(self, call: Call, group: str) -> None:
        """Where a member lacks nothing but events, what they have just been to may not have been heard of yet."""
        seen = self.store.groups.seen_by(group, call.caller.id)
        if seen is None or seen.role is None or not seen.ask_after["events"]:
            return
        if _missing(self.store, seen, call)[0] == 0:
            call.soon(lambda: _missing(self.store, seen, call)[1] == 0)


def _missing(store: Any, group: Group, call: Call) -> tuple[int, int]:
    """How many days and events the caller, if they are in the group, still misses before they may ask."""
    membership = store.members.find(group.id, call.caller.id) if group.role else None
    if membership is None:
        return 0, 0
    attended = store.attendances.count(group.id, call.caller.id, group.ask_after["events"])
    return model.remaining(group.ask_after, membership.joined_at, attended, call.now)


def _seen(store: Any, ask: model.Ask | None, call: Call) -> tuple[model.Ask, Group]:
    """An ask and its group, if the caller may know of it. Raises NoSuchAsk, which takes the same steps for what is not there."""
    group = store.groups.seen_by(ask.group if ask else NO_GROUP, call.caller.id)
    try:
        visible = check_visible(group)
    except NoSuchGroup:
        raise model.NoSuchAsk() from None
    assert ask is not None
    return ask, visible


def _helpers(tx: Any, ask: model.Ask, group: Group, handles: list[str]) -> list[str]:
    """The ids of the people with these handles who are in the group or made an offer. Raises Invalid."""
    known = tx.people.ids_of(handles)
    helpers = tx.offers.made_by(ask.id, list(known.values()))
    helpers |= {
        one for one, viewer in tx.members.of_people(group.id, known.values()).items() if viewer.status == "active"
    }
    return [
        model.helper(number, handle, known.get(handle) if known.get(handle) in helpers else None, ask.person or "")
        for number, handle in enumerate(handles)
    ]


def _people(store: Any, asks: Iterable[model.Ask]) -> dict[str, dict[str, str]]:
    """How those who ask, and whom they thank, are called, by id."""
    wanted = {one for ask in asks for one in (ask.person, *ask.thanked) if one is not None}
    found: dict[str, dict[str, str]] = store.people.references(wanted)
    return found


def _view(ask: model.Ask, group: Group, people: dict[str, dict[str, str]]) -> dict[str, Any]:
    view: dict[str, Any] = {name: getattr(ask, name) for name in model.Ask.__slots__}
    view |= {"group": group.reference, "person": people.get(ask.person or "")}
    view["thanked"] = [people[one]["handle"] for one in ask.thanked if one in people]
    return view


def _offer_view(offer: model.Offer, people: dict[str, dict[str, str]]) -> dict[str, Any]:
    return {
        "id": offer.id,
        "ask": offer.ask,
        "person": people.get(offer.person or ""),
        "body": offer.body,
        "created_at": offer.created_at,
    }
