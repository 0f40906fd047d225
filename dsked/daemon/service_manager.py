"""What the daemon tells the service manager (systemd, `dskectl start`) of itself: see sd_notify(3).

The event loop tells it, so that a loop that hangs tells nothing: a daemon that starts is given up after
TimeoutStartSec= then, and one that has started is killed after WatchdogSec=.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping

from dsked.delivery.sd_notify import notify
from dsked.limits import MANAGER_BEAT_S, MANAGER_PATIENCE_S

_log = logging.getLogger("dsked")
_USEC_PER_S = 1_000_000


class ServiceManager:
    """Whoever started this process and waits for it to be ready, or nobody. Made in a running event loop."""

    def __init__(
        self,
        who: str,
        readiness: Callable[[], str | None],
        tell: Callable[[str], bool] = notify,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """`who` is told of in the log; `readiness` gives None when it serves, else why it does not."""
        self.is_ready = False
        self._stopping = False
        self._reason: str | None = None  # why it does not serve
        self._missed = False  # the log has told of that
        self._who = who
        self._readiness = readiness
        self._tell = tell
        self._status = ""
        self._owed = ""  # what goes before the next status: READY=1
        self._told = True  # the status; no more is owed
        watchdog_s = _watchdog_s(environment)
        self._watched = watchdog_s is not None
        self._beat_s = MANAGER_BEAT_S if watchdog_s is None else min(MANAGER_BEAT_S, watchdog_s / 2)
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.call_later(self._beat_s, self._beat)

    def look(self) -> None:
        """Tell whether the node serves, if that is news. There is no way back from READY: a status tells."""
        if self._stopping:
            return
        self._reason = self._readiness()
        if self._reason is not None:
            self._say(self._reason)
            return
        if not self.is_ready:
            _log.info("%s is ready", self._who)
            self._owe_readiness()
        elif self._missed:
            _log.info("%s is ready again", self._who)
        self._say("ready")
        self.is_ready, self._missed = True, False

    @contextlib.contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that something is read again, and that it is over."""
        told = self.is_ready and not self._stopping  # else READY=1 would mean more than that
        if told:
            self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            yield
        finally:
            if told and not self._stopping:
                self._owe_readiness()
                self._say(self._status)

    def stopping(self) -> None:
        """Tell that the node is about to stop; no more is told of it but that it is at it."""
        self._stopping = True
        self._tell("STOPPING=1")

    def close(self) -> None:
        """Tell no more."""
        self._next.cancel()

    def _beat(self) -> None:
        """Sign of life: for the watchdog while the node serves, else for more time to start or to stop.

        Hubs that are away may keep a client from serving for long. To kill it would not bring them back. And
        what was accepted is finished before the end. That a node does not serve, or no more, its log tells.
        """
        self.look()
        if self._reason is not None and not self._missed and not self._stopping:
            self._missed = True
            _log.warning("%s is not ready: %s", self._who, self._reason)
        if not self.is_ready or self._stopping:
            self._tell(f"EXTEND_TIMEOUT_USEC={MANAGER_PATIENCE_S * _USEC_PER_S}")
        elif self._watched:
            self._tell("WATCHDOG=1")
        self._next = self._loop.call_later(self._beat_s, self._beat)

    def _owe_readiness(self) -> None:
        self._owed, self._told = "READY=1\n", False

    def _say(self, status: str) -> None:
        """A status, once as long as it stays the same: at the next beat again where the manager took nothing.

        Its socket may be full, or gone for a moment, and a start would never end whose READY=1 was lost.
        """
        if status == self._status and self._told:
            return
        self._status = status
        self._told = self._tell(f"{self._owed}STATUS={_line(status)}")
        if self._told:
            self._owed = ""


def _line(text: str) -> str:
    """What others have named must not become a line of its own."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """After how many seconds without a sign of life this process is killed; None where nobody watches it."""
    pid, usec = environment.get("WATCHDOG_PID"), environment.get("WATCHDOG_USEC", "")
    if pid not in (None, str(os.getpid())) or not usec.isdecimal() or not int(usec):
        return None
    return int(usec) / _USEC_PER_S
