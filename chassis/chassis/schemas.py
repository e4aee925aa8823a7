"""The marshmallow building blocks with which services say what comes in and what goes out, once and strictly.

JSON bodies are strict: an unknown field, a number in quotes or a control character is refused. Query parameters arrive as
text and are read as such. What subscriptions read of a message is tolerant: they declare only what they need.
"""

from __future__ import annotations

import base64
import binascii
import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import EXCLUDE, RAISE, ValidationError, fields, validate
from marshmallow import Schema as _Schema

MOST_PER_PAGE = 100
USUAL_PER_PAGE = 20


class Schema(_Schema):
    """What comes in or goes out as JSON; an unknown field is an error."""

    class Meta:
        unknown = RAISE


class Tolerant(_Schema):
    """What a subscription reads of a message: declare only what is needed; the rest is ignored (tolerant reader)."""

    class Meta:
        unknown = EXCLUDE


class Either(Schema):
    """What goes out as one of several `kinds`; `kind_of` says of each content as which. All of them or none have a version."""

    kinds: ClassVar[tuple[type[Schema], ...]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.made = {kind: kind() for kind in self.kinds}
        self.fields = self.dump_fields = next(iter(self.made.values())).fields

    def kind_of(self, content: Any) -> type[Schema]:
        """Which of the kinds the content is."""
        raise NotImplementedError

    def dump(self, obj: Any, **kwargs: Any) -> Any:
        """The content, dumped as what it is."""
        return self.made[self.kind_of(obj)].dump(obj, **kwargs)


class Text(fields.String):
    """A text of `minimum` to `maximum` characters, given back in Unicode NFC.

    Control characters are refused but for newline and tab, and those too unless `lines` is true. White space at the ends is
    kept, but a text of white space alone counts as empty.
    """

    def __init__(self, minimum: int = 0, maximum: int = 10_000, *, lines: bool = False, **kwargs: Any) -> None:
        super().__init__(validate=_all_of(validate.Length(minimum, maximum), kwargs.pop("validate", None)), **kwargs)
        self.minimum, self.lines = minimum, lines

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = unicodedata.normalize("NFC", super()._deserialize(value, attr, data, **kwargs) or "")
        allowed = "\n\t" if self.lines else ""
        if any(unicodedata.category(char) in ("Cc", "Cs") and char not in allowed for char in text):
            raise ValidationError("It contains a control character.")
        if self.minimum and not text.strip():
            raise ValidationError("It must not be empty.")
        return text


class Integer(fields.Integer):
    """A whole number; in JSON never in quotes."""

    def __init__(self, minimum: int | None = None, maximum: int | None = None, **kwargs: Any) -> None:
        super().__init__(
            strict=True, validate=_all_of(validate.Range(minimum, maximum), kwargs.pop("validate", None)), **kwargs
        )


class Number(fields.Float):
    """A finite number; in JSON never in quotes."""

    def __init__(self, minimum: float | None = None, maximum: float | None = None, **kwargs: Any) -> None:
        super().__init__(validate=_all_of(validate.Range(minimum, maximum), kwargs.pop("validate", None)), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> float:
        if isinstance(value, str):
            raise self.make_error("invalid", input=value)
        return super()._deserialize(value, attr, data, **kwargs)


class Flag(fields.Boolean):
    """true or false; in JSON nothing else."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Time(fields.Field[datetime]):
    """A moment, RFC 3339. Comes in with any offset, is kept and goes out in UTC with `Z`, to the millisecond at most."""

    default_error_messages = {"invalid": "Not an RFC 3339 time such as 2026-11-23T18:00:00Z."}

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else rfc3339(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise self.make_error("invalid") from None
        if moment.tzinfo is None or "T" not in value.upper():
            raise self.make_error("invalid")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise self.make_error("invalid") from None


def rfc3339(moment: datetime) -> str:
    """A time as the API and messages write it: `2026-11-23T18:00:00Z`, with milliseconds where there are any."""
    precision = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


class Query(_Schema):
    """The query parameters of an endpoint. Declare lists (`fields.List`) for parameters that may be repeated."""

    class Meta:
        unknown = RAISE

    def read(self, parameters: Mapping[str, list[str]]) -> dict[str, Any]:
        """Load parsed query parameters (each name with all its values). Raises ValidationError."""
        given: dict[str, Any] = {}
        for name, values in parameters.items():
            field = self.load_fields.get(name)
            if isinstance(field, fields.List):
                given[name] = values
            elif field is not None and len(values) > 1:
                raise ValidationError("It may be given once only.", name)
            else:
                given[name] = values[0]
        return self.load(given)


class QueryFlag(fields.Boolean):
    """`true` or `false` in a query."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(truthy={"true", "1"}, falsy={"false", "0"}, **kwargs)


class QueryInteger(fields.Integer):
    """A whole number in a query."""

    def __init__(self, minimum: int | None = None, maximum: int | None = None, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(minimum, maximum), **kwargs)


class Cursor(fields.Field[list[Any]]):
    """Where the next page begins: opaque outside, inside a list of JSON values of the given types, e.g. `Cursor(int, str)`.

    A field of `None` is allowed wherever a type is given as `(type, NoneType)`.
    """

    default_error_messages = {"invalid": "Not a cursor of this list: use the `next` of the page before as it is."}

    def __init__(self, *types: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.types = types or (str,)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        try:
            place = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
        except (TypeError, ValueError, binascii.Error):
            raise self.make_error("invalid") from None
        fits = isinstance(place, list) and len(place) == len(self.types)
        if not fits or not all(isinstance(part, kind) for part, kind in zip(place, self.types, strict=True)):
            raise self.make_error("invalid")
        return place

    @staticmethod
    def encode(place: list[Any] | tuple[Any, ...]) -> str:
        """The opaque text for a place in a list."""
        return base64.urlsafe_b64encode(json.dumps(list(place), separators=(",", ":")).encode()).rstrip(b"=").decode()


class ListQuery(Query):
    """What every list takes: `limit` and `cursor`. A list whose cursor is not one text declares its own `cursor`."""

    limit = QueryInteger(
        1, MOST_PER_PAGE, load_default=USUAL_PER_PAGE, metadata={"description": "How many items a page has at most."}
    )
    cursor = Cursor(str, metadata={"description": "The `next` of the page before."})


class Page:
    """One page of a list: `items`, the place of the next page (a sequence of JSON values) or None, and other members."""

    def __init__(self, items: list[Any], next: list[Any] | tuple[Any, ...] | None = None, **members: Any) -> None:
        self.items = items
        self.next = None if next is None else Cursor.encode(next)
        self.members = members
        self.__dict__.update(members)

    @classmethod
    def cut(cls, found: list[Any], limit: int, place: Any, **members: Any) -> Page:
        """A page of what a query for `limit + 1` documents found; `place(document)` gives the place after a document."""
        more = len(found) > limit
        return cls(found[:limit], place(found[limit - 1]) if more else None, **members)


def page_of(item: type[_Schema], **members: fields.Field[Any]) -> type[_Schema]:
    """The schema of a list's page: `{"items": [item, …], "next": cursor or null}` and the given other members."""
    name = item.__name__ + "Page"
    declared: dict[str, Any] = {
        "items": fields.List(fields.Nested(item), required=True),
        "next": fields.String(allow_none=True, required=True),
        **members,
    }
    return type(name, (Schema,), declared)


def _all_of(*validators: Any) -> list[Any]:
    """The validators given, flat, without None."""
    flat: list[Any] = []
    for one in validators:
        flat.extend(one if isinstance(one, list | tuple) else [one] if one is not None else [])
    return flat
