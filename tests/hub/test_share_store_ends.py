"""How shares end: confirmed, or when their time is out; and the tombstones that keep them away."""

from __future__ import annotations

import pytest

from dsked.errors import ErrorCode
from dsked.hub import share_store, tombstones
from dsked.hub.lots import Given
from dsked.hub.share_store import ShareStore

from .storing import (
    BOOT,
    FOR_TWO,
    KEY_ID,
    NOW,
    OTHER_BOOT,
    SHARE,
    TIMEOUT_S,
    get,
    numbered,
    put,
    put_many,
    share_of,
    share_of_id,
    terms,
)

# --- confirmations and tombstones ---


def test_a_confirmed_share_is_gone_and_stays_away(store: ShareStore) -> None:
    put(store)
    store.confirm(NOW, "curtis", "carol", KEY_ID)
    assert len(store) == 0
    assert store.counts("carol") == (0, 0)
    assert get(store) is ErrorCode.DONE
    assert put(store) is ErrorCode.DONE
    assert put(store, offset=10, piece=SHARE[10:]) is ErrorCode.DONE
    assert len(store) == 0


def test_a_share_stays_until_every_named_client_has_confirmed(store: ShareStore) -> None:
    put(store, FOR_TWO)
    store.confirm(NOW, "curtis", "carol", KEY_ID)
    assert get(store, "curtis") is ErrorCode.DONE
    assert share_of(get(store, "celia")) == SHARE
    store.confirm(NOW, "curtis", "carol", KEY_ID)
    assert len(store) == 1, "confirming twice does not count for another"
    store.confirm(NOW, "celia", "carol", KEY_ID)
    assert len(store) == 0


def test_a_confirm_by_a_client_that_is_not_named_removes_nothing(store: ShareStore) -> None:
    put(store)
    for other in ("celia", "carol"):
        store.confirm(NOW, other, "carol", KEY_ID)
    assert store.nr_tombstones == 0, "nor takes the place of a tombstone"
    assert share_of(get(store)) == SHARE
    store.confirm(NOW, "curtis", "celia", KEY_ID)
    assert share_of(get(store)) == SHARE, "nor one for the same key ID of another initiator"


def test_confirmed_before_it_came(store: ShareStore) -> None:
    """The responder had k shares before this hub had its own: the late share is not stored."""
    store.confirm(NOW, "curtis", "carol", KEY_ID)
    assert put(store) is ErrorCode.DONE
    assert len(store) == 0


def test_confirmed_by_one_of_two_before_it_came(store: ShareStore) -> None:
    store.confirm(NOW, "curtis", "carol", KEY_ID)
    assert put(store, FOR_TWO) is ErrorCode.OK
    assert get(store, "curtis") is ErrorCode.DONE
    assert share_of(get(store, "celia")) == SHARE
    store.confirm(NOW, "celia", "carol", KEY_ID)
    assert len(store) == 0


def test_a_strangers_confirmation_in_advance_does_not_harm_the_named(store: ShareStore) -> None:
    store.confirm(NOW, "celia", "carol", KEY_ID)
    assert put(store) is ErrorCode.OK
    assert share_of(get(store)) == SHARE


def test_a_tombstone_lasts_the_share_timeout(store: ShareStore) -> None:
    store.confirm(NOW, "curtis", "carol", KEY_ID)
    store.expire(NOW + TIMEOUT_S - 0.001)
    assert put(store) is ErrorCode.DONE
    store.expire(NOW + TIMEOUT_S)
    assert get(store) is ErrorCode.UNKNOWN_KEY
    assert store.next_expiry() is None, "nothing is left of it"


def test_the_confirmed_keys_of_a_column_are_gone_and_the_others_stay(store: ShareStore) -> None:
    ids = numbered(5)
    put_many(store, ids)
    store.get("curtis", BOOT, "carol", b"".join(ids))
    store.confirm(NOW, "curtis", "carol", ids[3] + ids[0] + ids[3])
    assert store.counts("carol") == (3, 3 * 64) and store.nr_tombstones == 2
    given, refused = store.get("curtis", BOOT, "carol", b"".join(ids))
    assert b"".join(one.key_ids for one in given) == ids[1] + ids[2] + ids[4]
    assert refused == [(ErrorCode.DONE, ids[0] + ids[3])]
    assert get(store, boot_id=OTHER_BOOT, key_id=ids[4]) is ErrorCode.DELIVERED
    assert put_many(store, ids)[0] is ErrorCode.DONE


def test_who_is_bound_stays_bound_when_the_columns_are_cut_anew(store: ShareStore) -> None:
    ids = numbered(4)
    put_many(store, ids, FOR_TWO)
    store.get("curtis", BOOT, "carol", b"".join(ids[2:]))
    store.confirm(NOW, "celia", "carol", ids[3])
    for client in ("celia", "curtis"):
        store.confirm(NOW, client, "carol", ids[0] + ids[1])
    lot = store.find("carol", ids[2])
    assert lot is not None and lot.key_ids == ids[2] + ids[3]
    assert get(store, boot_id=OTHER_BOOT, key_id=ids[2]) is ErrorCode.DELIVERED
    assert get(store, "celia", key_id=ids[3]) is ErrorCode.DONE
    assert share_of(get(store, "celia", OTHER_BOOT, ids[2])) == share_of_id(ids[2])
    assert share_of(get(store, key_id=ids[3])) == share_of_id(ids[3])


# --- time ---


def test_a_share_lives_its_time_and_leaves_a_tombstone(store: ShareStore) -> None:
    put(store, ttl_s=30)
    assert store.next_expiry() == NOW + 30
    store.expire(NOW + 29.999)
    assert len(store) == 1
    store.expire(NOW + 30)
    assert len(store) == 0
    assert store.counts("carol") == (0, 0)
    assert get(store) is ErrorCode.DONE
    assert put(store) is ErrorCode.DONE
    assert store.next_expiry() == NOW + 30 + TIMEOUT_S


def test_the_hub_caps_the_time_to_live(store: ShareStore) -> None:
    put(store, ttl_s=1e6)
    assert store.next_expiry() == NOW + TIMEOUT_S


def test_a_retry_does_not_prolong_a_share(store: ShareStore) -> None:
    put(store, ttl_s=30)
    put(store, now=NOW + 20, ttl_s=30)
    store.expire(NOW + 30)
    assert len(store) == 0


def test_an_expired_multicast_share_is_gone_for_all_its_responders(store: ShareStore) -> None:
    put(store, FOR_TWO)
    store.expire(NOW + 30)
    assert (get(store, "celia"), get(store, "curtis")) == (ErrorCode.DONE, ErrorCode.DONE)


def test_many_that_time_out_together_do_so_in_parts(store: ShareStore, monkeypatch) -> None:
    """One client's 65,536 shares in one step held up a hub for a third of a second."""
    monkeypatch.setattr(share_store, "MAX_EXPIRED_PER_TURN", 4)
    ids = numbered(10)
    for key_id in ids:
        put(store, key_id=key_id)
    put(store, key_id=b"later" + bytes(11), ttl_s=31.0)
    left = []
    for _ in range(4):
        assert store.next_expiry() == NOW + (30 if len(left) < 3 else 31)
        store.expire(NOW + 30)
        left.append(len(store))
    assert left == [7, 3, 1, 1]
    assert all(get(store, key_id=key_id) is ErrorCode.DONE for key_id in ids)


def test_a_key_that_comes_again_is_apart_from_what_it_came_with_before(
    store: ShareStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tombstone is forgotten, and the keys that it first came with still wait to time out."""
    monkeypatch.setattr(share_store, "MAX_EXPIRED_PER_TURN", 1)
    ids = numbered(4)
    put_many(store, ids, ttl_s=TIMEOUT_S)
    store.confirm(NOW, "curtis", "carol", ids[0])
    put(store, key_id=b"later" + bytes(11), ttl_s=TIMEOUT_S)
    store.expire(NOW + TIMEOUT_S)
    assert store.counts("carol")[0] == 3
    assert put_many(store, ids[:1], now=NOW + TIMEOUT_S) == [ErrorCode.OK]
    store.expire(NOW + TIMEOUT_S)
    assert store.counts("carol") == (1, 64)
    assert share_of(get(store, key_id=ids[0])) == share_of_id(ids[0])
    assert get(store, key_id=ids[1]) is ErrorCode.DONE


def test_many_tombstones_are_forgotten_in_parts(store: ShareStore, monkeypatch) -> None:
    monkeypatch.setattr(tombstones, "MAX_FORGOTTEN_PER_TURN", 2)
    for initiator in ("carol", "celia", "cindy"):
        for key_id in (b"1" * 16, b"2" * 16):
            put(store, terms(initiator=initiator), key_id=key_id)
    store.expire(NOW + 30)
    left = []
    for _ in range(4):
        store.expire(NOW + 30 + 2 * TIMEOUT_S)
        left.append(store.nr_tombstones)
    assert left == [4, 2, 0, 0] and store.next_expiry() is None


def test_shares_expire_in_order_of_their_deadlines(store: ShareStore) -> None:
    ids = numbered(5)
    for number, key_id in enumerate(ids):
        put(store, key_id=key_id, ttl_s=50 - 10 * number)
    store.expire(NOW + 25)
    left = [key_id for key_id in ids if isinstance(get(store, key_id=key_id), Given)]
    assert left == ids[:3]
