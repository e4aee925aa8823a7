"""The rules of series: which occurrences there are, what a change of several of them is, and where a series is cut in two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from chassis.ids import new_id
from chassis.problems import Invalid
from events.events import model as events
from events.events.model import Event, Host, placed
from events.groups.model import Group
from events.series.recurrence import Rule, parse

THIS, FOLLOWING, ALL = "this", "following", "all"

AHEAD = timedelta(days=180)
"""How long before their start occurrences are made; the first one at once, whenever it is."""

MOST = 200
"""How many occurrences are made at once. There is at most one a day, so more only where another rule moved them."""

NEAR = timedelta(days=6)
"""How far the occurrences of a series move where another rule has no time for them; beyond that they do not take place."""

SAID = ("title", "description", "kind", "venue", "join_url", "capacity", "max_guests", "visibility")
"""What a series says of each of its occurrences, beside their times and hosts."""

TIMES = ("starts_at", "ends_at", "rsvp_closes_at", "time_zone")


@dataclass(slots=True)
class Series:
    """Events that repeat. Times are the wall clock's in `time_zone`, but those of the platform's own doing (UTC)."""

    id: str
    group_id: str
    created_at: datetime
    created_by: str | None
    rule: Rule
    time_zone: str
    starts_at_local: datetime
    lasts: timedelta
    closes_before: timedelta | None
    """How long before the start no more answers are taken."""
    said: dict[str, Any]
    hosts: list[Host] = field(default_factory=list)
    made: int = 0
    """How many of its times are events, or were passed over."""
    next: datetime | None = None
    """The first of its times that is not an event yet; None when there are no more."""
    extend_at: datetime | None = None
    """When that one is to be made (UTC)."""
    told_with: str | None = None
    """The event whose message told of it."""
    changed_at: datetime | None = None
    revision: int = 0
    version: int = 1

    @property
    def ended(self) -> bool:
        """Whether no more occurrences will be made."""
        return self.next is None

    def revise(self, now: datetime) -> None:
        """Count a change of what it is."""
        self.revision, self.version, self.changed_at = self.revision + 1, self.version + 1, now

    def end(self, now: datetime) -> None:
        """Make no more occurrences."""
        if self.next is not None:
            self.rule = self.rule.ending_before(self.next)
            self.next = self.extend_at = None
            self.revise(now)

    def unhost(self, person: str, sequence: int, now: datetime) -> bool:
        """Name a person as a host no more, who was named before this version of the group; whether they were."""
        staying = events.staying_hosts(self.hosts, person, sequence)
        if len(staying) == len(self.hosts):
            return False
        self.hosts = staying
        self.revise(now)
        return True

    def times(self, since: datetime, number: int) -> Iterator[tuple[int, datetime]]:
        """Its times from the one with this number on, each with its number."""
        times = enumerate(self.rule.times(since), number)
        return times if self.rule.count is None else islice(times, max(self.rule.count - number, 0))


def found(group: Group, first: Event, text: str, now: datetime) -> Series:
    """A new series by a rule (RFC 5545), whose first occurrence is like `first`, and not before it.

    Where the rule has no time on that day the first one after it is the first. Raises Invalid.
    """
    series = Series(
        id=new_id("ser"),
        group_id=group.id,
        created_at=now,
        created_by=first.created_by,
        rule=parse(text, first.time_zone),
        time_zone=first.time_zone,
        starts_at_local=first.starts_at_local,
        lasts=first.ends_at_local - first.starts_at_local,
        closes_before=_closes_before(first),
        said={name: getattr(first, name) for name in SAID},
        hosts=list(first.hosts),
    )
    _begin(series, first.starts_at_local)
    return series


def grow(series: Series, group: Group, now: datetime, *, first: bool = False) -> list[Event]:
    """The occurrences that are to be made now; `first` one at least. The series then knows what comes next."""
    return [_occurrence(series, group, number, time, now) for number, time in _due(series, now, first=first)]


def repeat(group: Group, event: Event, text: str, now: datetime) -> tuple[Series, list[Event]]:
    """Have an event that there is be the first of a new series; the series, and its further occurrences.

    Raises Invalid, where the rule has no time for the event too.
    """
    series = found(group, event, text, now)
    if series.starts_at_local != event.starts_at_local:
        raise Invalid.at("/recurrence", "The event itself must be one of its times.")
    _, *others = grow(series, group, now, first=True)
    event.series, event.occurrence, series.told_with = series.id, series.starts_at_local, event.id
    return series, others


def _begin(series: Series, since: datetime) -> None:
    """Have a series begin with the first time of its rule from this one on. Raises Invalid."""
    time = next(series.rule.times(since), None)
    if time is None:
        raise Invalid.at("/recurrence", "It has no time at all from starts_at on.")
    series.starts_at_local, series.made, series.next = time, 0, time


def _due(series: Series, now: datetime, *, first: bool) -> list[tuple[int, datetime]]:
    """The times that are to be events now, each with its number. Past ones are passed over: nobody could have come."""
    due: list[tuple[int, datetime]] = []
    if series.next is None:
        return due
    for number, time in series.times(series.next, series.made):
        series.made, series.next = number, time
        try:
            starts_at = _moment(time, series.time_zone)
        except OverflowError:
            break
        if len(due) == MOST or (starts_at > now + AHEAD and (due or not first)):
            series.extend_at = max(starts_at - AHEAD, now)
            return due
        if starts_at > now:
            due.append((number, time))
    series.made += 1
    series.next = series.extend_at = None
    return due


def as_said(series: Series, event: Event) -> Event:
    """An occurrence as its series says it, whatever was changed of it alone."""
    assert event.occurrence is not None
    zone = ZoneInfo(series.time_zone)
    starts_at, ends_at = placed(event.occurrence, zone), _end(event.occurrence, series.lasts, zone)
    return replace(
        event,
        **series.said,
        time_zone=series.time_zone,
        starts_at_local=starts_at,
        ends_at_local=ends_at,
        starts_at=_moment(starts_at, series.time_zone),
        ends_at=_moment(ends_at, series.time_zone),
        cancelled_at=None,
    )


def _occurrence(series: Series, group: Group, number: int, time: datetime, now: datetime) -> Event:
    zone = ZoneInfo(series.time_zone)
    wanted = {
        **series.said,
        "time_zone": series.time_zone,
        "starts_at": placed(time, zone),
        "ends_at": _end(time, series.lasts, zone),
        "rsvp_closes_at": None if series.closes_before is None else placed(time - series.closes_before, zone),
    }
    event = events.draft(group, series.created_by, wanted, series.hosts, now)
    event.series, event.occurrence, event.number = series.id, time, number
    return event


def split(series: Series, at: Event, now: datetime) -> Series:
    """Cut a series in two: it ends before an occurrence, with which a new one begins that is like it."""
    assert at.occurrence is not None
    count = series.rule.count
    rest = replace(
        series,
        id=new_id("ser"),
        created_at=now,
        rule=replace(series.rule, count=None if count is None else count - at.number),
        starts_at_local=at.occurrence,
        made=series.made - at.number,
        told_with=at.id,
        changed_at=None,
        revision=0,
        version=1,
    )
    truncate(series, at, now)
    return rest


def truncate(series: Series, at: Event, now: datetime) -> None:
    """Have a series end before an occurrence."""
    assert at.occurrence is not None
    series.rule = series.rule.ending_before(at.occurrence)
    series.made, series.next, series.extend_at = at.number, None, None
    series.revise(now)


# -- changing several occurrences


@dataclass(slots=True)
class Change:
    """What became of the occurrences of a series: those changed, with the names of what is different, and the others."""

    changed: list[tuple[Event, list[str]]] = field(default_factory=list)
    moved: list[Event] = field(default_factory=list)
    """Those of the changed that begin at another time."""
    dropped: list[Event] = field(default_factory=list)
    """For which the rule has no time any more."""
    made: list[Event] = field(default_factory=list)


def change(
    series: Series,
    group: Group,
    target: Event,
    coming: Sequence[Event],
    cancelled: Sequence[Event],
    wanted: dict[str, Any],
    hosts: Sequence[Host] | None,
    now: datetime,
) -> Change:
    """Change a series and its `coming` occurrences, as somebody would change `target`, one of them.

    `wanted` is a merge patch of the fields of CHANGEABLE, and may have `recurrence`. A field that it names becomes the
    same for all; single changes of others stay. Another start moves all by as much on the wall clock, also those that
    were moved by themselves. Where another rule has a time for an occurrence, that stays; others take times that
    are left and NEAR, are dropped, or made. `cancelled` are occurrences that would come: no others are made for them.
    Raises Invalid, AlreadyCancelled, EventOver; then nothing is to be used.
    """
    if "recurrence" in wanted and wanted["recurrence"] is None:
        raise Invalid.at("/recurrence", "A series ends when its occurrences are cancelled: those that follow, or all.")
    example = _adopt(series, target, wanted, hosts, now)
    times = {event.id: event.occurrence for event in (*coming, *cancelled) if event.occurrence is not None}
    if example.starts_at_local != target.starts_at_local:
        times = _move(series, target, example.starts_at_local, times, wanted)
    plan, kept = Change(), list(coming)
    if "recurrence" in wanted:
        kept = _follow(series, group, coming, cancelled, times, wanted["recurrence"], now, plan)
    for event in kept:
        before = event.starts_at
        own = _own(series, event, times[event.id], wanted)
        event.occurrence = times[event.id]
        plan.changed.append((event, _changed(event, event is target, own, hosts, now)))
        if event.starts_at != before:
            plan.moved.append(event)
    for event in cancelled:
        event.occurrence = times[event.id]
    series.revise(now)
    return plan


def _adopt(series: Series, target: Event, wanted: dict[str, Any], hosts: Sequence[Host] | None, now: datetime) -> Event:
    """Have a series say what a change of the target says; returns what the target would be if it were like the series."""
    example = replace(target, **series.said)
    events.change(example, {name: value for name, value in wanted.items() if name != "recurrence"}, hosts, now)
    series.said = {name: getattr(example, name) for name in SAID}
    series.time_zone = example.time_zone
    series.hosts = series.hosts if hosts is None else list(hosts)
    if {"starts_at", "ends_at"} & set(wanted):
        series.lasts = example.ends_at_local - example.starts_at_local
    if "rsvp_closes_at" in wanted:
        series.closes_before = _closes_before(example)
    return example


def _move(
    series: Series, target: Event, new: datetime, times: dict[str, datetime], wanted: dict[str, Any]
) -> dict[str, datetime]:
    """Have all times of a series be moved as the target's is to the `new` one; returns `times`, moved. Raises Invalid."""
    old = target.occurrence or target.starts_at_local
    days = new.date() - old.date()
    rule = series.rule.moved(old, new)
    if rule is None and "recurrence" not in wanted:
        raise Invalid.at("/starts_at", "Say by recurrence on which days it is to repeat, as its rule names days.")
    series.rule = rule or series.rule

    def moved(time: datetime) -> datetime:
        return datetime.combine(time.date() + days, new.time())

    moved_times = {id_: moved(time) for id_, time in times.items()}
    series.starts_at_local = min(moved_times[target.id], *moved_times.values())
    if series.next is not None:
        series.next = moved(series.next)
        series.extend_at = _moment(series.next, series.time_zone) - AHEAD
    return moved_times


def _follow(
    series: Series,
    group: Group,
    coming: Sequence[Event],
    cancelled: Sequence[Event],
    times: dict[str, datetime],
    text: str,
    now: datetime,
    plan: Change,
) -> list[Event]:
    """Have a series follow another rule; returns the occurrences that stay, with their new `times`. Raises Invalid."""
    series.rule = parse(text, series.time_zone)
    _begin(series, min(times[event.id] for event in coming))
    numbers = {time: number for number, time in _due(series, now, first=True)}
    for event in cancelled:
        event.number = numbers.pop(times[event.id], event.number)
    stay = [event for event in coming if times[event.id] in numbers]
    for event in stay:
        event.number = numbers.pop(times[event.id])
    staying = {event.id for event in stay}
    for event in (one for one in coming if one.id not in staying):
        near = next((time for time in numbers if abs(time - times[event.id]) <= NEAR), None)
        if near is None:
            plan.dropped.append(event)
        else:
            times[event.id], event.number = near, numbers.pop(near)
            stay.append(event)
    plan.made = [_occurrence(series, group, number, time, now) for time, number in numbers.items()]
    return stay


def _own(series: Series, event: Event, time: datetime, wanted: dict[str, Any]) -> dict[str, Any]:
    """What is wanted of one occurrence, which the series gives this time now: its own times instead of the target's."""
    own = {name: value for name, value in wanted.items() if name not in (*TIMES, "recurrence")}
    placing = time != event.occurrence
    if not (placing or set(wanted) & set(TIMES)):
        return own
    zone = ZoneInfo(series.time_zone if "time_zone" in wanted else event.time_zone)
    start = time if placing else event.starts_at_local
    resized = {"starts_at", "ends_at"} & set(wanted)
    lasts = series.lasts if resized else event.ends_at_local - event.starts_at_local
    closes = series.closes_before if "rsvp_closes_at" in wanted else _closes_before(event)
    return {
        **own,
        "time_zone": zone.key,
        "starts_at": placed(start, zone),
        "ends_at": _end(start, lasts, zone),
        "rsvp_closes_at": None if closes is None else placed(start - closes, zone),
    }


def _changed(
    event: Event, is_target: bool, wanted: dict[str, Any], hosts: Sequence[Host] | None, now: datetime
) -> list[str]:
    was = events.written(event.starts_at_local)
    try:
        return events.change(event, wanted, hosts, now)
    except Invalid as problem:
        if is_target:
            raise
        errors = problem.extensions["errors"]
        raise Invalid(errors=[{**one, "detail": f"Of the one at {was}: {one['detail']}"} for one in errors]) from None


# -- times


def _moment(time: datetime, time_zone: str) -> datetime:
    return time.replace(tzinfo=ZoneInfo(time_zone)).astimezone(UTC)


def _end(start: datetime, lasts: timedelta, zone: ZoneInfo) -> datetime:
    """When what begins then ends by the wall clock; a change of clocks does not bring the end before the start."""
    end = placed(start + lasts, zone)
    begins = _moment(start, zone.key)
    if _moment(end, zone.key) > begins:
        return end
    return (begins + lasts).astimezone(zone).replace(tzinfo=None, fold=0)


def _closes_before(event: Event) -> timedelta | None:
    if event.rsvp_closes_at is None:
        return None
    closes = event.rsvp_closes_at.astimezone(ZoneInfo(event.time_zone)).replace(tzinfo=None, fold=0)
    return event.starts_at_local - closes
