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
from babel.dates import format_date, format_time
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from notifications.notices.words import Made
from notifications.people.model import Profile, zone_of

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
    here, locale = moment.astimezone(profile.zone), locale_of(profile.locale)
    return f"{format_date(here, 'medium', locale)}, {format_time(moment, 'short', profile.zone, locale)}"


def shown(notice: Mapping[str, Any], profile: Profile) -> dict[str, Any]:
    """A notice, as it is kept, in the person's words: `title`, `body`, `at`, and `group` as it was called then."""
    words = notice.get("words") or notice
    return {
        "title": _said(words["title"], profile),
        "body": _said(words["body"], profile),
        "at": time_for(notice["at"], profile),
        "group": (notice["group"] or {}).get("name"),
        "href": notice["subject"]["href"],
    }


def _said(kept: Made, profile: Profile) -> str:
    """A text in the person's language, from how it was made in English."""
    if isinstance(kept, str):
        return kept
    if "at" in kept:
        return _place_time(kept["at"], kept["zone"], profile)
    return say(kept["form"], profile, **{name: _said(value, profile) for name, value in kept["values"].items()})


def _place_time(at: datetime, zone: str, profile: Profile) -> str:
    """A time on the clock of its place, and on the person's own where that shows another."""
    locale, there = locale_of(profile.locale), zone_of(zone)
    local = f"{format_date(at.astimezone(there), 'full', locale)}, {format_time(at, 'short', there, locale)} ({zone})"
    if at.astimezone(there).utcoffset() == at.astimezone(profile.zone).utcoffset():
        return local
    return say("%(there)s, for you %(here)s", profile, there=local, here=time_for(at, profile))
