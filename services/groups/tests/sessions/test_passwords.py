"""Of a password only a hash is kept, which is dear to try."""

import eventlet
import pytest

from groups.sessions.passwords import MEMORY_KIB, hash_password, is_password

LITTLE = 8


def test_a_hash_is_as_dear_as_owasp_asks_for():
    assert hash_password("kittens and bacon", MEMORY_KIB).startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.parametrize("memory", [LITTLE, 1024])
def test_a_password_is_known_by_its_hash_whatever_memory_that_took(memory):
    kept = hash_password("kittens and bacon", memory)
    assert is_password("kittens and bacon", kept, LITTLE)
    assert not is_password("kittens and beacon", kept, LITTLE)


def test_others_go_on_while_a_password_is_hashed():
    turns = []
    other = eventlet.spawn(lambda: [(turns.append(1), eventlet.sleep()) for _ in range(1000)])
    hash_password("kittens and bacon", MEMORY_KIB)
    assert turns
    other.kill()
