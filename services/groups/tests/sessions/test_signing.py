"""Access tokens are signed by the first key and verifiable with the public half of each."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from groups.people.model import register
from groups.sessions.signing import NoSigningKey, access_token, identity, keys_of

NOW = datetime(2026, 11, 23, 18, tzinfo=UTC)
ANA = register({"handle": "ana", "display_name": "Ana"}, NOW)


def pem(curve="P-256", private=True):
    return ECKey.generate_key(curve).as_pem(private=private).decode()


def published(keys):
    return identity(SimpleNamespace(signing_key=keys))


def test_a_token_says_who_it_speaks_for_and_how_long():
    keys = pem()
    token = jwt.decode(access_token(keys, ANA, "ses_1", NOW), KeySet.import_key_set(published(keys)["jwks"]))
    assert token.header["alg"] == "ES256"
    assert token.claims == {
        "iss": "commonground",
        "aud": "commonground",
        "sub": ANA.id,
        "handle": "ana",
        "name": "Ana",
        "sid": "ses_1",
        "scope": "read write subscribe",
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 900,
    }


def test_a_new_key_signs_while_tokens_of_the_old_one_still_hold():
    old, new = pem(), pem()
    both = published(new + "\n" + old)["jwks"]
    assert jwt.decode(access_token(old, ANA, "ses_1", NOW), KeySet.import_key_set(both)).claims["sub"] == ANA.id
    header = jwt.decode(access_token(new + old, ANA, "ses_1", NOW), KeySet.import_key_set(both)).header
    assert header["kid"] == both["keys"][0]["kid"]


def test_the_private_half_is_not_published():
    assert all("d" not in key for key in published(pem())["jwks"]["keys"])


def test_the_identity_is_what_the_gateway_expects():
    told = published(pem())
    assert (told["issuer"], told["audience"], told["introspect"]) == ("commonground", "commonground", "introspect")
    assert {"kty", "crv", "x", "y", "kid", "use", "alg"} == set(told["jwks"]["keys"][0])


@pytest.mark.parametrize(
    "keys",
    [
        "",
        "no key",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        pem(private=False),
        pem("P-384"),
        RSAKey.generate_key(2048).as_pem().decode(),
        OctKey.generate_key(256).as_dict()["k"],
    ],
    ids=["none", "no key", "a broken one", "a public one", "another curve", "RSA", "a shared secret"],
)
def test_what_is_no_private_p256_key_is_refused(keys):
    with pytest.raises(NoSigningKey):
        keys_of(keys)
