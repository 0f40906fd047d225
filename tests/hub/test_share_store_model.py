"""Columns are no more than many keys at once: the store answers as a model that treats every key alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.chosen_limits import DEFAULT_LIMITS
from dsked.errors import ErrorCode
from dsked.hub.lots import Lot
from dsked.hub.share_store import ShareStore
from dsked.sharing.terms import Party, Terms, responder_clients
from dsked.wire.messages import cut_key_ids

from .one_by_one import Bounds, OneByOne
from .storing import LimitTombstones

TIMEOUT_S = 6.0
BOUNDS = Bounds(shares=7, share_bytes=350, responder_bytes=5000, tombstones=8)
CLIENTS = ("carol", "celia", "curtis")
BOOTS = (b"b" * 16, b"o" * 16)
#: Some stand across the border of two others.
KEY_IDS = [b"\0" * 16, b"\0" * 15 + b"\1", b"\1" + b"\0" * 15, b"\0" * 8 + b"\1" * 8, b"\1" * 8 + b"\0" * 8,
           *(bytes([number]) * 16 for number in range(1, 6))]  # fmt: skip


def terms(initiator: str, k: int, key_bytes: int, *responders: tuple[str, str]) -> Terms:
    return Terms(1, 5, k, Party(initiator, "sam"), tuple(Party(*party) for party in responders), key_bytes)


SUNNY, SUSAN, SERENA = ("curtis", "sunny"), ("curtis", "susan"), ("celia", "serena")
TERMS = [
    *(terms("carol", 3, 8, *parties) for parties in ([SUNNY], [SUNNY], [SERENA, SUNNY], [SUNNY, SUSAN])),
    terms("carol", 4, 8, SUNNY), terms("carol", 3, 9, SUNNY), terms("celia", 3, 8, SUNNY),
]  # fmt: skip


def share(key_id: bytes, variant: int, size: int) -> bytes:
    return bytes([key_id[0] ^ key_id[15] ^ (variant & 1), *range(1, size)])


def codes(what: Terms, key_id: bytes, variant: int) -> tuple[bytes, ...]:
    return tuple(
        bytes([number ^ key_id[8] ^ (variant & 2)]) * 32 for number in range(len(responder_clients(what)))
    )


_ids = st.lists(st.sampled_from(KEY_IDS), min_size=1, max_size=8)
_own = st.sampled_from(CLIENTS)
_variant = st.sampled_from([0] * 12 + [1, 2])
_put_keys = st.lists(st.tuples(st.sampled_from(KEY_IDS), _variant), min_size=1, max_size=8)
_puts = st.tuples(st.just("put"), st.sampled_from(TERMS), _put_keys, st.sampled_from([0.5, 2.0, 60.0]))
_pieces = st.tuples(
    st.just("piece"), st.sampled_from(TERMS), st.sampled_from(KEY_IDS), _variant, st.integers(0, 8),
    st.integers(1, 9),
)  # fmt: skip
_gets = st.tuples(st.just("get"), _own, st.sampled_from(BOOTS), st.sampled_from(CLIENTS[:2]), _ids)
_gets_from = st.tuples(
    st.just("get from"), _own, st.sampled_from(BOOTS), st.sampled_from(KEY_IDS), st.integers(1, 9)
)
_confirms = st.tuples(st.just("confirm"), _own, st.sampled_from(CLIENTS[:2]), _ids)
_waits = st.tuples(st.just("wait"), st.sampled_from([0.05, 0.5, 2.0, 7.0]))
_steps = st.lists(
    st.one_of(_puts, _puts, _pieces, _gets, _gets, _gets_from, _confirms, _confirms, _waits), max_size=40
)


class Both:
    """The store and its model, asked the same."""

    def __init__(self) -> None:
        limits = replace(
            DEFAULT_LIMITS, max_pending_shares_per_client=BOUNDS.shares,
            max_pending_share_bytes_per_client=BOUNDS.share_bytes,
        )  # fmt: skip
        self.store, self.model, self.now = ShareStore(TIMEOUT_S, limits), OneByOne(TIMEOUT_S, BOUNDS), 1000.0

    def put(self, what: Terms, keys: list[tuple[bytes, int]], ttl_s: float) -> None:
        shares = [share(key_id, variant, what.key_bytes) for key_id, variant in keys]
        of_keys = [codes(what, key_id, variant) for key_id, variant in keys]
        expected = [
            self.model.put(self.now, what, key_id, 0, one, of_key, ttl_s)
            for (key_id, _), one, of_key in zip(keys, shares, of_keys, strict=True)
        ]
        column, all_codes = b"".join(key_id for key_id, _ in keys), b"".join(map(b"".join, of_keys))
        found = self.store.put(self.now, what, column, 0, b"".join(shares), all_codes, ttl_s)
        assert list(map(ErrorCode, found)) == expected

    def piece(self, what: Terms, key_id: bytes, variant: int, offset: int, size: int) -> None:
        piece = share(key_id, variant, what.key_bytes)[offset : offset + size]
        of_key = () if offset else codes(what, key_id, variant)
        if not piece:
            return
        expected = self.model.put(self.now, what, key_id, offset, piece, of_key, 60.0)
        found = self.store.put(self.now, what, key_id, offset, piece, b"".join(of_key), 60.0)
        assert [ErrorCode(code) for code in found] == [expected]

    def get(self, client: str, boot_id: bytes, initiator: str, ids: list[bytes], offset: int = 0) -> None:
        expected = [
            (key_id, self.model.get(client, boot_id, initiator, key_id, offset))
            for key_id in dict.fromkeys(ids)
        ]
        given, refused = self.store.get(client, boot_id, initiator, b"".join(ids), offset)
        found: list[tuple[bytes, Any]] = [
            (key_id, code) for code, column in refused for key_id in cut_key_ids(column)
        ]
        for column in given:
            ones = [column.cut(number, number + 1) for number in range(column.number)]
            assert all(one.offset == offset and one.terms.initiator.client == initiator for one in ones)
            found.extend((one.key_ids, (one.shares, one.codes)) for one in ones)
        assert sorted(map(repr, found)) == sorted(map(repr, expected))

    def get_from(self, client: str, boot_id: bytes, key_id: bytes, offset: int) -> None:
        self.get(client, boot_id, "carol", [key_id], offset)

    def confirm(self, client: str, initiator: str, ids: list[bytes]) -> None:
        for key_id in ids:
            self.model.confirm(self.now, client, initiator, key_id)
        self.store.confirm(self.now, client, initiator, b"".join(ids))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.model.expire(self.now)
        while (due := self.store.next_expiry()) is not None and due <= self.now:
            self.store.expire(self.now)

    def compare(self) -> None:
        """The same is there, counted alike, and no lot holds more than twice what counts."""
        assert len(self.store) == len(self.model.shares)
        assert self.store.nr_tombstones == len(self.model.graves)
        lots = {id(lot): lot for due in self.store._by_step.values() for lot in due}
        for client in CLIENTS:
            own = self.model.of(client)
            assert self.store.counts(client) == (len(own), sum(one.size for one in own))
        for (initiator, key_id), one in self.model.shares.items():
            lot = self.store.find(initiator, key_id)
            assert lot is not None and id(lot) in lots and lot.terms == one.terms
        held = sum(len(lot.shares) + len(lot.codes) + len(lot.key_ids) for lot in lots.values())
        assert held <= 2 * sum(one.size + 16 for one in self.model.shares.values())
        assert sum(lot.left for lot in lots.values()) == len(self.store)
        assert all(isinstance(lot, Lot) and 0 < lot.left <= lot.number <= 3 for lot in lots.values())


@pytest.fixture(autouse=True)
def small_bounds(monkeypatch: pytest.MonkeyPatch, limit_tombstones: LimitTombstones) -> None:
    monkeypatch.setattr("dsked.hub.share_store.MAX_LOT_KEYS", 3)
    monkeypatch.setattr(
        "dsked.hub.share_store.MAX_PENDING_RESPONDER_BYTES_PER_CLIENT", BOUNDS.responder_bytes
    )
    limit_tombstones(BOUNDS.tombstones)


@settings(max_examples=300)
@given(_steps)
def test_columns_are_treated_as_keys_one_by_one(steps: list[tuple[Any, ...]]) -> None:
    both = Both()
    for what, *arguments in steps:
        getattr(both, what.replace(" ", "_"))(*arguments)
        both.compare()
    both.wait(20.0)
    both.wait(20.0)
    assert (len(both.store), both.store.nr_tombstones, both.store.next_expiry()) == (0, 0, None)
