"""Where people say where they get their mail, and prove that they read it."""

from __future__ import annotations

from typing import Any

from chassis.endpoints import SIGNED_IN, Call, endpoint
from chassis.messages import Received
from chassis.problems import Invalid, Unavailable
from chassis.subscriptions import subscribe
from chassis.threads import in_thread
from notifications.email import model
from notifications.email.schemas import AddressView, EmailData, NewAddress, Verification
from notifications.people.api import staying


class EmailApi:
    """The address of whoever calls."""

    store: Any
    settings: Any

    @endpoint(
        "PUT",
        "/v1/me/email",
        body=NewAddress,
        returns=AddressView,
        status=202,
        access=SIGNED_IN,
        problems=(model.TooManyCodes,),
    )
    def give_address(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Have mail sent to another address: a code is mailed there, and it counts once that was verified.

        Until then mail goes where it went. The code lasts 30 minutes; the newest counts.
        """
        if not self.settings.sends_mail:
            raise Unavailable("This Common Ground sends no mail.")
        person, address = call.caller.id, body["address"]
        with staying(self.store, person, self.forget_mail), self.store.transaction(call) as tx:
            if wait := self._seconds_to_wait(tx, person, address, call.now):
                raise model.TooManyCodes(wait)
            tx.mailboxes.save(model.give(tx.mailboxes.get(person), address))
            self._have_code_sent(tx, person, address)
        self.post.ring()  # type: ignore[attr-defined]
        return {"address": address, "verified": False}

    @endpoint(
        "POST",
        "/v1/me/email/verification",
        body=Verification,
        returns=AddressView,
        access=SIGNED_IN,
        problems=(model.NothingToVerify,),
    )
    def verify_address(self, call: Call, body: dict[str, Any]) -> dict[str, Any]:
        """Prove that one reads an address, by the code that was mailed there. From then on mail goes there.

        A code can be tried five times.
        """
        person = call.caller.id
        code = model.guessable(self.store.mailboxes.get(person), call.now)
        right = in_thread(model.is_code, body["code"], code)
        with staying(self.store, person, self.forget_mail), self.store.transaction(call, turn=person) as tx:
            before = tx.mailboxes.get(person)
            now_out = model.guessable(before, call.now)
            if now_out.digest != code.digest:
                raise model.NothingToVerify()
            after = model.guessed(before, right)
            tx.mailboxes.save(after)
            if right:
                self.begin_digests(tx, person)  # type: ignore[attr-defined]
        if not right:
            left = model.TRIES - now_out.tries - 1
            raise Invalid.at("/code", f"That is not the code that was mailed. It can be tried {left} more times.")
        return {"address": after.address, "verified": True}

    @subscribe("groups.person.email_given.v1", data=EmailData, private=True)
    def take_address_over(self, message: Received) -> None:
        """A person's profile has an address: a code is mailed there, as if they had given it here."""
        person, address = message.data["person_id"], message.data["address"]
        try:
            with self.store.transaction(message) as tx:
                if tx.forgotten.has(person):
                    return
                before = tx.mailboxes.get(person)
                after = model.take_over(before, address, message.sequence)
                if after is before:
                    return
                tx.mailboxes.save(after)
                if after.wanted in (None, before.wanted) or not self.settings.sends_mail:
                    return
                if self._seconds_to_wait(tx, person, address, message.now):
                    tx.mails.drop_code(person)
                else:
                    self._have_code_sent(tx, person, address)
        finally:
            if self.store.forgotten.has(person):  # meanwhile: see Forgotten
                self.forget_mail(person)
        self.post.ring()  # type: ignore[attr-defined]

    def _seconds_to_wait(self, tx: Any, person: str, address: str, now: Any) -> int:
        seconds: int = tx.codes_sent.seconds_to_wait(person, address, now) if self.settings.rate_limits else 0
        return seconds

    @staticmethod
    def _have_code_sent(tx: Any, person: str, address: str) -> None:
        """The code itself is made when it is sent: so it stands nowhere but in the mail."""
        tx.codes_sent.add(person, address, tx.now)
        tx.mails.add_code(person, tx.now)

    def forget_mail(self, person: str) -> None:
        """Delete all that is kept to mail a person."""
        for repository in (self.store.mailboxes, self.store.codes_sent, self.store.mails, self.store.digests):
            repository.forget(person)
