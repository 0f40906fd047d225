"""How the pure parts tell the log something: a level, a line, and what it is about."""

from __future__ import annotations

import logging
from typing import Protocol


class Notice(Protocol):
    """Takes a level of the logging module, the line, and fields: those of LOG_FIELDS that there are."""

    def __call__(self, level: int, text: str, /, **fields: str) -> None:
        """Tell the log."""


#: What lines are about. Nothing else is logged as a field: a secret gets into none by accident.
#: `peer`: a hub's or client's name; `address`: where a connection comes from; `key_id`: a UUID as text.
LOG_FIELDS = ("peer", "address", "encryptor", "key_id")


def told_to(log: logging.Logger) -> Notice:
    """Has `log` told what an engine has to say."""

    def tell(level: int, text: str, /, **fields: str) -> None:
        log.log(level, "%s", text, extra=fields, stacklevel=2)

    return tell
