"""How often one may try to sign in, and how long that takes, over the wire; each test has a service of its own."""

import time

from groups.sessions.passwords import MEMORY_KIB

PASSWORD = "correct horse battery"


def test_wrong_passwords_are_limited_per_handle(run_groups):
    api = run_groups(CG_SIGN_INS_PER_HANDLE="3").api
    for handle in ("ana", "ben"):
        api.post("/v1/people", {"handle": handle, "display_name": handle, "password": PASSWORD})

    def attempt(handle, password):
        return api.post("/v1/sessions", {"handle": handle, "password": password})

    for handle in ("ana", "nobody_at_all"):
        assert [attempt(handle, "wrong horse battery").status for _ in range(3)] == [401] * 3
        refused = attempt(handle, PASSWORD)
        assert (refused.status, refused.problem) == (429, "too-many-requests")
        assert 0 < int(refused.headers["Retry-After"]) <= 900
        assert refused.headers["RateLimit-Policy"] == '"sign-in-handle";q=3;w=900'
    assert attempt("ben", PASSWORD).status == 201


def test_wrong_passwords_are_limited_per_address_and_tries_at_once_are_counted(run_groups):
    api = run_groups(CG_SIGN_INS_PER_HANDLE="3", CG_SIGN_INS_PER_ADDRESS="8").api
    api.post("/v1/people", {"handle": "ana", "display_name": "Ana", "password": PASSWORD})
    wrong = {"handle": "ana", "password": "wrong horse battery"}
    sent = [api.send("POST", "/v1/sessions", wrong) for _ in range(12)]
    assert sorted(api.receive(number).status for number in sent) == [401] * 3 + [429] * 9
    tried = [api.post("/v1/sessions", {"handle": f"eve_{n}", "password": PASSWORD}) for n in range(6)]
    assert [answer.status for answer in tried] == [401] * 5 + [429]
    assert tried[-1].headers["RateLimit-Policy"] == '"sign-in-address";q=8;w=900'
    assert "address" in tried[-1].json()["detail"]


def test_a_right_password_begins_the_count_anew(run_groups):
    api = run_groups(CG_SIGN_INS_PER_HANDLE="3").api
    api.post("/v1/people", {"handle": "ana", "display_name": "Ana", "password": PASSWORD})
    for _ in range(2):
        for password in ("wrong horse battery", "wrong horse battery", PASSWORD):
            answer = api.post("/v1/sessions", {"handle": "ana", "password": password})
        assert answer.status == 201


def test_an_unknown_handle_takes_as_long_as_a_wrong_password(run_groups):
    api = run_groups(CG_PASSWORD_MEMORY_KIB=str(MEMORY_KIB), CG_RATE_LIMITS="off").api
    assert api.post("/v1/people", {"handle": "ana", "display_name": "Ana", "password": PASSWORD}).status == 201

    def seconds(handle):
        begun = time.perf_counter()
        assert api.post("/v1/sessions", {"handle": handle, "password": "wrong horse battery"}).status == 401
        return time.perf_counter() - begun

    # By turns, and the fastest of each: what else the machine does slows both down alike. Without a hash: a tenth.
    tries = [(seconds("ana"), seconds("nobody_at_all")) for _ in range(12)]
    known, unknown = (min(times) for times in zip(*tries, strict=True))
    assert 1 / 3 < unknown / known < 3
