"""Keeps anybody from calling more often than is good for all (draft-ietf-httpapi-ratelimit-headers-10)."""

from __future__ import annotations

import logging
import math
import time
from functools import lru_cache

from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from chassis.addresses import network_of
from chassis.problems import TooManyRequests

log = logging.getLogger(__name__)


FORGET_SECONDS = 10.0


class Memory(MemoryStorage):
    """Counts in this process. The package's own store goes through all keys every 10 ms; this one every 10 s."""

    STORAGE_SCHEME = ["gateway-memory"]

    def __init__(self) -> None:
        super().__init__(wrap_exceptions=True)
        self._forget_at = time.time() + FORGET_SECONDS

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count `amount` more for a key that expires after `expiry` seconds; returns the count."""
        now = time.time()
        if now > self._forget_at:
            self._forget(now)
        count = self.get(key) + amount
        self.storage[key] = count
        if count == amount:
            self.expirations[key] = now + expiry
        return count

    def _forget(self, now: float) -> None:
        self._forget_at = now + FORGET_SECONDS
        for key in [key for key, end in self.expirations.items() if end <= now]:
            self.storage.pop(key, None)
            self.expirations.pop(key, None)


class RateExceeded(TooManyRequests):
    """429, with when to come back."""

    def __init__(self, policy: str, limit: RateLimitItem, reset_seconds: int) -> None:
        super().__init__(f"At most {limit.amount} in {limit.get_expiry()} s. Try again in {reset_seconds} s.")
        self.extra_headers = {
            "Retry-After": str(reset_seconds),
            "RateLimit-Policy": f'"{policy}";q={limit.amount};w={limit.get_expiry()}',
            "RateLimit": f'"{policy}";r=0;t={reset_seconds}',
        }


class Rates:
    """Counts requests by person, by address and by route, in sliding windows."""

    def __init__(self, person: str, address: str, store: str = "memory://", *, on: bool = True) -> None:
        """`person` and `address` are limits such as `600/minute`. Raises ValueError for what is none."""
        self.on = on
        self.person, self.address = parse(person), parse(address)
        storage = Memory() if store == "memory://" else storage_from_string(store, wrap_exceptions=True)
        self.limiter = SlidingWindowCounterRateLimiter(storage)

    def admit(self, person: str | None, address: str) -> None:
        """Count a request of a person, or of an address when nobody is signed in. Raises RateExceeded."""
        if not self.on:
            return
        if person is not None:
            self._hit("person", self.person, person)
        else:
            self._hit("address", self.address, network_of(address))

    def admit_to_route(self, route: str, limit: str, person: str | None, address: str) -> None:
        """Count a request to a route with a limit of its own; by address if `person` is None. Raises RateExceeded."""
        if self.on:
            self._hit("route", _parsed(limit), f"{route}:{person or network_of(address)}")

    def admit_guess(self, address: str) -> None:
        """Refuse to look at credentials of an address that has used its requests up. Raises RateExceeded."""
        if not self.on:
            return
        key = network_of(address)
        try:
            if self.limiter.test(self.address, "address", key):
                return
        except StorageError as fault:
            self._failed(fault)
            return
        raise self._exceeded("address", self.address, key)

    def _hit(self, policy: str, limit: RateLimitItem, key: str) -> None:
        try:
            if self.limiter.hit(limit, policy, key):
                return
        except StorageError as fault:
            self._failed(fault)
            return
        raise self._exceeded(policy, limit, key)

    def _exceeded(self, policy: str, limit: RateLimitItem, key: str) -> RateExceeded:
        window = limit.get_expiry()
        try:
            reset = self.limiter.get_window_stats(limit, policy, key).reset_time - time.time()
        except StorageError:
            reset = window
        # At the very moment of the reset nothing is free yet, and at the very beginning of a window it is said to be 0.
        return RateExceeded(policy, limit, math.ceil((reset if reset > 0.001 else window) + 0.001))

    def _failed(self, fault: Exception) -> None:
        # A store that is away must not close the door to everybody.
        log.error("rate limits cannot be counted", extra={"fault": str(fault)})


@lru_cache(maxsize=1024)
def _parsed(limit: str) -> RateLimitItem:
    return parse(limit)


def is_limit(text: str | None) -> bool:
    """Whether a text is a limit such as `10/minute`."""
    try:
        return text is None or parse(text) is not None
    except ValueError:
        return False
