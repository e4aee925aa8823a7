"""CPU work off the hub: while a password is hashed, everybody else goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from eventlet import tpool

T = TypeVar("T")


def in_thread(function: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """Run a function that keeps the CPU in a thread of eventlet's pool, and wait for it without stopping others."""
    result: T = tpool.execute(function, *arguments, **named)
    return result
