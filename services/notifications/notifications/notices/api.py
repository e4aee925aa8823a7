"""Listens to what happens and posts a notice of it; nothing here depends on how many will read it."""

from __future__ import annotations

from typing import Any, cast

from chassis.messages import Audience, Received
from chassis.subscriptions import subscribe
from notifications.notices import model
from notifications.notices.model import Notice
from notifications.notices.schemas import EventData, JoinedData, NoticePosted, PromotedData


class NoticesApi:
    """Subscriptions only: what is posted is read in the inbox."""

    store: Any

    @subscribe("groups.member.joined.v1", data=JoinedData)
    def tell_joined(self, message: Received) -> None:
        """Tell the organizers who joined."""
        data = message.data
        notice = model.member_joined(data["group"], data["person"], data["role"], data["by"], message.time)
        self._post(message, notice, about=data["person"]["id"])

    @subscribe("events.event.scheduled.v1", data=EventData)
    def tell_scheduled(self, message: Received) -> None:
        """Tell the members what there is to come to."""
        data = message.data
        self._post(message, model.event_scheduled(data["group"], data["event"], data["by"], message.time))

    @subscribe("events.event.changed.v1", data=EventData)
    def tell_changed(self, message: Received) -> None:
        """Tell those who answered what is different now."""
        data = message.data
        changed = model.event_changed(data["group"], data["event"], data["changed"], data["by"], message.time)
        self._post(message, changed)

    @subscribe("events.event.cancelled.v1", data=EventData)
    def tell_cancelled(self, message: Received) -> None:
        """Tell those who answered not to come."""
        data = message.data
        cancelled = model.event_cancelled(data["group"], data["event"], data["reason"], data["by"], message.time)
        self._post(message, cancelled)

    @subscribe("events.rsvp.promoted.v1", data=PromotedData)
    def tell_promoted(self, message: Received) -> None:
        """Tell the person that the seat is theirs."""
        data = message.data
        person = data["person"]["id"]
        self._post(message, model.rsvp_promoted(data["group"], data["event"], person, message.time), about=person)

    def _post(self, message: Received, notice: Notice | None, about: str | None = None) -> None:
        """Post a notice, if there is one and the person that it is `about` has not erased themselves."""
        try:
            with self.store.transaction(message) as tx:
                if notice is None or (about and tx.forgotten.has(about)):
                    return
                tx.notices.add(notice)
                tx.publish(NoticePosted(notice, subject=notice.id, sequence=1, audience=_audience(message, notice)))
        finally:
            if about and self.store.forgotten.has(about):  # meanwhile: see Forgotten
                self.store.notices.forget(about)


def _audience(message: Received, notice: Notice) -> Audience:
    """Who may know that it was posted: who may know what it tells of, or fewer where fewer are told."""
    match notice.audience.kind:
        case "person":
            return "person"
        case "organizers":
            return "group"
        case _:
            return cast(Audience, message.audience) if message.audience in ("public", "group", "person") else "group"
