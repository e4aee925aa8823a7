"""Where people read their notices: newest first, how many are new, and what they have read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.schemas import Page
from notifications.audiences.model import Kind as AudienceKind
from notifications.audiences.model import Standing, audiences_of, left_groups
from notifications.inbox import model
from notifications.inbox.model import Reader, View
from notifications.inbox.schemas import InboxPage, InboxQuery, ReadMark, Summary
from notifications.notices.model import KINDS
from notifications.preferences.model import Preferences


class InboxApi:
    """The inbox of whoever calls."""

    store: Any

    @endpoint("GET", "/v1/inbox", query=InboxQuery, returns=InboxPage, access=SIGNED_IN)
    def read_inbox(self, call: Call, query: dict[str, Any]) -> Page:
        """List notices, newest first.

        They are the caller's own, those of their groups and of the events they answered, each since they belong there.
        Who left a group sees what it was told no more; who left a private group, nothing that concerns it, but that
        they were removed. Nobody is told of their own doing.
        """
        reader = self.store.readers.get(call.caller.id)
        view = view_of(
            self.store,
            call.caller.id,
            unread_of=reader if query["unread"] else None,
            kind=query.get("kind"),
            group=query.get("group"),
        )
        before = query["cursor"][0] if "cursor" in query else None
        found = self.store.inbox.newest(view, before, query["limit"] + 1)
        items = [{**notice, "read": reader.has_read(notice["_id"])} for notice in found]
        return Page.cut(items, query["limit"], lambda last: [last["_id"]])

    @endpoint("GET", "/v1/inbox/summary", returns=Summary, access=SIGNED_IN)
    def sum_up_inbox(self, call: Call) -> dict[str, int]:
        """Count unread notices, up to 1,000."""
        view = view_of(self.store, call.caller.id, unread_of=self.store.readers.get(call.caller.id))
        return {"unread": self.store.inbox.count(view, model.MOST_COUNTED)}

    @endpoint("POST", "/v1/inbox/read", body=ReadMark, status=204, access=SIGNED_IN)
    def mark_read(self, call: Call, body: dict[str, Any]) -> None:
        """Mark notices as read.

        Ids that are not in the caller's inbox are passed over without a word, as are those that were read before. What
        `up_to` covers stays read.
        """
        seen = self.store.inbox.among(view_of(self.store, call.caller.id), body["ids"]) if "ids" in body else []
        with self.store.transaction(call) as tx:
            reader = tx.readers.get(call.caller.id)
            if "up_to" in body:
                tx.readers.save(model.read_up_to(reader, body["up_to"], call.now))
            else:
                tx.readers.save(model.read(reader, seen))


def view_of(
    store: Any,
    person: str,
    *,
    unread_of: Reader | None = None,
    kind: str | None = None,
    group: str | None = None,
    after: str = "",
    silent: Callable[[Preferences], Iterable[str]] = Preferences.not_in_inbox,
) -> View:
    """What a person sees of all notices just now: of one kind or group (id or slug), or what is unread, only if given.

    `after` leaves out all up to a notice; `silent` says which kinds they do not want there; by default, which they do not
    want in their inbox. Whether they see a notice, as it is kept, says `view_of(store, person).shows(notice)`.
    """
    groups = store.groups.named(group) if group is not None else None
    views = views_of(store, [person], silent=silent, among=groups, audience=KINDS[kind].audience if kind else None)
    return replace(
        views[person], groups=tuple(groups) if groups is not None else None, kind=kind, unread_of=unread_of, after=after
    )


def views_of(
    store: Any,
    people: Collection[str],
    *,
    silent: Callable[[Preferences], Iterable[str]] = Preferences.not_in_inbox,
    among: Collection[str] | None = None,
    audience: AudienceKind | None = None,
    about: Collection[str] | None = None,
) -> dict[str, View]:
    """What each of these people sees of all notices just now, in as many queries as it takes for one.

    Of some groups or one kind of audience alone if given. With `about` nothing is read of other groups than these, and the
    views hold only for notices that concern one of them, or none.
    """
    preferences = store.preferences.of(people)
    standings = store.standings.of_all(people, about)
    private = store.groups.private({group for own in standings.values() for group in left_groups(own)})
    return {
        person: _view(preferences[person], own, private, silent, among, audience) for person, own in standings.items()
    }


def _view(
    preferences: Preferences,
    standings: list[Standing],
    private: Collection[str],
    silent: Callable[[Preferences], Iterable[str]],
    among: Collection[str] | None,
    audience: AudienceKind | None,
) -> View:
    muted = preferences.groups_at("mute")
    belongs = [one for one in standings if one.group not in muted and (among is None or one.group in among)]
    return View(
        audiences=audiences_of(preferences.person, belongs, audience),
        person=preferences.person,
        hidden=frozenset(private).intersection(left_groups(standings)),
        muted=muted,
        highlights=preferences.groups_at("highlights"),
        silent=frozenset(silent(preferences)),
    )
