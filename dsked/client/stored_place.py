"""The keys stored for one pair of encryptors and one size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from dsked.client.holders import Holders
from dsked.client.hub_peer import HubPeer
from dsked.keys import Key
from dsked.limits import (
    AMD_DIRECT_KEY_BYTES,
    HASH_KEY_BYTES,
    MASK_BYTES,
    STORED_KEY_AHEAD_S,
    STORED_KEY_LIFE,
    STORED_KEY_RETRY_MAX_S,
    STORED_KEY_RETRY_S,
    STORED_KEYS_PER_INTERVAL,
)
from dsked.secrecy import no_pickle, no_secrets
from dsked.sharing.shares import PAIR_BYTES

_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class StoredPair:
    """What the operator wants: `count` keys of `key_bytes` bytes ready for `initiator` with `responder`."""

    initiator: str
    responder: str
    count: int
    key_bytes: int

    @property
    def pads_of_a_key(self) -> int:
        """Bytes of pads that a key takes for each hub, beside what its frame takes."""
        hash_key = HASH_KEY_BYTES if self.key_bytes > AMD_DIRECT_KEY_BYTES else 0
        return self.key_bytes + PAIR_BYTES + hash_key

    def fit(self, pads: int) -> int:
        """How many keys a frame with room for `pads` bytes takes; one at least, which travels in pieces."""
        return max(pads // self.pads_of_a_key, 1)


class Lot:
    """Keys that were dealt together; `client` serves their responder, `holders` have their shares.

    `nr_acked`: so many had them when the keys were established. More are not asked for when they are handed
    out, or keys that some hubs refuse would be stored for nobody. `usable`: they could be handed out when
    last looked at.
    """

    __slots__ = ("client", "holders", "keys", "nr_acked", "usable")

    def __init__(self, keys: list[Key], client: str, holders: Holders) -> None:
        self.keys = keys
        self.client = client
        self.holders = holders
        self.nr_acked = len(holders)
        self.usable = True

    __repr__ = no_secrets

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


class Place:
    """Where the keys of one pair and size are stored, and what has become of them."""

    def __init__(self, pair: StoredPair, k: int, share_timeout_s: float) -> None:
        self.pair = pair
        self._k = k
        self.lots: list[Lot] = []  # the oldest first
        self.under_way = 0  # keys that are being established
        self.next_try = -math.inf
        self.problem = "not established yet"
        self._life_s = STORED_KEY_LIFE * share_timeout_s
        self._ahead_s = min(STORED_KEY_AHEAD_S, self._life_s / 4)
        self._delay_s = self._loss_delay_s = STORED_KEY_RETRY_S
        self._handed_out = self._expired = self._lost = 0

    __repr__ = no_secrets
    __reduce__ = no_pickle

    @property
    def size(self) -> int:
        """Keys that are stored, whether they may be handed out just now or not."""
        return _size(self.lots)

    # --- what comes and goes ---

    def add(self, lot: Lot) -> None:
        """These have been established. Where they are more than are wanted, the oldest go.

        Those that cannot be handed out may be so many again, until the hubs that hold them are back.
        """
        self.problem, self._delay_s = "", STORED_KEY_RETRY_S
        self.keep_those_of(lot.client)
        self.lots.append(lot)
        usable = [one for one in self.lots if one.usable]
        self._expired += self._drop_surplus(usable, _size(usable) - self.pair.count)
        others = [one for one in self.lots if not one.usable]
        self._lost += self._drop_surplus(others, self.size - 2 * self.pair.count)

    def _drop_surplus(self, lots: Sequence[Lot], surplus: int) -> int:
        return len(self._remove(lots, surplus)) if surplus > 0 else 0

    def take(self, lots: Sequence[Lot], number: int) -> list[Key]:
        """The oldest `number` keys of `lots`, which hold so many."""
        self._handed_out += number
        return self._remove(lots, number)

    def _remove(self, lots: Sequence[Lot], number: int) -> list[Key]:
        removed: list[Key] = []
        for lot in lots:
            some = number - len(removed)
            removed += lot.keys[:some]
            del lot.keys[:some]
        self.lots = [lot for lot in self.lots if lot.keys]
        return removed

    def keep_those_of(self, client: str) -> None:
        """Another client serves the responder now: what was dealt for the former one is of no use."""
        self._lost += self._drop([lot for lot in self.lots if lot.client != client])

    def drop_expired(self, now: float) -> None:
        """Forget those whose hubs may forget them before the responder comes."""
        self._expired += self._drop([lot for lot in self.lots if now >= self._ends(lot)])

    def hub_ready(self, hub: HubPeer, least: int, now: float) -> None:
        """Forget those that fewer than `least` hubs hold, since this one is a new process."""
        lost = [lot for lot in self.lots if lot.holders.has_lost(hub) and len(lot.holders) < least]
        if lost:
            self._lost += self._drop(lost)
            self.put_off(f"keys were lost when hub {hub.name} restarted", now)

    def found_usable(self, lots: Sequence[Lot]) -> bool:
        """Only `lots` can be handed out now. True where others could when last looked at: as good as lost."""
        fewer = [lot for lot in self.lots if lot.usable and lot not in lots]
        for lot in self.lots:
            lot.usable = lot in lots
        return bool(fewer)

    def put_off(self, problem: str, now: float) -> None:
        """Keys were lost: none is established for a while, longer each time, until a quiet time has passed.

        What is lost meanwhile puts off nothing: else hubs that restart could do so for ever.
        """
        self.problem = problem
        if now < self.next_try:
            return
        if now >= self.next_try + STORED_KEY_RETRY_MAX_S:
            self._loss_delay_s = STORED_KEY_RETRY_S
        self.next_try = now + self._loss_delay_s
        self._loss_delay_s = min(2 * self._loss_delay_s, STORED_KEY_RETRY_MAX_S)

    def _drop(self, lots: Sequence[Lot]) -> int:
        number = _size(lots)
        if lots:
            self.lots = [lot for lot in self.lots if lot not in lots]
        return number

    def failed(self, problem: str, now: float) -> None:
        """Keys could not be established: not again for a while, and longer each time."""
        self.problem, self.next_try = problem, now + self._delay_s
        self._delay_s = min(2 * self._delay_s, STORED_KEY_RETRY_MAX_S)

    # --- when there is something to do ---

    def _ends(self, lot: Lot) -> float:
        return lot.holders.until(self._k)  # fewer hubs, which may lie, cannot end it sooner

    def lacks(self, now: float) -> int:
        """How many keys to establish now: those that end soon, or cannot be handed out, are replaced."""
        lasting = [lot for lot in self.lots if lot.usable and now < self._ends(lot) - self._ahead_s]
        return max(self.pair.count - _size(lasting) - self.under_way, 0)

    def look_at(self, now: float, wait_s: float) -> float:
        """When to look next, or infinity; `wait_s`: so long to wait where something lacks already."""
        if self.lacks(now):
            return max(now + wait_s, self.next_try)
        ends = [self._ends(lot) for lot in self.lots]
        due = [at for end in ends for at in (end - self._ahead_s, end) if at > now]
        return min(due, default=math.inf)

    # --- status ---

    def report(self, frame_pads: int) -> dict[str, Any]:
        """What the operator sees. Bytes are of each hub's pools; a frame takes `frame_pads` at most."""
        local, peer = self._pad_bytes_per_day(frame_pads)
        return {
            "initiator": self.pair.initiator,
            "responder": self.pair.responder,
            "size_bits": 8 * self.pair.key_bytes,
            "max_key_count": self.pair.count,
            "problem": self.problem or None,
            "nr_handed_out": self._handed_out,
            "nr_expired": self._expired,
            "nr_lost": self._lost,
            "pad_bytes_per_day": {"local": local, "peer": peer},
        }

    def _pad_bytes_per_day(self, frame_pads: int) -> tuple[int, int]:
        """What it takes of a hub's pools, (local, peer), to replace the keys that nobody asks for.

        The frames that carry them, their acknowledgements, and one question for the responder's client. PINGs
        of media pools add the two-hundredth part of the one to the other.
        """
        per_frame = self.pair.fit(frame_pads)
        frames = -(-self.pair.count // min(per_frame, STORED_KEYS_PER_INTERVAL))
        masks = MASK_BYTES * (frames + 1)
        times = _DAY_S / (self._life_s - self._ahead_s)
        return round(times * (self.pair.count * self.pair.pads_of_a_key + masks)), round(times * masks)


def _size(lots: Sequence[Lot]) -> int:
    return sum(len(lot.keys) for lot in lots)
