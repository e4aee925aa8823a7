"""Recurrence rules (RFC 5545, section 3.3.10): which are understood, and on which days of the wall clock they fall."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import rrule

from chassis.problems import Invalid
from events.events.model import resolve

DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
FREQUENCIES: dict[str, Any] = {
    "DAILY": rrule.DAILY,
    "WEEKLY": rrule.WEEKLY,
    "MONTHLY": rrule.MONTHLY,
    "YEARLY": rrule.YEARLY,
}
MOST_INTERVAL, MOST_COUNT, MOST_CHARACTERS = 1_000, 10_000, 500

_DAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?", re.ASCII)
_NOT_HERE = ("BYSECOND", "BYMINUTE", "BYHOUR", "BYYEARDAY", "BYWEEKNO")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
# The calendar repeats itself every 400 years, to the day of the week. dateutil looks for the next day up to the year
# 9999; near to that it soon finds that there is none.
_CYCLE, _LATE = 400, 9_200


@dataclass(frozen=True, slots=True)
class Rule:
    """A recurrence rule. Days of the week are 0 (Monday) to 6, with their number in the month or year, or None."""

    frequency: str
    interval: int = 1
    by_month: tuple[int, ...] = ()
    by_month_day: tuple[int, ...] = ()
    by_day: tuple[tuple[int | None, int], ...] = ()
    by_set_position: tuple[int, ...] = ()
    week_start: int = 0
    count: int | None = None
    until: datetime | None = None
    """The wall clock's time."""

    def times(self, since: datetime) -> Iterator[datetime]:
        """The times of the rule from a wall-clock time on, in order; `since` gives what it leaves open (RFC 5545,
        section 3.3.10): the time of day, and the day, month or day of the week. `count` is left to who counts.

        Any of its times taken for `since` gives the same times from there on.
        """
        late = since.year % _CYCLE + _LATE
        first = since.replace(year=late)
        days = list(_all_numbered(self))
        if self.frequency == "WEEKLY":
            # dateutil begins with the day it is given and not with its week, of which BYSETPOS counts.
            days = days or [(None, since.weekday())]
            first -= timedelta(days=(since.weekday() - self.week_start) % 7)
        found = rrule.rrule(
            FREQUENCIES[self.frequency],
            dtstart=first,
            interval=self.interval,
            wkst=self.week_start,
            bymonth=self.by_month or None,
            bymonthday=self.by_month_day or None,
            byweekday=[rrule.weekday(day, number) for number, day in days] or None,
            bysetpos=self.by_set_position or None,
        )
        for one in found:
            year = one.year - late + since.year
            if year > MAXYEAR:
                return
            time = one.replace(year=year)
            if self.until is not None and time > self.until:
                return
            if time >= since:
                yield time

    def moved(self, old: datetime, new: datetime) -> Rule | None:
        """The rule whose times are those of this one, moved as one of them, `old`, is to `new`; None if there is none.

        Every rule can be moved within the day. To other days moves what names no days, or only days of the week.
        """
        days = (new.date() - old.date()).days
        until = None if self.until is None else self.until + (new - old)
        if days == 0:
            return replace(self, until=until)
        if self.by_month or self.by_month_day or self.by_set_position:
            return None
        if self.frequency in ("DAILY", "WEEKLY"):
            by_day = tuple((number, (day + days) % 7) for number, day in self.by_day)
            return replace(self, until=until, by_day=by_day, week_start=(self.week_start + days) % 7)
        same_month = (old.year, old.month) == (new.year, new.month)
        # Every month has 28 days.
        return replace(self, until=until) if same_month and max(old.day, new.day) <= 28 and not self.by_day else None

    def ending_before(self, time: datetime) -> Rule:
        """The rule with none of its times from this one on."""
        return replace(self, count=None, until=time - timedelta(seconds=1))

    def written(self, time_zone: str) -> str:
        """The rule as RFC 5545 writes it; UNTIL in UTC."""
        parts = [f"FREQ={self.frequency}"]
        if self.interval > 1:
            parts.append(f"INTERVAL={self.interval}")
        for name, values in (("BYMONTH", self.by_month), ("BYMONTHDAY", self.by_month_day)):
            if values:
                parts.append(f"{name}={_listed(values)}")
        if self.by_day:
            parts.append(f"BYDAY={_listed(str(number or '') + DAYS[day] for number, day in self.by_day)}")
        if self.by_set_position:
            parts.append(f"BYSETPOS={_listed(self.by_set_position)}")
        if self.week_start:
            parts.append(f"WKST={DAYS[self.week_start]}")
        if self.count is not None:
            parts.append(f"COUNT={self.count}")
        if self.until is not None:
            parts.append(f"UNTIL={_utc(self.until, time_zone):%Y%m%dT%H%M%SZ}")
        return ";".join(parts)


def parse(text: str, time_zone: str) -> Rule:
    """The rule that a text says, with or without `RRULE:` before it. Raises Invalid, for what is wrong or not understood.

    UNTIL is a time in UTC, or one of the wall clock in `time_zone`, or a date, which is then the last day.
    """
    parts = _parts(text)
    for name in _NOT_HERE:
        if name in parts:
            raise _refused(f"{name} is not supported.")
    frequency = parts.pop("FREQ", None)
    if frequency not in FREQUENCIES:
        raise _refused(f"FREQ must be one of {_listed(FREQUENCIES)}.")
    rule = Rule(
        frequency,
        interval=_numbers(parts, "INTERVAL", 1, MOST_INTERVAL, one=True)[0] if "INTERVAL" in parts else 1,
        by_month=_numbers(parts, "BYMONTH", 1, 12),
        by_month_day=_numbers(parts, "BYMONTHDAY", 1, 31, both_ways=True),
        by_day=_days(parts.pop("BYDAY", None)),
        by_set_position=_numbers(parts, "BYSETPOS", 1, 366, both_ways=True),
        week_start=_week_start(parts.pop("WKST", "MO")),
        count=_numbers(parts, "COUNT", 1, MOST_COUNT, one=True)[0] if "COUNT" in parts else None,
        until=_until(parts.pop("UNTIL"), time_zone) if "UNTIL" in parts else None,
    )
    if parts:
        raise _refused(f"{min(parts)} is not a part of a recurrence rule.")
    _check(rule)
    return rule


def _parts(text: str) -> dict[str, str]:
    if len(text) > MOST_CHARACTERS:
        raise _refused(f"It must not be longer than {MOST_CHARACTERS} characters.")
    text = text.strip().upper().removeprefix("RRULE:")
    parts: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise _refused("Not a recurrence rule such as FREQ=WEEKLY;BYDAY=TU (RFC 5545, section 3.3.10).")
        if name in parts:
            raise _refused(f"{name} is there twice.")
        parts[name] = value
    return parts


def _numbers(
    parts: dict[str, str], name: str, least: int, most: int, *, both_ways: bool = False, one: bool = False
) -> tuple[int, ...]:
    """The numbers of a part, sorted, each once; negative ones where it counts from the end too."""
    if name not in parts:
        return ()
    found = set()
    given = parts.pop(name).split(",")
    for value in given:
        number = int(value) if re.fullmatch(r"[+-]?\d{1,5}", value, re.ASCII) else 0
        if not least <= (abs(number) if both_ways else number) <= most or (one and len(given) > 1):
            either = f", or -{least} to -{most}" if both_ways else ""
            raise _refused(f"{name} must be {least} to {most}{either}.")
        found.add(number)
    return tuple(sorted(found, key=lambda number: (number < 0, number)))


def _days(text: str | None) -> tuple[tuple[int | None, int], ...]:
    if text is None:
        return ()
    found: dict[tuple[int | None, int], None] = {}
    for value in text.split(","):
        match = _DAY.fullmatch(value)
        number = int(match[1]) if match and match[1] else None
        if match is None or (number is not None and not 1 <= abs(number) <= 53):
            raise _refused("BYDAY must be days such as MO, 1FR or -1SU.")
        found[number, DAYS.index(match[2])] = None
    return tuple(found)


def _all_numbered(rule: Rule) -> Iterator[tuple[int | None, int]]:
    """The rule's days, where some have numbers with numbers for all: of both dateutil takes those that are in both."""
    mixed = len({number is None for number, _ in rule.by_day}) > 1
    most = 5 if _within_month(rule) else 53
    for number, day in rule.by_day:
        yield from ((one, day) for one in range(1, most + 1)) if mixed and number is None else [(number, day)]


def _within_month(rule: Rule) -> bool:
    """Whether the numbers of days count within a month, and not within the year."""
    return rule.frequency == "MONTHLY" or bool(rule.by_month)


def _week_start(text: str) -> int:
    if text not in DAYS:
        raise _refused(f"WKST must be one of {_listed(DAYS)}.")
    return DAYS.index(text)


def _until(text: str, time_zone: str) -> datetime:
    match = _UNTIL.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        until = datetime.strptime(match[1] + (match[2] or "235959"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - see below
        if match[3]:
            until = until.replace(tzinfo=UTC).astimezone(ZoneInfo(time_zone)).replace(tzinfo=None, fold=0)
    except (ValueError, OverflowError):
        raise _refused("UNTIL must be a time such as 20261231T180000Z, or a date such as 20261231.") from None
    return until


def _check(rule: Rule) -> None:
    """Refuse what RFC 5545 forbids, and what never comes. Raises Invalid."""
    if rule.count is not None and rule.until is not None:
        raise _refused("COUNT and UNTIL exclude each other.")
    numbered = [number for number, _ in rule.by_day if number is not None]
    if numbered and rule.frequency not in ("MONTHLY", "YEARLY"):
        raise _refused("BYDAY has numbers with MONTHLY and YEARLY only.")
    if _within_month(rule) and any(abs(number) > 5 for number in numbered):
        raise _refused("A month has at most five of each day in BYDAY.")
    if rule.by_month_day and rule.frequency == "WEEKLY":
        raise _refused("BYMONTHDAY does not go with WEEKLY.")
    if rule.by_set_position and not (rule.by_day or rule.by_month_day or rule.by_month):
        raise _refused("BYSETPOS needs BYDAY, BYMONTHDAY or BYMONTH to choose from.")
    most = {"DAILY": 1, "WEEKLY": len(rule.by_day) or 1, "MONTHLY": 31, "YEARLY": 366}[rule.frequency]
    if rule.by_set_position and min(abs(position) for position in rule.by_set_position) > most:
        raise _refused("BYSETPOS chooses none of what there is.")
    if rule.frequency == "DAILY" and rule.interval % 7 == 0 and rule.by_day:
        raise _refused("Say FREQ=WEEKLY for what comes every so many weeks.")
    if rule.by_month and rule.by_month_day:
        longest = max(_LONGEST[month - 1] for month in rule.by_month)
        if all(abs(day) > longest for day in rule.by_month_day):
            raise _refused("No month in BYMONTH has a day in BYMONTHDAY.")


def _utc(local: datetime, time_zone: str) -> datetime:
    zone = ZoneInfo(time_zone)
    return resolve(local, zone).moment or local.replace(tzinfo=zone).astimezone(UTC)


def _listed(values: Any) -> str:
    return ",".join(str(value) for value in values)


def _refused(detail: str) -> Invalid:
    return Invalid.at("/recurrence", detail)
