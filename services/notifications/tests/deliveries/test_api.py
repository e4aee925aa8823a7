"""Messages are pushed to whom they are for: signed, once, again where that fails, and no longer than their owner may see them."""

import socket
import threading
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import WebhookVerificationError

from chassis.ids import new_id
from chassis.testing import wait_until
from notifications.webhooks.model import new_secret


@pytest.fixture
def secret_club(world):
    """A private group that Ana founded and Ben joined."""
    group = world.group("Secret Club", visibility="private")
    world.founded(group, audience="group")
    world.joined(group, world.ana, "organizer", audience="group")
    world.joined(group, world.ben, audience="group")
    return group


def ask():
    return {"id": new_id("ask"), "title": "Who has a ladder?", "kind": "hands"}


def due_now(world, webhook):
    """Let the time pass until what waits for a webhook is due."""
    now = datetime.now(UTC) - timedelta(seconds=1)
    database = world.store.database
    # An attempt is noted a moment before its lane is given back, with the time at which it is due.
    wait_until(lambda: database.lanes.find_one({"_id": webhook["id"], "holder": None}), what="the end of the round")
    database.deliveries.update_many({"webhook": webhook["id"], "status": "queued"}, {"$set": {"due_at": now}})
    database.lanes.update_one({"_id": webhook["id"]}, {"$set": {"due_at": now, "rests_until": None}})


class TestWhatIsPushed:
    def test_a_message_is_pushed_as_it_was_published_with_a_signature_that_holds(
        self, world, receiver, hook, log, newest
    ):
        made = hook(world.eve, receiver, "groups.group.*")
        founded = world.founded(world.group())
        [push] = receiver.wait(1)
        assert push.verified(made["secret"]) == founded.envelope
        assert (push.path, push.id) == ("/hooks", founded.envelope["id"])
        assert push.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
        with pytest.raises(WebhookVerificationError):
            push.verified(new_secret())
        wait_until(lambda: newest(world.eve, made)["status"] == "delivered", what="the log")
        [delivery] = log(world.eve, made)
        assert delivery["id"].startswith("dlv_")
        assert {
            name: delivery[name] for name in ("message", "type", "attempts", "response_code", "problem", "due_at")
        } == {
            "message": founded.envelope["id"],
            "type": "commonground.groups.group.founded.v1",
            "attempts": 1,
            "response_code": 204,
            "problem": None,
            "due_at": None,
        }

    def test_it_is_pushed_over_tls_to_whom_the_certificate_names(self, world, receive, hook, tls, newest):
        context, _ = tls
        made = hook(world.eve, receive(context=context), "groups.group.founded")
        world.founded(world.group())
        wait_until(lambda: newest(world.eve, made)["attempts"], what="an attempt")
        assert newest(world.eve, made)["status"] == "delivered", newest(world.eve, made)

    def test_only_the_types_and_the_group_that_are_wanted_are_pushed(self, world, kittens, receive, hook):
        everything, joins, own = receive(), receive(), receive()
        hook(world.eve, everything)
        hook(world.eve, joins, "*.member.joined", "events.*")
        hook(world.eve, own, "groups.*", group=kittens["slug"])
        other = world.group("Hockey Fans")
        world.founded(other)
        world.joined(other, world.chris)
        world.joined(kittens, world.chris)
        world.left(kittens, world.chris)
        everything.wait(4)
        joins.wait(2)
        own.wait(2)
        assert sorted(own.types) == ["groups.member.joined.v1", "groups.member.left.v1"]
        assert set(joins.types) == {"groups.member.joined.v1"}

    def test_a_message_that_comes_twice_is_pushed_once(self, world, receiver, hook, log):
        group = world.group()
        made = hook(world.eve, receiver, "groups.group.*")
        founded = world.founded(group)
        world.publish(*[founded] * 5)
        last = world.archived(group)  # of the same subject, so after them
        wait_until(lambda: last.envelope["id"] in [one.id for one in receiver.pushes], what="the last")
        receiver.wait(2)
        assert len(log(world.eve, made)) == 2

    def test_of_a_large_message_only_the_attributes_are_pushed(self, world, receiver, hook):
        made = hook(world.eve, receiver, "groups.group.founded")
        founded = world.founded(world.group(description="x" * 30_000))
        [push] = receiver.wait(1)
        assert len(push.body) < 20_000
        told = push.verified(made["secret"])
        assert told["dataleftout"] is True and "data" not in told
        assert told["id"] == founded.envelope["id"]


class TestWhoMaySee:
    def test_what_is_for_a_group_is_pushed_to_its_members_alone(self, world, kittens, receive, hook):
        bens, eves = receive(), receive()
        hook(world.ben, bens, "groups.ask.*", "groups.group.*")
        hook(world.eve, eves, "groups.ask.*", "groups.group.*")
        world.asked(kittens, world.ana, ask())
        world.founded(world.group())
        bens.wait(2)
        eves.wait(1)
        assert eves.types == ["groups.group.founded.v1"]

    def test_what_concerns_one_person_is_pushed_to_them_alone(self, world, kittens, receive, hook):
        bens, eves = receive(), receive()
        hook(world.ben, bens, "groups.watch.*", "groups.group.*", "groups.demand.*")
        hook(world.eve, eves, "groups.watch.*", "groups.group.*", "groups.demand.*")
        world.matched(kittens, world.ben)
        world.risen(world.ben, world.eve)  # it names others: nobody is told of them
        world.founded(world.group())
        bens.wait(2)
        eves.wait(1)
        assert sorted(bens.types) == ["groups.group.founded.v1", "groups.watch.matched.v1"]

    def test_who_has_left_when_it_is_tried_again_is_not_told(self, world, secret_club, receive, hook, newest):
        bens, anas = receive(answers=[500]), receive(answers=[500])
        his, hers = hook(world.ben, bens, "groups.ask.*"), hook(world.ana, anas, "groups.ask.*")
        asked = world.asked(secret_club, world.ana, ask())
        for one in (bens, anas):
            one.wait(1)
        wait_until(lambda: newest(world.ben, his)["attempts"] == 1, what="the first attempt")
        wait_until(lambda: newest(world.ana, hers)["attempts"] == 1, what="the first attempt")
        world.removed(secret_club, world.ben, audience="group")
        for one in (his, hers):
            due_now(world, one)
        wait_until(lambda: newest(world.ben, his)["status"] == "withheld", what="withholding it")
        assert [one.id for one in anas.wait(2)] == [asked.envelope["id"]] * 2
        bens.wait(1)

    def test_what_was_public_is_for_members_alone_once_the_group_is_private(
        self, world, kittens, receive, hook, newest
    ):
        eves = receive(answers=[500])
        made = hook(world.eve, eves, "groups.member.joined")
        world.joined(kittens, world.chris)
        eves.wait(1)
        wait_until(lambda: newest(world.eve, made)["attempts"] == 1, what="the first attempt")
        world.tell("groups.group.updated.v1", kittens["id"], {"group": {**kittens, "visibility": "private"}})
        due_now(world, made)
        wait_until(lambda: newest(world.eve, made)["status"] == "withheld", what="withholding it")
        eves.wait(1)

    def test_who_erased_themselves_gets_nothing_more_and_nothing_is_left(self, world, receive, hook):
        bens = receive(answers=[500])
        made = hook(world.ben, bens, "groups.group.founded")
        world.founded(world.group())
        bens.wait(1)
        export = world.ask("/v1/me/export/notifications", world.ben).json()
        assert [one["id"] for one in export["webhooks"]] == [made["id"]]
        assert "secret" not in export["webhooks"][0]
        world.erased(world.ben)
        world.founded(world.group())
        database = world.store.database
        wait_until(lambda: not database.deliveries.find_one({"webhook": made["id"]}), what="forgetting deliveries")
        for collection in ("webhooks", "webhook_owners", "lanes", "deliveries"):
            assert world.ben.id not in str(list(database[collection].find()))
            assert made["id"] not in str(list(database[collection].find()))
        bens.wait(1)

    def test_what_names_somebody_who_erased_themselves_is_not_pushed_any_more_but_that_they_did(
        self, world, kittens, receive, hook, log
    ):
        receiver = receive(answers=[500])
        made = hook(world.eve, receiver, "groups.member.*", "groups.person.*")
        joined = world.joined(kittens, world.chris)
        receiver.wait(1)
        wait_until(lambda: [one["attempts"] for one in log(world.eve, made)] == [1], what="the first attempt")
        erased = world.erased(world.chris)
        world.publish(world.left(kittens, world.chris, held=True))  # it comes late
        due_now(world, made)
        wait_until(lambda: {one["status"] for one in log(world.eve, made)} == {"failed", "delivered"}, what="the end")
        assert [one.id for one in receiver.wait(2)] == [joined.envelope["id"], erased.envelope["id"]]
        [kept] = world.store.database.letters.find({"people": world.chris.id})
        assert kept["type"] == "commonground.groups.person.erased.v1"

    def test_one_that_was_made_while_its_owner_was_erased_goes_with_the_first_message(self, world, receiver, hook):
        made = hook(world.ben, receiver, "groups.group.founded")
        world.store.forgotten.add(world.ben.id, datetime.now(UTC))
        world.founded(world.group())
        wait_until(lambda: not world.store.database.webhooks.find_one({"_id": made["id"]}), what="forgetting it")
        receiver.wait(0)


class TestTryingAgain:
    def test_what_fails_is_tried_again_with_the_same_id_until_it_arrives(self, world, receive, hook, newest):
        receiver = receive(answers=[500, 302, 404])
        receiver.headers["location"] = receiver.url
        made = hook(world.eve, receiver, "groups.group.founded")
        founded = world.founded(world.group())
        codes = []
        for attempt in range(1, 5):
            wait_until(lambda n=attempt: newest(world.eve, made)["attempts"] == n, 20, f"attempt {attempt}")
            codes.append(newest(world.eve, made)["response_code"])
            due_now(world, made)
        assert codes == [500, 302, 404, 204]
        assert [one.id for one in receiver.wait(4)] == [founded.envelope["id"]] * 4

    def test_the_second_attempt_comes_by_itself_within_seconds(self, world, receive, hook):
        receiver = receive(answers=[503])
        hook(world.eve, receiver, "groups.group.founded")
        world.founded(world.group())
        receiver.wait(2)

    def test_where_nothing_listens_it_says_so_and_tries_again(self, world, receiver, hook, log, newest):
        made = hook(world.eve, receiver, "groups.group.founded")
        receiver.server.shutdown()
        receiver.server.server_close()
        world.founded(world.group())
        wait_until(lambda: newest(world.eve, made)["attempts"] == 1, what="the first attempt")
        [delivery] = log(world.eve, made)
        assert (delivery["status"], delivery["response_code"]) == ("queued", None)
        assert "nothing listens" in delivery["problem"]

    def test_gone_ends_the_webhook_and_its_owner_hears_it(self, world, receive, hook, log, newest):
        receiver = receive(answers=[410])
        made = hook(world.eve, receiver, "groups.group.founded")
        world.founded(world.group())
        receiver.wait(1)
        wait_until(lambda: world.titles(world.eve, kind="webhook.disabled"), what="the notice")
        [notice] = world.inbox(world.eve, kind="webhook.disabled")
        assert notice["title"] == "Your webhook to 127.0.0.1 is disabled"
        assert notice["subject"] == {"type": "webhook", "id": made["id"], "href": f"/v1/webhooks/{made['id']}"}
        seen = world.ask(f"/v1/webhooks/{made['id']}", world.eve).json()
        assert (seen["status"], seen["reason"]) == ("disabled", "gone")
        assert newest(world.eve, made)["status"] == "failed"
        world.founded(world.group())
        assert len(log(world.eve, made)) == 1
        receiver.wait(1)

    def test_five_days_of_failure_disable_it_and_what_waits_goes_on_when_it_is_active_again(
        self, world, receive, hook, newest
    ):
        receiver = receive(answers=[500, 500])
        made = hook(world.eve, receiver, "groups.group.founded")
        world.founded(world.group())
        wait_until(lambda: newest(world.eve, made)["attempts"] == 1, what="the first attempt")
        lanes, long_ago = world.store.database.lanes, datetime.now(UTC) - timedelta(days=5)
        wait_until(lambda: lanes.find_one({"_id": made["id"], "failures": 1}), what="the failure")
        lanes.update_one({"_id": made["id"]}, {"$set": {"failing_since": long_ago}})
        due_now(world, made)
        wait_until(lambda: world.titles(world.eve, kind="webhook.disabled"), what="the notice")
        seen = world.ask(f"/v1/webhooks/{made['id']}", world.eve).json()
        assert (seen["status"], seen["reason"]) == ("disabled", "failing")
        due_now(world, made)
        answer = world.service.api.post(f"/v1/webhooks/{made['id']}/test", as_=world.eve)
        assert (answer.status, answer.problem) == (409, "webhook-disabled")
        answer = world.service.api.patch(f"/v1/webhooks/{made['id']}", {"status": "active"}, as_=world.eve)
        assert answer.json()["reason"] is None
        receiver.wait(3)

    def test_that_it_was_disabled_is_published(self, world, channel, receive, hook):
        listening = channel.connection.channel()
        queue = listening.queue_declare("", exclusive=True).queue
        listening.queue_bind(queue, "commonground.messages", "notifications.delivery.failed.v1")
        made = hook(world.eve, receive(answers=[410]), "groups.group.founded")
        world.founded(world.group())
        found = []
        wait_until(lambda: found.append(listening.basic_get(queue, no_ack=True)) or found[-1], what="the message")
        import json

        told = json.loads(found[-1].body)
        assert (told["subject"], told["audience"]) == (made["id"], "person")
        assert told["data"] == {"channel": "webhook", "kind": "groups.group.founded.v1", "reason": "gone"}
        listening.close()


class TestOwners:
    def test_a_new_secret_signs_beside_the_one_before_for_a_day(self, world, receiver, hook):
        made = hook(world.eve, receiver, "groups.group.founded")
        renewed = world.service.api.post(f"/v1/webhooks/{made['id']}/secret", as_=world.eve)
        assert renewed.status == 201
        until = datetime.fromisoformat(renewed.json()["previous_until"])
        assert abs(until - datetime.now(UTC) - timedelta(hours=24)) < timedelta(minutes=1)
        world.founded(world.group())
        [push] = receiver.wait(1)
        for secret in (made["secret"], renewed.json()["secret"]):
            push.verified(secret)
        past = datetime.now(UTC) - timedelta(seconds=1)
        world.store.database.webhooks.update_one({"_id": made["id"]}, {"$set": {"secrets.1.until": past}})
        world.founded(world.group())
        receiver.wait(2)[1].verified(renewed.json()["secret"])
        with pytest.raises(WebhookVerificationError):
            receiver.pushes[1].verified(made["secret"])

    def test_a_test_pushes_a_ping_that_nobody_else_hears(self, world, receive, hook, newest):
        receiver, other = receive(answers=[500]), receive()
        made, _ = hook(world.eve, receiver, "events.*"), hook(world.ben, other)
        answer = world.service.api.post(f"/v1/webhooks/{made['id']}/test", as_=world.eve)
        assert (answer.status, answer.json()["status"]) == (202, "queued")
        [push] = receiver.wait(1)
        told = push.verified(made["secret"])
        assert (told["type"], told["subject"]) == ("commonground.notifications.ping.v1", made["id"])
        wait_until(lambda: newest(world.eve, made)["status"] == "failed", what="the end of the only attempt")
        assert newest(world.eve, made)["id"] == answer.json()["id"]
        other.wait(0)

    def test_a_message_can_be_had_again(self, world, receiver, hook, newest):
        made = hook(world.eve, receiver, "groups.group.founded")
        founded = world.founded(world.group())
        wait_until(lambda: newest(world.eve, made)["status"] == "delivered", what="delivering it")
        path = f"/v1/webhooks/{made['id']}/deliveries/{newest(world.eve, made)['id']}/redelivery"
        asked = [world.service.api.post(path, as_=world.eve, idempotency_key="once-more") for _ in range(2)]
        assert [one.status for one in asked] == [202, 202]
        assert [one.id for one in receiver.wait(2)] == [founded.envelope["id"]] * 2
        wait_until(lambda: newest(world.eve, made)["status"] == "delivered", what="delivering it again")
        assert newest(world.eve, made)["attempts"] == 2
        for who, wrong in ((world.ben, path), (world.eve, path.replace("dlv_", "dlv_x"))):
            assert world.service.api.post(wrong, as_=who).problem == "not-found"

    def test_the_log_is_read_in_pages(self, world, receiver, hook, log):
        made = hook(world.eve, receiver, "groups.group.founded")
        told = [world.founded(world.group()).envelope["id"] for _ in range(5)]
        wait_until(lambda: len(log(world.eve, made)) == 5, what="queueing all")
        seen, params = [], {"limit": 2}
        while True:
            page = world.ask(f"/v1/webhooks/{made['id']}/deliveries", world.eve, **params).json()
            seen += [one["message"] for one in page["items"]]
            if page["next"] is None:
                break
            params["cursor"] = page["next"]
        assert seen == told[::-1]
        assert world.ask(f"/v1/webhooks/{made['id']}/deliveries", world.ben).problem == "not-found"


class TestEndpointsThatHang:
    def test_one_that_hangs_delays_no_other_and_is_sent_one_at_a_time(self, world, receive, hook, log):
        hanging = [receive(hold=threading.Event()) for _ in range(3)]
        fine = receive()
        made = [hook(world.eve, one, "groups.group.founded") for one in (*hanging, fine)]
        began = datetime.now(UTC)
        for _ in range(5):
            world.founded(world.group())
        fine.wait(5)
        assert datetime.now(UTC) - began < timedelta(seconds=10)
        assert [len(one.pushes) for one in hanging] == [1, 1, 1]
        for one in hanging:
            one.hold.set()
        for one in hanging:
            one.wait(5)
            assert one.most_at_once == 1
        assert len(log(world.eve, made[0])) == 5

    @pytest.mark.slow
    def test_an_answer_that_drips_is_waited_for_fifteen_seconds_in_all(self, world, receiver, hook, log, newest):
        """Each byte comes in time; the whole does not."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            stop = threading.Event()

            def drip():
                one, _ = server.accept()
                with one:
                    one.recv(65536)
                    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                    while not stop.wait(0.5):
                        try:
                            one.sendall(b"x")
                        except OSError:
                            return

            dripping = threading.Thread(target=drip)
            dripping.start()
            made = hook(world.eve, receiver, "groups.group.founded", url=f"http://127.0.0.1:{server.getsockname()[1]}/")
            world.founded(world.group())
            wait_until(lambda: newest(world.eve, made)["attempts"] == 1, 25, "the end of the attempt")
            [delivery] = log(world.eve, made)
            assert 15_000 <= delivery["response_ms"] < 17_000
            assert delivery["problem"] == "No answer within 15 s."
            stop.set()
            dripping.join()
