"""Recurrence rules fall on the days that RFC 5545 says, and what is no rule is refused."""

import time
from datetime import datetime, timedelta
from itertools import islice

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.problems import Invalid
from events.series.recurrence import DAYS, parse

NEW_YORK = "America/New_York"


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def dates(text: str) -> list[str]:
    """`1997-09 2 4, 1997-10 1` as dates."""
    found = []
    for month in text.split(","):
        name, *days = month.split()
        found += [f"{name}-{day.zfill(2)}" for part in days for day in _range(part)]
    return found


def _range(part: str) -> list[str]:
    first, _, last = part.partition("-")
    return [str(day) for day in range(int(first), int(last or first) + 1)]


EVERY_DAY = ",".join(DAYS)
# Start, rule, and its first dates; all of them where it ends. RFC 5545, section 3.8.5.3, but for those with BYYEARDAY,
# BYWEEKNO, BYHOUR and BYMINUTE.
EXAMPLES = [
    ("1997-09-02", "FREQ=DAILY;COUNT=10", "1997-09 2-11"),
    ("1997-09-02", "FREQ=DAILY;UNTIL=19971224T000000Z", "1997-09 2-30,1997-10 1-31,1997-11 1-30,1997-12 1-23"),
    ("1997-09-02", "FREQ=DAILY;INTERVAL=2", "1997-09 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30,1997-10 2 4 6"),
    ("1997-09-02", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997-09 2 12 22,1997-10 2 12"),
    (
        "1998-01-01",
        f"FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY={EVERY_DAY}",
        "1998-01 1-31,1999-01 1-31,2000-01 1-31",
    ),
    ("1998-01-01", "FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", "1998-01 1-31,1999-01 1-31,2000-01 1-31"),
    ("1997-09-02", "FREQ=WEEKLY;COUNT=10", "1997-09 2 9 16 23 30,1997-10 7 14 21 28,1997-11 4"),
    (
        "1997-09-02",
        "FREQ=WEEKLY;UNTIL=19971224T000000Z",
        "1997-09 2 9 16 23 30,1997-10 7 14 21 28,1997-11 4 11 18 25,1997-12 2 9 16 23",
    ),
    (
        "1997-09-02",
        "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
        "1997-09 2 16 30,1997-10 14 28,1997-11 11 25,1997-12 9 23,1998-01 6 20,1998-02 3 17",
    ),
    (
        "1997-09-02",
        "FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH",
        "1997-09 2 4 9 11 16 18 23 25 30,1997-10 2",
    ),
    ("1997-09-02", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997-09 2 4 9 11 16 18 23 25 30,1997-10 2"),
    (
        "1997-09-01",
        "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
        "1997-09 1 3 5 15 17 19 29,1997-10 1 3 13 15 17 27 29 31,1997-11 10 12 14 24 26 28,1997-12 8 10 12 22",
    ),
    ("1997-09-02", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997-09 2 4 16 18 30,1997-10 2 14 16"),
    (
        "1997-09-05",
        "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
        "1997-09 5,1997-10 3,1997-11 7,1997-12 5,1998-01 2,1998-02 6,1998-03 6,1998-04 3,1998-05 1,1998-06 5",
    ),
    ("1997-09-05", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "1997-09 5,1997-10 3,1997-11 7,1997-12 5"),
    (
        "1997-09-07",
        "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
        "1997-09 7 28,1997-11 2 30,1998-01 4 25,1998-03 1 29,1998-05 3 31",
    ),
    (
        "1997-09-22",
        "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO",
        "1997-09 22,1997-10 20,1997-11 17,1997-12 22,1998-01 19,1998-02 16",
    ),
    ("1997-09-28", "FREQ=MONTHLY;BYMONTHDAY=-3", "1997-09 28,1997-10 29,1997-11 28,1997-12 29,1998-01 29,1998-02 26"),
    (
        "1997-09-02",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
        "1997-09 2 15,1997-10 2 15,1997-11 2 15,1997-12 2 15,1998-01 2 15",
    ),
    (
        "1997-09-30",
        "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
        "1997-09 30,1997-10 1 31,1997-11 1 30,1997-12 1 31,1998-01 1 31,1998-02 1",
    ),
    (
        "1997-09-10",
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
        "1997-09 10-15,1999-03 10-13",
    ),
    (
        "1997-09-02",
        "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
        "1997-09 2 9 16 23 30,1997-11 4 11 18 25,1998-01 6 13 20 27,1998-03 3 10 17 24 31",
    ),
    (
        "1997-06-10",
        "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
        "1997-06 10,1997-07 10,1998-06 10,1998-07 10,1999-06 10,1999-07 10,2000-06 10,2000-07 10,2001-06 10,2001-07 10",
    ),
    (
        "1997-03-10",
        "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
        "1997-03 10,1999-01 10,1999-02 10,1999-03 10,2001-01 10,2001-02 10,2001-03 10,2003-01 10,2003-02 10,2003-03 10",
    ),
    ("1997-05-19", "FREQ=YEARLY;BYDAY=20MO", "1997-05 19,1998-05 18,1999-05 17"),
    (
        "1997-03-13",
        "FREQ=YEARLY;BYMONTH=3;BYDAY=TH",
        "1997-03 13 20 27,1998-03 5 12 19 26,1999-03 4 11 18 25",
    ),
    (
        "1997-06-05",
        "FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8",
        "1997-06 5 12 19 26,1997-07 3 10 17 24 31,1997-08 7 14 21 28,1998-06 4 11 18 25,1998-07 2 9 16 23 30,"
        "1998-08 6 13 20 27,1999-06 3 10 17 24,1999-07 1 8 15 22 29,1999-08 5 12 19 26",
    ),
    (
        "1997-09-02",
        "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13",
        "1998-02 13,1998-03 13,1998-11 13,1999-08 13,2000-10 13",
    ),
    (
        "1997-09-13",
        "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
        "1997-09 13,1997-10 11,1997-11 8,1997-12 13,1998-01 10,1998-02 7,1998-03 7,1998-04 11,1998-05 9,1998-06 13",
    ),
    (
        "1996-11-05",
        "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
        "1996-11 5,2000-11 7,2004-11 2",
    ),
    ("1997-09-04", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997-09 4,1997-10 7,1997-11 6"),
    (
        "1997-09-29",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
        "1997-09 29,1997-10 30,1997-11 27,1997-12 30,1998-01 29,1998-02 26,1998-03 30",
    ),
    ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997-08 5 10 19 24"),
    ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997-08 5 17 19 31"),
    ("2007-01-15", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007-01 15 30,2007-02 15,2007-03 15 30"),
]


def given_times(text: str, start: datetime, most: int) -> list[datetime]:
    rule = parse(text, NEW_YORK)
    return list(islice(rule.times(start), most if rule.count is None else min(most, rule.count)))


class TestTheExamplesOfTheRfc:
    @pytest.mark.parametrize(("start", "text", "expected"), EXAMPLES)
    def test_give_its_dates(self, start: str, text: str, expected: str) -> None:
        wanted = dates(expected)
        ends = "COUNT" in text or "UNTIL" in text
        found = given_times(text, local(f"{start}T09:00"), len(wanted) + ends)
        assert [f"{one:%Y-%m-%d %H:%M}" for one in found] == [f"{day} 09:00" for day in wanted]

    @pytest.mark.parametrize(("start", "text", "expected"), EXAMPLES)
    def test_mean_the_same_when_they_are_written(self, start: str, text: str, expected: str) -> None:
        rule = parse(text, NEW_YORK)
        assert parse(rule.written(NEW_YORK), NEW_YORK) == rule
        assert parse(f"RRULE:{text.lower()}", NEW_YORK) == rule


starts = st.datetimes(datetime(2024, 1, 1), datetime(2031, 1, 1)).map(  # noqa: DTZ001 - the wall clock's
    lambda one: one.replace(second=0, microsecond=0)
)
by_day = st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True).map(",".join)
numbered = st.lists(st.sampled_from(["1MO", "2WE", "-1FR", "5SU", "-2TU"]), min_size=1, max_size=2, unique=True)
by_month = st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True).map(lambda all: ",".join(map(str, all)))
by_month_day = st.lists(st.integers(1, 31) | st.integers(-5, -1), min_size=1, max_size=3, unique=True).map(
    lambda all: ",".join(map(str, all))
)


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}", f"INTERVAL={draw(st.integers(1, 4))}"]
    coarse = frequency in ("MONTHLY", "YEARLY")
    days = draw(st.none() | by_day | (numbered.map(",".join) if coarse else st.nothing()))
    parts += [f"BYDAY={days}"] if days else []
    if frequency != "WEEKLY" and draw(st.booleans()):
        parts.append(f"BYMONTHDAY={draw(by_month_day)}")
    if draw(st.booleans()):
        parts.append(f"BYMONTH={draw(by_month)}")
    if days and coarse and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from([1, 2, -1]))}")
    parts.append(f"WKST={draw(st.sampled_from(DAYS))}")
    return ";".join(parts)


class TestTimes:
    @settings(max_examples=50, deadline=None)
    @given(text=rules(), start=starts, skipped=st.integers(0, 5))
    def test_go_on_from_any_of_them(self, text: str, start: datetime, skipped: int) -> None:
        try:
            rule = parse(text, NEW_YORK)
        except Invalid:
            return
        whole = list(islice(rule.times(start), 12))
        if len(whole) == 12:
            assert list(islice(rule.times(whole[skipped]), 12 - skipped)) == whole[skipped:]

    @settings(max_examples=50, deadline=None)
    @given(text=rules(), start=starts)
    def test_are_those_of_a_reader_that_begins_with_the_first(self, text: str, start: datetime) -> None:
        try:
            rule = parse(text, NEW_YORK)
        except Invalid:
            return
        found = list(islice(rule.times(start), 8))
        if len(found) == 8 and found[-1].year < start.year + 30:
            assert list(islice(rrulestr(rule.written(NEW_YORK), dtstart=found[0]), 8)) == found

    def test_take_the_whole_week_for_bysetpos(self) -> None:
        rule = parse("FREQ=WEEKLY;BYDAY=MO,WE,FR;BYSETPOS=2", NEW_YORK)
        wednesday = local("2026-12-02T19:00")
        assert list(islice(rule.times(wednesday), 2)) == [wednesday, wednesday + timedelta(days=7)]
        assert next(rule.times(wednesday + timedelta(days=1))) == wednesday + timedelta(days=7)

    def test_are_of_both_where_some_days_have_numbers(self) -> None:
        found = given_times("FREQ=MONTHLY;BYDAY=1MO,FR;COUNT=5", local("2026-12-01T19:00"), 9)
        assert [one.day for one in found] == [4, 7, 11, 18, 25]

    @pytest.mark.parametrize("text", ["UNTIL=20261208", "UNTIL=20261208T190000", "UNTIL=20261209T000000Z"])
    def test_end_with_the_day_or_time_that_until_says(self, text: str) -> None:
        found = given_times(f"FREQ=WEEKLY;{text}", local("2026-12-01T19:00"), 9)
        assert [one.day for one in found] == [1, 8]

    @pytest.mark.parametrize(
        "text",
        [
            "FREQ=MONTHLY;BYMONTH=2;BYDAY=MO;BYSETPOS=6",
            "FREQ=YEARLY;INTERVAL=2;BYMONTH=2;BYMONTHDAY=29",
            "FREQ=MONTHLY;INTERVAL=12;BYMONTH=3",
            "FREQ=YEARLY;BYDAY=MO;BYMONTH=2;BYSETPOS=366",
            "FREQ=WEEKLY;BYDAY=MO,TU;BYMONTH=1;INTERVAL=1000;BYSETPOS=2",
            "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=29;INTERVAL=999;BYDAY=MO",
        ],
    )
    def test_that_never_come_or_late_take_little_time(self, text: str) -> None:
        begin = time.process_time()
        next(parse(text, NEW_YORK).times(local("2027-01-05T19:00")), None)
        assert time.process_time() - begin < 3


class TestMoving:
    @pytest.mark.parametrize(
        ("text", "old", "new", "expected"),
        [
            ("FREQ=WEEKLY;BYDAY=TU", "2026-12-01T19:00", "2026-12-02T20:00", "FREQ=WEEKLY;BYDAY=WE;WKST=TU"),
            ("FREQ=WEEKLY;BYDAY=SU", "2026-12-06T23:00", "2026-12-07T00:30", "FREQ=WEEKLY;BYDAY=MO;WKST=TU"),
            ("FREQ=MONTHLY;BYDAY=1TU", "2026-12-01T19:00", "2026-12-01T20:00", "FREQ=MONTHLY;BYDAY=1TU"),
            ("FREQ=MONTHLY;BYDAY=1TU", "2026-12-01T19:00", "2026-12-02T19:00", None),
            ("FREQ=MONTHLY", "2026-12-01T19:00", "2026-12-28T19:00", "FREQ=MONTHLY"),
            ("FREQ=MONTHLY", "2026-12-01T19:00", "2026-12-29T19:00", None),
            ("FREQ=MONTHLY", "2026-12-28T19:00", "2027-01-01T19:00", None),
            ("FREQ=YEARLY;BYMONTH=12", "2026-12-01T19:00", "2026-12-02T19:00", None),
            (
                "FREQ=DAILY;UNTIL=20261224T000000Z",
                "2026-12-01T19:00",
                "2026-12-01T21:00",
                "FREQ=DAILY;UNTIL=20261224T020000Z",
            ),
        ],
    )
    def test_gives_the_rule_of_the_moved_times(self, text: str, old: str, new: str, expected: str | None) -> None:
        moved = parse(text, NEW_YORK).moved(local(old), local(new))
        assert (moved and moved.written(NEW_YORK)) == expected

    @settings(max_examples=50, deadline=None)
    @given(
        interval=st.integers(1, 3),
        days=st.none() | by_day,
        week_start=st.sampled_from(DAYS),
        start=starts,
        by=st.integers(-10, 10),
    )
    def test_of_weeks_moves_each_time(
        self, interval: int, days: str | None, week_start: str, start: datetime, by: int
    ) -> None:
        text = f"FREQ=WEEKLY;INTERVAL={interval};WKST={week_start}" + (f";BYDAY={days}" if days else "")
        rule = parse(text, NEW_YORK)
        times = list(islice(rule.times(start), 6))
        shift = timedelta(days=by)
        moved = rule.moved(times[0], times[0] + shift)
        assert moved is not None
        assert list(islice(moved.times(times[0] + shift), 6)) == [one + shift for one in times]


class TestWhatIsNoRule:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "WEEKLY",
            "FREQ",
            "FREQ=",
            "FREQ=HOURLY",
            "FREQ=SECONDLY;COUNT=3",
            "FREQ=FORTNIGHTLY",
            "INTERVAL=2",
            "FREQ=WEEKLY;",
            "FREQ=WEEKLY;;COUNT=2",
            "FREQ=WEEKLY;FREQ=DAILY",
            "FREQ=WEEKLY;INTERVAL=0",
            "FREQ=WEEKLY;INTERVAL=-1",
            "FREQ=WEEKLY;INTERVAL=1001",
            "FREQ=WEEKLY;INTERVAL=1,2",
            "FREQ=WEEKLY;INTERVAL=٣",
            "FREQ=WEEKLY;COUNT=0",
            "FREQ=WEEKLY;COUNT=2.5",
            "FREQ=WEEKLY;COUNT=99999999999999999999",
            "FREQ=WEEKLY;COUNT=3;UNTIL=20270101",
            "FREQ=WEEKLY;UNTIL=tomorrow",
            "FREQ=WEEKLY;UNTIL=20270230",
            "FREQ=WEEKLY;UNTIL=00010101T000000Z",
            "FREQ=WEEKLY;BYDAY=XX",
            "FREQ=WEEKLY;BYDAY=1MO",
            "FREQ=WEEKLY;BYDAY=",
            "FREQ=DAILY;BYDAY=-1FR",
            "FREQ=DAILY;INTERVAL=14;BYDAY=FR",
            "FREQ=MONTHLY;BYDAY=0MO",
            "FREQ=MONTHLY;BYDAY=6MO",
            "FREQ=YEARLY;BYDAY=54MO",
            "FREQ=YEARLY;BYMONTH=6;BYDAY=20MO",
            "FREQ=WEEKLY;BYMONTHDAY=2",
            "FREQ=MONTHLY;BYMONTHDAY=0",
            "FREQ=MONTHLY;BYMONTHDAY=32",
            "FREQ=YEARLY;BYMONTH=13",
            "FREQ=YEARLY;BYMONTH=-1",
            "FREQ=YEARLY;BYMONTH=2,4;BYMONTHDAY=31",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30,-30",
            "FREQ=MONTHLY;BYSETPOS=1",
            "FREQ=MONTHLY;BYSETPOS=0;BYDAY=MO",
            "FREQ=DAILY;BYSETPOS=2;BYDAY=MO",
            "FREQ=WEEKLY;BYSETPOS=3;BYDAY=MO,TU",
            "FREQ=WEEKLY;WKST=1",
            "FREQ=YEARLY;BYYEARDAY=1",
            "FREQ=YEARLY;BYWEEKNO=20",
            "FREQ=DAILY;BYHOUR=9",
            "FREQ=DAILY;X-NEW=9",
            "FREQ=WEEKLY\nEXDATE:20270101",
            "FREQ=WEEKLY;BYDAY=" + ",".join(["MO"] * 300),
        ],
    )
    def test_is_refused_at_the_recurrence(self, text: str) -> None:
        with pytest.raises(Invalid) as caught:
            parse(text, NEW_YORK)
        assert [error["pointer"] for error in caught.value.extensions["errors"]] == ["/recurrence"]

    @given(text=st.text("FREQ=WEKLYBDA;,0123456789-+TMOUNISZ", max_size=40))
    def test_is_refused_and_breaks_nothing(self, text: str) -> None:
        try:
            parse(text, NEW_YORK)
        except Invalid:
            pass
