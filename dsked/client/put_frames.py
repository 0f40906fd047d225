"""PUT_SHARES frames out of shares to send: many keys a frame, large shares in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from dsked.client.deal import Deal
from dsked.limits import MASK_BYTES
from dsked.sharing.shares import HubShare
from dsked.sharing.terms import Terms
from dsked.wire.messages import PartyBody, PutGroup, PutKey, PutShares
from dsked.wire.packing import FrameBudget, parties_bytes


class PutItem(NamedTuple):
    """One key's share for one hub."""

    deal: Deal
    key_id: bytes
    share: HubShare

    @property
    def code_bytes(self) -> int:
        """Secret bytes beside the share."""
        return sum(map(len, self.share.codes))

    @property
    def pad_bytes(self) -> int:
        """Pad bytes that it takes to send, in a frame of its own."""
        return MASK_BYTES + self.code_bytes + len(self.share.share)


#: What a frame carries, in order: the item, and whether this is its last piece.
InFlight = list[tuple[PutItem, bool]]


def put_frames(items: Iterable[PutItem], max_pads: int, now: float) -> Iterator[tuple[PutShares, InFlight]]:
    """As many PUT_SHARES as it takes, each within `max_pads` bytes of secrets."""
    frame = _Frame(max_pads, now)
    for item in items:
        offset, size = 0, len(item.share.share)
        while offset < size:
            piece = frame.add(item, offset)
            if piece:
                offset += piece
            else:  # it is full
                yield frame.message(), frame.in_flight
                frame = _Frame(max_pads, now)
    if frame.in_flight:
        yield frame.message(), frame.in_flight


class _Frame:
    def __init__(self, max_pads: int, now: float) -> None:
        self.in_flight: InFlight = []
        self._groups: list[PutGroup] = []
        self._last: tuple[Terms, float] | None = None  # what the last group is about
        self._budget = FrameBudget(max_pads)
        self._now = now

    def add(self, item: PutItem, offset: int) -> int:
        """Bytes of the share that went in from `offset` on; 0 when the frame is full."""
        terms = item.deal.terms
        about = (terms, item.deal.expires_at)
        codes = item.share.codes if offset == 0 else ()
        code_bytes = item.code_bytes if offset == 0 else 0
        whole = code_bytes + len(item.share.share) - offset
        pads = min(whole, self._budget.pads)
        new = 0 if about == self._last else parties_bytes((terms.initiator, *terms.responders))
        if pads <= code_bytes or not self._budget.fits(pads, new, bins=1 + len(codes)):
            return 0
        if new:
            self._groups.append(self._new_group(*about))
            self._last = about
        piece = item.share.share[offset : offset + pads - code_bytes]
        self._groups[-1].keys.append(PutKey(item.key_id, offset, piece, list(codes)))
        self.in_flight.append((item, pads == whole))
        return len(piece)

    def _new_group(self, terms: Terms, expires_at: float) -> PutGroup:
        return PutGroup(
            terms.initiator.encryptor,
            [PartyBody(*party) for party in terms.responders],
            terms.n, terms.k, max(int((expires_at - self._now) * 1000), 0), terms.key_bytes, [],
        )  # fmt: skip

    def message(self) -> PutShares:
        return PutShares(self._groups)
