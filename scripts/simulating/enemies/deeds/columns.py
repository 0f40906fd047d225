"""Hostile clients that say odd columns: of shares, of keys wanted, and of keys that they have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsked.limits import KEY_ID_BYTES, MAX_KEYS_PER_FRAME
from dsked.sharing.dealing import deal
from dsked.sharing.terms import Terms
from dsked.wire.messages import Confirmed, GetGroup, GetShares, Ping, PutGroup, PutShares
from simulating.enemies.cabal import Bait
from simulating.enemies.deeds.client import Deed
from simulating.enemies.deeds.deals import Dealer
from simulating.enemies.rows import Row, groups_of, put_under, replaced, rows_of
from simulating.enemies.sums import add

#: A batch under one set of terms, and what is said in its place.
Oddity = Callable[[PutGroup, bytes], Sequence[PutGroup]]
_BATCH = 3


class DealsColumns(Dealer):
    """Batches of which the columns do not fit, or hold what they should not, the same for all hubs."""

    def misbehave(self, now: float) -> None:
        terms = self.terms()
        ids = [self.dice.randbytes(KEY_ID_BYTES) for _ in range(_BATCH)]
        batch = [(key_id, self.dice.randbytes(terms.key_bytes)) for key_id in ids]
        xs = sorted(self.cabal.xs.values())
        shares = dict(zip(xs, deal(batch, terms, xs, self.dice.randbytes), strict=True))
        oddity, other_id = self.dice.choice(ODDITIES), self._another_id()
        for hub in self.me.sessions():
            rows = [
                Row(key_id, 0, share.share, b"".join(share.codes))
                for key_id, share in zip(ids, shares[hub.x], strict=True)
            ]
            [group] = put_under(terms, rows)
            message = PutShares(list(oddity(group, other_id)))
            if sum(map(len, message.secrets())) <= self.me.room(hub):
                self.me.say(hub, message)
        self._lay_bait(terms, ids)

    def _another_id(self) -> bytes:
        """The ID of a key of somebody else, if any is known."""
        leaks = self.me.some_leaks(1)
        return leaks[0].key_id if leaks else self.dice.randbytes(KEY_ID_BYTES)

    def _lay_bait(self, terms: Terms, ids: Sequence[bytes]) -> None:
        baits = [Bait(terms.initiator, responder, key_id) for responder in terms.responders for key_id in ids]
        self.cabal.bait.extend(baits)


def _twice(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    return groups_of(group, rows_of(group) * 2)


def _twice_with_other_content(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    rows = rows_of(group)
    return groups_of(group, rows + [replaced(row, share=add(row.share, b"\x01")) for row in rows])


def _one_id_more(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    return [replaced(group, key_ids=group.key_ids + other_id)]


def _one_id_fewer(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    return [replaced(group, key_ids=group.key_ids[:-KEY_ID_BYTES])]


def _offset_of_many(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    return [group, replaced(group, offset=group.key_bytes, codes=b"")]


def _pieces_of_many(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    """As long as whole shares are, in all."""
    first, rest = group.shares[: len(group.shares) // 2], group.shares[len(group.shares) // 2 :]
    at = group.key_bytes // 2
    return [replaced(group, shares=first), replaced(group, offset=at, shares=rest, codes=b"")]


def _cut_elsewhere(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    """Half as many keys, each twice as long: the shares are as long in all, the codes are not."""
    ids = group.key_ids[: KEY_ID_BYTES * (_BATCH - 1)]
    return [replaced(group, key_ids=ids, key_bytes=group.key_bytes * _BATCH // (_BATCH - 1))]


def _codes_behind_the_first_piece(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    row = rows_of(group)[0]
    at = len(row.share) // 2
    return groups_of(
        group, [replaced(row, share=row.share[:at]), replaced(row, offset=at, share=row.share[at:])]
    )


def _beside_a_key_of_others(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    rows = rows_of(group)
    return groups_of(group, [rows[0], replaced(rows[1], key_id=other_id), *rows[1:]])


def _no_shares(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    return [replaced(group, shares=b""), replaced(group, codes=b""), replaced(group, shares=b"", codes=b"")]


def _no_whole_key_id(group: PutGroup, other_id: bytes) -> Sequence[PutGroup]:
    """Which is no body: the session ends."""
    broken = replaced(group)
    broken.key_ids = group.key_ids[:-1]  # a body that is made anew looks at its key IDs
    return [broken]


ODDITIES: tuple[Oddity, ...] = (
    _twice, _twice_with_other_content, _one_id_more, _one_id_fewer, _offset_of_many, _pieces_of_many,
    _cut_elsewhere, _codes_behind_the_first_piece, _beside_a_key_of_others, _no_shares, _no_whole_key_id,
)  # fmt: skip


class AsksInColumns(Deed):
    """For keys of others among its own and among keys of nobody: twice, in one column, from an offset on."""

    def misbehave(self, now: float) -> None:
        leaks = self.me.some_leaks(32)
        names = sorted({leak.initiator.client for leak in leaks}) or [self.me.name]
        own = self.dice.randbytes(8 * KEY_ID_BYTES)
        ids = own + b"".join([leak.key_id for leak in leaks]) * 2
        offset = self.dice.choice([0, 0, 1, 2**32 - 1])
        groups = [GetGroup(name, ids, offset) for name in names]
        for hub in self.me.sessions():
            self.me.say(hub, GetShares(groups, self.dice.choice([0, 500]), []))


class ConfirmsInColumns(Deed):
    """Keys of others among some that it may confirm, or that nobody has dealt: hubs might forget them all."""

    def misbehave(self, now: float) -> None:
        leaks = self.me.some_leaks(MAX_KEYS_PER_FRAME)
        for name in {leak.initiator.client: None for leak in leaks}:
            own = [bait.key_id for bait in self.cabal.bait if bait.initiator.client == self.me.name][-1:]
            of_others = [leak.key_id for leak in leaks if leak.initiator.client == name]
            ids = b"".join([*own, *of_others, *of_others])[: MAX_KEYS_PER_FRAME // 4 * KEY_ID_BYTES]
            for hub in self.me.sessions():
                done = [Confirmed(name, ids)]
                self.me.say(hub, self.dice.choice([Ping(False, 0, 0, done), GetShares([], 0, done)]))


IN_COLUMNS: tuple[type[Deed], ...] = (DealsColumns, AsksInColumns, ConfirmsInColumns)
