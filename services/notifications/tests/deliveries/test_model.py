"""The rules of deliveries: who may see what, what is pushed, and when again."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from chassis.ids import new_id
from notifications.deliveries import model
from notifications.deliveries.model import Health, Outcome

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
GROUP, BEN = (
    {"id": "grp_1", "slug": "kittens", "name": "Kittens"},
    {"id": "psn_ben", "handle": "ben", "display_name": "Ben"},
)
REFUSED, TAKEN = Outcome(500, "The answer was 500.", 12), Outcome(204, None, 12)


def envelope(audience="public", data=None, type_="commonground.groups.member.joined.v1", **more):
    content = {
        "specversion": "1.0",
        "id": new_id("msg"),
        "source": "/services/groups",
        "type": type_,
        "subject": "grp_1",
    }
    content |= {
        "time": "2026-11-23T18:00:00.123Z",
        "datacontenttype": "application/json",
        "dataschema": f"/schemas/{type_}",
    }
    content |= {
        "sequence": "42",
        "audience": audience,
        "data": {"group": GROUP, "person": BEN} if data is None else data,
    }
    return json.dumps(content | more, ensure_ascii=False).encode()


def delivery(**options):
    return made_of(model.letter_of(envelope()), **options)


def made_of(letter, webhook="whk_1", now=NOW, **options):
    [made] = model.deliveries_of(letter, [webhook], now, **options)
    return made


class TestWhoMaySee:
    def test_what_is_public_is_for_all(self):
        letter = model.letter_of(envelope())
        assert model.may_see(letter, "psn_eve", member=False, private=False)

    def test_what_is_for_a_group_is_for_its_members(self):
        letter = model.letter_of(envelope("group"))
        assert letter.group == "grp_1"
        assert model.may_see(letter, "psn_eve", member=True, private=True)
        assert not model.may_see(letter, "psn_eve", member=False, private=False)

    def test_what_concerns_one_person_is_for_them_alone(self):
        letter = model.letter_of(envelope("person"))
        assert model.may_see(letter, "psn_ben", member=False, private=False)
        assert not model.may_see(letter, "psn_eve", member=True, private=False)

    @pytest.mark.parametrize("audience", ["public", "group", "person"])
    def test_what_concerns_a_private_group_is_for_its_members_whatever_it_was_before(self, audience):
        assert not model.may_see(model.letter_of(envelope(audience)), "psn_ben", member=False, private=True)

    @pytest.mark.parametrize(
        ("audience", "data"),
        [
            ("group", {"person": BEN}),
            ("group", {"group": "grp_1"}),
            ("person", {"interests": ["kittens"], "people": [BEN]}),
            ("person", {"person": BEN, "people": [BEN]}),
            ("person", {"channel": "webhook"}),
            ("group", {"notice_id": "ntc_1", "audience": {"type": "organizers", "id": "grp_1"}}),
            ("group", {"notice_id": "ntc_1", "audience": {"type": "event", "id": "evt_1"}}),
            ("person", {"notice_id": "ntc_1", "audience": {"type": "people", "ids": ["psn_ben"]}}),
            ("secret", {"group": GROUP, "person": BEN}),
            (None, {"group": GROUP, "person": BEN}),
            ("public", []),
        ],
    )
    def test_what_does_not_say_whom_it_is_for_is_for_nobody(self, audience, data):
        assert model.letter_of(envelope(audience, data)) is None

    def test_a_notice_is_for_whom_it_was_posted(self):
        posted = {"notice_id": "ntc_1", "audience": {"type": "person", "id": "psn_ben"}}
        assert model.letter_of(envelope("person", posted)).person == "psn_ben"
        told = {"notice_id": "ntc_1", "audience": {"type": "group", "id": "grp_2"}}
        assert model.letter_of(envelope("group", told)).group == "grp_2"


class TestWhatIsPushed:
    def test_the_envelope_as_it_came_to_the_byte(self):
        raw = envelope(data={"group": GROUP, "text": "Kätzchen  & Speck"})
        assert model.letter_of(raw).body == raw

    @pytest.mark.parametrize("extra", [0, 1])
    def test_of_what_is_too_large_only_the_attributes(self, extra):
        raw = envelope(data={"text": ""})
        raw = envelope(data={"text": "x" * (model.LARGEST_BODY - len(raw) - 1 + extra)})
        body = model.letter_of(raw).body
        assert len(body) < model.LARGEST_BODY
        assert (b"dataleftout" in body) == bool(extra)
        if extra:
            told = json.loads(body)
            assert "data" not in told and told["dataleftout"] is True
            assert told["subject"] == "grp_1" and told["dataschema"].startswith("/schemas/")

    def test_each_secret_signs_it_as_the_standard_says(self):
        from notifications.webhooks.model import new_secret

        first, second, other = new_secret(), new_secret(), new_secret()
        letter = model.letter_of(envelope(data={"text": "Kätzchen"}))
        headers = model.headers_of(letter, [second, first], datetime.now(UTC))
        assert headers["webhook-id"] == letter.id
        for secret in (first, second):
            assert Webhook(secret).verify(letter.body, headers)["id"] == letter.id
        with pytest.raises(WebhookVerificationError):
            Webhook(other).verify(letter.body, headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(first).verify(letter.body + b" ", headers)


class TestSchedule:
    def test_a_delivery_is_the_same_however_often_it_is_made_and_sorts_as_its_message(self):
        first, second = (model.letter_of(envelope()) for _ in range(2))
        made = made_of(first)
        assert made_of(first, now=NOW + timedelta(hours=1)).id == made.id
        assert len({made.id, made_of(first, "whk_2").id, made_of(second).id}) == 3
        later = model.letter_of(envelope(id="msg_" + "7" + "Z" * 25))
        assert made.id < made_of(later).id
        assert made_of(model.letter_of(envelope(id="1"))).id.startswith("dlv_0000000000")

    @given(st.lists(st.floats(0, 1), min_size=10, max_size=10))
    def test_ten_attempts_in_about_three_days_with_pauses_that_grow(self, chances):
        found, now, pauses = delivery(), NOW, []
        for number, chance in enumerate(chances, 1):
            assert (found.status, found.due_at) == ("queued", now)
            found = model.after(found, REFUSED, now, chance)
            assert found.attempts == number
            if found.due_at:
                pauses.append(found.due_at - now)
                now = found.due_at
        assert (found.status, found.due_at, len(pauses)) == ("failed", None, 9)
        assert pauses == sorted(pauses)
        assert timedelta(hours=64) <= now - NOW <= timedelta(hours=80)
        assert pauses[0] <= timedelta(seconds=6)

    def test_one_that_arrives_is_done_and_says_how(self):
        found = model.after(model.after(delivery(), REFUSED, NOW, 0.5), TAKEN, NOW + timedelta(seconds=5), 0.5)
        assert (found.status, found.due_at, found.attempts, found.response_code) == ("delivered", None, 2, 204)
        assert (found.problem, found.response_ms, found.attempted_at) == (None, 12, NOW + timedelta(seconds=5))

    def test_gone_is_final(self):
        assert model.after(delivery(), Outcome(410, "gone", 1), NOW, 0.5).status == "failed"

    def test_a_ping_is_tried_once_each_time_it_is_asked_for(self):
        found = made_of(model.ping("whk_1", "psn_ana", NOW), once=True)
        failed = model.after(found, REFUSED, NOW, 0.5)
        assert failed.status == "failed"
        asked = model.again(failed, NOW)
        assert (asked.status, asked.left, asked.attempts) == ("queued", 1, 1)

    def test_one_that_is_asked_for_again_has_all_its_attempts(self):
        found = replace(delivery(), status="failed", due_at=None, left=0, attempts=10)
        asked = model.again(found, NOW)
        assert (asked.status, asked.due_at, asked.left, asked.attempts) == ("queued", NOW, 10, 10)


class TestHealth:
    def test_an_endpoint_that_fails_is_left_alone_ever_longer_and_a_minute_at_most(self):
        health, rests = Health(), []
        for _ in range(12):
            health = model.health_after(health, REFUSED, NOW, 0)
            rests.append((health.rests_until - NOW).total_seconds())
        assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60, 60]
        assert model.health_after(health, TAKEN, NOW, 0) == Health()

    @pytest.mark.parametrize(
        ("retry_after", "seconds"),
        [
            ("120", 120),
            ("0", 0),
            ("999999999999999999999999", 0),
            ("7200", 3600),
            ("Mon, 23 Nov 2026 18:02:00 GMT", 120),
            ("Mon, 23 Nov 2026 17:00:00 GMT", 0),
            ("Mon, 23 Nov 2026 18:02:00", 0),
            ("soon", 0),
            ("-5", 0),
            ("", 0),
            (None, 0),
        ],
    )
    def test_an_endpoint_is_left_alone_as_it_asks_and_an_hour_at_most(self, retry_after, seconds):
        asked = model.pause_asked(retry_after, NOW)
        assert asked == timedelta(seconds=seconds)
        health = model.health_after(Health(), replace(REFUSED, asked=asked), NOW, 0)
        assert health.rests_until - NOW == timedelta(seconds=max(seconds, 1))
        assert model.health_after(Health(), replace(TAKEN, asked=asked), NOW, 0) == Health()

    def test_five_days_without_success_are_hopeless(self):
        health = model.health_after(Health(), REFUSED, NOW, 0)
        later = model.health_after(health, REFUSED, NOW + timedelta(days=4), 0)
        assert later.failing_since == NOW
        assert not model.is_hopeless(later, NOW + timedelta(days=5) - timedelta(seconds=1))
        assert model.is_hopeless(later, NOW + timedelta(days=5))
        assert not model.is_hopeless(Health(), NOW)
