"""All fetches of a responder, within limits: how many, how many bytes of shares, and for how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from dsked.client.columns import Column
from dsked.client.fetch import Batch, Fetch
from dsked.fair_limit import FairLimit
from dsked.limits import FETCH_DEADLINE_S, MAX_FETCHES, MAX_HELD_SHARE_BYTES_PER_HUB
from dsked.timers import Timers


class Fetches:
    """Keys by (initiator client, key ID), until their encryptors have them or their time is out."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._by_id: dict[tuple[str, bytes], Fetch] = {}
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

    def find(self, initiator: str, key_id: bytes) -> Fetch | None:
        """The fetch of a key."""
        return self._by_id.get((initiator, key_id))

    def of(self, fresh: Batch, key_ids: Iterable[bytes], caller: str, keep_until: float) -> list[Fetch]:
        """The fetches of keys; new ones become part of `fresh`, a batch that has not been asked for yet.

        These are on the account of the encryptor that asks first.
        """
        initiator, by_id, before = fresh.initiator, self._by_id, len(self._by_id)
        fetches = []
        for key_id in key_ids:
            fetch_id = (initiator, key_id)
            fetch = by_id.get(fetch_id)
            if fetch is None:
                fetch = by_id[fetch_id] = fresh.fetches[key_id] = Fetch(fetch_id, fresh, caller, keep_until)
            fetches.append(fetch)
        if len(by_id) > before:
            self._of_callers.take(caller, len(by_id) - before)
            if not self._sweeping:
                self._sweep_later()
        return fetches

    # --- shares ---

    def room(self, column: Column) -> int:
        """How many keys of a column may be kept: a hub may fill so much and no more."""
        return max((MAX_HELD_SHARE_BYTES_PER_HUB - self._held_bytes[column.x]) // column.key_size, 0)

    def take(self, batch: Batch, column: Column, offset: int, *, in_part: bool) -> bool:
        """What a hub has given of a batch; in part, from `offset` bytes on, of one key alone.

        True when whole shares are here by it.
        """
        x = column.x
        if not in_part and x not in batch.pieces:
            batch.take(column)
            self._held_bytes[x] += len(column.shares) + len(column.codes)
            return True
        before = batch.held_bytes(x)
        whole = batch.take_piece(x, column.terms, offset, column.shares, column.codes)
        self._held_bytes[x] += batch.held_bytes(x) - before
        return whole

    def forget_shares(self, batch: Batch) -> None:
        """The shares of keys that were rebuilt and judged are of no more use."""
        self._count_bytes(batch, -1)
        batch.forget_shares()

    def drop(self, batch: Batch, fetches: Collection[Fetch]) -> None:
        """Forget these, which are of one batch."""
        if not fetches:
            return
        self._count_bytes(batch, -1)
        batch.drop(fetches)
        self._count_bytes(batch, 1)
        of_callers: dict[str, int] = {}
        for fetch in fetches:
            del self._by_id[fetch.id]
            of_callers[fetch.first_caller] = of_callers.get(fetch.first_caller, 0) + 1
        for caller, number in of_callers.items():
            self._of_callers.give_back(caller, number)

    def _count_bytes(self, batch: Batch, sign: int) -> None:
        number = sign * len(batch.fetches)
        for x, column in batch.columns.items():
            self._held_bytes[x] += number * column.key_size
        for x in batch.pieces:
            self._held_bytes[x] += sign * batch.held_bytes(x)

    # --- time ---

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
            else:  # and those of its batch, which are as old
                batch = oldest.batch
                alike = batch.fetches.values()
                self.drop(batch, [fetch for fetch in alike if fetch.keep_until <= now and not fetch.waiting])
        self._sweep_later()
