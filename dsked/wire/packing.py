"""How much goes into one frame: pads, keys and metadata of a frame that carries many keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from dsked.limits import MAX_FRAME_BYTES, MAX_FRAME_PAD_BYTES, MAX_KEYS_PER_FRAME

#: msgpack heads, key ID and numbers of one key; generous.
_KEY_BYTES = 48
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

    def fits(self, pads: int, group_bytes: int = 0, bins: int = 2) -> bool:
        """True when a key with `pads` secret bytes fits; then it is taken off the budget."""
        metadata = _KEY_BYTES + group_bytes + 5 * bins
        if pads > self.pads or not self._keys or metadata > self._metadata:
            return False
        self.pads -= pads
        self._keys -= 1
        self._metadata -= metadata
        return True
