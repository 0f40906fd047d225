"""PSRD on media, the hub's side: clients get their streams, these grow, run low, and fail."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from dsked.notice import Notice
from dsked.psrd.pair import Pair, Side, Streams
from dsked.psrd.supply import Supply


class Provisioning:
    """The pairs of one hub. `changed` is called with a client's name when its stores have done something."""

    def __init__(
        self,
        hub: str,
        pairs: dict[str, Pair],
        thresholds: tuple[int, int],
        notice: Notice,
        changed: Callable[[str], None],
    ) -> None:
        self._hub = hub
        self._pairs = pairs
        self._thresholds = thresholds
        self._notice = notice
        self._changed = changed
        self._supplies: dict[str, Supply] = {}

    def hold(self, client: str, gate_key: bytes, streams: Streams) -> None:
        """The pair with `client` has these streams from now on."""
        pair = self._pairs.get(client)
        if pair is None:
            pair = self._pairs[client] = Pair(client, self._hub, Side.HUB, gate_key, simulated=False)
        pair.deliver(gate_key, streams)
        self._supplies[client] = Supply(streams, *self._thresholds)
        for pool in (streams.local, streams.peer):
            pool.store.changed = partial(self._changed, client)

    def forget(self, client: str) -> None:
        """Its PSRD is not looked at any more."""
        self._supplies.pop(client, None)

    def runs_low(self, client: str) -> bool:
        """True while the operator should deliver new blocks."""
        supply = self._supplies.get(client)
        return supply is not None and supply.low

    def look_at_supply(self, client: str) -> None:
        """Tell the operator, once each: it runs low, it is used up, it has enough again."""
        supply = self._supplies.get(client)
        if supply is None:
            return
        if supply.runs_out():
            self._notice(logging.WARNING, f"client {client}: {supply.problem}", peer=client)
        if not supply.update():
            return
        if supply.low:
            self._notice(logging.WARNING, f"client {client}: {supply.warning}", peer=client)
        else:
            self._notice(logging.INFO, f"client {client}: enough PSRD again", peer=client)
