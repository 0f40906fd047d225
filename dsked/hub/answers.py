"""SHARES frames out of stored shares: grouped by their metadata, cut to what a frame may hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dsked.errors import ErrorCode
from dsked.hub.share_store import StoredShare
from dsked.sharing.terms import Terms
from dsked.wire.messages import Missing, PartyBody, ShareGroup, ShareKey, Shares
from dsked.wire.packing import FrameBudget, parties_bytes


class Found(NamedTuple):
    """A share to give, from byte `offset` on."""

    key_id: bytes
    offset: int
    stored: StoredShare


def what_fits(found: Iterable[Found], room: int) -> tuple[list[Found], list[Missing]]:
    """What can be given now, within `room` bytes, and what the client should ask for again (LIMIT)."""
    given: list[Found] = []
    later: list[Missing] = []
    for item in found:
        size = item.stored.size - item.offset
        if size <= room:
            room -= size
            given.append(item)
        else:
            later.append(Missing(item.stored.terms.initiator.client, item.key_id, int(ErrorCode.LIMIT)))
    return given, later


def shares_messages(
    client: str, found: Iterable[Found], missing: list[Missing], max_pads: int
) -> Iterator[Shares]:
    """As many SHARES as it takes, each within `max_pads` bytes of secrets; `missing` in the last ones."""
    frame = _Frame(max_pads)
    for item in found:
        code = item.stored.codes[client] if item.offset == 0 else b""
        offset, end = item.offset, len(item.stored.share)
        while offset < end or code:
            room = frame.room(item.stored.terms, len(code), end - offset)
            if room < len(code) or (room == len(code) and offset < end):
                yield frame.message()
                frame = _Frame(max_pads)
                continue
            piece = bytes(item.stored.share[offset : offset + room - len(code)])
            frame.add(item.stored.terms, ShareKey(item.key_id, offset, piece, code))
            offset, code = offset + len(piece), b""
    for one in missing:
        if not frame.add_missing(one):
            yield frame.message()
            frame = _Frame(max_pads)
            frame.add_missing(one)
    if frame.groups or frame.missing:
        yield frame.message()


class _Frame:
    def __init__(self, max_pads: int) -> None:
        self.groups: dict[Terms, ShareGroup] = {}
        self.missing: list[Missing] = []
        self._budget = FrameBudget(max_pads)

    def room(self, terms: Terms, code_bytes: int, share_bytes: int) -> int:
        """Secret bytes that one more key may bring: all of it, or what is left of the frame.

        0 where not even the code and one byte fit.
        """
        new = 0 if terms in self.groups else parties_bytes((terms.initiator, *terms.responders))
        pads = min(code_bytes + share_bytes, self._budget.pads)
        return pads if pads > code_bytes and self._budget.fits(pads, new) else 0

    def add(self, terms: Terms, key: ShareKey) -> None:
        group = self.groups.get(terms)
        if group is None:
            group = self.groups[terms] = ShareGroup(
                PartyBody(*terms.initiator),
                [PartyBody(*party) for party in terms.responders],
                terms.n, terms.k, terms.key_bytes, [],
            )  # fmt: skip
        group.keys.append(key)

    def add_missing(self, missing: Missing) -> bool:
        """False where it does not fit beside what is there already."""
        fits = self._budget.fits(0, 4 * len(missing.initiator))
        if fits:
            self.missing.append(missing)
        return fits

    def message(self) -> Shares:
        return Shares(list(self.groups.values()), self.missing)
