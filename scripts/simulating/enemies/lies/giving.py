"""Lies in what is given: blocks of simulated PSRD that differ, shares to whom they should not be given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dsked.wire.connection import HubConnection
from dsked.wire.messages import GetGroup, GetShares, Message, PsrdRequest, Shares, cut_key_ids
from simulating.enemies.cabal import Given
from simulating.enemies.lies.hub import Lie, Said
from simulating.enemies.rows import Row, replaced, told_under

# --- blocks of simulated PSRD ---


class BlockLie(Lie):
    """Simulated PSRD: gives other blocks than were asked for, or none."""

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        if not isinstance(message, PsrdRequest):
            return message
        block = self.hub._deliveries.of(to).answer(message)
        if block is not None:
            for changes in self.changes(block.sequence, block.data):
                to.send_sealed(request_id, replaced(block, **changes))
        return None

    def changes(self, sequence: int, data: bytes) -> Iterable[dict[str, Any]]:
        """What differs, for each block that is sent in place of one."""
        raise NotImplementedError


class OtherBlocks(BlockLie):
    """Other bytes than its own: the streams differ."""

    def changes(self, sequence: int, data: bytes) -> Iterable[dict[str, Any]]:
        return [{"data": self.random.randbytes(len(data))}]


class BlocksOutOfOrder(BlockLie):
    def changes(self, sequence: int, data: bytes) -> Iterable[dict[str, Any]]:
        return [{"sequence": sequence + 1}, {"sequence": sequence}]


class SameBlocksTwice(BlockLie):
    """The second time with other bytes."""

    def changes(self, sequence: int, data: bytes) -> Iterable[dict[str, Any]]:
        return [{}, {"data": self.random.randbytes(len(data))}]


class ShortBlocks(BlockLie):
    def changes(self, sequence: int, data: bytes) -> Iterable[dict[str, Any]]:
        return [{"data": data[: len(data) // 2 or 1]}]


# --- shares that are given to whom they should not be ---


class GivesAgain(Lie):
    """Gives what it should not give any more, or not to this client: all that it was ever given."""

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        if not isinstance(message, GetShares) or to.session is None:
            return message
        groups, given = [], False
        for group in message.groups:
            rest = [
                key_id
                for key_id in cut_key_ids(group.key_ids)
                if not self._gives(to, request_id, group, key_id)
            ]
            given = given or len(rest) < group.number
            if rest:
                groups.append(replaced(group, key_ids=b"".join(rest)))
        if not given:
            return message
        self.hub.lied()
        return replaced(message, groups=groups) if groups or message.done else None

    def _gives(self, to: HubConnection, request_id: int, group: GetGroup, key_id: bytes) -> bool:
        stored = self.cabal.shares.get((group.initiator, key_id), {}).get(self.hub.name)
        if stored is None or not self.may_have(to, group.initiator, key_id, stored):
            return False
        assert to.session is not None
        code = stored.codes.get(to.client, next(iter(stored.codes.values())))
        for piece in _pieces(key_id, stored.share, code, to.session.max_pads):
            self.hub.say(to, Said(Shares(told_under(stored.terms, [piece]), []), request_id))
        return True

    def may_have(self, to: HubConnection, initiator: str, key_id: bytes, stored: Given) -> bool:
        """Whether this client gets it from this liar, where an honest hub says no."""
        raise NotImplementedError


def _pieces(key_id: bytes, share: bytes, code: bytes, max_pads: int) -> Iterator[Row]:
    """A share in pieces that fit a frame."""
    first = max_pads - len(code)
    yield Row(key_id, 0, share[:first], code)
    for offset in range(first, len(share), max_pads):
        yield Row(key_id, offset, share[offset : offset + max_pads], b"")


class GivesToTheUnnamed(GivesAgain):
    def may_have(self, to: HubConnection, initiator: str, key_id: bytes, stored: Given) -> bool:
        return to.client not in stored.codes


class GivesToEveryProcess(GivesAgain):
    def may_have(self, to: HubConnection, initiator: str, key_id: bytes, stored: Given) -> bool:
        asked = ("asked first", self.hub.name, to.client, initiator, key_id)
        return self.cabal.agreed(asked, lambda: to.boot_id) != to.boot_id


class ForgetsTombstones(GivesAgain):
    """Gives shares that were confirmed, that timed out, or that it held before it started again."""

    def may_have(self, to: HubConnection, initiator: str, key_id: bytes, stored: Given) -> bool:
        lot = self.hub.shares.find(initiator, key_id)
        return lot is None or key_id in (lot.confirmed or {}).get(to.client, ())


class ForgetsShares(Lie):
    """Acknowledges, and has forgotten before anyone asks."""

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        if not isinstance(message, GetShares):
            return message
        for group in message.groups:
            for key_id in cut_key_ids(group.key_ids):
                lot = self.hub.shares.find(group.initiator, key_id)
                if lot is not None:
                    self.hub.lied()
                    self.hub.shares._remove(self.hub.shares._accounts[group.initiator], lot, [key_id])
        return message


WHAT_IS_GIVEN: tuple[type[Lie], ...] = (
    OtherBlocks, BlocksOutOfOrder, SameBlocksTwice, ShortBlocks, GivesToTheUnnamed, GivesToEveryProcess,
    ForgetsTombstones, ForgetsShares,
)  # fmt: skip
