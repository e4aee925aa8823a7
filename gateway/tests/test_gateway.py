"""What a request meets on its way, on the real broker."""

from __future__ import annotations

import base64
import hmac
import json
import re
import socket
import time
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey

from chassis.testing import wait_until

POST_JSON = b"POST /v1/tries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
TYPES = {
    400: "malformed-request",
    401: "authentication-required",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-media-type",
    503: "unavailable",
    504: "deadline-exceeded",
}


@pytest.fixture(autouse=True)
def fresh(shelf) -> None:
    shelf.calls.clear()
    shelf.asked.clear()
    shelf.answers.clear()


def refused(answer: httpx.Response, status: int) -> dict[str, Any]:
    """Check that an answer is the problem it should be; gives its document."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert document["type"] == f"/problems/{TYPES[status]}"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert document["instance"] == answer.headers["X-Request-Id"]
    return document


def raw(door, data: bytes, seconds: float = 5) -> bytes:
    """What comes back for bytes as they are, until the connection closes."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=seconds) as sock:
        sock.sendall(data)
        received = b""
        while more := sock.recv(65536):
            received += more
        return received


# -- handing on


def test_hands_on_what_a_service_needs_to_answer(shelf, door):
    token = shelf.token()
    answer = door.ask(
        "PATCH",
        "/v1/things/k%C3%A4tzchen?a=1&b=%20x",
        token,
        content=b'{"name": "Sp\xc3\xa4tzle"}',
        headers={
            "Content-Type": "application/merge-patch+json; charset=UTF-8",
            "If-Match": '"3"',
            "If-None-Match": '"4"',
            "Idempotency-Key": "k1",
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        },
    )
    assert answer.status_code == 200
    ((head, body),) = shelf.calls
    assert body == b'{"name": "Sp\xc3\xa4tzle"}'
    assert head["endpoint"] == "change_thing"
    assert head["path"] == {"thing": "kätzchen"}
    assert head["target"] == "/v1/things/kätzchen"
    assert head["query"] == "a=1&b=%20x"
    assert head["caller"] == {
        "id": "psn_ana",
        "handle": "ana",
        "display_name": "Ana",
        "scopes": ["read", "write"],
        "session": "ses_ana",
    }
    assert head["address"] == "127.0.0.1"
    assert head["traceparent"] == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert (head["if_match"], head["if_none_match"], head["idempotency_key"]) == ('"3"', '"4"', "k1")
    assert head["id"] == answer.headers["X-Request-Id"]
    assert time.time() < head["deadline"] < time.time() + 5


def test_passes_status_headers_and_raw_bytes_back(shelf, door):
    content = b'{"bytes": "\xff\x00 as they are"}'
    shelf.answers["get_thing"] = lambda head, body: (201, {"Content-Type": "x/y", "Location": "/v1/things/1"}, content)
    answer = door.get("/v1/things/1")
    assert (answer.status_code, answer.content) == (201, content)
    assert (answer.headers["Content-Type"], answer.headers["Location"]) == ("x/y", "/v1/things/1")


def test_passes_problems_of_services_back_as_they_are(shelf, door):
    problem = b'{"type":"/problems/last-organizer","status":409}'
    shelf.answers["get_thing"] = lambda head, body: (409, {"Content-Type": "application/problem+json"}, problem)
    answer = door.get("/v1/things/1")
    assert (answer.status_code, answer.content) == (409, problem)


def test_somebody_who_is_not_signed_in_reaches_what_is_open_to_anyone(shelf, door):
    assert door.get("/v1/things/1").status_code == 200
    assert shelf.calls[0][0]["caller"] is None


def test_a_post_without_a_body_needs_no_type(shelf, door):
    assert door.ask("POST", "/v1/tries").status_code == 200
    assert shelf.calls[0][1] == b""


def test_a_body_in_chunks_arrives_whole(shelf, door):
    def chunks():
        yield b'{"name":'
        yield b'"Ana"}'

    headers = {"Content-Type": "application/json"}
    assert door.ask("POST", "/v1/tries", content=chunks(), headers=headers).status_code == 200
    assert shelf.calls[0][1] == b'{"name":"Ana"}'


def test_literal_paths_go_before_parameters(shelf, door):
    door.get("/v1/things/mine", shelf.token())
    door.get("/v1/things/other")
    assert [head["endpoint"] for head, _ in shelf.calls] == ["list_mine", "get_thing"]


def test_head_is_get_without_its_body(shelf, door):
    answer = door.ask("HEAD", "/v1/things/1")
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["Content-Length"] == str(len(b'{"ok":true}'))
    assert shelf.calls[0][0]["endpoint"] == "get_thing"


def test_204_and_304_have_no_body(shelf, door):
    for status in (204, 304):
        shelf.answers["get_thing"] = lambda head, body, status=status: (status, {"ETag": '"1"'}, b"")
        answer = door.get("/v1/things/1")
        assert (answer.status_code, answer.content) == (status, b"")
        assert "Content-Length" not in answer.headers
    assert door.get("/v1/things").status_code == 200  # the same connection goes on


# -- headers of every answer


def test_every_answer_has_a_request_id_and_is_guarded(shelf, door):
    for path in ("/v1/things/1", "/v1/nothing", "/health/live", "/openapi.json", "/docs"):
        answer = door.get(path)
        assert re.fullmatch(r"req_[0-9A-HJKMNP-TV-Z]{26}", answer.headers["X-Request-Id"])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in answer.headers


@pytest.mark.parametrize("said", ["my-id.42~x_", "a" * 64])
def test_a_well_formed_request_id_is_kept(shelf, door, said):
    assert door.get("/v1/things/1", headers={"X-Request-Id": said}).headers["X-Request-Id"] == said
    assert shelf.calls[0][0]["id"] == said


@pytest.mark.parametrize("said", ["a" * 65, "a b", "<script>", "é", ""])
def test_another_request_id_is_replaced(door, said):
    answer = door.get("/v1/things/1", headers={"X-Request-Id": said.encode()})
    assert answer.headers["X-Request-Id"].startswith("req_")


def test_what_has_an_etag_may_be_kept_to_ask_again_and_nothing_else(shelf, door):
    assert door.get("/v1/things/1").headers["Cache-Control"] == "private, no-cache"
    shelf.answers["get_thing"] = lambda head, body: (200, {"Content-Type": "application/json"}, b"{}")
    answer = door.get("/v1/things/1")
    assert (answer.headers["Cache-Control"], answer.headers["Vary"]) == ("no-store", "Authorization")
    shelf.answers["get_thing"] = lambda head, body: (200, {"Cache-Control": "public, max-age=60"}, b"{}")
    assert door.get("/v1/things/1").headers["Cache-Control"] == "public, max-age=60"


@pytest.mark.parametrize(
    "said",
    [
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "nonsense",
    ],
)
def test_an_invalid_trace_context_is_replaced(shelf, door, said):
    door.get("/v1/things/1", headers={"traceparent": said})
    traceparent = shelf.calls[0][0]["traceparent"]
    assert traceparent != said
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", traceparent)


# -- refusals: status, type, and that nothing reaches the service


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/", "/v1/things/", "/v1//things", "/v1/things//", "/v1/things/a%2Fb", "/v2/things", "//"]
)
def test_404_for_what_no_service_has(shelf, door, path):
    refused(door.get(door.address + path), 404)
    assert not shelf.calls


@pytest.mark.parametrize("path", ["/v1/things/%ff", "/v1/things/%00", "/v1/things/%zz", "/v1/things/%0A", "/v1/%c3%28"])
def test_400_for_a_path_that_cannot_be_read(shelf, door, path):
    refused(door.get(door.address + path), 400)
    assert not shelf.calls


def test_405_says_what_is_possible(shelf, door):
    answer = door.ask("PUT", "/v1/things/1", shelf.token())
    refused(answer, 405)
    assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH"
    answer = door.ask("POST", "/openapi.json")
    refused(answer, 405)
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    refused(door.ask("FOO", "/v1/things"), 405)
    assert not shelf.calls


def test_options_says_what_is_possible(shelf, door):
    answer = door.ask("OPTIONS", "/v1/things")
    assert (answer.status_code, answer.headers["Allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    refused(door.ask("OPTIONS", "/v1/nothing"), 404)
    assert not shelf.calls


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("POST", None),
        ("POST", "text/plain"),
        ("POST", "application/json; charset=iso-8859-1"),
        ("POST", "application/merge-patch+json"),
        ("PATCH", "application/x-www-form-urlencoded"),
        ("PATCH", "application/jsonx"),
    ],
)
def test_415_for_a_body_that_is_not_json(shelf, door, method, kind):
    path = "/v1/things" if method == "POST" else "/v1/things/1"
    headers = {"Content-Type": kind} if kind else {}
    refused(door.ask(method, path, shelf.token(), content=b"{}", headers=headers), 415)
    assert not shelf.calls


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON;charset=utf-8", 'application/json; charset="UTF-8"']
)
def test_json_is_accepted_however_it_is_written(shelf, door, kind):
    answer = door.ask("POST", "/v1/things", shelf.token(), content=b"{}", headers={"Content-Type": kind})
    assert answer.status_code == 200


def test_413_for_a_body_over_256_kib(shelf, door):
    headers = {"Content-Type": "application/json"}
    most = b" " * (256 * 1024)
    assert door.ask("POST", "/v1/things", shelf.token(), content=most, headers=headers).status_code == 200
    shelf.calls.clear()
    refused(door.ask("POST", "/v1/things", shelf.token(), content=most + b" ", headers=headers), 413)
    refused(door.ask("POST", "/v1/things", shelf.token(), content=most * 8, headers=headers), 413)
    assert not shelf.calls


def test_413_for_chunks_that_come_to_more_than_256_kib(shelf, door):
    def chunks():
        for _ in range(40):
            yield b" " * 16 * 1024

    headers = {"Content-Type": "application/json"}
    refused(door.ask("POST", "/v1/things", shelf.token(), content=chunks(), headers=headers), 413)
    assert not shelf.calls


def test_a_body_that_promised_to_be_too_long_is_not_waited_for(shelf, door):
    head = f"POST /v1/tries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {10**9}\r\n\r\n"
    started = time.monotonic()
    assert raw(door, head.encode()).startswith(b"HTTP/1.1 413 ")
    assert time.monotonic() - started < 4
    assert not shelf.calls


def test_a_body_shorter_than_it_says_reaches_nobody(shelf, door):
    with socket.create_connection(("127.0.0.1", door.port)) as sock:
        sock.sendall(
            b"POST /v1/tries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}"
        )
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""
    door.get("/v1/things")
    assert [head["endpoint"] for head, _ in shelf.calls] == ["list_things"]


def test_what_follows_a_body_is_not_taken_for_a_part_of_it(shelf, door):
    answered = raw(
        door,
        POST_JSON + b"Content-Length: 2\r\n\r\n{}nonsense\r\n\r\n",
    )
    assert answered.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 400 " in answered
    assert [body for _, body in shelf.calls] == [b"{}"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET\r\n\r\n",
        b"GET /v1/things HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET /v1/things HTTP/1.1\r\n\r\n",
        b"GET /v1/things HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /v1/things HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET /v1/things HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        b"GET /v1/things HTTP/1.1\r\nHost: x\r\nA: b\nC: d\r\n\r\n",
        b"GET /v1/th\xc3\xa4ngs HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /v1/tries HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/tries HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"POST /v1/tries HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/tries HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST_JSON + b"Transfer-Encoding: chunked\r\n\r\nxy\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBig: " + b"x" * 40000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ],
)
def test_400_for_what_is_no_request(shelf, door, data):
    answered = raw(door, data)
    head, _, body = answered.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 "), answered
    document = json.loads(body)
    assert document["type"] == "/problems/malformed-request"
    assert f"X-Request-Id: {document['instance']}".encode() in head
    assert b"Connection: close" in head
    assert not shelf.calls


def test_a_query_or_a_header_with_odd_characters_is_handed_on_unread(shelf, door):
    door.get(door.address + "/v1/things?x=%00&&y;=<>%zz")
    assert shelf.calls[0][0]["query"].startswith("x=%00&&y")


# -- who calls


def unauthenticated(answer: httpx.Response) -> None:
    refused(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


def test_401_without_credentials_where_one_must_be_signed_in(shelf, door):
    answer = door.get("/v1/things/mine")
    refused(answer, 401)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert not shelf.calls


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unsigned(shelf) -> str:
    _, payload, _ = shelf.token().split(".")
    return _base64(b'{"alg":"none","typ":"JWT"}') + "." + payload + "."


def _mac_with_the_public_key(shelf) -> str:
    _, payload, _ = shelf.token().split(".")
    signed = _base64(b'{"alg":"HS256","kid":"first","typ":"JWT"}') + "." + payload
    return f"{signed}.{_base64(hmac.digest(shelf.key.as_pem(private=False), signed.encode(), 'sha256'))}"


def _changed(shelf) -> str:
    header, payload, signature = shelf.token().split(".")
    content = json.loads(base64.urlsafe_b64decode(payload + "=="))
    content["sub"] = "psn_ben"
    return f"{header}.{_base64(json.dumps(content).encode())}.{signature}"


FALSE_TOKENS = {
    "nonsense": lambda shelf: "nonsense",
    "too long": lambda shelf: "x" * 5000,
    "unsigned": _unsigned,
    "signed with the public key as a secret": _mac_with_the_public_key,
    "changed": _changed,
    "signed with another key of the same name": lambda shelf: shelf.token(
        key=ECKey.generate_key("P-256", parameters={"kid": "first"})
    ),
    "signed with an unknown key": lambda shelf: shelf.token(key=ECKey.generate_key("P-256", parameters={"kid": "x"})),
    "expired": lambda shelf: shelf.token(exp=int(time.time()) - 1),
    "without an end": lambda shelf: shelf.token(exp=None),
    "of another issuer": lambda shelf: shelf.token(iss="somebody"),
    "for another audience": lambda shelf: shelf.token(aud="somebody"),
    "without audience": lambda shelf: shelf.token(aud=None),
    "from the future": lambda shelf: shelf.token(iat=int(time.time()) + 600),
    "not valid yet": lambda shelf: shelf.token(nbf=int(time.time()) + 600),
    "without a person": lambda shelf: shelf.token(sub=None),
    "without a session": lambda shelf: shelf.token(sid=None),
    "unknown API token": lambda shelf: "cg_unknown",
}


@pytest.mark.parametrize("kind", FALSE_TOKENS)
@pytest.mark.parametrize("path", ["/v1/things", "/v1/things/mine", "/v1/nothing"])
def test_401_for_false_credentials_wherever_they_are_sent(shelf, door, kind, path):
    unauthenticated(door.get(path, FALSE_TOKENS[kind](shelf)))
    assert not shelf.calls


@pytest.mark.parametrize("said", ["Basic YW5hOng=", "Bearer", "bearer", "Token x", ""])
def test_401_for_other_credentials(shelf, door, said):
    unauthenticated(door.get("/v1/things", headers={"Authorization": said}))
    assert not shelf.calls


def test_credentials_twice_are_malformed(shelf, door):
    token = shelf.token()
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    refused(door.http.get("/v1/things", headers=headers), 400)
    assert not shelf.calls


def test_a_token_in_the_query_is_no_credential(shelf, door):
    refused(door.get(f"/v1/things/mine?access_token={shelf.token()}"), 401)


def test_an_access_token_that_expires_is_refused_although_it_was_remembered(shelf, door):
    token = shelf.token(exp=int(time.time()) + 2)
    assert door.get("/v1/things/mine", token).status_code == 200
    wait_until(lambda: door.get("/v1/things/mine", token).status_code == 401, 5)
    unauthenticated(door.get("/v1/things/mine", token))


def test_a_session_is_asked_about_when_its_token_is_older_than_30_s(shelf, door):
    old = shelf.token(session="ses_old", iat=int(time.time()) - 40)
    for _ in range(3):
        assert door.get("/v1/things/mine", old).status_code == 200
    assert shelf.asked == [{"session": "ses_old"}]
    assert door.get("/v1/things/mine", shelf.token(session="ses_new")).status_code == 200
    assert len(shelf.asked) == 1


def test_a_session_that_ended_is_refused(shelf, door):
    shelf.ended.add("ses_over")
    unauthenticated(door.get("/v1/things", shelf.token(session="ses_over", iat=int(time.time()) - 40)))
    assert not shelf.calls


def test_an_api_token_is_asked_about_once_in_a_while(shelf, door):
    shelf.api_tokens["cg_bot"] = caller = {
        "id": "psn_bot",
        "handle": "bot",
        "display_name": "Bot",
        "scopes": ["read"],
        "session": None,
    }
    for _ in range(3):
        assert door.get("/v1/things/mine", "cg_bot").status_code == 200
    assert shelf.asked == [{"token": "cg_bot"}]
    assert shelf.calls[0][0]["caller"] == caller


def test_a_false_api_token_is_asked_about_once(shelf, door):
    for _ in range(3):
        unauthenticated(door.get("/v1/things", "cg_false"))
    assert shelf.asked == [{"token": "cg_false"}]


def test_an_access_token_stays_good_while_nobody_can_be_asked(shelf, door):
    shelf.answers["introspect"] = lambda head, body: (503, {}, b"{}")
    old = shelf.token(session="ses_unknown", iat=int(time.time()) - 40)
    assert door.get("/v1/things/mine", old).status_code == 200


def test_503_for_an_api_token_that_nobody_can_check(shelf, door):
    shelf.answers["introspect"] = lambda head, body: (503, {}, b"{}")
    answer = door.get("/v1/things", "cg_never_seen")
    refused(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert not shelf.calls


# -- services that are away


def test_504_when_no_answer_comes_in_time_and_a_late_one_reaches_nobody(shelf, new_shelf, open_door):
    slow = new_shelf()
    door = open_door(slow.name, CG_CALL_DEADLINE_SECONDS="0.5").wait_ready()

    late: list[Any] = []
    take = slow._take

    def hold(message: Any) -> None:
        if b'"get_thing"' in message.body:
            late.append(message)
        else:
            take(message)

    slow.channel.callbacks[next(iter(slow.channel.callbacks))] = hold
    started = time.monotonic()
    refused(door.get("/v1/things/1"), 504)
    assert 0.4 < time.monotonic() - started < 2
    slow.send(late[0], (200, {}, b"late"))
    answer = door.get("/v1/things")
    assert (answer.status_code, answer.content) == (200, b'{"ok":true}')
    assert "cg_answers_late_total 1.0" in door.get("/metrics").text


def test_503_at_once_when_the_service_went_away_and_again_served_when_it_is_back(new_shelf, open_door):
    shelf = new_shelf()
    door = open_door(shelf.name).wait_ready()
    shelf.stop()
    started = time.monotonic()
    answer = door.get("/v1/things")
    refused(answer, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert time.monotonic() - started < 1
    shelf.start()
    assert door.get("/v1/things").status_code == 200


def test_an_answer_that_cannot_be_sent_is_our_fault_and_shows_nothing(shelf, door):
    shelf.answers["get_thing"] = lambda head, body: (200, {"X-Bad": "a\r\nSet-Cookie: x"}, b"{}")
    answer = door.get("/v1/things/1")
    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/internal"
    assert "Set-Cookie" not in answer.headers
    assert "line break" not in answer.text


# -- resources of its own


def test_the_documents_are_served_with_etags(shelf, door):
    for path, kind in (
        ("/openapi.json", "application/json"),
        ("/asyncapi.json", "application/json"),
        ("/docs", "text/html; charset=utf-8"),
        ("/schemas/commonground.shelf.thing.added.v1", "application/schema+json"),
    ):
        answer = door.get(path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
        again = door.get(path, headers={"If-None-Match": f'W/"x", {answer.headers["ETag"]}'})
        assert (again.status_code, again.content) == (304, b"")
    assert door.get("/openapi.json").json()["paths"].keys() == shelf.contract["openapi"]["paths"].keys()
    assert "/<wbr>v1/<wbr>things" in door.get("/docs").text
    assert "default-src 'none'" in door.get("/docs").headers["Content-Security-Policy"]
    refused(door.get("/schemas/unknown"), 404)


def test_the_public_keys_are_served(shelf, door):
    answer = door.get("/.well-known/jwks.json")
    assert answer.json() == {"keys": [shelf.key.as_dict(private=False)]}
    assert "d" not in answer.json()["keys"][0]


def test_metrics_count_requests_by_route(door):
    door.get("/v1/things/some-thing")
    text = door.get("/metrics").text
    assert 'cg_http_request_seconds_count{method="GET",route="/v1/things/{thing}",status="200"}' in text
    assert "some-thing" not in text


def test_its_own_resources_ignore_credentials(door):
    assert door.get("/health/ready", "nonsense").status_code == 200


def test_a_line_is_logged_for_each_request_without_what_is_secret(shelf, door):
    token = shelf.token()
    answer = door.get("/v1/things/1?secret=hush", token)
    wait_until(lambda: answer.headers["X-Request-Id"] in door.process.log.read_text())
    lines = door.process.log.read_text().splitlines()
    (line,) = [json.loads(one) for one in lines if f'"request": "{answer.headers["X-Request-Id"]}"' in one]
    assert (line["path"], line["status"], line["person"]) == ("/v1/things/1", 200, "psn_ana")
    assert line["trace_id"] == shelf.calls[0][0]["traceparent"][3:35]
    assert "hush" not in json.dumps(line)
    assert token not in door.process.log.read_text()
