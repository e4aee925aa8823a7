"""The rules of webhooks: types, addresses, secrets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.problems import Invalid
from notifications.webhooks import model
from notifications.webhooks.sealing import Lost, Seal

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
KEY, OTHER = "k" * 32, "o" * 32
JOINED = "commonground.groups.member.joined.v1"


def webhook(**fields):
    wanted = {"url": "https://example.org/", "types": ["groups.*"]}
    return replace(model.make("whk_1", "psn_1", wanted, None, "first", NOW), **fields)


class TestTypes:
    @pytest.mark.parametrize(
        "wanted",
        [
            *(
                "*",
                "groups.*",
                "groups.member.*",
                "groups.*.joined.v1",
                "*.member.*",
                "*.*.*.v1",
                "groups.member.joined.v1",
            ),
            *(
                "groups",
                "groups.member",
                "groups.member.joined",
                "commonground.groups.member.joined.v1",
                "commonground.groups.*",
            ),
        ],
    )
    def test_a_type_is_selected_by_what_names_it(self, wanted):
        assert model.pattern_of(wanted) in model.selectors(JOINED)

    @pytest.mark.parametrize(
        "wanted",
        [
            "events.*",
            "group.*",
            "groups.member.left",
            "groups.member.joined.v2",
            "*.joined.v1",
            "groups.*.v1",
            "*.*",
            "member",
        ],
    )
    def test_a_type_is_not_selected_by_what_names_another(self, wanted):
        selected = model.pattern_of(wanted) in model.selectors(JOINED)
        assert selected == (wanted == "*.*")

    @given(
        st.lists(st.sampled_from(["a", "b", "v1", "*"]), min_size=1, max_size=5),
        st.lists(st.sampled_from(["a", "b", "v1"]), min_size=1, max_size=4),
    )
    def test_the_patterns_that_select_a_type_are_those_that_match_it_word_by_word(self, pattern, words):
        def matches(pattern, words):
            if pattern == ["*"]:
                return bool(words)
            if not pattern or not words:
                return not pattern and not words
            return pattern[0] in ("*", words[0]) and matches(pattern[1:], words[1:])

        assert (".".join(pattern) in model.selectors(".".join(words))) == matches(pattern, words)


class TestAddresses:
    @pytest.mark.parametrize(
        "url",
        [
            *(
                "https://example.org",
                "https://example.org/a/b?c=d",
                "https://example.org:8443/",
                "https://example.org:443/",
            ),
            *(
                "https://8.8.8.8/",
                "https://[2606:4700::1111]/",
                "HTTPS://EXAMPLE.ORG/",
                "https://xn--bcher-kva.example/",
            ),
        ],
    )
    def test_https_to_the_open_internet_is_fine(self, url):
        assert model.check_url(url, ()) is None

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "http://example.org/",
                "ftp://example.org/",
                "example.org",
                "https://",
                "https:///path",
                "",
                "https://a b/",
            ),
            *(
                "https://ana@example.org/",
                "https://ana:secret@example.org/",
                "https://example.org/#part",
                "https://bücher.example/",
            ),
            *(
                "https://example.org:22/",
                "https://example.org:25/",
                "https://example.org:0/",
                "https://example.org:99999/",
            ),
            *(
                "https://127.0.0.1/",
                "https://localhost/",
                "https://[::1]/",
                "https://10.0.0.1/",
                "https://169.254.169.254/",
            ),
            *(
                "https://127.1/",
                "https://2130706433/",
                "https://[::ffff:10.0.0.1]/",
                "https://example.org/\r\nX: y",
                "https://[::1",
            ),
        ],
    )
    def test_all_else_is_refused_and_says_where(self, url):
        with pytest.raises(Invalid) as refusal:
            model.check_url(url, ())
        [error] = refusal.value.extensions["errors"]
        assert error["pointer"] == "/url"
        assert "secret" not in error["detail"]

    def test_http_is_for_what_the_operator_allows(self):
        allowed = (ip_network("10.1.0.0/16"),)
        assert model.check_url("http://10.1.2.3:8080/", allowed) is None
        assert model.check_url("https://10.1.2.3/", allowed) is None
        for url in ("http://10.2.0.1/", "http://8.8.8.8/", "https://10.2.0.1/"):
            with pytest.raises(Invalid):
                model.check_url(url, allowed)

    def test_http_to_a_name_depends_on_where_that_leads(self):
        assert model.check_url("http://receiver:8080/", (ip_network("10.1.0.0/16"),)) == "receiver"


class TestSecrets:
    def test_a_secret_that_was_replaced_holds_for_a_day(self):
        rotated = model.rotate(webhook(), "second", NOW)
        assert rotated.secrets_at(NOW + timedelta(hours=24) - timedelta(seconds=1)) == ["second", "first"]
        assert rotated.secrets_at(NOW + timedelta(hours=24)) == ["second"]

    def test_one_that_is_replaced_again_and_again_keeps_the_newest_few(self):
        found = webhook()
        for number in range(10):
            found = model.rotate(found, str(number), NOW + timedelta(minutes=number))
        assert found.secrets_at(NOW + timedelta(minutes=10)) == ["9", "8", "7", "6", "5"]

    def test_a_secret_is_of_the_form_and_length_that_the_standard_wants(self):
        import base64

        secret = model.new_secret()
        assert secret.startswith("whsec_") and 24 <= len(base64.b64decode(secret[6:])) <= 64
        assert secret != model.new_secret()

    def test_what_is_sealed_says_nothing_and_opens_for_its_webhook_alone(self):
        sealed = Seal([KEY]).close("whsec_x", "whk_1")
        assert "whsec" not in sealed
        assert Seal([OTHER, KEY]).open(sealed, "whk_1") == "whsec_x"
        for keys, identifier in (([OTHER], "whk_1"), ([KEY], "whk_2"), ([], "whk_1")):
            with pytest.raises(Lost):
                Seal(keys).open(sealed, identifier)

    def test_what_was_kept_without_a_key_opens_with_one_too(self):
        assert Seal([KEY]).open(Seal([]).close("whsec_x", "whk_1"), "whk_1") == "whsec_x"

    def test_a_webhook_does_not_show_its_secrets_when_it_is_printed(self):
        assert "first" not in repr(webhook())


class TestStatus:
    def test_a_change_of_nothing_is_no_new_version(self):
        assert (
            model.change(webhook(), {"url": "https://example.org/", "status": "active"}, NOW + timedelta(1))
            == webhook()
        )

    def test_one_that_was_disabled_is_as_new_when_it_is_active_again(self):
        off = model.disable(webhook(), model.GONE, NOW)
        assert (off.status, off.reason, off.disabled_at, off.version) == ("disabled", "gone", NOW, 2)
        on = model.change(off, {"status": "active"}, NOW)
        assert (on.status, on.reason, on.disabled_at, on.version) == ("active", None, None, 3)

    def test_the_group_can_be_taken_away(self):
        assert model.change(webhook(group="grp_1"), {"group": None}, NOW).group is None
        assert model.change(webhook(group="grp_1"), {"types": ["*"]}, NOW).group == "grp_1"
