"""Which addresses the platform connects to on somebody's behalf: what is on the open internet, and what the operator allows.

Whoever names an address to us must not reach through us what only we can reach (server-side request forgery).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from ipaddress import IPv4Network as V4
from ipaddress import IPv6Network as V6

Address = IPv4Address | IPv6Address
Networks = Sequence[V4 | V6]

# The special-purpose registries of IANA (RFC 6890 and its successors). Written out, since what Python counts as global differs
# between its releases.
CLOSED_V4: Networks = tuple(
    ip_network(one)
    for one in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by the customers of a provider (CGNAT)
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; where clouds keep their metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
OPEN_V6 = V6("2000::/3")
"""Where global unicast is. All else is closed: loopback, mapped IPv4, NAT64, unique local, link-local, multicast."""
CLOSED_V6: Networks = tuple(
    ip_network(one)
    for one in (
        "2001::/23",  # protocol assignments, Teredo among them: an IPv4 address inside
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
)


def is_permitted(address: Address, allowed: Networks) -> bool:
    """Whether we connect to an address: it is on the open internet, or in a network that the operator allows."""
    return is_allowed(address, allowed) or _is_open(address)


def is_allowed(address: Address, allowed: Networks) -> bool:
    """Whether the operator allows an address, wherever it is."""
    return any(address in one for one in allowed if one.version == address.version)


def _is_open(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in one for one in CLOSED_V4)
    return address in OPEN_V6 and not any(address in one for one in CLOSED_V6)


def address_in(host: str) -> Address | None:
    """The address that a host of a URL is, however it is written (`127.1`, `0x7f000001`); None where it is a name.

    `localhost` and what ends so is the loopback address, whatever a resolver says (RFC 6761, section 6.3).
    """
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        return ip_address(name)
    except ValueError:
        pass
    try:
        # What the resolver takes for an address, though nobody else would.
        return IPv4Address(socket.inet_aton(name)) if name[:1].isdigit() else None
    except OSError:
        return None
