"""Log lines that an outsider can cause, limited in rate so that nobody can flood the log."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping

from dsked.limits import OUTSIDER_LOG_INTERVAL_S
from dsked.seldom import Seldom, more


class OutsiderLog:
    """One line of a kind in OUTSIDER_LOG_INTERVAL_S; the next one tells how many were left out."""

    def __init__(self, log: logging.Logger, now: Callable[[], float]) -> None:
        self._log = log
        self._now = now
        self._seldom = Seldom(OUTSIDER_LOG_INTERVAL_S)
        self.warnings: Counter[str] = Counter()  # by kind, those left out included

    def warning(self, kind: str, text: str, **fields: str) -> None:
        """Log `text`, unless a line of this `kind` was logged lately. Kinds are few and fixed."""
        self.warnings[kind] += 1
        self._line(logging.WARNING, kind, text, fields)

    def info(self, kind: str, text: str, **fields: str) -> None:
        """The same, at level info."""
        self._line(logging.INFO, kind, text, fields)

    def _line(self, level: int, kind: str, text: str, fields: Mapping[str, str]) -> None:
        left_out = self._seldom.may_tell(kind, self._now())
        if left_out is not None:
            self._log.log(level, "%s%s", text, more(left_out), extra=fields)
