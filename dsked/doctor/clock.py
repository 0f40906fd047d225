"""Whether this machine's clock is kept right: certificates and logs go by it."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

from dsked.doctor.finding import Finding, good, warning

_CHECK = "clock"
#: adjtimex(2): the structure is below 256 bytes on Linux; its first field, `modes`, 0, changes nothing.
_TIMEX_BYTES = 256
_TIME_ERROR = 5


def synchronized() -> bool | None:
    """Whether somebody (chrony, say) keeps it right; None where the kernel does not tell."""
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state = adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR


def check(asked: Callable[[], bool | None] = synchronized) -> list[Finding]:
    """One finding."""
    host = os.uname().nodename
    told = asked()
    if told is None:
        return [warning(_CHECK, host, "the kernel does not tell whether the clock is kept right")]
    if told:
        return [good(_CHECK, host, "synchronized")]
    return [
        warning(
            _CHECK,
            host,
            "not synchronized: certificates expire by it, and logs of two hosts cannot be compared; "
            "start chrony or systemd-timesyncd",
        )
    ]
