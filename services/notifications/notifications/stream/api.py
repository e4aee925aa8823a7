"""Where people hear live what comes into their inbox. Each thing is read as the inbox reads it, when it is told."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from chassis.endpoints import ANYONE, SIGNED_IN, Call, Stream, endpoint, to_json
from chassis.problems import MalformedRequest
from notifications.inbox.api import view_of, views_of
from notifications.inbox.schemas import InboxItem, is_notice
from notifications.stream.model import TICKET_LIFETIME, topics_for, topics_of
from notifications.stream.schemas import Listeners, Onwards, Redeeming, StreamQuery, Ticket

PAGE = 100
"""How many notices are told at a time, to one person or to all."""

_ITEM = InboxItem()


class StreamApi:
    """The stream of whoever calls, and what the gateway asks to keep it going."""

    store: Any

    @endpoint(
        "GET",
        "/v1/stream",
        query=StreamQuery,
        access=SIGNED_IN,
        stream=Stream("notice", follow="follow_stream", topics="name_topics", ticket="redeem_ticket"),
    )
    def open_stream(self, call: Call, query: dict[str, Any]) -> dict[str, Any]:
        """Listen to what comes into the inbox, as it comes: Server-Sent Events.

        Each is an event `notice` with the notice's `id` and, as `data`, what `GET /v1/inbox` shows of it. Who comes back
        with `Last-Event-ID` hears first what they missed after it, each notice once and in order; without it the stream
        begins now. A comment comes every 15 seconds. The stream ends when the session or the token does, or when its
        server is renewed: come back then.
        """
        last = self.store.posting.last()
        after = min(_place(call.last_event_id), last) if call.last_event_id is not None else last
        person = call.caller.id
        # Who joins a group while this is read may miss its notices after `last`: they, and all after them, come with the next.
        found = [
            one
            for one in self.store.inbox.oldest(view_of(self.store, person, after=after), PAGE + 1)
            if one["_id"] <= last
        ]
        more = len(found) > PAGE
        reader = self.store.readers.get(person)
        items = [{"id": one["_id"], "data": _text(one, reader.has_read(one["_id"]))} for one in found[:PAGE]]
        return {
            "topics": topics_of(person, self.store.standings.of(person)),
            "items": items,
            "after": items[-1]["id"] if more else last,
            "more": more,
        }

    @endpoint("POST", "/internal/stream/follow", body=Onwards, access=ANYONE, internal=True)
    def follow_stream(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """What was posted after one notice, up to another one, and for which of these people: for the gateway."""
        last = self.store.posting.last()
        if body["after"] is None:
            return {"until": last, "more": False, "topics": [], "items": []}
        found = self.store.notices.between(body["after"], body["until"] or last, PAGE + 1)
        more = len(found) > PAGE
        page = found[:PAGE]
        return {
            "until": page[-1]["_id"] if more else body["until"] or max(last, body["after"]),
            "more": more,
            "topics": sorted({topic for one in page for topic in _topics(one)}),
            "items": list(self._told(page, body["people"])) if body["people"] else [],
        }

    @endpoint("POST", "/internal/stream/topics", body=Listeners, access=ANYONE, internal=True)
    def name_topics(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """What each of these people waits for: for the gateway."""
        found = self.store.standings.of_all(body["people"])
        return {"topics": {person: topics_of(person, standings) for person, standings in found.items()}}

    @endpoint("POST", "/v1/stream/tickets", returns=Ticket, status=201, access=SIGNED_IN, scope="read", idempotent=True)
    def make_ticket(self, call: Call) -> dict[str, Any]:
        """Make a ticket that opens one stream within 60 seconds, for browsers: they cannot send `Authorization` there."""
        secret = secrets.token_urlsafe(32)
        caller = asdict(call.caller) | {"scopes": sorted(call.caller.scopes)}
        with self.store.transaction(call) as tx:
            tx.tickets.add(secret, caller, call.now + TICKET_LIFETIME)
        return {"ticket": secret, "expires_in": TICKET_LIFETIME.seconds}

    @endpoint("POST", "/internal/stream/ticket", body=Redeeming, access=ANYONE, internal=True)
    def redeem_ticket(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Who a ticket lets in, this once: for the gateway."""
        return {"caller": self.store.tickets.take(body["ticket"], call.now)}

    def _told(self, notices: list[dict[str, Any]], people: list[str]) -> Iterable[dict[str, Any]]:
        """Each notice as it is to be told, with those of these people who see it."""
        groups = {one["group"]["id"] for one in notices if one["group"]}
        views = views_of(self.store, people, about=groups).values()
        readers = self.store.readers.who_read(people, [one["_id"] for one in notices])
        for notice in notices:
            seen_by = [view.person for view in views if view.shows(notice)]
            for read in (False, True):
                if some := [one for one in seen_by if _has_read(readers, one, notice["_id"]) == read]:
                    yield {"id": notice["_id"], "data": _text(notice, read), "people": some}


def _topics(notice: Mapping[str, Any]) -> list[str]:
    told, group = notice["audience"], notice["group"]
    return topics_for([told] if isinstance(told, str) else told, group["id"] if group else None)


def _has_read(readers: Mapping[str, Any], person: str, notice: str) -> bool:
    return person in readers and readers[person].has_read(notice)


def _text(notice: Mapping[str, Any], read: bool) -> str:
    return to_json(_ITEM.dump({**notice, "read": read})).decode()


def _place(last_event_id: str) -> str:
    if not is_notice(last_event_id):
        raise MalformedRequest("Last-Event-ID: not the id of a notice.")
    return last_event_id
