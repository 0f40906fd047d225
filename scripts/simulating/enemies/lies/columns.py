"""Lies about columns: key IDs that do not stand beside their shares, too many, too few, twice, of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar

from dsked.errors import ErrorCode
from dsked.limits import KEY_ID_BYTES
from dsked.wire.connection import HubConnection
from dsked.wire.messages import (
    Message,
    Missing,
    PutGroup,
    PutShares,
    PutSharesAck,
    ShareGroup,
    Shares,
    cut_key_ids,
)
from simulating.enemies.lies.answers import alike
from simulating.enemies.lies.hub import Lie, LyingHub, Said, ShareLie
from simulating.enemies.lies.shares import Pieces
from simulating.enemies.rows import Row, groups_of, one_by_one, replaced, rows_of
from simulating.enemies.sums import add

# --- key IDs beside shares ---


class ColumnLie(ShareLie):
    """Gives another group in place of each."""

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        return [self.column(group)]

    def column(self, group: ShareGroup) -> ShareGroup:
        """What is given in place of a group."""
        raise NotImplementedError


class KeyIdsInOtherOrder(ColumnLie):
    """Each share stands beside the next key's ID."""

    def column(self, group: ShareGroup) -> ShareGroup:
        return replaced(group, key_ids=group.key_ids[KEY_ID_BYTES:] + group.key_ids[:KEY_ID_BYTES])


class OneKeyIdMore(ColumnLie):
    """Than there are shares."""

    def column(self, group: ShareGroup) -> ShareGroup:
        return replaced(group, key_ids=group.key_ids + self.random.randbytes(KEY_ID_BYTES))


class OneKeyIdFewer(ColumnLie):
    """Than there are shares."""

    def column(self, group: ShareGroup) -> ShareGroup:
        if group.number > 1:
            return replaced(group, key_ids=group.key_ids[:-KEY_ID_BYTES])
        return replaced(group, shares=group.shares * 2, codes=group.codes * 2)


class OffsetOfMany(ColumnLie):
    """Whole shares, as their length tells, and an offset, which only the piece of a single share has."""

    def column(self, group: ShareGroup) -> ShareGroup:
        return replaced(group, offset=self.random.choice([1, group.key_bytes, 2**32 - 1]))


class PiecesOfMany(ShareLie):
    """The first halves of all shares of a group in one column, the second halves in another."""

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        rows = rows_of(group)
        at = group.offset + group.key_bytes // 2
        first = b"".join([row.share[: group.key_bytes // 2] for row in rows])
        second = b"".join([row.share[group.key_bytes // 2 :] for row in rows])
        return [replaced(group, shares=first), replaced(group, shares=second, offset=at, codes=b"")]


class CodesWithEveryPiece(Pieces):
    """A code belongs to the first."""

    def pieces(self, key: Row) -> Iterable[Row]:
        first, rest = self.cut(key)
        return first, replaced(rest, code=key.code)


# --- keys twice, and of others ---


class KeysTwice(ShareLie):
    """Every key of a column a second time, with the same content."""

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        return groups_of(group, rows_of(group) * 2)


class KeysTwiceThatDiffer(ShareLie):
    """Every key of a column twice, with two contents, of which one is true."""

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        rows = rows_of(group)
        others = [replaced(row, share=add(row.share, bytes([self.x]))) for row in rows]
        return groups_of(group, self.random.choice([rows + others, others + rows]))


class GivesWhatNobodyAsked(ShareLie):
    """Among the keys of a column stand others: those of others, and some that nobody has dealt."""

    def group(self, to: HubConnection, group: ShareGroup) -> list[ShareGroup]:
        rows = rows_of(group)
        like = rows[0]
        ids = [leak.key_id for leak in list(self.cabal.leaked)[-3:]] + [self.random.randbytes(KEY_ID_BYTES)]
        others = [replaced(like, key_id=key_id, share=bytes(len(like.share))) for key_id in ids]
        return groups_of(group, [*others[:2], *rows, *others[2:]])


class GivesWhatWasAskedBefore(ShareLie):
    """With every answer comes, altered, some of what it said last to the same client."""

    def __init__(self, hub: LyingHub) -> None:
        super().__init__(hub)
        self._said: dict[str, ShareGroup] = {}

    def altered(self, to: HubConnection, message: Shares) -> Shares:
        last = self._said.get(to.client)
        if message.groups:
            self._said[to.client] = replaced(message.groups[-1])
        if last is None:
            return message
        rows = [replaced(row, share=add(row.share, b"\x01")) for row in rows_of(last)]
        rows = self.random.sample(rows, self.random.randint(1, len(rows)))
        return Shares([*message.groups, *groups_of(last, rows)], message.missing)


class GivesOneKeyOnly(ShareLie):
    """Of those that are asked for together; about the others it says nothing at all."""

    def altered(self, to: HubConnection, message: Shares) -> Shares:
        groups = [groups_of(group, rows_of(group)[:1])[0] for group in message.groups[:1]]
        return Shares(groups, [])


class OneKeyAFrame(Lie):
    """All that is true, the last key first, each in a frame of its own."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if not isinstance(message, Shares):
            yield Said(message, request_id)
            return
        for group in reversed(message.groups):
            for one in one_by_one(group, reversed(rows_of(group))):
                yield Said(Shares([one], []), request_id)
        for missing in message.missing:
            for key_id in cut_key_ids(missing.key_ids):
                yield Said(Shares([], [replaced(missing, key_ids=key_id)]), request_id)


# --- keys that are missing ---


class GivesAndDenies(ShareLie):
    """Gives all keys, and says of them in the same frame, twice and with two codes, that it does not."""

    codes: ClassVar[tuple[ErrorCode, ...]] = (
        ErrorCode.UNKNOWN_KEY, ErrorCode.NOT_NAMED, ErrorCode.DONE, ErrorCode.DELIVERED,
    )  # fmt: skip

    def altered(self, to: HubConnection, message: Shares) -> Shares:
        denied = [
            Missing(group.initiator.client, int(code), group.key_ids * 2)
            for group in message.groups
            for code in self.random.sample(self.codes, 2)
        ]
        return Shares(message.groups, message.missing + denied)


class DeniesOthersKeys(ShareLie):
    """In one column with those that it does not know stand keys that it was not asked for."""

    def altered(self, to: HubConnection, message: Shares) -> Shares:
        ids = b"".join([leak.key_id for leak in self.cabal.leaked])[-64 * KEY_ID_BYTES :]
        others = [
            Missing(leak.initiator.client, int(ErrorCode.DONE), ids) for leak in list(self.cabal.leaked)[-1:]
        ]
        return Shares(message.groups, message.missing + others)


# --- codes of many keys ---


class RefusesOneOfMany(Lie):
    """Stores all, and says of one of them that it does not."""

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        if isinstance(message, PutSharesAck) and message.codes:
            codes = bytearray(message.codes)
            refusal = self.random.choice([ErrorCode.CONFLICT, ErrorCode.LIMIT, ErrorCode.PARTIAL])
            codes[self.random.randrange(len(codes))] = refusal
            message = PutSharesAck(bytes(codes))
        yield Said(message, request_id)


class LosesOneOfMany(Lie):
    """Stores all but the first key of each group, and acknowledges every one."""

    def __init__(self, hub: LyingHub) -> None:
        super().__init__(hub)
        self._numbers: dict[tuple[str, int], int] = {}

    def hears(self, to: HubConnection, request_id: int, message: Message) -> Message | None:
        if not isinstance(message, PutShares):
            return message
        self._numbers[to.client, request_id] = sum(group.number for group in message.groups)
        return PutShares([self._without_first(group) for group in message.groups])

    @staticmethod
    def _without_first(group: PutGroup) -> PutGroup:
        rows = rows_of(group)
        return groups_of(group, rows[1:])[0] if len(rows) > 1 else group

    def says(self, to: HubConnection, request_id: int, message: Message) -> Iterator[Said]:
        number = self._numbers.pop((to.client, request_id), 0) if isinstance(message, PutSharesAck) else 0
        yield Said(PutSharesAck(alike(ErrorCode.OK, number)) if number else message, request_id)


IN_COLUMNS: tuple[type[Lie], ...] = (
    KeyIdsInOtherOrder, OneKeyIdMore, OneKeyIdFewer, OffsetOfMany, PiecesOfMany, CodesWithEveryPiece,
    KeysTwice, KeysTwiceThatDiffer, GivesWhatNobodyAsked, GivesWhatWasAskedBefore,
    GivesOneKeyOnly, OneKeyAFrame, GivesAndDenies,
    DeniesOthersKeys, RefusesOneOfMany, LosesOneOfMany,
)  # fmt: skip
