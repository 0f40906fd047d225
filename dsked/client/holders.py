"""Which hubs hold the shares of keys that were established ahead, and for how long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dsked.client.hub_peer import HubPeer
from dsked.limits import STORED_KEY_LIFE
from dsked.psrd.pair import NO_BOOT


class _Holder(NamedTuple):
    boot_id: bytes  # of the process that has acknowledged: shares are gone with it
    until: float


class Holders:
    """The hubs that have acknowledged all shares of some keys, each under one boot ID.

    `dealt_at`: not later than the shares left. `share_timeout_s`: the time to live asked for them; a hub
    that told a shorter share time-out forgets them sooner. Of that time a part, STORED_KEY_LIFE, may pass
    before a key is handed out; the rest is for the responder to fetch it.
    """

    __slots__ = ("_dealt_at", "_of", "_partly", "_share_timeout_s")

    def __init__(self, dealt_at: float, share_timeout_s: float) -> None:
        self._dealt_at = dealt_at
        self._share_timeout_s = share_timeout_s
        self._of: dict[int, _Holder] = {}  # by hub index
        self._partly: dict[
            int, bytes
        ] = {}  # boot ID under which a hub has taken what it has; NO_BOOT: it lacks some

    def __len__(self) -> int:
        return len(self._of)

    def answered(self, hub: HubPeer, *, taken: bool, last: bool) -> None:
        """`hub` has answered for some of the shares. `taken`: it holds these; `last`: none is outstanding."""
        boot_id = hub.boot_id
        same = taken and self._partly.get(hub.index, boot_id) == boot_id
        self._partly[hub.index] = boot_id if same else NO_BOOT
        if last and same and boot_id != NO_BOOT:
            timeout_s = min(self._share_timeout_s, hub.share_timeout_ms / 1000)
            self._of[hub.index] = _Holder(boot_id, self._dealt_at + STORED_KEY_LIFE * timeout_s)

    def has_lost(self, hub: HubPeer) -> bool:
        """True when `hub` held the shares, and is a new process now: then it is no holder any more."""
        holder = self._of.get(hub.index)
        if holder is None or hub.boot_id in (NO_BOOT, holder.boot_id):
            return False
        del self._of[hub.index]
        self._partly[hub.index] = NO_BOOT
        return True

    def present(self, hubs: Iterable[HubPeer], now: float) -> int:
        """How many of `hubs` hold the shares for certain: the session with each is with the process that took
        them, and its time is not out."""
        number = 0
        for hub in hubs:
            holder = self._of.get(hub.index)
            number += holder is not None and holder.boot_id == hub.boot_id and now < holder.until
        return number

    def has(self, hub: HubPeer) -> bool:
        """Whether `hub` held the shares when it was last there."""
        return hub.index in self._of

    def until(self, least: int) -> float:
        """From when on fewer than `least` hubs hold the shares; where fewer do now, from when on one less."""
        ends = sorted([holder.until for holder in self._of.values()], reverse=True)
        return ends[min(least, len(ends)) - 1] if ends else self._dealt_at
