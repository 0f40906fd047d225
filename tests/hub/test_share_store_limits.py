"""How much a client may have in the store, pending and gone."""

from __future__ import annotations

from dataclasses import replace

from dsked.chosen_limits import DEFAULT_LIMITS, with_values
from dsked.errors import ErrorCode
from dsked.hub.lots import Given
from dsked.hub.share_store import ShareStore

from .storing import (
    NOW,
    SHARE,
    TIMEOUT_S,
    LimitTombstones,
    get,
    numbered,
    put,
    put_many,
    terms,
)


def test_the_limit_of_shares_is_per_initiator_client() -> None:
    store = ShareStore(TIMEOUT_S, with_values({"max_pending_shares_per_client": 2}))
    ids = numbered(3)
    assert [put(store, key_id=key_id) for key_id in ids] == [ErrorCode.OK, ErrorCode.OK, ErrorCode.LIMIT]
    assert put(store, terms(initiator="celia")) is ErrorCode.OK, "the others are unharmed"
    assert put(store, key_id=ids[0]) is ErrorCode.OK, "a retry needs no room"
    store.confirm(NOW, "curtis", "carol", ids[0])
    assert put(store, key_id=ids[2]) is ErrorCode.OK


def test_of_a_column_beyond_the_limit_the_first_are_stored() -> None:
    store = ShareStore(TIMEOUT_S, with_values({"max_pending_shares_per_client": 2}))
    ids = numbered(4)
    assert put_many(store, ids) == [ErrorCode.OK] * 2 + [ErrorCode.LIMIT] * 2
    assert [isinstance(get(store, key_id=key_id), Given) for key_id in ids] == [True, True, False, False]
    store.confirm(NOW, "curtis", "carol", ids[0])
    assert put_many(store, ids[1:]) == [ErrorCode.OK, ErrorCode.OK, ErrorCode.LIMIT], "a retry needs no room"


def test_the_limit_of_bytes_counts_codes_and_what_is_still_to_come() -> None:
    store = ShareStore(TIMEOUT_S, replace(DEFAULT_LIMITS, max_pending_share_bytes_per_client=2 * 64))
    assert put(store, key_id=b"1" * 16, piece=SHARE[:1]) is ErrorCode.PARTIAL
    assert put(store, terms(key_bytes=33), key_id=b"2" * 16) is ErrorCode.LIMIT
    assert put(store, key_id=b"2" * 16) is ErrorCode.OK
    assert put(store, key_id=b"3" * 16) is ErrorCode.LIMIT
    assert store.counts("carol") == (2, 128)


def test_the_limit_of_tombstones_is_per_responder_client(
    store: ShareStore, limit_tombstones: LimitTombstones
) -> None:
    limit_tombstones(2)
    ids = numbered(3)
    for key_id in ids:
        store.confirm(NOW, "curtis", "carol", key_id)
    assert [get(store, key_id=key_id) for key_id in ids] == [
        ErrorCode.DONE, ErrorCode.DONE, ErrorCode.UNKNOWN_KEY,
    ]  # fmt: skip
    store.confirm(NOW, "celia", "carol", ids[2])
    assert get(store, "celia", key_id=ids[2]) is ErrorCode.DONE
    store.expire(NOW + TIMEOUT_S)
    store.confirm(NOW + TIMEOUT_S, "curtis", "carol", ids[2])
    assert get(store, key_id=ids[2]) is ErrorCode.DONE


def test_every_pending_share_has_a_tombstone_in_reserve(
    store: ShareStore, limit_tombstones: LimitTombstones
) -> None:
    limit_tombstones(4)
    first, *ids = numbered(5)
    put(store, key_id=first, ttl_s=1.0)
    store.expire(NOW + 1)
    assert put_many(store, ids) == [ErrorCode.OK] * 3 + [ErrorCode.LIMIT]
    store.expire(NOW + 30)
    assert store.nr_tombstones == 4


def test_shares_that_nobody_fetches_end_at_the_limit_of_their_initiators_tombstones(
    store: ShareStore, limit_tombstones: LimitTombstones
) -> None:
    limit_tombstones(3)
    for number in range(3):
        assert put(store, key_id=bytes([number]) * 16, ttl_s=1.0) is ErrorCode.OK
    store.expire(NOW + 2)
    later = NOW + 3
    assert put(store, now=later, key_id=b"n" * 16) is ErrorCode.LIMIT
    other = terms(initiator="celia")
    assert put(store, other, now=later, key_id=b"n" * 16) is ErrorCode.OK, "it is carol's limit"
    store.expire(NOW + 2 + 2 * TIMEOUT_S)
    assert put(store, now=NOW + 2 + 2 * TIMEOUT_S, key_id=b"n" * 16) is ErrorCode.OK
