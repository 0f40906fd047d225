"""The chunks that streams have in memory: few, however many streams a node has."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from dsked.limits import MAX_CHUNKS_IN_MEMORY


class Holder(Protocol):
    """A stream with a chunk in memory."""

    def give_up_chunk(self) -> None:
        """Wipe it from memory; it can be read from the disk again."""


class ChunksInMemory:
    """Who holds a chunk; where there are more than `at_most`, who has read one longest ago gives its up.

    A stream that is used reads a chunk every few dozen frames; the thousands that are idle hold none.
    """

    def __init__(self, at_most: int = MAX_CHUNKS_IN_MEMORY) -> None:
        self._at_most = at_most
        self._holders: OrderedDict[Holder, None] = OrderedDict()

    def has_read(self, holder: Holder) -> None:
        """It has read a chunk, in the place of the one that it had."""
        self._holders[holder] = None
        self._holders.move_to_end(holder)
        if len(self._holders) > self._at_most:
            self._holders.popitem(last=False)[0].give_up_chunk()

    def forget(self, holder: Holder) -> None:
        """The stream is used no more."""
        if holder in self._holders:
            del self._holders[holder]
            holder.give_up_chunk()
