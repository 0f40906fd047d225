"""What is put into the store, and who gets it."""

from __future__ import annotations

import pytest

from dsked.errors import ErrorCode
from dsked.hub.lots import MAX_LOT_BYTES, MAX_LOT_KEYS, Given
from dsked.hub.share_store import ShareStore

from .storing import (
    BOOT,
    FOR_TWO,
    KEY_ID,
    NOW,
    OTHER_BOOT,
    SHARE,
    LimitTombstones,
    get,
    numbered,
    put,
    put_many,
    share_of,
    share_of_id,
    terms,
)


def test_a_share_is_given_as_it_was_put(store: ShareStore) -> None:
    assert put(store) is ErrorCode.OK
    found = get(store)
    assert share_of(found) == SHARE
    assert isinstance(found, Given)
    assert (found.terms, found.key_ids, found.offset, found.codes) == (terms(), KEY_ID, 0, b"c" * 32)
    assert len(store) == 1
    assert store.counts("carol") == (1, 64)


def test_an_unknown_key(store: ShareStore) -> None:
    put(store)
    assert get(store, key_id=b"x" * 16) is ErrorCode.UNKNOWN_KEY
    assert get(store, initiator="celia") is ErrorCode.UNKNOWN_KEY, "of another initiator"


def test_a_client_that_was_not_named(store: ShareStore) -> None:
    put(store)
    assert get(store, "celia") is ErrorCode.NOT_NAMED
    assert get(store, "carol") is ErrorCode.NOT_NAMED, "not even the initiator itself"


def test_a_column_is_given_as_it_was_put(store: ShareStore) -> None:
    """Not copied: a hub that serves batches does nothing with each key."""
    ids = numbered(100)
    assert put_many(store, ids) == [ErrorCode.OK] * 100
    lot = store.find("carol", ids[0])
    assert lot is not None
    [given], refused = store.get("curtis", BOOT, "carol", b"".join(ids))
    assert refused == []
    assert given.key_ids == b"".join(ids)
    assert given.shares is lot.shares and given.codes is lot.codes


@pytest.mark.parametrize("order", [slice(None, None, -1), slice(1, 3), slice(0, 4, 2), slice(3, None)])
def test_a_column_is_given_in_the_order_in_which_it_is_asked_for(store: ShareStore, order: slice) -> None:
    ids = numbered(4)
    put_many(store, ids)
    [given], _ = store.get("curtis", BOOT, "carol", b"".join(ids[order]))
    assert given.key_ids == b"".join(ids[order])
    assert given.shares == b"".join(map(share_of_id, ids[order]))


def test_each_responder_client_gets_its_own_codes(store: ShareStore) -> None:
    what, ids = terms(("celia", "serena"), ("curtis", "sunny"), ("curtis", "susan")), numbered(3)
    of_celia, of_curtis = ([bytes([first + number]) * 32 for number in range(3)] for first in (0, 100))
    column = b"".join(a + b for a, b in zip(of_celia, of_curtis, strict=True))
    store.put(NOW, what, b"".join(ids), 0, SHARE * 3, column, 30.0)
    for client, own in (("celia", of_celia), ("curtis", of_curtis)):
        [given], _ = store.get(client, BOOT, "carol", b"".join(ids))
        assert given.codes == b"".join(own)
        assert given.shares == SHARE * 3
    [one], _ = store.get("curtis", BOOT, "carol", ids[1])
    assert one.codes == of_curtis[1]


def test_keys_of_many_groups_and_keys_that_are_not_there(store: ShareStore) -> None:
    ids = numbered(6)
    put_many(store, ids[:2])
    put_many(store, ids[3:5], terms(("celia", "serena")))
    store.confirm(NOW, "curtis", "carol", ids[5])
    given, refused = store.get("curtis", BOOT, "carol", b"".join(ids))
    assert [one.key_ids for one in given] == [b"".join(ids[:2])]
    assert dict(refused) == {
        ErrorCode.UNKNOWN_KEY: ids[2], ErrorCode.NOT_NAMED: b"".join(ids[3:5]), ErrorCode.DONE: ids[5],
    }  # fmt: skip


def test_more_keys_than_a_lot_holds(store: ShareStore) -> None:
    ids = numbered(2 * MAX_LOT_KEYS + 1)
    assert set(put_many(store, ids)) == {ErrorCode.OK}
    given, refused = store.get("curtis", BOOT, "carol", b"".join(ids))
    assert [one.number for one in given] == [MAX_LOT_KEYS, MAX_LOT_KEYS, 1] and not refused
    assert b"".join(one.shares for one in given) == b"".join(map(share_of_id, ids))
    store.confirm(NOW, "curtis", "carol", b"".join(ids))
    assert store.counts("carol") == (0, 0) and store.nr_tombstones == len(ids)


@pytest.mark.parametrize(("key_bytes", "number"), [(480, MAX_LOT_BYTES // 512), (10_000, 3), (40_000, 1)])
def test_large_shares_stand_in_smaller_lots(store: ShareStore, key_bytes: int, number: int) -> None:
    """What is cut anew when keys of a lot are gone is never much."""
    ids, what = numbered(130), terms(key_bytes=key_bytes)
    shares = b"".join(key_id[:2] * (key_bytes // 2) for key_id in ids)
    assert set(store.put(NOW, what, b"".join(ids), 0, shares, b"c" * 32 * len(ids), 30.0)) == {ErrorCode.OK}
    sizes = {lot.number for lot in (store.find("carol", key_id) for key_id in ids) if lot is not None}
    assert max(sizes) == number
    given, _ = store.get("curtis", BOOT, "carol", b"".join(ids))
    assert b"".join(one.shares for one in given) == shares


# --- the same key again ---


def test_a_key_that_stands_twice_in_a_column_is_a_retry_or_a_conflict(store: ShareStore) -> None:
    first, second = numbered(2)
    column = b"".join((first, second, first, second))
    shares = SHARE + SHARE[::-1] + SHARE + SHARE
    answer = store.put(NOW, terms(), column, 0, shares, b"c" * 128, 30.0)
    assert list(answer) == [ErrorCode.OK, ErrorCode.OK, ErrorCode.OK, ErrorCode.CONFLICT]
    assert share_of(get(store, key_id=second)) == SHARE[::-1]
    assert store.counts("carol") == (2, 128)


def test_what_stays_for_want_of_a_tombstone_is_done_with_all_the_same(
    store: ShareStore, limit_tombstones: LimitTombstones
) -> None:
    ids = numbered(3)
    put_many(store, ids)
    limit_tombstones(1)
    store.confirm(NOW, "curtis", "carol", b"".join(ids))
    assert store.counts("carol") == (2, 2 * 64) and store.nr_tombstones == 1
    assert put_many(store, ids) == [ErrorCode.DONE] * 3
    assert [get(store, key_id=key_id) for key_id in ids] == [ErrorCode.DONE] * 3


def test_what_is_new_in_a_column_is_stored_whatever_stands_beside_it(store: ShareStore) -> None:
    ids = numbered(4)
    put_many(store, ids[:1])
    put_many(store, ids[1:2], code=b"d")
    store.confirm(NOW, "curtis", "carol", ids[2])
    assert put_many(store, ids) == [ErrorCode.OK, ErrorCode.CONFLICT, ErrorCode.DONE, ErrorCode.OK]
    assert share_of(get(store, key_id=ids[3])) == share_of_id(ids[3])
    assert store.counts("carol") == (3, 3 * 64)


def test_a_retry_is_the_same_share_once(store: ShareStore) -> None:
    put(store)
    assert put(store, now=NOW + 1) is ErrorCode.OK
    assert store.counts("carol") == (1, 64)
    assert get(store)
    assert put(store) is ErrorCode.OK, "after delivery too"


@pytest.mark.parametrize(
    "other",
    [
        {"what": terms(k=4)},
        {"what": terms(("curtis", "susan"))},
        {"what": terms(("curtis", "sunny"), ("celia", "serena"))},
        {"what": terms(key_bytes=33)},
        {"code": b"d"},
        {"piece": SHARE[:-1] + b"\xff"},
    ],
)
def test_other_content_under_the_same_id_is_a_conflict_and_changes_nothing(store, other) -> None:
    put(store)
    assert put(store, **other) is ErrorCode.CONFLICT
    assert share_of(get(store)) == SHARE
    assert store.counts("carol") == (1, 64)


def test_key_ids_are_apart_per_initiator_client(store: ShareStore) -> None:
    put(store)
    assert put(store, terms(initiator="celia"), piece=SHARE[::-1]) is ErrorCode.OK
    assert share_of(get(store)) == SHARE
    assert share_of(get(store, initiator="celia")) == SHARE[::-1]


# --- pieces ---


def test_pieces_make_a_share_in_order(store: ShareStore) -> None:
    assert put(store, piece=SHARE[:10]) is ErrorCode.PARTIAL
    assert get(store) is ErrorCode.UNKNOWN_KEY, "not before it is whole"
    assert put(store, offset=10, piece=SHARE[10:31]) is ErrorCode.PARTIAL
    assert put(store, offset=31, piece=SHARE[31:]) is ErrorCode.OK
    assert share_of(get(store)) == SHARE


def test_a_partial_share_counts_at_full_length(store: ShareStore) -> None:
    put(store, piece=SHARE[:1])
    assert store.counts("carol") == (1, 64)


@pytest.mark.parametrize(
    ("offset", "piece", "code"),
    [
        (0, SHARE[:10], ErrorCode.PARTIAL),  # a retry of the first piece
        (0, SHARE, ErrorCode.OK),  # cut otherwise after a reconnect
        (5, SHARE[5:15], ErrorCode.PARTIAL),  # overlaps what is there
        (11, SHARE[11:], ErrorCode.BAD_REQUEST),  # leaves a gap
        (0, b"\xff" * 10, ErrorCode.CONFLICT),
        (9, b"\xff" + SHARE[10:], ErrorCode.CONFLICT),
    ],
)
def test_the_piece_after_the_first_ten_bytes(store, offset, piece, code) -> None:
    put(store, piece=SHARE[:10])
    assert put(store, offset=offset, piece=piece) is code
    assert put(store, piece=SHARE) is ErrorCode.OK
    assert share_of(get(store)) == SHARE


def test_a_later_piece_of_an_unknown_share_is_refused(store: ShareStore) -> None:
    assert put(store, offset=10, piece=SHARE[10:]) is ErrorCode.BAD_REQUEST
    assert len(store) == 0


# --- delivery is tied to one process ---


def test_a_delivered_share_is_given_again_to_the_same_process_only(store: ShareStore) -> None:
    put(store)
    assert share_of(get(store, boot_id=BOOT)) == SHARE
    assert get(store, boot_id=OTHER_BOOT) is ErrorCode.DELIVERED
    assert share_of(get(store, boot_id=BOOT)) == SHARE, "its answer may have been lost"


def test_an_unsuccessful_get_binds_nobody(store: ShareStore) -> None:
    put(store, piece=SHARE[:10])
    get(store, boot_id=OTHER_BOOT)
    put(store)
    assert share_of(get(store, boot_id=BOOT)) == SHARE


def test_each_responder_client_is_bound_for_itself(store: ShareStore) -> None:
    put(store, FOR_TWO)
    assert share_of(get(store, "curtis", BOOT)) == SHARE
    assert share_of(get(store, "celia", OTHER_BOOT)) == SHARE


def test_keys_of_one_column_are_bound_each_for_itself(store: ShareStore) -> None:
    """What was not asked for is not bound, and one process of two has some, the other the others."""
    ids = numbered(3)
    put_many(store, ids)
    column = b"".join(ids)
    assert store.get("curtis", BOOT, "carol", ids[1])[1] == []
    given, refused = store.get("curtis", OTHER_BOOT, "carol", column)
    assert [one.key_ids for one in given] == [ids[0] + ids[2]]
    assert refused == [(ErrorCode.DELIVERED, ids[1])]
    given, refused = store.get("curtis", BOOT, "carol", column)
    assert [one.key_ids for one in given] == [ids[1]]
    assert refused == [(ErrorCode.DELIVERED, ids[0] + ids[2])]
