"""Scheduling, changing, cancelling and extending series: what is done to several events at once."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from chassis.endpoints import ANYONE, Call, endpoint
from chassis.problems import Invalid, NotFound
from chassis.timers import Tick, every
from events.events import model as events
from events.events.model import Event, Host
from events.events.schemas import EventCancelled, EventChanged, EventScheduled
from events.events.store import Wanted
from events.groups.model import STRANGER, Group, see_group
from events.rsvps.api import ask_again, fill, views
from events.series import model
from events.series.model import ALL, FOLLOWING, Series
from events.series.schemas import Series as SeriesView

SECONDS = 15
MOST_DUE = 500
"""How many series are extended in one go; the next go has the rest."""
SHOWN = 20

By = dict[str, str] | None


class SeriesApi:
    """Events that repeat."""

    store: Any

    @endpoint("GET", "/v1/series/{series}", returns=SeriesView, access=ANYONE)
    def read_series(self, call: Call, series: str) -> dict[str, Any]:
        """Read a series, with its next events."""
        found, sees_all = find_series(self.store, call, series)
        wanted = Wanted(call.now, limit=SHOWN, series=series, group=found.group_id)
        coming = self.store.events.of_group(wanted, all_of_them=sees_all)[:SHOWN]
        return as_seen(found, self.store.groups.find(found.group_id), views(self.store, call, coming))

    @every(SECONDS)
    def extend_series(self, tick: Tick) -> None:
        """Make the occurrences whose time has come, once: the claim, the events and their messages are one transaction."""
        due = self.store.series.due(tick.now, MOST_DUE)
        random.shuffle(due)  # so that processes do not go from one to the next together, in each other's way
        for series in due:
            self._extend(series, tick)

    def _extend(self, series: str, tick: Tick) -> None:
        with self.store.transaction(tick) as tx:
            found = tx.series.take_turn(series)
            if found is None or found.extend_at is None or found.extend_at > tick.now:
                # Another process extended it, or it was changed or ended meanwhile.
                tx.rollback()
                return
            # Held, so that a change of the group meanwhile does not miss the new events.
            group = tx.groups.hold(found.group_id)
            if group is None or group.archived:
                found.end(tick.now)
            else:
                _add(tx, model.grow(found, group, tick.now), tick, None, lambda _: {"told_with": found.told_with})
            tx.series.save(found)


# -- within a unit of work


def schedule(tx: Any, group: Group, first: Event, text: str, call: Call, by: By) -> tuple[Series, list[Event]]:
    """Schedule a series that begins with an event like `first`, which is not kept itself. Raises Invalid."""
    series = model.found(group, first, text, call.now)
    made = model.grow(series, group, call.now, first=True)
    if not made:
        raise Invalid.at("/recurrence", "It has no time at all from starts_at on.")
    series.told_with = made[0].id
    tx.series.add(series)
    recurrence = series.rule.written(series.time_zone)
    _add(tx, made, call, by, _together(made, recurrence=recurrence))
    return series, made


def repeat(tx: Any, event: Event, text: str, call: Call, by: By) -> None:
    """Have an event be the first of a new series. Raises Invalid."""
    group = tx.groups.hold(event.group_id)
    series, others = model.repeat(group, event, text, call.now)
    tx.series.add(series)
    _add(tx, others, call, by, lambda _: {"told_with": event.id})


def change(
    tx: Any, target: Event, apply: str, wanted: dict[str, Any], hosts: Sequence[Host] | None, call: Call, by: By
) -> Event:
    """Change the occurrences of the target's series that `apply` means; the target as it is then.

    Raises Invalid, AlreadyCancelled, EventOver.
    """
    if not wanted:
        tx.rollback()
        return target
    series = tx.series.take_turn(target.series)
    group = tx.groups.hold(target.group_id)
    if apply == FOLLOWING and target.number > 0:
        old, series = series, model.split(series, target, call.now)
        tx.series.save(old)
        tx.series.add(series)
        tx.events.cut_series(old.id, target, series.id)
        target.series, target.number = series.id, 0
        target.next_version()
    target, coming, cancelled = _coming(tx, series, target, call)
    room = target.capacity
    plan = model.change(series, group, target, coming, cancelled, wanted, hosts, call.now)
    tx.series.save(series)
    changed = [(event, names) for event, names in plan.changed if names]
    tell_changed(tx, changed, call, by, target)
    ask_again(tx, plan.moved, call.now)
    tx.events.save_all([*(event for event, _ in plan.changed), *cancelled])
    cancel_all(tx, plan.dropped, "The series takes place at other times now.", call, by)
    _add(tx, plan.made, call, by, lambda _: {"told_with": series.told_with})
    if target.capacity != room and not target.cancelled:
        # Those of the others are promoted by message: see RsvpsApi.fill_seats.
        fill(tx, target, call.now)
    return target


def cancel(tx: Any, target: Event, apply: str, reason: str | None, call: Call, by: By) -> Event:
    """Cancel the occurrences of the target's series that `apply` means, and make no more of them; the target then.

    Raises AlreadyCancelled, EventOver.
    """
    series = tx.series.take_turn(target.series)
    target, coming, _ = _coming(tx, series, target, call)
    if apply == ALL or target.number == 0:
        series.end(call.now)
    else:
        model.truncate(series, target, call.now)
        assert target.occurrence is not None
        coming = [event for event in coming if event.occurrence and event.occurrence >= target.occurrence]
    tx.series.save(series)
    cancel_all(tx, coming, reason, call, by, target)
    return target


def end_all(tx: Any, group: str, cause: Any) -> None:
    """Have no series of a group make any more occurrences."""
    growing = tx.series.growing_of_group(group)
    for series in growing:
        series.end(cause.now)
    tx.series.save_all(growing)


def unhost_all(tx: Any, group: str, person: str, message: Any) -> None:
    """Have no series of a group name a person as a host of what is to come, who was named before this message."""
    hosted = [one for one in tx.series.growing_of_group(group) if one.unhost(person, message.sequence, message.now)]
    tx.series.save_all(hosted)


def _coming(tx: Any, series: Series, target: Event, call: Call) -> tuple[Event, list[Event], list[Event]]:
    """The target, all occurrences that are to come and the target, and those cancelled that would come; each in its turn."""
    found = tx.events.take_turns_of_series(series.id, call.now)
    target = next((event for event in found if event.id == target.id), target)
    coming = [event for event in found if not event.cancelled]
    if all(event is not target for event in coming):
        # It has begun; or it is cancelled, which then is refused.
        coming.insert(0, target)
    return target, coming, [event for event in found if event.cancelled and event is not target]


def _add(tx: Any, made: Sequence[Event], cause: Any, by: By, about: Callable[[Event], dict[str, Any]]) -> None:
    tx.events.add_all(made)
    for event in made:
        tx.publish(EventScheduled.of(event, cause, by, **about(event)))


def tell_changed(
    tx: Any, changed: Sequence[tuple[Event, list[str]]], cause: Any, by: By, lead: Event | None = None
) -> None:
    """Tell of several changed events, each with the names of its fields that are different; people once for a series."""
    about = _together([event for event, _ in changed], lead)
    for event, names in changed:
        tx.publish(EventChanged.of(event, names, cause, by, **about(event)))


def cancel_all(
    tx: Any, several: Sequence[Event], reason: str | None, cause: Any, by: By, lead: Event | None = None
) -> None:
    """Cancel several events, and tell of each; people once for a series. Raises AlreadyCancelled, EventOver."""
    about = _together(several, lead)
    for event in several:
        events.cancel(event, reason, cause.now)
        tx.publish(EventCancelled.of(event, cause, by, **about(event)))
    tx.events.save_all(several)


def _together(several: Sequence[Event], lead: Event | None = None, **of_lead: Any) -> Callable[[Event], dict[str, Any]]:
    """What the message of each of several events says of the others of its series: people are told once, by the lead's.

    That is the first of its series, unless the `lead` is of it.
    """
    kin: dict[str, list[Event]] = {}
    for event in several:
        kin.setdefault(event.series or event.id, []).append(event)

    def about(event: Event) -> dict[str, Any]:
        its = kin[event.series or event.id]
        first = next((one for one in its if one is lead), its[0])
        if event is not first:
            return {"told_with": first.id}
        return {**of_lead, **({"tells_of": [one.id for one in its]} if len(its) > 1 else {})}

    return about


# -- finding and showing


def find_series(store: Any, call: Call, series: str) -> tuple[Series, bool]:
    """The series, waiting a little for it or for what lets the caller see it, and whether all of it. Raises NotFound."""
    found: list[Any] = [None, None, STRANGER]

    def look() -> bool:
        found[0] = store.series.find(series)
        if found[0] is not None:
            found[1] = store.groups.find(found[0].group_id)
            found[2] = store.memberships.get(found[0].group_id, call.person.id if call.person else None)
        return found[1] is not None and (is_open(found[0], found[1]) or found[2].active)

    if call.person is None:
        look()
    else:
        call.soon(look)
    kept, group, membership = found
    if kept is None or not (membership.active or is_open(kept, see_group(group, membership))):
        raise NotFound("There is no such series.")
    return kept, membership.active


def is_open(series: Series, group: Group) -> bool:
    """Whether everybody may see it."""
    return bool(series.said["visibility"] == "public") and group.visibility != "private"


def as_seen(series: Series, group: Group, occurrences: list[dict[str, Any]]) -> dict[str, Any]:
    """The series as somebody sees it who sees these of its events."""
    return {
        "id": series.id,
        "group": {"id": group.id, "slug": group.slug, "name": group.name},
        "title": series.said["title"],
        "recurrence": series.rule.written(series.time_zone),
        "starts_at_local": series.starts_at_local,
        "ends_at_local": series.starts_at_local + series.lasts,
        "time_zone": series.time_zone,
        "ended": series.ended,
        "occurrences": occurrences,
        "version": series.version,
    }
