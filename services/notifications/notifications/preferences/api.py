"""Where people read and change what they want to hear of."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.merge_patch import merge_patch
from notifications.people.api import staying
from notifications.preferences import model
from notifications.preferences.schemas import NoticePreferences, NoticePreferencesPatch, shown


class PreferencesApi:
    """What whoever calls wants to hear of."""

    store: Any

    @endpoint("GET", "/v1/me/notices", returns=NoticePreferences, access=SIGNED_IN)
    def read_preferences(self, call: Call) -> dict[str, Any]:
        """What the caller wants to hear of, and how: of each kind of notice, of single groups, and when not."""
        return shown(self.store.preferences.get(call.caller.id))

    @endpoint("PATCH", "/v1/me/notices", body=NoticePreferencesPatch, returns=NoticePreferences, access=SIGNED_IN)
    def change_preferences(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Change what the caller wants to hear of, by merge patch (RFC 7396).

        It counts at once and for what was told before too: what is not wanted is in the inbox no more, and is there
        again when it is wanted again. A muted group is heard of nowhere. `quiet_hours` are on the clock of the caller's
        own time zone and hold mail back until they are over; null ends them.
        """
        person = call.caller.id
        with staying(self.store, person, self.store.preferences.forget), self.store.transaction(call) as tx:
            before = tx.preferences.get(person)
            call.expect_version(before.version)
            after = model.change(before, merge_patch(model.changeable(before), body))
            if after is not before:
                tx.preferences.save(after)
        return shown(after)
