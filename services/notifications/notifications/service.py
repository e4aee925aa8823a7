"""The notifications service at a glance: what it serves, what it listens to and what it keeps."""

from __future__ import annotations

from chassis.settings import Settings
from chassis.store import Store
from notifications.audiences.api import AudiencesApi
from notifications.audiences.store import Groups, Standings
from notifications.inbox.api import InboxApi
from notifications.inbox.store import Inbox, Readers
from notifications.notices.api import NoticesApi
from notifications.notices.store import Drafts, Notices, Posting
from notifications.people.api import PeopleApi
from notifications.people.store import Forgotten, Profiles
from notifications.preferences.api import PreferencesApi
from notifications.preferences.store import PreferencesStore


class Notifications(AudiencesApi, NoticesApi, InboxApi, PreferencesApi, PeopleApi):
    """Notices, and the inbox in which people read them."""

    name = "notifications"
    store = Store(
        groups=Groups,
        standings=Standings,
        drafts=Drafts,
        posting=Posting,
        notices=Notices,
        inbox=Inbox,
        readers=Readers,
        preferences=PreferencesStore,
        profiles=Profiles,
        forgotten=Forgotten,
    )
    settings = Settings()
