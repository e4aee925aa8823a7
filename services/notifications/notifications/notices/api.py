"""Listens to what happens and posts a notice of it; nothing here depends on how many will read it."""

from __future__ import annotations

from typing import Any, cast

from chassis.messages import Received
from chassis.subscriptions import subscribe
from chassis.timers import Tick, every
from notifications.notices import model
from notifications.notices.model import Draft, Notice, Told
from notifications.notices.posting import post, post_drafts
from notifications.notices.schemas import (
    ArchivedData,
    AskData,
    DemandData,
    DueData,
    EventData,
    JoinData,
    JoinedData,
    MemberChangedData,
    PromotedData,
    PromotionData,
    WatchData,
)


class NoticesApi:
    """Subscriptions only: what is posted is read in the inbox."""

    store: Any
    live: Any

    # -- groups and who is in them

    @subscribe("groups.group.archived.v1", data=ArchivedData)
    def tell_archived(self, message: Received) -> None:
        """Tell the members that their group has come to its end."""
        data = message.data
        self._post(message, model.group_archived(data["group"], data["by"], message.time))

    @subscribe("groups.member.joined.v1", data=JoinedData)
    def tell_joined(self, message: Received) -> None:
        """Tell the organizers who joined."""
        data = message.data
        self._post(message, model.member_joined(data["group"], data["person"], data["role"], data["by"], message.time))

    @subscribe("groups.member.joined.v1", data=JoinedData)
    def tell_approved(self, message: Received) -> None:
        """Tell the person that they were let in, if somebody did that."""
        data = message.data
        self._post(message, model.join_approved(data["group"], data["person"]["id"], data["by"], message.time))

    @subscribe("groups.member.removed.v1", data=MemberChangedData)
    def tell_removed(self, message: Received) -> None:
        """Tell the person that they are no member any more."""
        data = message.data
        self._post(message, model.member_removed(data["group"], data["person"], data["by"], message.time))

    @subscribe("groups.member.banned.v1", data=MemberChangedData)
    def tell_banned(self, message: Received) -> None:
        """Tell the person that they cannot be a member, unless that would tell them of a group that is not for all to see."""
        data, group = message.data, message.data["group"]["id"]
        if message.audience == "public" or self.store.standings.get(data["person"], group, group).ever:
            banned = model.member_banned(data["group"], data["person"], data["by"], message.time)
        else:
            banned = None
        self._post(message, banned)

    @subscribe("groups.member.role_changed.v1", data=MemberChangedData)
    def tell_role_changed(self, message: Received) -> None:
        """Tell the person what they are in the group now."""
        data = message.data
        self._post(
            message,
            model.member_role_changed(data["group"], data["person"], data["role"], data["by"], message.time),
        )

    @subscribe("groups.join.requested.v1", data=JoinData)
    def tell_requested(self, message: Received) -> None:
        """Tell the organizers and moderators who waits to be let in."""
        data = message.data
        self._post(message, model.join_requested(data["group"], data["person"], data["answer"], message.time))

    @subscribe("groups.join.declined.v1", data=JoinData)
    def tell_declined(self, message: Received) -> None:
        """Tell the person that they were not let in."""
        data = message.data
        self._post(message, model.join_declined(data["group"], data["person"]["id"], data["by"], message.time))

    # -- finding and founding groups

    @subscribe("groups.watch.matched.v1", data=WatchData)
    def tell_matched(self, message: Received) -> None:
        """Tell the person that there is a group for what they watch for."""
        data = message.data
        self._post(message, model.watch_matched(data["group"], data["person"], data["interests"], message.time))

    @subscribe("groups.demand.risen.v1", data=DemandData)
    def tell_demand(self, message: Received) -> None:
        """Tell those who look for the same thing how many they are."""
        data = message.data
        risen = model.demand_risen(message.subject, data["interests"], data["watchers"], data["people"], message.time)
        self._post(message, risen)

    @subscribe("groups.promotion.sent.v1", data=PromotionData)
    def tell_promotion(self, message: Received) -> None:
        """Tell people of a group that they may like."""
        data = message.data
        self._post(message, model.promotion_sent(data["group"], data["text"], data["people"], message.time))

    # -- asks and offers

    @subscribe("groups.ask.opened.v1", data=AskData)
    def tell_opened(self, message: Received) -> None:
        """Tell the members who asks for help."""
        data = message.data
        self._post(message, model.ask_opened(data["group"], data["person"], data["ask"], message.time))

    @subscribe("groups.offer.made.v1", data=AskData)
    def tell_offered(self, message: Received) -> None:
        """Tell the asker who offers help."""
        data = message.data
        self._post(message, model.offer_made(data["group"], data["person"], data["ask"], data["asker"], message.time))

    @subscribe("groups.ask.resolved.v1", data=AskData)
    def tell_thanked(self, message: Received) -> None:
        """Tell those who helped that they are thanked."""
        data = message.data
        self._post(
            message, model.ask_resolved(data["group"], data["person"], data["ask"], data["thanked"] or (), message.time)
        )

    # -- events

    @subscribe("events.event.scheduled.v1", data=EventData)
    def tell_scheduled(self, message: Received) -> None:
        """Tell the members what there is to come to; of a series once."""
        data = message.data
        scheduled = model.event_scheduled(data["group"], data["event"], data["by"], message.time, data["recurrence"])
        self._post(message, None if data["told_with"] else scheduled)

    @subscribe("events.event.changed.v1", data=EventData)
    def tell_changed(self, message: Received) -> None:
        """Tell those who answered what is different now."""
        data = message.data
        changed = model.event_changed(
            data["group"], data["event"], data["changed"], data["by"], message.time, data["tells_of"]
        )
        self._post(message, None if data["told_with"] else changed)

    @subscribe("events.event.cancelled.v1", data=EventData)
    def tell_cancelled(self, message: Received) -> None:
        """Tell those who answered not to come."""
        data = message.data
        cancelled = model.event_cancelled(
            data["group"], data["event"], data["reason"], data["by"], message.time, data["tells_of"]
        )
        self._post(message, None if data["told_with"] else cancelled)

    @subscribe("events.event.due.v1", data=DueData)
    def tell_due(self, message: Received) -> None:
        """Remind those who are going."""
        data = message.data
        self._post(message, model.event_due(data["group"], data["event"], data["lead"], message.time))

    @subscribe("events.rsvp.promoted.v1", data=PromotedData)
    def tell_promoted(self, message: Received) -> None:
        """Tell the person that the seat is theirs."""
        data = message.data
        self._post(message, model.rsvp_promoted(data["group"], data["event"], data["person"]["id"], message.time))

    def _post(self, message: Received, made: Notice | None) -> None:
        """Have a notice posted, if one was made."""
        if made is None:
            with self.store.transaction(message):
                return
        post(self.store, self.live, message, Draft(made, _told(message, made), message.traceparent))

    @every(1)
    def post_left_over(self, tick: Tick) -> None:
        """Post what a process left that ended in between."""
        post_drafts(self.store, self.live)


def _told(message: Received, notice: Notice) -> Told:
    """Who may know that it was posted: who may know what it tells of, or fewer where fewer are told."""
    match notice.audience.kind:
        case "person" | "people":
            return "person"
        case "organizers" | "moderators":
            return "group"
        case _:
            return cast(Told, message.audience) if message.audience in ("public", "group", "person") else "group"
