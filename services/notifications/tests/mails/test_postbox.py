"""The way to a real mail server: encrypted, signed in, kept; and what it says of each mail."""

import re
import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from notifications.mails import postbox as postbox_module
from notifications.mails.postbox import CONNECTIONS, Deferred, Postbox, Refused, Unreachable
from notifications.settings import NotificationsSettings
from postoffice import HOST, PostOffice, post_office

MAIL = b"Subject: Hello\r\n\r\nHello.\r\n"
TO = "ben@example.org"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 and its key, as files."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form, none = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, none))
    return SimpleNamespace(certificate=str(paths[0]), key=str(paths[1]))


@pytest.fixture
def make():
    """Make ways to a mail server: `make(office, smtp_tls="tls")`. What they keep is closed with the test."""
    made = []

    def make(office, **more):
        made.append(Postbox(settings(office, **more)))
        return made[-1]

    yield make
    for postbox in made:
        for server in postbox._idle:
            server.close()


def settings(office, **more):
    """Settings for this mail server."""
    made = NotificationsSettings()
    usual = {"smtp_host": "localhost", "smtp_port": office.port, "smtp_tls": "off", "smtp_ca_file": "", "smtp_user": ""}
    usual |= {"smtp_password": "", "smtp_seconds": 5, "mail_from": "Common Ground <notices@cg.example>"}
    for name, value in {**usual, **more}.items():
        setattr(made, name, value)
    return made


def send(postbox, to=TO, number=1):
    with postbox.connection() as connection:
        for _ in range(number):
            connection.send(to, MAIL)


def server_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    return context


def signed_in(server, session, envelope, mechanism, data):
    assert isinstance(data, LoginPassword)
    return AuthResult(success=(data.login, data.password) == (b"cg", b"kittens"))


def test_with_starttls_the_server_proves_who_it_is_and_we_sign_in(make, certificate):
    options = {"tls_context": server_tls(certificate), "require_starttls": True, "auth_required": True}
    with post_office(**options, authenticator=signed_in) as office:
        way = {"smtp_tls": "starttls", "smtp_user": "cg", "smtp_password": "kittens"}
        send(make(office, **way, smtp_ca_file=certificate.certificate))
        assert len(office.to(TO)) == 1
        with pytest.raises(Unreachable):
            send(make(office, **way))  # nobody vouches for the certificate
        wrong = {**way, "smtp_password": "bacon"}
        with pytest.raises(Unreachable):
            send(make(office, **wrong, smtp_ca_file=certificate.certificate))
        assert len(office.to(TO)) == 1


def test_with_tls_it_is_encrypted_from_the_beginning(make, certificate):
    with post_office(ssl_context=server_tls(certificate)) as office:
        send(make(office, smtp_tls="tls", smtp_ca_file=certificate.certificate))
        assert len(office.to(TO)) == 1


def test_a_server_that_does_not_encrypt_gets_nothing_where_that_was_asked_for(make):
    with post_office() as office:
        with pytest.raises(Unreachable):
            send(make(office, smtp_tls="starttls"))
        assert office.arrived == []


class Hasty(PostOffice):
    """One that takes commands together."""

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        responses = await super().handle_EHLO(server, session, envelope, hostname, responses)
        return [*responses[:-1], "250-PIPELINING", responses[-1]]


@pytest.fixture(params=[PostOffice, Hasty], ids=["one command at a time", "commands together"])
def office(request):
    """A mail server of each sort."""
    office = request.param()
    yield office
    office.close()


def test_what_the_server_says_is_told_by_its_codes_and_not_by_its_words(make, office):
    postbox = make(office)
    for answer, kind, said in (
        ("550 5.1.1 ben@example.org is unknown", Refused, "550 5.1.1"),
        ("452 ben@example.org is full", Deferred, "452"),
    ):
        office.refusals[TO] = answer
        with pytest.raises(kind) as fault:
            send(postbox)
        assert str(fault.value) == said
    del office.refusals[TO]
    office.answers[TO] = "554 5.7.1 no"
    with pytest.raises(Refused):
        send(postbox)
    office.answers.clear()
    send(postbox, number=3)
    assert len(office.to(TO)) == 3
    assert office.connections == 1


def test_a_server_that_hangs_up_is_greeted_again(make):
    with post_office() as office:
        postbox = make(office)
        send(postbox)
        office.close()
        office.open()
        send(postbox)
        assert (len(office.to(TO)), office.connections) == (2, 2)
        office.answers[TO] = "421 4.3.2 going down"
        with postbox.connection() as connection:
            with pytest.raises(Deferred):
                connection.send(TO, MAIL)
            assert not connection.stands


def test_lines_that_begin_with_a_dot_arrive_as_they_are(make, office):
    with make(office).connection() as connection:
        connection.send(TO, b"Subject: Dots\r\n\r\n.\r\n..\r\n.x\r\nend\r\n")
        connection.send(TO, MAIL)
    assert office.to(TO)[0].get_payload() == ".\r\n..\r\n.x\r\nend\r\n"
    assert len(office.to(TO)) == 2


class Script:
    """A server that takes commands together, answers them only once it has all three, and keeps all that it was told."""

    def __init__(self, replies):
        self.replies, self.told = replies, b""
        self.listening = socket.create_server((HOST, 0))
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self.play)
        self.thread.start()

    def play(self):
        connection, _ = self.listening.accept()
        connection.settimeout(10)
        with connection, self.listening:
            connection.sendall(b"220 here\r\n")
            self.until(connection, rb"(?i)EHLO .*\r\n")
            connection.sendall(b"250-here\r\n250-SIZE\r\n250 PIPELINING\r\n")
            self.until(connection, rb"DATA\r\n")
            connection.sendall(self.replies)
            self.until(connection, rb"(^|\r\n)\.\r\n")
            connection.sendall(b"554 5.5.1 no valid recipients\r\n" if b"550" in self.replies else b"250 OK\r\n")
            if b"550" in self.replies:
                self.until(connection, rb"(?i)RSET\r\n")
                connection.sendall(b"250 OK\r\n")

    def until(self, connection, end):
        heard = b""
        while not re.search(end, heard):
            more = connection.recv(1_000)
            assert more
            heard += more
            self.told += more


def test_where_the_server_lets_us_a_mail_takes_two_round_trips(make):
    server = Script(b"250 OK\r\n250 OK\r\n354 go ahead\r\n")
    send(make(server))
    server.thread.join()
    commands = b"MAIL FROM:<notices@cg.example> SIZE=%d\r\nRCPT TO:<ben@example.org>\r\nDATA\r\n" % len(MAIL)
    assert server.told.endswith(commands + MAIL + b".\r\n")


def test_a_server_that_asks_for_the_mail_of_a_recipient_it_refused_does_not_get_it(make):
    server = Script(b"250 OK\r\n550 5.1.1 unknown\r\n354 go ahead\r\n")
    with pytest.raises(Refused, match=r"550 5\.1\.1"):
        send(make(server))
    server.thread.join()
    assert server.told.endswith(b"DATA\r\n.\r\nrset\r\n")


def test_a_sender_that_is_refused_is_no_mails_fault(make, office):
    office.close()
    office.handle_MAIL = _refuse
    office.open()
    with pytest.raises(Deferred, match=r"553 5\.7\.1"):
        send(make(office))


async def _refuse(server, session, envelope, address, options):
    return "553 5.7.1 not from you"


def test_one_that_cannot_be_reached_is_left_alone_for_longer_and_longer(make):
    with post_office() as office:
        postbox = make(office)
        office.close()
        rests = []
        for _ in range(3):
            with pytest.raises(Unreachable):
                send(postbox)
            rests.append(postbox.rest_seconds)
        assert rests == sorted(rests) and rests[0] > 0
        office.open()
        send(postbox)


class Small(PostOffice):
    """One that takes no more than two connections at a time."""

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        if sum(not one.is_closing() for one in self.transports) == 2:
            server.transport.abort()
        return await super().handle_EHLO(server, session, envelope, hostname, responses)


def test_one_that_takes_fewer_connections_is_served_over_those(make):
    office = Small()
    postbox = make(office)
    with postbox.connection() as first, postbox.connection() as second:
        assert postbox.room == CONNECTIONS - 2
        with pytest.raises(Unreachable), postbox.connection():
            pass
        assert (postbox.room, postbox.rest_seconds) == (0, 0)
        for one in (first, second):
            one.send(TO, MAIL)
    assert postbox.room == 2
    send(postbox)
    assert len(office.to(TO)) == 3
    office.close()


def test_whether_one_takes_more_connections_is_tried_again(make, monkeypatch):
    monkeypatch.setattr(postbox_module, "CROWDED_SECONDS", 0)
    office = Small()
    postbox = make(office)
    with postbox.connection(), postbox.connection(), pytest.raises(Unreachable), postbox.connection():
        pass
    assert postbox.room == CONNECTIONS
    office.close()
