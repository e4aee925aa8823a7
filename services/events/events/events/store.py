"""Where events are kept, and how they are found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, GEOSPHERE, IndexModel, UpdateOne

from chassis.store import Repository
from events.events.model import Event, Host
from events.groups.model import Group

EARTH_RADIUS_KM = 6_378.1
SCHEMA = 1

_KEPT = {one.name for one in fields(Event)} - {"id", "notes"}
_LOCAL = ("starts_at_local", "ends_at_local", "rsvp_closes_at_local", "occurrence")
_ORDER = [("starts_at", ASCENDING), ("_id", ASCENDING)]


@dataclass(slots=True)
class Wanted:
    """Which events to find: those that begin from `since` on, before `to`, and after the place `after` in the list."""

    since: datetime
    to: datetime | None = None
    after: Sequence[Any] | None = None
    limit: int = 20
    interests: Sequence[str] = ()
    near: tuple[float, float] | None = None
    within_km: float = 50.0
    kind: str | None = None
    group: str | None = None
    series: str | None = None


class Events(Repository):
    """All events. One document an event, of a size that does not grow with how many answer it."""

    collection = "events"
    indexes = [
        IndexModel([("group_id", ASCENDING), *_ORDER]),
        IndexModel([("listed", ASCENDING), *_ORDER]),
        IndexModel([("listed", ASCENDING), ("interests", ASCENDING), *_ORDER]),
        IndexModel([("listed", ASCENDING), ("point", GEOSPHERE), *_ORDER]),
        IndexModel([("hosts.id", ASCENDING), *_ORDER]),
        IndexModel([("created_by", ASCENDING)]),
        IndexModel([("due_at", ASCENDING)]),
        IndexModel([("series", ASCENDING), *_ORDER]),
        IndexModel([("rules", ASCENDING), ("starts_at", ASCENDING)]),
    ]

    def find(self, event: str) -> Event | None:
        """The event with this id."""
        return _event(self.documents.find_one({"_id": event}, session=self.session))

    def take_turn(self, event: str) -> Event | None:
        """The event, kept from being changed by another unit of work until this one has committed.

        Whoever decides about seats takes their turn first: of two that decide at once, one is told to try again before
        it has done any work.
        """
        return _event(self.documents.find_one_and_update({"_id": event}, {"$inc": {"turns": 1}}, session=self.session))

    def take_turns(self, group: str, now: datetime) -> list[Event]:
        """All events of a group that have not begun and are not cancelled, as `take_turn` gives them."""
        coming = {"group_id": group, "starts_at": {"$gt": now}, "cancelled_at": None}
        self.documents.update_many(coming, {"$inc": {"turns": 1}}, session=self.session)
        return [_known(document) for document in self.documents.find(coming, session=self.session).sort(_ORDER)]

    def take_turns_of_series(self, series: str, now: datetime) -> list[Event]:
        """All events of a series that have not begun, cancelled ones too, as `take_turn` gives them."""
        coming = {"series": series, "starts_at": {"$gt": now}}
        self.documents.update_many(coming, {"$inc": {"turns": 1}}, session=self.session)
        return [_known(document) for document in self.documents.find(coming, session=self.session).sort(_ORDER)]

    def cut_series(self, series: str, at: Event, rest: str) -> None:
        """Have the events of a series from one of its times on be of another series, which begins there."""
        later = {"series": series, "occurrence": {"$gte": _text(at.occurrence)}}
        other = {"$set": {"series": rest}, "$inc": {"number": -at.number, "version": 1}}
        self.documents.update_many(later, other, session=self.session)

    def add(self, event: Event) -> None:
        """Keep a new event."""
        self.add_all([event])

    def add_all(self, events: Sequence[Event]) -> None:
        """Keep new events."""
        if events:
            self.documents.insert_many([{"_id": one.id, **_document(one)} for one in events], session=self.session)

    def save(self, event: Event) -> None:
        """Keep a changed event."""
        self.save_all([event])

    def save_all(self, events: Sequence[Event]) -> None:
        """Keep changed events."""
        if events:
            writes = [UpdateOne({"_id": one.id}, {"$set": _document(one)}) for one in events]
            self.documents.bulk_write(writes, ordered=False, session=self.session)

    def save_seats(self, event: Event) -> None:
        """Keep an event of which only the seats have changed."""
        seats = {
            name: getattr(event, name) for name in ("version", "seats_taken", "waitlist_length", "largest_waiting")
        }
        self.documents.update_one({"_id": event.id}, {"$set": seats}, session=self.session)

    def renew_group(self, group: Group) -> None:
        """Have all events of a group show it as it is now, unless they show a newer state of it."""
        older = {"group_id": group.id, "group_sequence": {"$lt": group.sequence}}
        listed = {
            "$and": [
                {"$eq": ["$visibility", "public"]},
                {"$eq": ["$cancelled_at", None]},
                group.visibility == "public" and not group.archived,
            ]
        }
        slug, name = {"$literal": group.slug}, {"$literal": group.name}
        # All that an event shows of its group: only then is it another version of it.
        seen = {"$or": [{"$ne": ["$group_slug", slug]}, {"$ne": ["$group_name", name]}]}
        new = {
            "group_slug": slug,
            "group_name": name,
            "group_visibility": {"$literal": group.visibility},
            "group_archived": group.archived,
            "group_sequence": {"$literal": group.sequence},
            "interests": {"$literal": group.interests},
            "listed": listed,
            "version": {"$add": ["$version", {"$cond": [seen, 1, 0]}]},
        }
        self.documents.update_many(older, [{"$set": new}], session=self.session)

    def archive_group(self, group: str) -> None:
        """Have all events of a group show that it is archived."""
        archived = {"$set": {"group_archived": True, "listed": False}, "$inc": {"version": 1}}
        self.documents.update_many({"group_id": group, "group_archived": False}, archived, session=self.session)

    # -- lists, in order of start

    def listed(self, wanted: Wanted, groups: Iterable[str] = ()) -> list[Event]:
        """Events that the open search shows, and those of the given groups."""
        of_groups = list(groups)
        public = {"listed": True, **_filter(wanted)}
        if not of_groups:
            return self._find(public, wanted)
        return self._find({"$or": [public, {"group_id": {"$in": of_groups}, **_filter(wanted)}]}, wanted)

    def of_group(self, wanted: Wanted, *, all_of_them: bool) -> list[Event]:
        """Events of the wanted group: all of them, or those that everybody may see."""
        which = _filter(wanted)
        if not all_of_them:
            which["visibility"] = "public"
        return self._find(which, wanted)

    def answered(self, ids: Iterable[str], wanted: Wanted, groups: Iterable[str]) -> list[Event]:
        """Those of the given events that a member of the given groups may see."""
        return self._find({"_id": {"$in": list(ids)}, **_filter(wanted), "$or": _seen_by(groups)}, wanted)

    def mine(self, person: str, answered: Iterable[str], wanted: Wanted, groups: Iterable[str]) -> list[Event]:
        """Those of the answered events, and those that the person hosts, that a member of the given groups may see."""
        mine = [{"_id": {"$in": list(answered)}, **_filter(wanted)}, {"hosts.id": person, **_filter(wanted)}]
        seen_by = _seen_by(groups)
        return self._find({"$or": [{**one, "$or": seen_by} for one in mine]}, wanted)

    def of_ids(self, ids: Iterable[str]) -> dict[str, Event]:
        """The events with these ids, by id."""
        found = self.documents.find({"_id": {"$in": list(ids)}}, session=self.session)
        return {document["_id"]: _known(document) for document in found}

    def hosted_by(self, person: str) -> list[Event]:
        """All events that a person hosts."""
        found = self.documents.find({"hosts.id": person}, session=self.session).sort(_ORDER)
        return [_known(document) for document in found]

    def scheduled_by(self, person: str) -> list[Event]:
        """All events that a person scheduled."""
        return [_known(document) for document in self.documents.find({"created_by": person}, session=self.session)]

    def due(self, now: datetime, most: int) -> list[str]:
        """The ids of at most so many events whose reminder is due, the longest due first."""
        which = {"due_at": {"$lte": now}}
        found = self.documents.find(which, {"_id": 1}, session=self.session).sort("due_at").limit(most)
        return [document["_id"] for document in found]

    def by_other_rules(self, rules: str, now: datetime, most: int) -> list[str]:
        """The ids of at most so many coming events whose moments were worked out by an older time zone database."""
        older = {"rules": {"$not": {"$gte": rules}}, "starts_at": {"$gt": now}}
        return [
            document["_id"] for document in self.documents.find(older, {"_id": 1}, session=self.session).limit(most)
        ]

    def forget(self, person: str) -> None:
        """Have no event name a person."""
        hosted = {"$pull": {"hosts": {"id": person}}, "$inc": {"version": 1}}
        self.documents.update_many({"hosts.id": person}, hosted, session=self.session)
        self.documents.update_many({"created_by": person}, {"$set": {"created_by": None}}, session=self.session)

    def _find(self, which: dict[str, Any], wanted: Wanted) -> list[Event]:
        found = self.documents.find(which, session=self.session).sort(_ORDER).limit(wanted.limit + 1)
        return [_known(document) for document in found]


def place(event: Event) -> tuple[int, str]:
    """The event's place in a list."""
    return _milliseconds(event.starts_at), event.id


def _filter(wanted: Wanted) -> dict[str, Any]:
    starts: dict[str, Any] = {"$gte": wanted.since}
    if wanted.to is not None:
        starts["$lt"] = wanted.to
    which: dict[str, Any] = {"starts_at": starts}
    if wanted.after is not None:
        at, after = _moment(wanted.after[0]), wanted.after[1]
        starts["$gte"] = max(wanted.since, at)
        which["$nor"] = [{"starts_at": at, "_id": {"$lte": after}}]
    if wanted.interests:
        which["interests"] = {"$all": list(wanted.interests)}
    if wanted.near is not None:
        lat, lon = wanted.near
        circle = [[lon, lat], min(wanted.within_km / EARTH_RADIUS_KM, 3.14159)]
        which["point"] = {"$geoWithin": {"$centerSphere": circle}}
    if wanted.kind is not None:
        which["kind"] = wanted.kind
    if wanted.group is not None:
        which["group_id"] = wanted.group
    if wanted.series is not None:
        which["series"] = wanted.series
    return which


def _seen_by(groups: Iterable[str]) -> list[dict[str, Any]]:
    return [{"group_id": {"$in": list(groups)}}, {"visibility": "public", "group_visibility": {"$ne": "private"}}]


def _document(event: Event) -> dict[str, Any]:
    document = {name: getattr(event, name) for name in _KEPT}
    for name in _LOCAL:
        document[name] = _text(document[name])
    document["hosts"] = [asdict(host) for host in event.hosts]
    location = (event.venue or {}).get("location")
    point = location and {"type": "Point", "coordinates": [location["lon"], location["lat"]]}
    return {**document, "schema": SCHEMA, "listed": event.listed, "point": point, "due_at": event.due_at}


def _event(document: dict[str, Any] | None) -> Event | None:
    return None if document is None else _known(document)


def _known(document: dict[str, Any]) -> Event:
    # What an older release did not keep is as it is when nothing was said.
    kept = {name: document[name] for name in _KEPT if name in document}
    for name in _LOCAL:
        kept[name] = None if kept.get(name) is None else datetime.fromisoformat(kept[name])
    kept["hosts"] = [Host(**host) for host in kept["hosts"]]
    return Event(id=document["_id"], **kept)


def _text(local: datetime | None) -> str | None:
    return None if local is None else local.isoformat()


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
