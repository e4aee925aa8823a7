"""What comes in and goes out about reports and audit logs."""

from __future__ import annotations

from marshmallow import ValidationError, fields, validate, validates_schema

from chassis.schemas import ListQuery, Schema, Text, Time, page_of
from chassis.vocabulary import GroupRef, PersonRef
from groups.groups.model import ROLES
from groups.moderation.model import ACTED, ACTIONS, DISMISSED, OPEN, SUBJECTS


class Subject(Schema):
    """What a report is about."""

    type = fields.String(required=True, validate=validate.OneOf(SUBJECTS))
    id = Text(1, 100, required=True, metadata={"description": "A group also by its slug, a person by their handle."})


class NewReport(Schema):
    """What somebody has against something."""

    subject = fields.Nested(Subject, required=True)
    reason = Text(1, 1000, lines=True, required=True)
    group = Text(
        1, 100, metadata={"description": "Where it was, for a `person` or an `event`: the id or slug of a group."}
    )


class ReportPatch(Schema):
    """What came of a report."""

    status = fields.String(validate=validate.OneOf([DISMISSED, ACTED]))
    note = Text(0, 1000, lines=True, allow_none=True)

    @validates_schema
    def _has_one(self, data: dict[str, object], **kwargs: object) -> None:
        if not data:
            raise ValidationError("Give a status or a note.")


class ReportedView(Schema):
    """What a report is about; `id` is null for someone who left."""

    type = fields.String(required=True, validate=validate.OneOf(SUBJECTS))
    id = fields.String(required=True, allow_none=True)


class HeldReport(Schema):
    """A report, as who made it may see it."""

    id = fields.String(required=True)
    subject = fields.Nested(ReportedView, required=True)
    reason = fields.String(required=True)
    status = fields.String(required=True, validate=validate.OneOf([OPEN, DISMISSED, ACTED]))
    created_at = Time(required=True)


class MadeReport(HeldReport):
    """A new report."""

    group = fields.Nested(GroupRef, required=True)


class ReportView(MadeReport):
    """A report, as organizers and moderators see it."""

    reporter = fields.Nested(
        PersonRef,
        required=True,
        allow_none=True,
        metadata={"description": "Null for someone who left, and for who is reported"},
    )
    note = fields.String(required=True, allow_none=True)
    handled_by = fields.Nested(PersonRef, required=True, allow_none=True)
    handled_at = Time(required=True, allow_none=True)
    version = fields.Integer(required=True)


ReportsPage = page_of(ReportView)


class ReportsQuery(ListQuery):
    """The reports of a group, newest first."""


class DetailsView(Schema):
    """What else there is to say of what was done."""

    changed = fields.List(fields.String(), metadata={"description": "The fields of the group that changed"})
    role = fields.String(validate=validate.OneOf(ROLES), metadata={"description": "The new role"})
    invitation = fields.String()
    report = fields.String()


class EntryView(Schema):
    """Who did what to whom, when and why."""

    id = fields.String(required=True)
    at = Time(required=True)
    by = fields.Nested(
        PersonRef,
        required=True,
        allow_none=True,
        metadata={"description": "Null for someone who left, and for what came about as somebody left"},
    )
    action = fields.String(required=True, validate=validate.OneOf(ACTIONS))
    person = fields.Nested(
        PersonRef, required=True, allow_none=True, metadata={"description": "To whom; null also for someone who left"}
    )
    reason = fields.String(required=True, allow_none=True)
    details = fields.Nested(DetailsView, required=True)


AuditPage = page_of(EntryView)


class AuditQuery(ListQuery):
    """The audit log of a group, newest first."""
