from __future__ import annotations

import gc
from dataclasses import replace

import pytest

from dsked.chosen_limits import DEFAULT_LIMITS, with_values
from dsked.errors import ErrorCode
from dsked.hub import share_store
from dsked.hub.share_store import ShareStore, StoredShare
from dsked.sharing.terms import Party, Terms, sort_parties

NOW = 1000.0
TIMEOUT_S = 60.0
KEY_ID = b"k" * 16
BOOT, OTHER_BOOT = b"b" * 16, b"o" * 16
SHARE = bytes(range(32))


def terms(*responders: tuple[str, str], initiator: str = "carol", k: int = 3, key_bytes: int = 32) -> Terms:
    named = sort_parties({Party(*party) for party in responders or (("curtis", "sunny"),)})
    return Terms(1, 5, k, Party(initiator, "sam"), named, key_bytes)


def codes(what: Terms, value: bytes = b"c") -> dict[str, bytes]:
    return {party.client: value * 32 for party in what.responders}


@pytest.fixture
def store() -> ShareStore:
    return ShareStore(TIMEOUT_S)


def put(
    store: ShareStore, what: Terms | None = None, *, now: float = NOW, key_id: bytes = KEY_ID,
    offset: int = 0,
    piece: bytes = SHARE, code: bytes = b"c", ttl_s: float = 30.0,
) -> ErrorCode:  # fmt: skip
    what = what or terms()
    return store.put(now, what, key_id, offset, piece, codes(what, code), ttl_s)


def get(
    store: ShareStore, client: str = "curtis", boot_id: bytes = BOOT, key_id: bytes = KEY_ID
) -> StoredShare | ErrorCode:
    return store.get(client, boot_id, "carol", key_id)


def share_of(found: StoredShare | ErrorCode) -> bytes:
    assert isinstance(found, StoredShare), found
    return found.share


def test_a_share_is_given_as_it_was_put(store: ShareStore) -> None:
    assert put(store) is ErrorCode.OK
    found = get(store)
    assert share_of(found) == SHARE
    assert isinstance(found, StoredShare)
    assert found.codes == {"curtis": b"c" * 32}
    assert len(store) == 1
    assert store.counts("carol") == (1, 64)


def test_an_unknown_key(store: ShareStore) -> None:
    put(store)
    assert get(store, key_id=b"x" * 16) is ErrorCode.UNKNOWN_KEY
    assert store.get("curtis", BOOT, "celia", KEY_ID) is ErrorCode.UNKNOWN_KEY, "of another initiator"


def test_a_client_that_was_not_named(store: ShareStore) -> None:
    put(store)
    assert get(store, "celia") is ErrorCode.NOT_NAMED
    assert get(store, "carol") is ErrorCode.NOT_NAMED, "not even the initiator itself"


# --- the same key again ---


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
    assert share_of(store.get("curtis", BOOT, "celia", KEY_ID)) == SHARE[::-1]


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


def test_many_tombstones_are_forgotten_in_parts(store: ShareStore, monkeypatch) -> None:
    monkeypatch.setattr(share_store, "MAX_FORGOTTEN_PER_TURN", 2)
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
    left = [key_id for key_id in ids if isinstance(get(store, key_id=key_id), StoredShare)]
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


def test_the_limit_of_bytes_counts_codes_and_what_is_still_to_come() -> None:
    store = ShareStore(TIMEOUT_S, replace(DEFAULT_LIMITS, max_pending_share_bytes_per_client=2 * 64))
    assert put(store, key_id=b"1" * 16, piece=SHARE[:1]) is ErrorCode.PARTIAL
    assert put(store, terms(key_bytes=33), key_id=b"2" * 16) is ErrorCode.LIMIT
    assert put(store, key_id=b"2" * 16) is ErrorCode.OK
    assert put(store, key_id=b"3" * 16) is ErrorCode.LIMIT
    assert store.counts("carol") == (2, 128)


def test_the_limit_of_tombstones_is_per_responder_client(store: ShareStore, monkeypatch) -> None:
    monkeypatch.setattr(share_store, "MAX_TOMBSTONES_PER_CLIENT", 2)
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


def test_all_structures_are_empty_once_all_is_over(store: ShareStore) -> None:
    for number in range(300):
        key_id = number.to_bytes(16, "big")
        put(store, key_id=key_id)
        if number % 2:
            store.confirm(NOW, "curtis", "carol", key_id)
    store.expire(NOW + 30)
    store.expire(NOW + 30 + TIMEOUT_S)
    sizes = {name: len(held) for name, held in vars(store).items() if hasattr(held, "__len__")}
    assert sizes and set(sizes.values()) == {0}


def test_a_stored_share_shows_no_secret() -> None:
    what = terms()
    text = repr(StoredShare(what, {"curtis": b"secret-code"}, NOW, b"secret-share"))
    assert "secret" not in text


def test_shares_that_nobody_fetches_end_at_the_limit_of_their_initiators_tombstones(
    store: ShareStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share_store, "MAX_TOMBSTONES_PER_CLIENT", 3)
    for number in range(3):
        assert put(store, key_id=bytes([number]) * 16, ttl_s=1.0) is ErrorCode.OK
    store.expire(NOW + 2)
    later = NOW + 3
    assert put(store, now=later, key_id=b"n" * 16) is ErrorCode.LIMIT
    other = terms(initiator="celia")
    assert put(store, other, now=later, key_id=b"n" * 16) is ErrorCode.OK, "it is carol's limit"
    store.expire(NOW + 2 + 2 * TIMEOUT_S)
    assert put(store, now=NOW + 2 + 2 * TIMEOUT_S, key_id=b"n" * 16) is ErrorCode.OK
