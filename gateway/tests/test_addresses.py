"""Whose address counts."""

from __future__ import annotations

import pytest

from chassis.addresses import network_of
from gateway.addresses import Addresses

TRUSTING = Addresses(["10.0.0.0/8", "2001:db8:1::/48"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # not a trusted proxy
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),  # what the client said of itself does not count
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1:4711", "198.51.100.1"),
        ("2001:db8:1::1", "[2001:db8:2::7]:4711", "2001:db8:2::7"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
    ],
)
def test_believes_trusted_proxies_only(peer, forwarded_for, address):
    assert TRUSTING.of(peer, forwarded_for) == address


def test_believes_nobody_unless_told():
    assert Addresses().of("10.0.0.1", "198.51.100.1") == "10.0.0.1"


def test_refuses_what_is_no_network():
    with pytest.raises(ValueError):
        Addresses(["nonsense"])


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", "unknown"),
    ],
)
def test_one_customer_counts_as_one(address, counted):
    assert network_of(address) == counted
