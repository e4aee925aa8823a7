"""Scheduling, finding, reading, changing and cancelling events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chassis.endpoints import ANYONE, SIGNED_IN, Answer, Call, endpoint
from chassis.problems import AuthenticationRequired, Invalid
from chassis.schemas import Page
from chassis.timers import Tick, every
from events.events import model
from events.events.model import AlreadyCancelled, EventOver, Host
from events.events.schemas import (
    ApplyQuery,
    Cancellation,
    Event,
    EventCancelled,
    EventChange,
    EventChanged,
    EventPage,
    EventScheduled,
    EventsQuery,
    NewEvent,
)
from events.events.store import Wanted, place
from events.events.zones import rules_version
from events.groups.model import STRANGER, Group, GroupArchived, Membership, lead_group, see_group
from events.rsvps.api import ask_again, fill, find_soon, views, who_sees_it
from events.series import api as series
from events.series.model import THIS
from events.series.schemas import EventOrSeries


class EventsApi:
    """Get-togethers of groups."""

    store: Any

    @endpoint(
        "POST",
        "/v1/groups/{group}/events",
        body=NewEvent,
        returns=EventOrSeries,
        status=201,
        access=SIGNED_IN,
        idempotent=True,
        problems=(GroupArchived,),
    )
    def schedule_event(self, call: Call, group: str, body: dict[str, Any]) -> Answer:
        """Schedule an event of a group, or with a `recurrence` a series; for its organizers and moderators.

        The events of a series are events like any other: answered, changed and cancelled one by one, or several at once
        (`apply`).
        """
        person, handles = call.caller, body.get("hosts", [])
        call.soon(lambda: self._leads(group, person.id) and self._all_members(group, handles))
        with self.store.transaction(call, turn=group) as tx:
            found = tx.groups.find(group)
            membership = tx.memberships.get(found.id, person.id) if found else STRANGER
            found = lead_group(found, membership)
            hosts = _hosts(tx, found.id, handles) or [Host(person.id, person.handle, membership.sequence)]
            # Held, so that a change of the group meanwhile does not miss this event.
            found = tx.groups.hold(found.id)
            event = model.schedule(found, person.id, _wanted(body), hosts, call.now)
            text = body.get("recurrence")
            if text is not None:
                made, occurrences = series.schedule(tx, found, event, text, call, person.reference())
            else:
                tx.events.add(event)
                tx.publish(EventScheduled.of(event, call, person.reference()))
        if text is None:
            return Answer(model.as_seen(event, call.now, person.id), location=f"/v1/events/{event.id}")
        shown = [model.as_seen(one, call.now, person.id) for one in occurrences[: series.SHOWN]]
        return Answer(series.as_seen(made, found, shown), location=f"/v1/series/{made.id}")

    @endpoint("GET", "/v1/events", query=EventsQuery, returns=EventPage, access=ANYONE)
    def list_events(self, call: Call, query: dict[str, Any]) -> Page:
        """Find events, in order of start.

        Those that everybody may find: public ones of public groups; and those of the caller's own groups. With `group`,
        or `series`, all of it that the caller may see; cancelled ones too, so that nobody misses that they are.
        """
        wanted = _wanted_of(query, call)
        if query.get("mine"):
            found = self._mine(call, query, wanted)
        elif "series" in query:
            found = self._of_series(call, query, wanted)
        elif "group" in query:
            found = self._of_group(call, query["group"], wanted)
        else:
            found = self.store.events.listed(
                wanted, self.store.memberships.groups_of(call.person.id) if call.person else ()
            )
        page = Page.cut(found, query["limit"], place)
        page.items = views(self.store, call, page.items)
        return page

    @endpoint("GET", "/v1/events/{event}", returns=Event, access=ANYONE)
    def read_event(self, call: Call, event: str) -> dict[str, Any]:
        """Read an event."""
        found, membership = find_soon(self.store, call, event, who_sees_it)
        return views(self.store, call, [model.see(found, membership)])[0]

    @endpoint(
        "PATCH",
        "/v1/events/{event}",
        body=EventChange,
        query=ApplyQuery,
        returns=Event,
        access=SIGNED_IN,
        problems=(AlreadyCancelled, EventOver, GroupArchived),
    )
    def change_event(self, call: Call, event: str, query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Change an event; for organizers and moderators of its group, and its hosts.

        A JSON merge patch (RFC 7396). Raising the capacity promotes as many from the waitlist as fit; lowering it
        removes nobody.

        In a series, `apply=all` changes all events that are to come and `following` this one and those after it, which
        are a series of their own then. Another `starts_at` moves all of them by as much on the wall clock. Answers stay
        with events whose start did not change; of those that move they are taken back, and asked for again. What was
        changed of one event alone stays, unless the change says something else.
        """
        person = call.caller
        await_right(self.store, call, event)
        with self.store.transaction(call) as tx:
            found = taken(tx, event, person.id)
            call.expect_version(found.version)
            hosts = _hosts(tx, found.group_id, body["hosts"]) if "hosts" in body else None
            wanted, apply = _wanted(body), query["apply"]
            if found.series is not None and apply != THIS:
                wanted |= {name: body[name] for name in ("recurrence",) if name in body}
                found = series.change(tx, found, apply, wanted, hosts, call, person.reference())
            elif not change(tx, found, wanted, hosts, body.get("recurrence"), call):
                tx.rollback()
        return views(self.store, call, [found])[0]

    @endpoint(
        "POST",
        "/v1/events/{event}/cancellation",
        body=Cancellation,
        query=ApplyQuery,
        returns=Event,
        access=SIGNED_IN,
        idempotent=True,
        problems=(AlreadyCancelled, EventOver),
    )
    def cancel_event(self, call: Call, event: str, query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
        """Cancel an event; for organizers and moderators of its group, and its hosts. It stays readable.

        In a series `apply=following` ends the series before it, and `all` cancels all that are to come.
        """
        person = call.caller
        await_right(self.store, call, event)
        with self.store.transaction(call) as tx:
            found = taken(tx, event, person.id)
            reason, apply = body.get("reason") or None, query["apply"]
            if found.series is not None and apply != THIS:
                found = series.cancel(tx, found, apply, reason, call, person.reference())
            else:
                cancel(tx, found, reason, call, person.reference())
        return views(self.store, call, [found])[0]

    @every(3600)
    def follow_the_clocks(self, tick: Tick) -> None:
        """Have coming events follow the wall clock where a newer time zone database has other rules for their zones."""
        while older := self.store.events.by_other_rules(rules_version(), tick.now, 500):
            for event in older:
                self._follow_the_clock(event, tick)

    def _follow_the_clock(self, event: str, tick: Tick) -> None:
        with self.store.transaction(tick) as tx:
            found = tx.events.take_turn(event)
            if found is None or found.rules >= rules_version():
                tx.rollback()
                return
            changed = model.follow_the_clock(found, tick.now)
            tx.events.save(found)
            if changed and not found.cancelled:
                tx.publish(EventChanged.of(found, changed, tick, None))

    # -- who may

    def _leads(self, group: str, person: str) -> bool:
        found = self.store.groups.find(group)
        return found is not None and self.store.memberships.get(found.id, person).leads

    def _all_members(self, group: str, handles: Sequence[str]) -> bool:
        if not handles:
            return True
        found = self.store.groups.find(group)
        people = self.store.people.by_handles(handles)
        members = self.store.memberships.of(found.id, people.values())
        return len(people) == len(set(handles)) and all(one.active for one in members.values())

    # -- lists

    def _of_group(self, call: Call, group: str, wanted: Wanted) -> list[model.Event]:
        seen, membership = group_soon(self.store, call, group)
        wanted.group = seen.id
        listed: list[model.Event] = self.store.events.of_group(wanted, all_of_them=membership.active)
        return listed

    def _of_series(self, call: Call, query: dict[str, Any], wanted: Wanted) -> list[model.Event]:
        found, sees_all = series.find_series(self.store, call, query["series"])
        if "group" in query:
            group = self.store.groups.find(query["group"])
            wanted.group = group.id if group else ""
        wanted.group = wanted.group or found.group_id
        listed: list[model.Event] = self.store.events.of_group(wanted, all_of_them=sees_all)
        return listed

    def _mine(self, call: Call, query: dict[str, Any], wanted: Wanted) -> list[model.Event]:
        if call.person is None:
            raise AuthenticationRequired("Sign in to see what is yours.")
        if "group" in query:
            group = self.store.groups.find(query["group"])
            wanted.group = group.id if group else ""
        me = call.person.id
        answered = self.store.rsvps.may_come_to(me)
        mine: list[model.Event] = self.store.events.mine(me, answered, wanted, self.store.memberships.groups_of(me))
        return mine


def change(
    tx: Any, event: model.Event, wanted: dict[str, Any], hosts: Sequence[Host] | None, text: str | None, call: Call
) -> list[str]:
    """Change one event within a unit of work, and tell of it; `text` is the rule by which it is to repeat from now on.

    Returns the names of what is different. Raises Invalid, AlreadyCancelled, EventOver.
    """
    if text is not None and event.series is not None:
        raise Invalid.at("/recurrence", "It is the whole series': say apply=following or apply=all.")
    by, start = call.caller.reference(), event.starts_at
    changed = model.change(event, wanted, hosts, call.now)
    if text is not None:
        series.repeat(tx, event, text, call, by)
        if not changed:
            event.revise(call.now)
        changed = [*changed, "recurrence"]
    if not changed:
        return changed
    tx.publish(EventChanged.of(event, changed, call, by))
    if event.series is not None and event.starts_at != start:
        ask_again(tx, [event], call.now)
    tx.events.save(event)
    fill(tx, event, call.now)
    return changed


def cancel(tx: Any, event: model.Event, reason: str | None, cause: Any, by: dict[str, str] | None) -> None:
    """Cancel an event within a unit of work, and tell of it. Raises AlreadyCancelled, EventOver."""
    model.cancel(event, reason, cause.now)
    tx.events.save(event)
    tx.publish(EventCancelled.of(event, cause, by))


def group_soon(store: Any, call: Call, group: str) -> tuple[Group, Membership]:
    """A group that the caller may know of and their membership, waiting a little for both. Raises NotFound."""
    me = call.person.id if call.person else None
    found: list[Any] = [None, STRANGER]

    def look() -> bool:
        found[0] = store.groups.find(group)
        if found[0] is not None:
            found[1] = store.memberships.get(found[0].id, me)
        return found[0] is not None and (found[0].visibility != "private" or found[1].active)

    call.soon(look)
    return see_group(found[0], found[1]), found[1]


def await_right(store: Any, call: Call, event: str) -> None:
    """Wait a little for what gives the caller the right to change an event, if they do not have it yet."""
    person = call.caller.id

    def runs() -> bool:
        found = store.events.find(event)
        if found is None:
            return False
        membership = store.memberships.get(found.group_id, person)
        return membership.leads or (membership.active and found.hosted_by(person))

    call.soon(runs)


def taken(tx: Any, event: str, person: str) -> model.Event:
    """The event in its turn, if the person may change it. Raises NotFound, NotAllowed."""
    found = tx.events.take_turn(event)
    membership = tx.memberships.get(found.group_id, person) if found else STRANGER
    return model.run(found, membership, person)


def _wanted(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name in model.CHANGEABLE}


def _wanted_of(query: dict[str, Any], call: Call) -> Wanted:
    return Wanted(
        since=query.get("since", call.now),
        to=query.get("to"),
        after=query.get("cursor"),
        limit=query["limit"],
        interests=query.get("interest", ()),
        near=query.get("near"),
        within_km=query["within_km"],
        kind=query.get("kind"),
        series=query.get("series"),
    )


def _hosts(tx: Any, group: str, handles: Sequence[str]) -> list[Host]:
    """The hosts with these handles, each once. Raises Invalid for who is not a member of the group."""
    people = tx.people.by_handles(handles)
    members = tx.memberships.of(group, people.values())
    strange = [
        {"pointer": f"/hosts/{number}", "detail": f"There is no member called {handle}."}
        for number, handle in enumerate(handles)
        if handle not in people or not members[people[handle]].active
    ]
    if strange:
        raise Invalid(errors=strange)
    return [Host(people[handle], handle, members[people[handle]].sequence) for handle in dict.fromkeys(handles)]
