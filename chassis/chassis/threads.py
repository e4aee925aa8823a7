"""What must not hold up others: CPU work goes off the hub, and what waits has an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import eventlet
from eventlet import tpool

T = TypeVar("T")


def in_thread(function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Run a function that keeps the CPU in a thread of eventlet's pool, and wait for it without stopping others."""
    result: T = tpool.execute(function, *arguments, **named)
    return result


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Do something that waits, for so long at most, however many steps it has. Raises TimeoutError."""
    limit = eventlet.Timeout(seconds)
    try:
        yield
    except eventlet.Timeout as over:
        if over is not limit:
            raise
        raise TimeoutError(f"not done within {seconds:g} s") from None
    finally:
        limit.cancel()
