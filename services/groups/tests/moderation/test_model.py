"""The rules of moderation."""

from datetime import UTC, datetime, timedelta

import pytest

from chassis.problems import Invalid
from groups.moderation import model

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
REPORT = model.report("grp_1", "person", "psn_2", "psn_1", "spam", NOW)


@pytest.mark.parametrize(
    ("subject", "group", "fits"),
    [
        ("person", "grp_1", True),
        ("event", "grp_1", True),
        ("group", None, True),
        ("ask", None, True),
        ("person", None, False),
        ("event", None, False),
        ("offer", "grp_1", False),
    ],
)
def test_a_group_is_named_where_the_subject_does_not_say_it(subject, group, fits):
    if fits:
        model.check_group_named(subject, group)
    else:
        with pytest.raises(Invalid):
            model.check_group_named(subject, group)


def test_a_handled_report_says_who_handled_it_and_when():
    after = model.handle(REPORT, "psn_3", {"status": "acted", "note": "gone"}, LATER)
    assert (after.status, after.note, after.handled_by, after.handled_at) == ("acted", "gone", "psn_3", LATER)
    assert after.version == REPORT.version + 1


def test_what_changes_nothing_is_no_new_version():
    after = model.handle(REPORT, "psn_3", {"status": "dismissed"}, LATER)
    assert model.handle(after, "psn_4", {"status": "dismissed", "note": None}, LATER) is after
