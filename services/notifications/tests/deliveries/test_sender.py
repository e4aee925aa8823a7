"""One exchange with an endpoint: only where we may go, with a certificate that holds, and no redirects."""

import socket
import threading
from ipaddress import ip_network

import pytest

from notifications.deliveries.sender import Sender

ALLOWED = (ip_network("127.0.0.1/32"),)
HEADERS = {"webhook-id": "msg_1", "content-type": "application/json"}


@pytest.fixture
def sending():
    """Make a sender, which closes its connections at the end: `sending()`."""
    made = []

    def make(allowed=ALLOWED):
        made.append(Sender(allowed))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def resolve(monkeypatch):
    """Have a name lead to these addresses, the next time to the next ones; gives how often it was asked."""
    original = socket.getaddrinfo
    asked = []

    def patch(*answers):
        waiting = list(answers)

        def getaddrinfo(host, port, *args, **kwargs):
            if host != "hooks.example":
                return original(host, port, *args, **kwargs)
            asked.append(host)
            found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            return [
                (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
                for one in found
            ]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return patch


def test_what_is_pushed_arrives_and_its_connection_is_used_again(sending, receiver):
    sender = sending()
    for _ in range(3):
        outcome = sender.push(receiver.url, HEADERS, b"{}")
        assert (outcome.code, outcome.problem) == (204, None)
    assert [one.body for one in receiver.pushes] == [b"{}"] * 3


def test_without_permission_nothing_is_connected_to_whatever_the_url_says(sending, receiver):
    port = receiver.port
    for url in (
        receiver.url,
        f"https://127.0.0.1:{port}/",
        f"http://127.1:{port}/",
        f"https://[::ffff:127.0.0.1]:{port}/",
    ):
        outcome = sending(()).push(url, HEADERS, b"{}")
        assert (outcome.code, outcome.problem) == (None, "The host has no address to which this platform connects.")
    assert receiver.pushes == []


@pytest.mark.parametrize("closed", ["127.0.0.2", "10.0.0.1", "169.254.169.254", "::1", "fe80::1", "64:ff9b::7f00:1"])
def test_a_name_that_leads_inside_is_refused_at_the_connection(sending, resolve, receiver, closed):
    resolve([closed])
    outcome = sending().push(f"https://hooks.example:{receiver.port}/", HEADERS, b"{}")
    assert outcome.problem == "The host has no address to which this platform connects."


def test_the_name_is_asked_for_once_and_the_connection_goes_to_that_very_address(sending, resolve, receiver):
    """The second answer would lead elsewhere: it is never asked for."""
    asked = resolve(["127.0.0.1"], ["127.0.0.2"])
    sender = sending()
    url = f"http://hooks.example:{receiver.port}/"
    assert sender.push(url, HEADERS, b"{}").code == 204
    assert len(asked) == 1
    assert sender.push(url, HEADERS, b"{}").code == 204  # on the connection that is there
    assert len(asked) == 1
    fresh = sending().push(url, HEADERS, b"{}")
    assert (len(asked), fresh.code) == (2, None)
    assert len(receiver.pushes) == 2


def test_of_several_addresses_only_those_are_tried_that_may_be(sending, resolve, receiver):
    resolve(["10.0.0.1", "::1", "127.0.0.1"])
    assert sending().push(f"http://hooks.example:{receiver.port}/", HEADERS, b"{}").code == 204


def test_plain_http_goes_to_what_is_allowed_and_not_to_the_open_internet(sending, resolve):
    resolve(["8.8.8.8"])
    outcome = sending().push("http://hooks.example/", HEADERS, b"{}")
    assert outcome.problem == "The host has no address to which this platform connects."
    assert outcome.ms < 1_000


def test_a_redirect_is_an_answer_and_is_not_followed(sending, receive):
    receiver = receive(answers=[307])
    receiver.headers["location"] = receiver.url + "/elsewhere"
    outcome = sending().push(receiver.url, HEADERS, b"{}")
    assert (outcome.code, outcome.arrived) == (307, False)
    assert "not followed" in outcome.problem
    assert len(receiver.pushes) == 1


def test_for_how_long_an_endpoint_asks_to_be_left_alone_is_heard(sending, receive):
    receiver = receive(answers=[429])
    receiver.headers["retry-after"] = "120"
    outcome = sending().push(receiver.url, HEADERS, b"{}")
    assert (outcome.code, outcome.asked.total_seconds()) == (429, 120)


def test_of_a_long_answer_only_a_little_is_read(sending):
    with socket.create_server(("127.0.0.1", 0)) as server:
        sent = []

        def pour():
            one, _ = server.accept()
            with one:
                one.recv(65_536)
                one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                try:
                    for _ in range(1_000):
                        one.sendall(b"x" * 100_000)
                        sent.append(100_000)
                except OSError:
                    return

        pouring = threading.Thread(target=pour)
        pouring.start()
        outcome = sending().push(f"http://127.0.0.1:{server.getsockname()[1]}/", HEADERS, b"{}")
        pouring.join(10)
        assert outcome.code == 200
        assert sum(sent) < 20_000_000


def test_what_is_no_http_is_no_answer(sending):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def talk():
            one, _ = server.accept()
            with one:
                one.recv(65_536)
                one.sendall(b"220 mail.example ESMTP\r\n")

        talking = threading.Thread(target=talk)
        talking.start()
        outcome = sending().push(f"http://127.0.0.1:{server.getsockname()[1]}/", HEADERS, b"{}")
        talking.join(10)
        assert (outcome.code, outcome.problem) == (None, "The connection broke before there was an answer.")


def test_a_kept_connection_that_the_other_side_has_closed_costs_no_attempt(sending, receive):
    """It says nothing of closing, and closes when the next request is under way."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_once_each():
            for _ in range(2):
                one, _ = server.accept()
                with one:
                    one.recv(65_536)
                    one.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                    one.recv(65_536)

        answering = threading.Thread(target=answer_once_each)
        answering.start()
        sender, url = sending(), f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert [sender.push(url, HEADERS, b"{}").code for _ in range(2)] == [204, 204]
        sender.close()
        answering.join(10)


# -- TLS


@pytest.mark.parametrize(
    ("name", "trusted", "code"),
    [("hooks.example", True, 204), ("other.example", True, None), ("hooks.example", False, None)],
)
def test_the_certificate_has_to_hold_for_the_name_in_the_url(
    tmp_path, monkeypatch, receive, resolve, certificate, sending, name, trusted, code
):
    receiver = receive(context=certificate(tmp_path, name))
    resolve(["127.0.0.1"])
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    outcome = sending().push(f"https://hooks.example:{receiver.port}/", HEADERS, b"{}")
    assert outcome.code == code
    assert len(receiver.pushes) == (code is not None)
    if code is None:
        assert outcome.problem == "The certificate is not valid for this host, or TLS is not spoken there."
