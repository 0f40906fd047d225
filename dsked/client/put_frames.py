"""PUT_SHARES frames out of shares to send: many keys a frame, large shares in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, NoReturn

from dsked.client.deal import Deal
from dsked.limits import KEY_ID_BYTES, MASK_BYTES
from dsked.secrecy import no_pickle
from dsked.sharing.shares import HubColumns
from dsked.wire.messages import PartyBody, PutGroup, PutShares
from dsked.wire.packing import FrameBudget, parties_bytes


class PutItem(NamedTuple):
    """One hub's shares of `number` keys of a dealing, from the one at `start` on."""

    deal: Deal
    columns: HubColumns  # of all keys of the dealing
    start: int
    number: int

    def __repr__(self) -> str:
        return f"PutItem({self.number} keys from {self.start} on)"

    def __reduce__(self) -> NoReturn:
        no_pickle(self)

    def wanted(self, now: float) -> bool:
        """True while it is worth sending: one of its requests may succeed, and a hub would keep it."""
        return not self.deal.abandoned and now < self.deal.expires_at

    @property
    def code_bytes(self) -> int:
        """Secret bytes of one key beside its share."""
        return len(self.columns.codes) * KEY_ID_BYTES // len(self.deal.key_ids)

    @property
    def pad_bytes(self) -> int:
        """Pad bytes that it takes to send, in a frame of its own."""
        return MASK_BYTES + self.number * (self.code_bytes + self.deal.terms.key_bytes)

    def cut(self, number: int) -> tuple[PutItem, PutItem]:
        """The first so many keys, and the others."""
        first = PutItem(self.deal, self.columns, self.start, number)
        return first, PutItem(self.deal, self.columns, self.start + number, self.number - number)


#: What a frame carries, in order: the item, and whether all of it has come with this frame.
InFlight = list[tuple[PutItem, bool]]


def put_frames(items: Iterable[PutItem], max_pads: int, now: float) -> Iterator[tuple[PutShares, InFlight]]:
    """As many PUT_SHARES as it takes, each within `max_pads` bytes of secrets."""
    frame = _Frame(max_pads, now)
    for item in items:
        rest = item
        while rest.number:
            taken = frame.add(rest)
            if taken:
                rest = rest.cut(taken)[1]
            elif frame.in_flight:  # it is full
                yield frame.message(), frame.in_flight
                frame = _Frame(max_pads, now)
            else:
                large, rest = rest.cut(1)
                yield from _pieces(large, max_pads, now)
    if frame.in_flight:
        yield frame.message(), frame.in_flight


def _pieces(item: PutItem, max_pads: int, now: float) -> Iterator[tuple[PutShares, InFlight]]:
    """The share of one key that is too large for a frame: a piece in each, the codes with the first."""
    size = item.deal.terms.key_bytes
    first, codes = item.start * size, item.code_bytes
    offset, room = 0, max_pads - codes
    while offset < size:
        end = min(offset + room, size)
        of_codes = item.columns.codes[item.start * codes : (item.start + 1) * codes] if not offset else b""
        group = _group(item, now, offset, item.columns.shares[first + offset : first + end], of_codes)
        yield PutShares([group]), [(item, end == size)]
        offset, room = end, max_pads


class _Frame:
    def __init__(self, max_pads: int, now: float) -> None:
        self.in_flight: InFlight = []
        self._groups: list[PutGroup] = []
        self._budget = FrameBudget(max_pads)
        self._now = now

    def add(self, item: PutItem) -> int:
        """How many of its keys went in."""
        terms, codes = item.deal.terms, item.code_bytes
        metadata = parties_bytes((terms.initiator, *terms.responders))
        number = self._budget.take(item.number, codes + terms.key_bytes, metadata)
        if number:
            start, end = item.start, item.start + number
            shares = item.columns.shares[start * terms.key_bytes : end * terms.key_bytes]
            taken = item if number == item.number else item.cut(number)[0]
            of_codes = item.columns.codes[start * codes : end * codes]
            self._groups.append(_group(taken, self._now, 0, shares, of_codes))
            self.in_flight.append((taken, True))
        return number

    def message(self) -> PutShares:
        return PutShares(self._groups)


def _group(item: PutItem, now: float, offset: int, shares: bytes, codes: bytes) -> PutGroup:
    deal, terms = item.deal, item.deal.terms
    ids = deal.key_ids[item.start * KEY_ID_BYTES : (item.start + item.number) * KEY_ID_BYTES]
    return PutGroup(
        terms.initiator.encryptor,
        [PartyBody(*party) for party in terms.responders],
        terms.n, terms.k, max(int((deal.expires_at - now) * 1000), 0), terms.key_bytes,
        ids, offset, shares, codes,
    )  # fmt: skip
