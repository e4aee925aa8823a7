"""What is not on the open internet is not connected to, however it is written, unless the operator allows it."""

from ipaddress import ip_address, ip_network

import pytest

from notifications.webhooks.addresses import address_in, is_permitted


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "100.63.255.255", "172.15.0.1", "192.0.1.1", "2606:4700::1111", "2a00::1"]
)
def test_what_is_on_the_open_internet_is_permitted(address):
    assert is_permitted(ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    [
        *("0.0.0.0", "10.1.2.3", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.9.9.9", "169.254.169.254"),
        *("172.16.0.1", "172.31.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1"),
        *(
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ),
        *(
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
        ),
        *("2001::1", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1"),
        *("fc00::1", "fd12::1", "fe80::1", "fec0::1", "ff02::1"),
    ],
)
def test_what_is_not_is_refused(address):
    assert not is_permitted(ip_address(address), ())


def test_what_the_operator_allows_is_permitted_and_nothing_beside_it():
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert is_permitted(ip_address("10.1.2.3"), allowed)
    assert is_permitted(ip_address("fd12::1"), allowed)
    assert not is_permitted(ip_address("10.2.2.3"), allowed)
    assert not is_permitted(ip_address("::ffff:10.1.2.3"), allowed)
    assert is_permitted(ip_address("8.8.8.8"), allowed)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("::1", "::1"),
        ("LOCALHOST", "127.0.0.1"),
        ("hooks.localhost.", "127.0.0.1"),
    ],
)
def test_an_address_is_known_however_it_is_written(host, address):
    assert address_in(host) == ip_address(address)


@pytest.mark.parametrize("host", ["example.org", "a.b", "localhost.example.org", "1.example.org", "x"])
def test_a_name_is_no_address(host):
    assert address_in(host) is None
