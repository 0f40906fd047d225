"""All fetches of a responder, within limits: how many, how many bytes of shares, and for how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from dsked.client.fetch import Fetch, FetchId
from dsked.fair_limit import FairLimit
from dsked.limits import FETCH_DEADLINE_S, MAX_FETCHES, MAX_HELD_SHARE_BYTES_PER_HUB
from dsked.sharing.terms import Terms
from dsked.timers import Timers
from dsked.wire.messages import ShareKey


class Fetches:
    """Keys by (initiator client, key ID), until their encryptors have them or their time is out."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._by_id: dict[FetchId, Fetch] = {}
        self._held_bytes: Counter[int] = Counter()  # of shares, by x of the hub that gave them
        self._of_callers = FairLimit()
        self._sweeping = False

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Fetch]:
        return iter(self._by_id.values())

    def fits(self, caller: str, number: int) -> bool:
        """True when an encryptor may ask for so many further keys."""
        return self._of_callers.fits(caller, number, MAX_FETCHES)

    def of(self, fetch_id: FetchId, caller: str, now: float, keep_s: float) -> Fetch:
        """The fetch of a key; a new one is on the account of the encryptor that asks first."""
        fetch = self._by_id.get(fetch_id)
        if fetch is None:
            fetch = self._by_id[fetch_id] = Fetch(fetch_id, now + keep_s, caller)
            self._of_callers.take(caller, 1)
            self._sweep_later()
        return fetch

    def take(self, fetch: Fetch, x: int, terms: Terms, key: ShareKey) -> Terms | None:
        """As Fetch.take; nothing is taken from a hub that has filled what it may fill."""
        if self._by_id.get(fetch.id) is not fetch:
            return None
        if self._held_bytes[x] + len(key.share) > MAX_HELD_SHARE_BYTES_PER_HUB:
            return None
        before = fetch.held_bytes(x)
        grown = fetch.take(x, terms, key.offset, key.share, key.code)
        self._held_bytes[x] += fetch.held_bytes(x) - before
        return grown

    def forget_shares(self, fetch: Fetch) -> None:
        """The shares of a key that was rebuilt and judged are of no more use."""
        if self._by_id.get(fetch.id) is fetch:
            for x in fetch.xs():
                self._held_bytes[x] -= fetch.held_bytes(x)
        fetch.forget_shares()

    def drop(self, fetch: Fetch) -> None:
        """Forget a fetch."""
        if self._by_id.get(fetch.id) is fetch:
            for x in fetch.xs():
                self._held_bytes[x] -= fetch.held_bytes(x)
            del self._by_id[fetch.id]
            fetch.searches.clear()  # what is under way for it ends
            self._of_callers.give_back(fetch.first_caller, 1)

    def _sweep_later(self) -> None:
        if not self._sweeping and self._by_id:
            self._sweeping = True
            self._timers.at(next(iter(self)).keep_until, self._sweep)

    def _sweep(self, now: float) -> None:
        """Forget the oldest, in order of their making, once their time is out."""
        self._sweeping = False
        while self._by_id:
            oldest = next(iter(self))
            if now < oldest.keep_until:
                break
            if oldest.waiting:  # for a moment longer, behind the others
                oldest.keep_until = now + FETCH_DEADLINE_S
                self._by_id[oldest.id] = self._by_id.pop(oldest.id)
            else:
                self.drop(oldest)
        self._sweep_later()
