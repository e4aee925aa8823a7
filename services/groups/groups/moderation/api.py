"""Endpoints of moderation: report something, handle reports, and read who did what in a group."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.problems import NotFound
from chassis.schemas import Page
from groups.asks.model import check_member
from groups.groups.model import ORGANIZER, Group, NoSuchGroup, check_role, check_visible
from groups.moderation import model
from groups.moderation.audit import note
from groups.moderation.schemas import (
    AuditPage,
    AuditQuery,
    MadeReport,
    NewReport,
    ReportPatch,
    ReportsPage,
    ReportsQuery,
    ReportView,
)

NO_GROUP = "grp_"
"""The id of no group."""


class ModerationApi:
    """Reports, and the audit log of a group."""

    store: Any

    @endpoint(
        "POST",
        "/v1/reports",
        body=NewReport,
        returns=MadeReport,
        status=201,
        access=SIGNED_IN,
        idempotent=True,
        problems=(NotFound,),
    )
    def make_report(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Report something in a group to its organizers and moderators; whoever may see it may report it.

        Whether an event is one of the group is for them to see: this service does not know of events.
        """
        kind, given = body["subject"]["type"], body["subject"]["id"]
        model.check_group_named(kind, body.get("group"))
        with self.store.transaction(call) as tx:
            group, identifier = _subject(tx, call, kind, given, body.get("group"))
            # Held, so that nothing is written of who erases themselves meanwhile.
            for one in {call.caller.id, identifier} if kind == model.PERSON else {call.caller.id}:
                tx.people.hold(one)
            report = model.report(group.id, kind, identifier, call.caller.id, body["reason"], call.now)
            tx.reports.add(report)
        return {**asdict(report), "group": group.reference}

    @endpoint("GET", "/v1/groups/{group}/reports", query=ReportsQuery, returns=ReportsPage, access=SIGNED_IN)
    def list_reports(self, call: Call, group: str, query: dict[str, Any]) -> Page:
        """What was reported in a group, newest first; for organizers and moderators."""
        seen = check_visible(self.store.groups.seen_by(group, call.caller.id))
        model.check_may_handle(seen)
        found = self.store.reports.of_group(seen.id, query.get("cursor"), query["limit"] + 1)
        page = Page.cut(found, query["limit"], lambda one: [one.id])
        people = _people(self.store, (name for one in page.items for name in (one.reporter, one.handled_by)))
        page.items = [_report_view(one, seen, people, call.caller.id) for one in page.items]
        return page

    @endpoint("PATCH", "/v1/reports/{report}", body=ReportPatch, returns=ReportView, access=SIGNED_IN)
    def handle_report(self, call: Call, report: str, body: dict[str, Any]) -> dict[str, Any]:
        """Say what came of a report, by merge patch (RFC 7396); for organizers and moderators of its group."""
        with self.store.transaction(call) as tx:
            before = tx.reports.find(report)
            group = tx.groups.seen_by(before.group if before else NO_GROUP, call.caller.id)
            if before is None or group is None or group.role not in model.HANDLERS:
                raise model.NoSuchReport()
            tx.reports.hold(before)
            call.expect_version(before.version)
            after = model.handle(before, call.caller.id, body, call.now)
            if after is not before:
                tx.reports.save(after)
            if after.status != before.status:
                note(tx, call, group.id, f"report.{after.status}", _reported(after), after.note, report=after.id)
            people = _people(tx, (after.reporter, after.handled_by))
        return _report_view(after, group, people, call.caller.id)

    @endpoint("GET", "/v1/groups/{group}/audit", query=AuditQuery, returns=AuditPage, access=SIGNED_IN)
    def list_audit(self, call: Call, group: str, query: dict[str, Any]) -> Page:
        """Who did what in a group, to whom, when and why, newest first; for organizers."""
        seen = check_visible(self.store.groups.seen_by(group, call.caller.id))
        check_role(seen, ORGANIZER)
        found = self.store.audit.of_group(seen.id, query.get("cursor"), query["limit"] + 1)
        page = Page.cut(found, query["limit"], lambda one: [one.id])
        people = _people(self.store, (name for one in page.items for name in (one.by, one.person)))
        page.items = [
            {**asdict(one), "by": people.get(one.by or ""), "person": people.get(one.person or "")}
            for one in page.items
        ]
        return page


def _subject(tx: Any, call: Call, kind: str, given: str, where: str | None) -> tuple[Group, str]:
    """The group in which a subject is, and the subject's id. Raises NoSuchSubject, NotAllowed."""
    if kind in (model.ASK, model.OFFER):
        stands = (tx.asks if kind == model.ASK else tx.offers).find(given)
        where = stands.group if stands else NO_GROUP
    try:
        group = check_visible(tx.groups.seen_by(where or given, call.caller.id))
    except NoSuchGroup:
        raise model.NoSuchSubject() from None
    if kind in (model.ASK, model.OFFER):
        check_member(group)
    if kind == model.GROUP:
        return group, group.id
    if kind == model.PERSON:
        return group, _person(tx, given)
    return group, given


def _person(tx: Any, given: str) -> str:
    """The id of the person with this id or handle. Raises NoSuchSubject."""
    if given in tx.people.references([given]):
        return given
    found: str | None = tx.people.ids_of([given]).get(given)
    if found is None:
        raise model.NoSuchSubject()
    return found


def _reported(report: model.Report) -> str | None:
    """The person that a report is about."""
    found: str | None = report.subject["id"] if report.subject["type"] == model.PERSON else None
    return found


def _people(store: Any, identifiers: Iterable[str | None]) -> dict[str, dict[str, str]]:
    """How these people are called, by id."""
    found: dict[str, dict[str, str]] = store.people.references({one for one in identifiers if one})
    return found


def _report_view(report: model.Report, group: Group, people: dict[str, dict[str, str]], viewer: str) -> dict[str, Any]:
    reporter = people.get(report.reporter or "") if _reported(report) != viewer else None
    handled_by = people.get(report.handled_by or "")
    return {**asdict(report), "group": group.reference, "reporter": reporter, "handled_by": handled_by}
