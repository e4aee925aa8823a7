"""What the groups service reads from its environment, beside what every service reads."""

from __future__ import annotations

from typing import Self

from marshmallow import ValidationError
from marshmallow.validate import Range

from chassis.settings import ConfigurationFaults, ServiceSettings, setting
from groups.demand.model import are_levels
from groups.sessions.passwords import MEMORY_KIB
from groups.sessions.signing import NoSigningKey, keys_of


def _are_levels(levels: list[int]) -> None:
    if not are_levels(levels):
        raise ValidationError("Each has to be larger than the one before")


class GroupsSettings(ServiceSettings):
    """The settings of the groups service."""

    signing_key: str = setting(
        "str",
        "CG_SIGNING_KEY",
        help="The private key that signs access tokens: EC P-256, PEM. Of several, one after the other, the first "
        "signs and all verify, so that a new key is put first and the old one goes after 15 minutes",
        secret=True,
    )
    rate_limits: bool = setting("bool", "CG_RATE_LIMITS", True, help="off lifts the limit of sign-ins, for load tests")
    sign_ins_per_handle: int = setting(
        "int",
        "CG_SIGN_INS_PER_HANDLE",
        10,
        help="How many times in 15 minutes a wrong password may be tried with one handle",
        validate=Range(1),
    )
    sign_ins_per_address: int = setting(
        "int",
        "CG_SIGN_INS_PER_ADDRESS",
        300,
        help="How many times in 15 minutes a wrong password may be tried from one address, with whatever handles",
        validate=Range(1),
    )
    session_days: int = setting(
        "int",
        "CG_SESSION_DAYS",
        30,
        help="After how many days a session ends that nobody refreshed",
        validate=Range(1, 3650),
    )
    password_memory_kib: int = setting(
        "int",
        "CG_PASSWORD_MEMORY_KIB",
        MEMORY_KIB,
        help="How much memory, and time in proportion, it takes to try a password, also for whoever stole the hashes: "
        "more on large machines, less for tests only",
        validate=Range(8),
    )
    promotion_reach: int = setting(
        "int",
        "CG_PROMOTION_REACH",
        150_000,
        help="How many people a promotion reaches at most: those who share most of the group's interests",
        validate=Range(1, 1_000_000),
    )
    demand_levels: list[int] = setting(
        "list",
        "CG_DEMAND_LEVELS",
        [3, 10, 30, 100, 300, 1000, 3000, 10_000],
        help="How many people have to watch for what no group serves, for all of them to be told; e.g. 3,10,30",
        subcast=int,
        validate=_are_levels,
    )

    @classmethod
    def read(cls, environment: dict[str, str] | None = None) -> Self:
        """Read all settings. Raises ConfigurationFaults, also when the key is none that could sign."""
        settings = super().read(environment)
        try:
            keys_of(settings.signing_key)
        except NoSigningKey as fault:
            raise ConfigurationFaults([str(fault)]) from None
        return settings
