"""Puts what is told into the language of whom it is for, with times on their clock.

A translation is `locale/<language>.po` (gettext); without one, English it is, with times as they are written where the person is.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from notifications.people.model import Profile

HERE = Path(__file__).parent
LOCALE = HERE.parent / "locale"
ENGLISH = Locale("en")


@lru_cache(maxsize=1_000)
def locale_of(tag: str) -> Locale:
    """The locale that a language tag (RFC 5646) means, as far as it is known; English where it is not."""
    parts = tag.split("-")
    while parts:
        try:
            return Locale.parse("-".join(parts), sep="-")
        except (ValueError, UnknownLocaleError):
            parts.pop()
    return ENGLISH


@lru_cache(maxsize=200)
def translations_of(locale: Locale) -> NullTranslations:
    """The translations into a language: the nearest that there are, or none."""
    for name in (str(locale), locale.language):
        path = LOCALE / f"{name}.po"
        if path.exists():
            compiled = BytesIO()
            with path.open("rb") as file:
                write_mo(compiled, read_po(file, locale=name))
            compiled.seek(0)
            return Translations(compiled)
    return NullTranslations()


@lru_cache(maxsize=200)
def _environment(locale: Locale) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.install_gettext_translations(translations_of(locale), newstyle=True)  # type: ignore[attr-defined]
    return environment


def render(template: str, profile: Profile, **values: Any) -> str:
    """A template in the person's language. In `.html` every value is escaped, whatever it is."""
    locale = locale_of(profile.locale)
    named = {"name": profile.name, "language": str(locale).replace("_", "-")}
    return _environment(locale).get_template(template).render(**named, **values)


def say(text: str, profile: Profile, **values: Any) -> str:
    """A text in the person's language, with `%(name)s` filled in."""
    return translations_of(locale_of(profile.locale)).ugettext(text) % values


def time_for(moment: datetime, profile: Profile) -> str:
    """A moment on the person's clock, as it is written where they are."""
    return format_datetime(moment, "medium", tzinfo=profile.zone, locale=locale_of(profile.locale))


def shown(notice: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """A notice, as it is kept, in the person's words: `title`, `body`, `at`, and `group` as it was called then."""
    return {
        "title": notice["title"],
        "body": notice["body"],
        "at": time_for(notice["at"], profile),
        "group": (notice["group"] or {}).get("name"),
        "href": notice["subject"]["href"],
    }
