"""What travels between the two halves of the FastAPI and FastStream peer."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel

QUEUE = "peers.fast.groups.read"


class Location(BaseModel):
    """A point on the earth."""

    lat: float
    lon: float


class Place(BaseModel):
    """Where a group is at home."""

    name: str
    country: str
    region: str | None = None
    location: Location | None = None


class AskAfter(BaseModel):
    """How warm a member must be before asking."""

    days: int
    events: int


class Viewer(BaseModel):
    """What the person who asks is in the group."""

    role: str
    status: str


class Group(BaseModel):
    """A group as the API shows it."""

    id: str
    slug: str
    name: str
    summary: str
    description: str
    interests: list[str]
    scope: str
    place: Place | None
    join_policy: str
    visibility: str
    rules: str
    ask_after: AskAfter
    status: str
    member_count: int
    organizers: list[str]
    created_at: datetime
    updated_at: datetime
    version: int
    viewer: Viewer | None


class ReadGroup(BaseModel):
    """Which group is asked for, by whom."""

    slug: str
    person_id: str
