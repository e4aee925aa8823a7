"""The way to a real mail server: encrypted, signed in, kept; and what it says of each mail."""

import ssl
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from notifications.mails.postbox import Deferred, Postbox, Refused, Unreachable
from notifications.settings import NotificationsSettings
from postoffice import post_office

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


def test_what_the_server_says_is_told_by_its_codes_and_not_by_its_words(make):
    with post_office() as office:
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
