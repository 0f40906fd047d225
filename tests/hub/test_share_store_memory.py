"""What the store keeps in memory, and what it does not any more."""

from __future__ import annotations

import gc

import pytest

from dsked.hub.lots import MAX_LOT_KEYS, Given, Lot
from dsked.hub.share_store import ShareStore

from .storing import (
    KEY_ID,
    NOW,
    SHARE,
    TIMEOUT_S,
    get,
    numbered,
    put,
    put_many,
    share_of,
    share_of_id,
)


def held_bytes(store: ShareStore) -> set[bytes]:
    """Every bytes object that can be reached from the store."""
    gc.collect()
    found: set[bytes] = set()
    seen: set[int] = set()
    stack: list[object] = [store]
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, type):
            continue
        seen.add(id(thing))
        if isinstance(thing, bytes):
            found.add(thing)
        stack.extend(gc.get_referents(thing))
    return found


@pytest.mark.parametrize("how", ["confirmed", "expired"])
def test_no_byte_of_a_removed_share_stays_reachable(store: ShareStore, how: str) -> None:
    put(store)
    assert SHARE in held_bytes(store)
    if how == "confirmed":
        get(store)
        store.confirm(NOW, "curtis", "carol", KEY_ID)
    else:
        store.expire(NOW + 30)
    assert held_bytes(store) == {KEY_ID}, "the tombstone's name"


@pytest.mark.parametrize("how", ["confirmed", "expired"])
def test_no_byte_of_a_lot_stays_reachable_when_all_its_keys_are_gone(store: ShareStore, how: str) -> None:
    ids = numbered(4)
    put_many(store, ids)
    get(store, key_id=ids[0])
    for key_id in ids if how == "confirmed" else ids[:1]:
        store.confirm(NOW, "curtis", "carol", key_id)
    store.expire(NOW + 30)
    assert held_bytes(store) == set(ids)


def test_half_of_a_lot_is_gone_before_its_bytes_are(store: ShareStore) -> None:
    """A friend of the initiator confirms all keys of a lot but one: what stays in memory is counted."""
    ids = numbered(MAX_LOT_KEYS)
    put_many(store, ids)
    for gone, key_id in enumerate(ids[:-1], 1):
        store.confirm(NOW, "curtis", "carol", key_id)
        nr_shares, nr_bytes = store.counts("carol")
        assert nr_shares == len(ids) - gone
        if gone in (1, 63, 64, 65, 127):
            held = {one for one in held_bytes(store) if len(one) > 16}
            assert sum(map(len, held)) <= 2 * (nr_bytes + nr_shares * 16)
    assert not any(share_of_id(key_id) in one for one in held_bytes(store) for key_id in ids[:-1])
    assert share_of(get(store, key_id=ids[-1])) == share_of_id(ids[-1])


def test_all_structures_are_empty_once_all_is_over(store: ShareStore) -> None:
    for number in range(300):
        key_id = number.to_bytes(16, "big")
        put(store, key_id=key_id)
        if number % 2:
            store.confirm(NOW, "curtis", "carol", key_id)
    store.expire(NOW + 30)
    store.expire(NOW + 30 + TIMEOUT_S)
    kept = vars(store) | vars(store._tombstones) | vars(store._tombstones._key_ids)
    sizes = {name: len(held) for name, held in kept.items() if hasattr(held, "__len__")}
    assert len(sizes) >= 8 and set(sizes.values()) == {0}


def test_what_is_stored_and_given_shows_no_secret(store: ShareStore) -> None:
    put(store, piece=b"secret-share" + bytes(20), code=b"secret!!")
    lot, given = store.find("carol", KEY_ID), get(store)
    assert isinstance(lot, Lot) and isinstance(given, Given)
    assert b"secret-share" in lot.shares and b"secret-share" in given.shares
    assert "secret" not in repr(lot) + repr(given)
