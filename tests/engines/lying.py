"""A hub that treats some messages as a test says. All ways of lying are in scripts/simulating/liars.py."""

from __future__ import annotations

from typing import Any

from dsked.hub.engine import HubEngine
from dsked.wire.messages import GetShares, PutShares


class OwnHandlers(HubEngine):
    """A hub whose subclass says how it treats PUT_SHARES (`_put_shares`) or GET_SHARES (`_get_shares`)."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        for message, name in ((PutShares, "_put_shares"), (GetShares, "_get_shares")):
            self._handlers[message] = getattr(self, name, self._handlers[message])
