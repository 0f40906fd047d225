"""What a hub's share store has counted, for metrics and status."""

from __future__ import annotations

from dataclasses import replace

from dsked.chosen_limits import DEFAULT_LIMITS
from dsked.hub.share_store import ShareStore
from tests.hub.storing import BOOT, FOR_TWO, NOW, SHARE, TIMEOUT_S, get, numbered, put, put_many


def figures(store: ShareStore) -> tuple[int, int, int, int]:
    return len(store), store.nr_stored, store.nr_refused, store.nr_expired


def test_shares_that_are_fetched_have_been_stored_and_did_not_expire(store: ShareStore) -> None:
    ids = numbered(10)
    put_many(store, ids)
    assert figures(store) == (10, 10, 0, 0)
    assert store.nr_bytes > 10 * len(SHARE)
    for key_id in ids:
        get(store, key_id=key_id)
    store.confirm(NOW, "curtis", "carol", b"".join(ids))
    store.expire(NOW + 2 * TIMEOUT_S)
    assert figures(store) == (0, 10, 0, 0)
    assert store.nr_bytes == 0


def test_shares_that_not_all_have_fetched_expire(store: ShareStore) -> None:
    ids = numbered(6)
    put_many(store, ids[:4])
    put_many(store, ids[4:], FOR_TWO)
    store.confirm(NOW, "curtis", "carol", b"".join([ids[0], ids[4]]))
    store.expire(NOW + 2 * TIMEOUT_S)
    assert figures(store) == (0, 6, 0, 5)


def test_shares_beyond_a_limit_are_refused() -> None:
    store = ShareStore(TIMEOUT_S, replace(DEFAULT_LIMITS, max_pending_shares_per_client=8))
    put_many(store, numbered(10))
    assert figures(store) == (8, 8, 2, 0)


def test_a_share_that_comes_in_pieces_or_again_counts_once(store: ShareStore) -> None:
    put(store, piece=SHARE[:16])
    put(store, offset=16, piece=SHARE[16:])
    put(store)
    assert figures(store) == (1, 1, 0, 0)
    get(store, boot_id=BOOT)
    assert figures(store) == (1, 1, 0, 0)
