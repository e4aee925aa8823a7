"""Finds the addresses of a name: the one place where the platform asks for an address on somebody's behalf."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, NamedTuple

from notifications.webhooks.addresses import Address, Networks, is_allowed


class Target(NamedTuple):
    """Where one can connect to: an address, and what a socket wants of it."""

    address: Address
    family: int
    place: Any


def targets_of(host: str, port: int) -> Sequence[Target]:
    """All addresses of a host, asked for now, in the order in which to try them. Raises OSError when there are none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [Target(ip_address(str(place[0]).partition("%")[0]), family, place) for family, _, _, _, place in found]


def all_allowed(host: str, networks: Networks) -> bool:
    """Whether a name leads to addresses that the operator allows, and to no other."""
    try:
        return all(is_allowed(one.address, networks) for one in targets_of(host, 0))
    except (OSError, UnicodeError):
        return False
