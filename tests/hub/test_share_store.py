from __future__ import annotations

import gc
from dataclasses import replace
from typing import Any

import pytest

from dsked.chosen_limits import DEFAULT_LIMITS, with_values
from dsked.errors import ErrorCode
from dsked.hub import share_store, tombstones
from dsked.hub.lots import MAX_LOT_BYTES, MAX_LOT_KEYS, Given, Lot
from dsked.hub.share_store import ShareStore
from dsked.sharing.terms import Party, Terms, responder_clients, sort_parties

NOW = 1000.0
TIMEOUT_S = 60.0
KEY_ID = b"k" * 16
BOOT, OTHER_BOOT = b"b" * 16, b"o" * 16
SHARE = bytes(range(32))


def terms(*responders: tuple[str, str], initiator: str = "carol", k: int = 3, key_bytes: int = 32) -> Terms:
    named = sort_parties({Party(*party) for party in responders or (("curtis", "sunny"),)})
    return Terms(1, 5, k, Party(initiator, "sam"), named, key_bytes)


def codes(what: Terms, value: bytes = b"c") -> bytes:
    return b"".join(value * 32 for _ in responder_clients(what))


@pytest.fixture
def store() -> ShareStore:
    return ShareStore(TIMEOUT_S)


def put(
    store: ShareStore, what: Terms | None = None, *, now: float = NOW, key_id: bytes = KEY_ID,
    offset: int = 0, piece: bytes = SHARE, code: bytes = b"c", ttl_s: float = 30.0,
) -> ErrorCode:  # fmt: skip
    what = what or terms()
    of_key = b"" if offset else codes(what, code)
    [answer] = store.put(now, what, key_id, offset, piece, of_key, ttl_s)
    return ErrorCode(answer)


def put_many(
    store: ShareStore, key_ids: list[bytes], what: Terms | None = None, **more: Any
) -> list[ErrorCode]:
    """A column of shares, each begins with the first byte of its key ID."""
    what = what or terms()
    shares = b"".join(share_of_id(key_id) for key_id in key_ids)
    settings = {"now": NOW, "ttl_s": 30.0, "code": b"c"} | more
    now, ttl_s, code = settings["now"], settings["ttl_s"], settings["code"]
    answer = store.put(now, what, b"".join(key_ids), 0, shares, codes(what, code) * len(key_ids), ttl_s)
    return list(map(ErrorCode, answer))


def share_of_id(key_id: bytes) -> bytes:
    return key_id[:1] + SHARE[1:]


def get(
    store: ShareStore, client: str = "curtis", boot_id: bytes = BOOT, key_id: bytes = KEY_ID,
    initiator: str = "carol",
) -> Given | ErrorCode:  # fmt: skip
    """What comes of one key."""
    given, refused = store.get(client, boot_id, initiator, key_id)
    [answer] = [*given, *(code for code, column in refused if column == key_id)]
    return answer


def share_of(found: Given | ErrorCode) -> bytes:
    assert isinstance(found, Given), found
    return found.shares


def numbered(number: int) -> list[bytes]:
    return [index.to_bytes(2, "little") * 8 for index in range(number)]


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
    store: ShareStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = numbered(3)
    put_many(store, ids)
    monkeypatch.setattr(tombstones, "MAX_TOMBSTONES_PER_CLIENT", 1)
    monkeypatch.setattr(tombstones, "MAX_CONFIRMED_PER_CLIENT", 1)
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
    what = terms(("celia", "serena"), ("curtis", "sunny"))
    put(store, what)
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
    what = terms(("celia", "serena"), ("curtis", "sunny"))
    put(store, what)
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
    assert put(store, terms(("celia", "serena"), ("curtis", "sunny"))) is ErrorCode.OK
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
    what, ids = terms(("celia", "serena"), ("curtis", "sunny")), numbered(4)
    put_many(store, ids, what)
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
    put(store, terms(("celia", "serena"), ("curtis", "sunny")))
    store.expire(NOW + 30)
    assert (get(store, "celia"), get(store, "curtis")) == (ErrorCode.DONE, ErrorCode.DONE)


def test_many_that_time_out_together_do_so_in_parts(store: ShareStore, monkeypatch) -> None:
    """One client's 65,536 shares in one step held up a hub for a third of a second."""
    monkeypatch.setattr(share_store, "MAX_EXPIRED_PER_TURN", 4)
    ids = [bytes([number]) * 16 for number in range(10)]
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
    ids = [bytes([number]) * 16 for number in range(5)]
    for number, key_id in enumerate(ids):
        put(store, key_id=key_id, ttl_s=50 - 10 * number)
    store.expire(NOW + 25)
    left = [key_id for key_id in ids if isinstance(get(store, key_id=key_id), Given)]
    assert left == ids[:3]


# --- limits ---


def test_the_limit_of_shares_is_per_initiator_client() -> None:
    store = ShareStore(TIMEOUT_S, with_values({"max_pending_shares_per_client": 2}))
    ids = [bytes([number]) * 16 for number in range(3)]
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


def test_the_limit_of_tombstones_is_per_responder_client(store: ShareStore, monkeypatch) -> None:
    monkeypatch.setattr(tombstones, "MAX_TOMBSTONES_PER_CLIENT", 2)
    monkeypatch.setattr(tombstones, "MAX_CONFIRMED_PER_CLIENT", 2)
    ids = [bytes([number]) * 16 for number in range(3)]
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


# --- secrets and memory ---


def held_bytes(store: ShareStore) -> set[bytes]:
    """Every bytes object that can be reached from the store."""
    gc.collect()
    found: set[bytes] = set()
    seen: set[int] = set()
    stack: list[object] = [vars(store)]
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


def test_every_pending_share_has_a_tombstone_in_reserve(
    store: ShareStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tombstones, "MAX_TOMBSTONES_PER_CLIENT", 4)
    monkeypatch.setattr(tombstones, "MAX_CONFIRMED_PER_CLIENT", 4)
    first, *ids = numbered(5)
    put(store, key_id=first, ttl_s=1.0)
    store.expire(NOW + 1)
    assert put_many(store, ids) == [ErrorCode.OK] * 3 + [ErrorCode.LIMIT]
    store.expire(NOW + 30)
    assert store.nr_tombstones == 4


def test_shares_that_nobody_fetches_end_at_the_limit_of_their_initiators_tombstones(
    store: ShareStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tombstones, "MAX_TOMBSTONES_PER_CLIENT", 3)
    monkeypatch.setattr(tombstones, "MAX_CONFIRMED_PER_CLIENT", 3)
    for number in range(3):
        assert put(store, key_id=bytes([number]) * 16, ttl_s=1.0) is ErrorCode.OK
    store.expire(NOW + 2)
    later = NOW + 3
    assert put(store, now=later, key_id=b"n" * 16) is ErrorCode.LIMIT
    other = terms(initiator="celia")
    assert put(store, other, now=later, key_id=b"n" * 16) is ErrorCode.OK, "it is carol's limit"
    store.expire(NOW + 2 + 2 * TIMEOUT_S)
    assert put(store, now=NOW + 2 + 2 * TIMEOUT_S, key_id=b"n" * 16) is ErrorCode.OK
