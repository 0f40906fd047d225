"""A hub that treats some messages as a test says. All ways of lying are in scripts/simulating/enemies."""

from __future__ import annotations

from typing import Any

from dsked.hub.engine import HubEngine
from dsked.wire.messages import GetShares, PutShares, Register


class OwnHandlers(HubEngine):
    """A hub whose subclass says how it treats messages: `_put_shares`, `_get_shares`, `_register`."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        own = ((PutShares, "_put_shares"), (GetShares, "_get_shares"), (Register, "_register"))
        self._honest = dict(self._handlers)
        for message, name in own:
            self._handlers[message] = getattr(self, name, self._handlers[message])
