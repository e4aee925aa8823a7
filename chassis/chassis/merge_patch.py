"""JSON merge patch (RFC 7396), and the schema of the patches that a resource takes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError, fields, missing

from chassis.endpoints import pointers
from chassis.problems import Invalid
from chassis.schemas import Schema as _Strict


def merge_patch(target: Any, patch: Any) -> Any:
    """The target with the patch applied (RFC 7396, section 2): null removes, objects merge, all else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def patched(schema: Schema, current: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """What `current` is after the patch, as a valid whole: what was removed has its default again.

    Raises Invalid when the patch leaves something that `schema` refuses, such as a required field that was removed.
    """
    try:
        whole: dict[str, Any] = schema.load(merge_patch(current, patch))
    except ValidationError as fault:
        raise Invalid(errors=pointers(fault.messages)) from None
    return whole


@cache
def patch_of(schema: type[Schema]) -> type[Schema]:
    """The schema of a merge patch of `schema`: every field may be left out, and those that may be missing be null.

    Nothing that concerns several fields is checked; that is for the whole, see `patched`.
    """
    patches = {name: _optional(field) for name, field in schema().declared_fields.items()}
    return type(f"{schema.__name__}Patch", (_Strict,), {"__doc__": f"A merge patch: {schema.__doc__}", **patches})


def _optional(field: fields.Field[Any]) -> fields.Field[Any]:
    optional = copy(field)
    if isinstance(field, fields.Nested):
        optional = fields.Nested(patch_of(type(field.schema)), metadata=field.metadata)
    optional.required, optional.allow_none, optional.load_default = False, not field.required, missing
    return optional
