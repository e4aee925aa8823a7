"""Mail goes from registering to the one click that ends it, through the gateway and a real mail server."""

import re
from email import message_from_bytes, policy
from urllib.request import Request, urlopen

from commonground import eventually

ONE_CLICK = b"List-Unsubscribe=One-Click"


def mails(platform, address):
    """The mails to an address so far, the oldest first."""
    found = [message_from_bytes(one.read_bytes(), policy=policy.default) for one in sorted(platform.mail.glob("*.eml"))]
    return [one for one in found if one["To"] == address]


def test_who_registers_with_an_address_proves_it_gets_mail_and_ends_it_with_one_click(platform, person, subscribe):
    warehouse, log = subscribe("#", trusted=True), subscribe(trusted=True, log="commonground.log")
    ana = person("ana")
    address = f"{ana.handle}@example.org"
    ben = person("ben", email=address)
    code = eventually(lambda: mails(platform, address), "the mail with a code")[0]["Subject"][:6]
    answer = ben.post("/v1/me/email/verification", {"code": code})
    assert (answer.status, answer.json()) == (200, {"address": address, "verified": True})
    group = ana.post("/v1/groups", {"name": "Letters", "interests": ["letters"], "scope": "virtual"}).json()
    assert ben.post(f"/v1/groups/{group['id']}/members").status == 201
    assert ana.patch(f"/v1/groups/{group['id']}/members/{ben.handle}", {"role": "moderator"}).status == 200
    [_, mail] = eventually(lambda: mails(platform, address)[1:] and mails(platform, address), "a mail")
    assert mail["Subject"] == "You are a moderator of Letters now"

    link = mail["List-Unsubscribe"].strip("<>")
    with urlopen(link) as page:
        assert page.status == 200
    assert ben.get("/v1/me/notices").json()["defaults"]["member.role_changed"]["email"] == "now"
    for kind in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        with urlopen(Request(link, ONE_CLICK, {"Content-Type": kind})) as answer:
            assert answer.status == 200
    assert ben.get("/v1/me/notices").json()["defaults"]["member.role_changed"]["email"] == "off"

    for one in (warehouse, log):
        one.about(group["id"], count=3)
        assert ben.id in str(one.heard)
        assert not re.search(re.escape(address), str(one.heard))


def test_where_no_form_is_taken_a_form_is_refused(http):
    answer = http.call(
        "POST", "/v1/sessions", b"handle=ana", headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status, answer.problem) == (415, "unsupported-media-type")
