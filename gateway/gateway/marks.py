"""Marks each request, so that its traces in answers, logs and messages can be found: request id and trace context."""

from __future__ import annotations

import random
import re
import time

from chassis import tracing

_SAFE = re.compile(r"[A-Za-z0-9._~-]{1,64}", re.ASCII)
_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _BASE32 for low in _BASE32]
# Ids must differ between processes, not be hard to guess.
_random = random.SystemRandom().getrandbits(64)
_bits = random.Random(_random).getrandbits


def request_id(said: str | None) -> str:
    """The id that the client gave, if it is 1 to 64 letters, digits and `._~-`; else a new one, `req_` and a ULID."""
    if said is not None and _SAFE.fullmatch(said):
        return said
    value = (int(time.time() * 1000) << 80) | _bits(80)
    return "req_" + "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def traceparent(said: str | None) -> str:
    """The trace context that came in, if it is valid (W3C Trace Context, section 3.2); else that of a new trace."""
    if said is not None and tracing.valid(said):
        return said
    # Neither id may be zero.
    return f"00-{_bits(128) | 1:032x}-{_bits(64) | 1:016x}-01"
