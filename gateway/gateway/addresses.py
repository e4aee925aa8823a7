"""Says from which address a request comes, believing only proxies that the operator trusts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


class Addresses:
    """Knows the proxies whose `X-Forwarded-For` is believed."""

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        """`trusted_proxies` are addresses and networks. Raises ValueError for what is neither."""
        self._trusted: list[IPv4Network | IPv6Network] = [
            ip_network(one.strip(), strict=False) for one in trusted_proxies
        ]
        self._is_trusted = lru_cache(maxsize=1024)(self._check)

    def of(self, peer: str, forwarded_for: str | None) -> str:
        """The address of the client: the peer's, or the last one in `forwarded_for` that is no trusted proxy's."""
        if forwarded_for is None or not self._trusted or not self._is_trusted(peer):
            return peer
        address = peer
        for one in reversed(forwarded_for.split(",")):
            said = _without_port(one.strip())
            if said is None:
                break
            address = said
            if not self._is_trusted(said):
                break
        return address

    def _check(self, address: str) -> bool:
        found = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in network for network in self._trusted)


def _without_port(said: str) -> str | None:
    """An address as proxies write it (`203.0.113.7`, `203.0.113.7:4711`, `[2001:db8::7]:4711`), or None."""
    if said.startswith("["):
        said = said[1:].partition("]")[0]
    elif said.count(":") == 1:
        said = said.partition(":")[0]
    try:
        return str(ip_address(said))
    except ValueError:
        return None
