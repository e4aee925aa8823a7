"""The notifications service at a glance: what it serves, what it listens to and what it keeps."""

from __future__ import annotations

from chassis.live import Live
from chassis.settings import Settings
from chassis.store import Store
from notifications.audiences.api import AudiencesApi
from notifications.audiences.store import Groups, Standings
from notifications.deliveries.api import DeliveriesApi
from notifications.deliveries.store import Deliveries, Lanes, Letters
from notifications.email.api import EmailApi
from notifications.email.store import CodesSent, Mailboxes
from notifications.inbox.api import InboxApi
from notifications.inbox.store import Inbox, Readers
from notifications.mails.api import MailsApi
from notifications.mails.store import Digests, Mails
from notifications.notices.api import NoticesApi
from notifications.notices.store import Drafts, Notices, Posting
from notifications.people.api import PeopleApi
from notifications.people.store import Forgotten, Profiles
from notifications.preferences.api import PreferencesApi
from notifications.preferences.store import PreferencesStore
from notifications.settings import NotificationsSettings
from notifications.stream.api import StreamApi
from notifications.stream.store import Tickets
from notifications.webhooks.api import WebhooksApi
from notifications.webhooks.store import Owners, Webhooks


class Notifications(
    AudiencesApi,
    NoticesApi,
    InboxApi,
    StreamApi,
    PreferencesApi,
    EmailApi,
    MailsApi,
    WebhooksApi,
    DeliveriesApi,
    PeopleApi,
):
    """Notices, the inbox in which people read them, live too, the mail that brings them, and messages pushed to other systems."""

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
        mailboxes=Mailboxes,
        codes_sent=CodesSent,
        mails=Mails,
        digests=Digests,
        profiles=Profiles,
        tickets=Tickets,
        forgotten=Forgotten,
        webhooks=Webhooks,
        owners=Owners,
        letters=Letters,
        deliveries=Deliveries,
        lanes=Lanes,
    )
    live = Live()
    settings = Settings(NotificationsSettings)
