"""How much goes into one frame: pads, keys and metadata of a frame that carries many keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from dsked.limits import KEY_ID_BYTES, MAX_FRAME_BYTES, MAX_FRAME_PAD_BYTES, MAX_KEYS_PER_FRAME

#: Heads and numbers of one group; generous.
_GROUP_BYTES = 64
_NAME_HEAD_BYTES = 4
_MAX_METADATA_BYTES = MAX_FRAME_BYTES - MAX_FRAME_PAD_BYTES - 1024


class HasNames(Protocol):
    """A party: the names of a client and of an encryptor."""

    @property
    def client(self) -> str: ...

    @property
    def encryptor(self) -> str: ...


def parties_bytes(parties: Iterable[HasNames]) -> int:
    """Bytes that a group's metadata take at most."""
    return _GROUP_BYTES + sum(
        4 * (len(party.client) + len(party.encryptor)) + 2 * _NAME_HEAD_BYTES for party in parties
    )


class FrameBudget:
    """What still fits into the frame that is being filled."""

    def __init__(self, max_pads: int) -> None:
        self.pads = max_pads
        self._keys = MAX_KEYS_PER_FRAME
        self._metadata = _MAX_METADATA_BYTES

    def take(self, number: int, pads: int, group_bytes: int) -> int:
        """How many of `number` keys with `pads` secret bytes each fit as one group; they are taken off.

        `group_bytes`: what the group takes beside its keys, which is nothing where it is there already.
        """
        fitting = min(number, self._keys, (self._metadata - group_bytes) // KEY_ID_BYTES)
        if pads:
            fitting = min(fitting, self.pads // pads)
        if fitting <= 0:
            return 0
        self.pads -= fitting * pads
        self._keys -= fitting
        self._metadata -= fitting * KEY_ID_BYTES + group_bytes
        return fitting
