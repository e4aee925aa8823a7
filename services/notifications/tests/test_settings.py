"""What the service reads from its environment, and what it says of what does not go together."""

import pytest

from chassis.settings import ConfigurationFaults
from notifications.settings import NotificationsSettings

USUAL = {
    "CG_AMQP_URI": "amqp://guest:guest@127.0.0.1/",
    "CG_MONGO_URI": "mongodb://127.0.0.1/notifications",
    "CG_SMTP_HOST": "mail.example.org",
    "CG_MAIL_FROM": "Common Ground <notices@example.org>",
    "CG_PUBLIC_URL": "https://cg.example.org/",
}


@pytest.fixture
def read(monkeypatch):
    """Read the settings from this environment."""

    def read(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return NotificationsSettings.read()

    return read


def test_a_mail_server_who_mail_is_from_and_where_links_lead_is_all_it_takes(read):
    settings = read(**USUAL)
    assert (settings.sends_mail, settings.port, settings.smtp_tls) == (True, 587, "starttls")
    assert (settings.sender.display_name, settings.sender.domain) == ("Common Ground", "example.org")
    assert settings.public == "https://cg.example.org"
    assert settings.tls() is not None


@pytest.mark.parametrize(("tls", "port"), [("off", 25), ("starttls", 587), ("tls", 465)])
def test_each_way_there_has_its_usual_port(read, tls, port):
    assert read(**USUAL, CG_SMTP_TLS=tls).port == port
    assert read(**USUAL, CG_SMTP_TLS=tls, CG_SMTP_PORT="2525").port == 2525


def test_without_a_mail_server_nothing_else_is_needed(read):
    settings = read(**{name: USUAL[name] for name in ("CG_AMQP_URI", "CG_MONGO_URI")})
    assert not settings.sends_mail


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"CG_MAIL_FROM": ""}, "CG_MAIL_FROM"),
        ({"CG_MAIL_FROM": "nobody"}, "CG_MAIL_FROM"),
        ({"CG_MAIL_FROM": "Common Ground"}, "CG_MAIL_FROM"),
        ({"CG_PUBLIC_URL": ""}, "CG_PUBLIC_URL"),
        ({"CG_PUBLIC_URL": "cg.example.org"}, "CG_PUBLIC_URL"),
        ({"CG_PUBLIC_URL": "ftp://cg.example.org"}, "CG_PUBLIC_URL"),
        ({"CG_SMTP_TLS": "ssl"}, "CG_SMTP_TLS"),
        ({"CG_SMTP_PORT": "70000"}, "CG_SMTP_PORT"),
        ({"CG_SMTP_SECONDS": "0"}, "CG_SMTP_SECONDS"),
        ({"CG_SMTP_USER": "cg"}, "go together"),
        ({"CG_SMTP_PASSWORD": "secret"}, "go together"),
        ({"CG_SMTP_USER": "cg", "CG_SMTP_PASSWORD": "secret", "CG_SMTP_TLS": "off"}, "unencrypted"),
        ({"CG_SMTP_CA_FILE": "/no/such/file"}, "CG_SMTP_CA_FILE"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_said_at_the_start_without_what_is_secret(read, wrong, said):
    with pytest.raises(ConfigurationFaults) as faults:
        read(**{**USUAL, **wrong})
    assert said in str(faults.value)
    assert "secret" not in str(faults.value)
