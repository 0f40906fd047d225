"""Lies of deed: blocks of simulated PSRD that differ, and shares given to whom they should not be given."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from dsked.hub.answers import Found, shares_messages
from dsked.hub.share_store import StoredShare
from dsked.wire.connection import HubConnection
from dsked.wire.messages import GetShares, Message, PsrdRequest
from simulating.lying import Lie, Said, replaced

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
        found: list[Found] = []
        for group in message.groups:
            for key in group.keys:
                stored = self.cabal.shares.get((group.initiator, key.key_id), {}).get(self.hub.name)
                if stored is not None and self.may_have(to, group.initiator, key.key_id, stored):
                    found.append(Found(key.key_id, 0, self._for(to.client, stored)))
        if not found:
            return message
        for answer in shares_messages(to.client, found, [], to.session.max_pads):
            self.hub.say(to, Said(answer, request_id))
        self.hub.lied()
        return self._without(message, {(one.stored.terms.initiator.client, one.key_id) for one in found})

    def may_have(self, to: HubConnection, initiator: str, key_id: bytes, stored: StoredShare) -> bool:
        """Whether this client gets it from this liar, where an honest hub says no."""
        raise NotImplementedError

    @staticmethod
    def _for(client: str, stored: StoredShare) -> StoredShare:
        code = stored.codes.get(client, next(iter(stored.codes.values())))
        return dataclasses.replace(stored, codes={client: code})

    @staticmethod
    def _without(message: GetShares, given: set[tuple[str, bytes]]) -> GetShares | None:
        groups = []
        for group in message.groups:
            keys = [key for key in group.keys if (group.initiator, key.key_id) not in given]
            if keys:
                groups.append(replaced(group, keys=keys))
        return replaced(message, groups=groups) if groups or message.done else None


class GivesToTheUnnamed(GivesAgain):
    def may_have(self, to: HubConnection, initiator: str, key_id: bytes, stored: StoredShare) -> bool:
        return to.client not in stored.codes


class GivesToEveryProcess(GivesAgain):
    def may_have(self, to: HubConnection, initiator: str, key_id: bytes, stored: StoredShare) -> bool:
        return stored.delivered_to.setdefault(to.client, to.boot_id) != to.boot_id


class ForgetsTombstones(GivesAgain):
    """Gives shares that were confirmed, that timed out, or that it held before it started again."""

    def may_have(self, to: HubConnection, initiator: str, key_id: bytes, stored: StoredShare) -> bool:
        return (initiator, key_id) not in self.hub.shares._shares or to.client in stored.confirmed


class ForgetsShares(Lie):
    """Acknowledges, and has forgotten before anyone asks."""

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        if not isinstance(message, GetShares):
            return message
        for group in message.groups:
            for key in group.keys:
                stored = self.hub.shares._shares.get((group.initiator, key.key_id))
                if stored is not None:
                    self.hub.lied()
                    self.hub.shares._remove((group.initiator, key.key_id), stored)
        return message


IN_DEEDS: tuple[type[Lie], ...] = (
    OtherBlocks, BlocksOutOfOrder, SameBlocksTwice, ShortBlocks, GivesToTheUnnamed, GivesToEveryProcess,
    ForgetsTombstones, ForgetsShares,
)  # fmt: skip
