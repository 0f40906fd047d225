"""SHARES frames out of stored shares: grouped by their terms, cut to what a frame may hold."""

from __future__ import annotations

from collections.abc import Iterator

from dsked.errors import ErrorCode
from dsked.hub.lots import Given
from dsked.limits import KEY_ID_BYTES
from dsked.sharing.terms import Terms
from dsked.wire.messages import Missing, PartyBody, ShareGroup, Shares
from dsked.wire.packing import FrameBudget, parties_bytes


class Answer:
    """What one GET_SHARES is told at once: shares, and key IDs by (initiator client, ErrorCode)."""

    def __init__(self) -> None:
        self.given: list[Given] = []
        self.missing: dict[tuple[str, int], list[bytes]] = {}

    def miss(self, initiator: str, code: ErrorCode, key_ids: bytes) -> None:
        """For these keys there is no share to give."""
        if key_ids:
            self.missing.setdefault((initiator, int(code)), []).append(key_ids)

    def keep_within(self, room: int) -> None:
        """What does not fit `room` bytes the client should ask for again (LIMIT)."""
        if sum([len(given.shares) + len(given.codes) for given in self.given]) <= room:
            return
        offered, self.given = self.given, []
        for given in offered:
            fitting = max(0, min(given.number, room // given.key_secrets))
            room -= fitting * given.key_secrets
            if fitting:
                self.given.append(given.cut(0, fitting))
            self.miss(given.terms.initiator.client, ErrorCode.LIMIT, given.key_ids[fitting * KEY_ID_BYTES :])

    def messages(self, max_pads: int) -> Iterator[Shares]:
        """As many SHARES as it takes, each within `max_pads` bytes of secrets; what is missing comes last.

        A share that is too large for a frame travels in pieces, each in a frame of its own.
        """
        if self._is_one_group(max_pads):
            yield Shares([_group(self.given[0])], [])
            return
        frame = _Frame(max_pads)
        for given in _joined(self.given):
            if given.key_secrets > max_pads:
                yield from _pieces(given, max_pads)
                continue
            rest = given
            while rest.number:
                rest = rest.cut(frame.add(rest), rest.number)
                if rest.number:  # it is full
                    yield frame.message()
                    frame = _Frame(max_pads)
        for (initiator, code), columns in self.missing.items():
            key_ids = b"".join(columns)
            while key_ids:
                taken = frame.add_missing(initiator, code, key_ids)
                key_ids = key_ids[taken * KEY_ID_BYTES :]
                if key_ids:
                    yield frame.message()
                    frame = _Frame(max_pads)
        if not frame.is_empty:
            yield frame.message()

    def _is_one_group(self, max_pads: int) -> bool:
        """What is usual: keys of one lot, which are fewer than a frame may carry."""
        if len(self.given) != 1 or self.missing:
            return False
        given = self.given[0]
        return len(given.shares) + len(given.codes) <= max_pads


def _joined(given: list[Given]) -> list[Given]:
    """All that have their terms in common as one, but for those that begin at an offset."""
    if len(given) < 2:
        return given
    whole: dict[Terms, list[Given]] = {}
    for one in given:
        if not one.offset:
            whole.setdefault(one.terms, []).append(one)
    return [
        *(
            Given(
                terms,
                b"".join([one.key_ids for one in same]),
                0,
                b"".join([one.shares for one in same]),
                b"".join([one.codes for one in same]),
            )
            for terms, same in whole.items()
        ),
        *(one for one in given if one.offset),
    ]


def _pieces(given: Given, max_pads: int) -> Iterator[Shares]:
    for number in range(given.number):
        one = given.cut(number, number + 1)
        at, room = 0, max_pads - len(one.codes)
        while at < len(one.shares):
            codes = b"" if at else one.codes
            piece = one._replace(offset=given.offset + at, shares=one.shares[at : at + room], codes=codes)
            yield Shares([_group(piece)], [])
            at, room = at + room, max_pads


class _Frame:
    def __init__(self, max_pads: int) -> None:
        self._groups: list[ShareGroup] = []
        self._missing: list[Missing] = []
        self._budget = FrameBudget(max_pads)

    def add(self, given: Given) -> int:
        """How many of these keys still go in, with whole shares."""
        metadata = parties_bytes((given.terms.initiator, *given.terms.responders))
        taken = self._budget.take(given.number, given.key_secrets, metadata)
        if taken:
            self._groups.append(_group(given.cut(0, taken)))
        return taken

    def add_missing(self, initiator: str, code: int, key_ids: bytes) -> int:
        """How many of these keys still go in."""
        metadata = parties_bytes(()) + 4 * len(initiator)
        taken = self._budget.take(len(key_ids) // KEY_ID_BYTES, 0, metadata)
        if taken:
            self._missing.append(Missing(initiator, code, key_ids[: taken * KEY_ID_BYTES]))
        return taken

    @property
    def is_empty(self) -> bool:
        return not self._groups and not self._missing

    def message(self) -> Shares:
        return Shares(self._groups, self._missing)


def _group(given: Given) -> ShareGroup:
    terms = given.terms
    return ShareGroup(
        PartyBody(*terms.initiator), [PartyBody(*party) for party in terms.responders],
        terms.n, terms.k, terms.key_bytes, given.key_ids, given.offset, given.shares, given.codes,
    )  # fmt: skip
