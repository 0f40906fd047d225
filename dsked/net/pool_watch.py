"""Watches how fast a node's pools are used, and puts what is to be expected into its status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from dsked.limits import WATCH_POOLS_S
from dsked.net.turns import awake_or_asleep
from dsked.psrd.forecast import Forecasts

_POOLS = ("local_pool", "peer_pool")


class PoolWatch:
    """`pairs(first)`: what the status tells of a page of peers, from number `first` on, with `name_key`.

    A page is looked at once a minute: a hub with many clients spends no more time on it than on a status.
    """

    def __init__(
        self,
        pairs: Callable[[int], list[dict[str, Any]]],
        name_key: str,
        now: Callable[[], float] = awake_or_asleep,
    ) -> None:
        self._pairs, self._name_key, self._now = pairs, name_key, now
        self._forecasts = Forecasts()
        self._next = 0  # the first of the page that is looked at next
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """From now on, until `close`."""
        self._timer = asyncio.get_running_loop().call_later(WATCH_POOLS_S, self._go_on)

    def close(self) -> None:
        """No more."""
        if self._timer is not None:
            self._timer.cancel()

    def add_to(self, pairs: Iterable[dict[str, Any]]) -> None:
        """`bytes_per_day` and `days_left` of each pool; null where not known, or where PSRD is simulated."""
        now = self._now()
        for pair in pairs:
            for pool in (pair[key] for key in _POOLS):
                pool["bytes_per_day"] = pool["days_left"] = None
                if pool["window"] is not None:
                    place = pair[self._name_key], pool["owner"]
                    found = self._forecasts.observe(now, *place, pool["position"], pool["nr_unused_bytes"])
                    pool["bytes_per_day"], pool["days_left"] = found

    def look(self) -> None:
        """At one page, the one behind that of the last time."""
        pairs = self._pairs(self._next)
        self.add_to(pairs)
        self._next = self._next + len(pairs) if pairs else 0

    def _go_on(self) -> None:
        self.look()
        self.start()
