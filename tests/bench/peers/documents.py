"""The group as the peers keep it and show it: the same members, of the same size, as the platform's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database

AS_THEY_ARE = (
    "slug",
    "name",
    "summary",
    "description",
    "interests",
    "scope",
    "place",
    "join_policy",
    "visibility",
    "rules",
    "ask_after",
    "status",
    "member_count",
    "organizers",
    "version",
)


def keep(database: Database[dict[str, Any]], groups: Sequence[Mapping[str, Any]], person_id: str) -> None:
    """Write groups, given as the API shows them, and the person's membership in each, with the indexes for reading them."""
    database.groups.create_index([("slug", ASCENDING)], unique=True)
    database.members.create_index([("group_id", ASCENDING), ("person_id", ASCENDING)], unique=True)
    kept, members = [], []
    for group in groups:
        times = {name: datetime.fromisoformat(group[name]) for name in ("created_at", "updated_at")}
        kept.append({"_id": group["id"], **{name: group[name] for name in AS_THEY_ARE}, **times})
        members.append(
            {"group_id": group["id"], "person_id": person_id, **group["viewer"], "joined_at": times["created_at"]}
        )
    database.groups.insert_many(kept)
    database.members.insert_many(members)


def to_json(group: Mapping[str, Any], membership: Mapping[str, Any] | None) -> dict[str, Any]:
    """A group as the API shows it."""
    viewer = {"role": membership["role"], "status": membership["status"]} if membership else None
    return {
        "id": group["_id"],
        **{name: group[name] for name in AS_THEY_ARE},
        "created_at": group["created_at"].isoformat(),
        "updated_at": group["updated_at"].isoformat(),
        "viewer": viewer,
    }
