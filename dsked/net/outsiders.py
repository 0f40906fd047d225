"""Log lines that an outsider can cause, limited in rate so that nobody can flood the log."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dsked.limits import OUTSIDER_LOG_INTERVAL_S


class OutsiderLog:
    """One line of a kind in OUTSIDER_LOG_INTERVAL_S; the next one tells how many were left out."""

    def __init__(self, log: logging.Logger, now: Callable[[], float]) -> None:
        self._log = log
        self._now = now
        self._quiet_until: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def warning(self, kind: str, text: str) -> None:
        """Log `text`, unless a line of this `kind` was logged lately. Kinds are few and fixed."""
        self._line(logging.WARNING, kind, text)

    def info(self, kind: str, text: str) -> None:
        """The same, at level info."""
        self._line(logging.INFO, kind, text)

    def _line(self, level: int, kind: str, text: str) -> None:
        now = self._now()
        if now < self._quiet_until.get(kind, now):
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._quiet_until[kind] = now + OUTSIDER_LOG_INTERVAL_S
        left_out = self._left_out.pop(kind, 0)
        self._log.log(level, "%s%s", text, f" ({left_out} more like this)" if left_out else "")
