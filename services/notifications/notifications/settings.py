"""What the notifications service reads from its environment, beside what every service reads."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from email.headerregistry import Address
from email.utils import parseaddr
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Self
from urllib.parse import urlsplit

from marshmallow import ValidationError
from marshmallow.validate import Email, OneOf, Range

from chassis.settings import ConfigurationFaults, ServiceSettings, setting


@lru_cache(maxsize=10)
def _address(text: str) -> Address:
    name, address = parseaddr(text)
    return Address(name, addr_spec=address)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text.strip())
    except ValueError as fault:
        raise ValidationError(f"{fault}; give networks such as 10.20.0.0/16") from None


SHORTEST_KEY = 32
LOOPBACK = ("localhost", "127.0.0.1", "::1")
USUAL_PORTS = {"off": 25, "starttls": 587, "tls": 465}


class NotificationsSettings(ServiceSettings):
    """The settings of the notifications service."""

    smtp_host: str = setting("str", "CG_SMTP_HOST", "", help="The mail server; without one, no mail is sent")
    smtp_port: int = setting(
        "int",
        "CG_SMTP_PORT",
        0,
        help="Its port; 0 takes the usual one: 587 with starttls, 465 with tls, 25 without either",
        validate=Range(0, 65535),
    )
    smtp_tls: str = setting(
        "str",
        "CG_SMTP_TLS",
        "starttls",
        help="How the way there is encrypted: starttls, tls (from the beginning), or off",
        validate=OneOf(list(USUAL_PORTS)),
    )
    smtp_ca_file: str = setting(
        "str",
        "CG_SMTP_CA_FILE",
        "",
        help="Certificates (PEM) by which to know the mail server, in place of the system's",
    )
    smtp_user: str = setting("str", "CG_SMTP_USER", "", help="Who signs in at the mail server, if anybody has to")
    smtp_password: str = setting("str", "CG_SMTP_PASSWORD", "", help="The password of CG_SMTP_USER", secret=True)
    smtp_seconds: int = setting(
        "int",
        "CG_SMTP_SECONDS",
        15,
        help="How long the mail server may take for one mail; it is tried again later",
        validate=Range(1, 20),
    )
    mail_from: str = setting(
        "str", "CG_MAIL_FROM", "", help="Who mail is from, e.g. Common Ground <notices@example.org>; needed to send any"
    )
    public_url: str = setting(
        "str",
        "CG_PUBLIC_URL",
        "",
        help="Where people reach the gateway, e.g. https://cg.example.org; needed to send mail",
    )
    rate_limits: bool = setting("bool", "CG_RATE_LIMITS", True, help="off lifts the limit of codes that are mailed")

    webhook_networks: list[IPv4Network | IPv6Network] = setting(
        "list",
        "CG_WEBHOOK_NETWORKS",
        [],
        help="Networks beside the open internet to which webhooks may push, over http too, e.g. 10.20.0.0/16,fd00::/8",
        subcast=_network,
    )
    webhook_keys: str = setting(
        "str",
        "CG_WEBHOOK_KEYS",
        "",
        help="Keys that seal the secrets of webhooks in the database, each of 32 random characters or more. Of several, with "
        "a comma between, the first seals and all open. Without one, secrets are kept as they are",
        secret=True,
    )
    webhooks_per_person: int = setting(
        "int", "CG_WEBHOOKS_PER_PERSON", 20, help="How many webhooks one person may have", validate=Range(1, 10_000)
    )

    @classmethod
    def read(cls, environment: dict[str, str] | None = None) -> Self:
        """Read all settings. Raises ConfigurationFaults, also for those of mail that do not go together, and short keys."""
        settings = super().read(environment)
        faults = list(settings._mail_faults()) if settings.smtp_host else []
        if any(len(one) < SHORTEST_KEY for one in settings.seal_keys):
            faults.append(f"CG_WEBHOOK_KEYS: each key has at least {SHORTEST_KEY} characters.")
        if faults:
            raise ConfigurationFaults(faults)
        return settings

    @property
    def seal_keys(self) -> list[str]:
        """The keys of CG_WEBHOOK_KEYS, the one that seals first."""
        return [one.strip() for one in self.webhook_keys.split(",") if one.strip()]

    @property
    def sends_mail(self) -> bool:
        """Whether there is a mail server."""
        return bool(self.smtp_host)

    @property
    def port(self) -> int:
        """The port of the mail server."""
        return self.smtp_port or USUAL_PORTS[self.smtp_tls]

    @property
    def sender(self) -> Address:
        """Who mail is from."""
        return _address(self.mail_from)

    @property
    def public(self) -> str:
        """The public address, without a slash at the end."""
        return self.public_url.rstrip("/")

    def tls(self) -> ssl.SSLContext | None:
        """How the mail server has to prove who it is; None where nothing is encrypted."""
        return None if self.smtp_tls == "off" else ssl.create_default_context(cafile=self.smtp_ca_file or None)

    def _mail_faults(self) -> Iterator[str]:
        try:
            Email()(parseaddr(self.mail_from)[1])
            _ = self.sender
        except (ValidationError, ValueError, IndexError):
            yield f"CG_MAIL_FROM is {self.mail_from!r}, which is no address. It is like Common Ground <notices@example.org>."
        url = urlsplit(self.public_url)
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
            yield f"CG_PUBLIC_URL is {self.public_url!r}. Give the address of the gateway, e.g. https://cg.example.org."
        if bool(self.smtp_user) != bool(self.smtp_password):
            yield "CG_SMTP_USER and CG_SMTP_PASSWORD go together: give both or neither."
        if self.smtp_password and self.smtp_tls == "off" and self.smtp_host not in LOOPBACK:
            yield "CG_SMTP_PASSWORD would be sent unencrypted. Set CG_SMTP_TLS to starttls or tls."
        try:
            self.tls()
        except (OSError, ssl.SSLError) as fault:
            yield f"CG_SMTP_CA_FILE cannot be used: {fault}."
