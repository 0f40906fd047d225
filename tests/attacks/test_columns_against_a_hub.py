"""Columns as an authenticated client may send them to a hub: each key is treated as if it had come alone."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import pytest
from simulating.enemies.rows import Row, put_under, replaced, rows_of

from dsked.chosen_limits import DEFAULT_LIMITS
from dsked.errors import ErrorCode
from dsked.hub.share_store import ShareStore
from dsked.limits import KEY_ID_BYTES
from dsked.sharing.shares import cut
from dsked.sharing.terms import Party, Terms
from dsked.wire.messages import Confirmed, GetShares, Message, Ping, PutGroup, PutShares, PutSharesAck, Shares
from tests.attacks.attackers import connected, get, ids, link_of, lots_of, put, share
from tests.engines.world import World

OK, CONFLICT, LIMIT, DONE, BAD = (
    int(code)
    for code in (ErrorCode.OK, ErrorCode.CONFLICT, ErrorCode.LIMIT, ErrorCode.DONE, ErrorCode.BAD_REQUEST)
)
FULL = 1024  # keys of a frame


@pytest.fixture
def world() -> World:
    return World(n=3, k=2).start()


def answers(world: World, client: str, message: Message) -> list[Message]:
    """What hub1 answers a client."""
    heard: list[Message] = []

    def answered(answer: Message | None, now: float) -> bool:
        if answer is not None:
            heard.append(answer)
        return False

    assert link_of(world, client).peer.request(message, answered) is not None
    world.run_for(0.02)
    return heard


def codes_of(world: World, message: PutShares, client: str = "carol") -> list[int]:
    [ack] = answers(world, client, message)
    assert isinstance(ack, PutSharesAck)
    return list(ack.codes)


def shares_of(world: World, client: str, *key_ids: bytes) -> tuple[dict[bytes, bytes], dict[bytes, int]]:
    """The shares that hub1 gives, and the codes of those that it does not give, by key ID."""
    given: dict[bytes, bytes] = {}
    missing: dict[bytes, int] = {}
    for answer in answers(world, client, get(*key_ids)):
        assert isinstance(answer, Shares)
        given.update({row.key_id: row.share for group in answer.groups for row in rows_of(group)})
        missing.update({key_id: one.code for one in answer.missing for key_id in cut(one.key_ids, 16)})
    return given, missing


# --- one key of many ---


def test_a_conflict_refuses_one_key_of_a_full_batch(world: World) -> None:
    batch = ids(FULL)
    assert codes_of(world, put(share(batch[500], share=b"o"))) == [OK]
    wanted = [OK] * FULL
    wanted[500] = CONFLICT
    assert codes_of(world, put(*map(share, batch))) == wanted
    given, missing = shares_of(world, "curtis", *batch)
    assert given == {**dict.fromkeys(batch, b"s"), batch[500]: b"o"}
    assert not missing


@pytest.mark.parametrize(
    "limits",
    [{"max_pending_shares_per_client": FULL - 1}, {"max_pending_share_bytes_per_client": 33 * FULL - 1}],
)
def test_a_limit_refuses_the_keys_beyond_it_alone(world: World, limits: dict[str, int]) -> None:
    """One share of a byte and its code of 32 too many."""
    store = world.hubs["hub1"].shares
    store.limits = replace(DEFAULT_LIMITS, **limits)
    batch = ids(FULL)
    assert codes_of(world, put(*map(share, batch))) == [OK] * (FULL - 1) + [LIMIT]
    assert store.counts("carol") == (FULL - 1, 33 * (FULL - 1))
    assert len(shares_of(world, "curtis", *batch)[0]) == FULL - 1
    assert codes_of(world, put(*map(share, batch))) == [OK] * (FULL - 1) + [LIMIT], "a retry"


def test_a_key_that_is_done_with_stays_away_and_the_others_are_stored(world: World) -> None:
    batch = ids(128)
    answers(world, "curtis", GetShares([], 0, [Confirmed("carol", batch[7])]))
    wanted = [OK] * 128
    wanted[7] = DONE
    assert codes_of(world, put(*map(share, batch))) == wanted
    given, missing = shares_of(world, "curtis", *batch)
    assert len(given) == 127
    assert missing == {batch[7]: DONE}


@pytest.mark.parametrize("second", [b"s", b"t"])
@pytest.mark.parametrize("apart", [True, False])
def test_a_key_that_stands_twice_in_a_frame_is_a_retry_or_a_conflict(
    world: World, second: bytes, apart: bool
) -> None:
    """As if it stood in a later frame; the first content stands."""
    one, two = ids(2)
    first, again = [share(one), share(two)], [share(two), share(one, share=second)]
    both = put(*first, *again)
    if apart:
        both.groups = put(*first).groups + put(*again).groups
    assert codes_of(world, both) == [OK, OK, OK, OK if second == b"s" else CONFLICT]
    assert shares_of(world, "curtis", one, two)[0] == {one: b"s", two: b"s"}


def test_key_ids_that_overlap_are_told_apart(world: World) -> None:
    """An ID may stand across two others in the column."""
    ones, mixed = b"\x01" * 16, [b"\x02" + b"\x01" * 15, b"\x01" * 15 + b"\x02", b"\x01" * 8 + b"\x02" * 8]
    batch = [mixed[0], mixed[1], b"\x02" * 8 + b"\x01" * 8, b"\x01" * 15 + b"\x03", ones, mixed[2]]
    rows = [share(key_id, share=bytes([number])) for number, key_id in enumerate(batch)]
    assert codes_of(world, put(*rows)) == [OK] * len(batch)
    for key_id in reversed(batch):
        assert shares_of(world, "curtis", key_id)[0] == {key_id: bytes([batch.index(key_id)])}
        answers(world, "curtis", GetShares([], 0, [Confirmed("carol", key_id)]))
    assert len(world.hubs["hub1"].shares) == 0


# --- columns that do not fit ---


def _changed(group: PutGroup, **changes: Any) -> PutGroup:
    made: PutGroup = replaced(group, **changes)
    return made


ODD = {
    "one key ID more": lambda group: _changed(group, key_ids=group.key_ids + ids(1, 99)[0]),
    "one key ID fewer": lambda group: _changed(group, key_ids=group.key_ids[:-KEY_ID_BYTES]),
    "one byte more of shares": lambda group: _changed(group, shares=group.shares + b"s"),
    "one byte fewer of shares": lambda group: _changed(group, shares=group.shares[:-1]),
    "no shares": lambda group: _changed(group, shares=b""),
    "one byte more of codes": lambda group: _changed(group, codes=group.codes + b"c"),
    "the codes of one": lambda group: _changed(group, codes=group.codes[:32]),
    "no codes": lambda group: _changed(group, codes=b""),
    "an offset": lambda group: _changed(group, offset=1),
    "an offset and no codes": lambda group: _changed(group, offset=1, codes=b""),
    "pieces of many": lambda group: _changed(group, key_bytes=2),
    "pieces of many from an offset on": lambda group: _changed(group, key_bytes=2, offset=1, codes=b""),
    "pieces of many, shorter than one share": lambda group: _changed(group, key_bytes=9),
    "the same from an offset on": lambda group: _changed(group, key_bytes=9, offset=1, codes=b""),
    "fewer and longer": lambda group: _changed(group, key_ids=group.key_ids[:16], key_bytes=3),
    "r of short keys": lambda group: _changed(group, codes=bytes(48) * group.number),
    "codes of two clients": lambda group: _changed(group, codes=group.codes * 2),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_columns_that_do_not_fit_are_refused_as_a_whole_and_alone(world: World, odd: Any) -> None:
    """Not one key of the group is stored; the groups beside it are."""
    before, after = put(*map(share, ids(2))).groups[0], put(*map(share, ids(2, 10))).groups[0]
    [group] = put(*map(share, ids(3, 20))).groups
    bad = odd(group)
    assert codes_of(world, PutShares([before, bad, after])) == [OK, OK, *[BAD] * bad.number, OK, OK]
    assert world.hubs["hub1"].shares.counts("carol") == (4, 4 * 33)
    assert connected(world, "carol")


@pytest.mark.parametrize("codes", [bytes(32), b""])
@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_codes_come_with_the_first_piece_and_only_with_it(world: World, offset: int, codes: bytes) -> None:
    """Pieces of a share of three bytes: codes where they belong, and nothing beyond the end."""
    first = Row(ids(1)[0], 0, b"s", bytes(32))
    terms = Terms(1, 5, 3, Party("carol", "sam"), (Party("curtis", "sunny"),), 3)
    piece = replaced(first, offset=offset, share=b"st" if offset == 0 else b"t", code=codes)
    partial = int(ErrorCode.PARTIAL)
    wanted = {(0, bytes(32)): partial, (1, b""): partial}.get((offset, codes), BAD)
    assert codes_of(world, PutShares([*put_under(terms, [first]), *put_under(terms, [piece])])) == [
        partial,
        wanted,
    ]


def test_a_column_of_no_whole_key_ids_ends_the_session(world: World) -> None:
    broken = put(share())
    broken.groups[0].key_ids += b"?"
    assert not answers(world, "carol", broken)
    assert not connected(world, "carol")


def test_many_keys_are_not_asked_for_from_an_offset_on(world: World) -> None:
    batch = ids(3)
    codes_of(world, put(*map(share, batch)))
    asked = get(*batch)
    asked.groups[0].offset = 1
    [answer] = answers(world, "curtis", asked)
    assert isinstance(answer, Shares)
    assert [(one.code, one.key_ids) for one in answer.missing] == [(BAD, b"".join(batch))]
    assert shares_of(world, "curtis", *batch)[0] == dict.fromkeys(batch, b"s"), "nothing was bound or lost"


# --- keys of others within a batch ---


def _put_for_both(world: World, number: int, own: int) -> list[bytes]:
    """So many keys of carol in one frame: the one at `own` names celia, all others curtis."""
    batch = ids(number)
    rows = [share(key_id) for key_id in batch]
    groups = [
        *put(*rows[:own]).groups,
        *put(rows[own], responders=[("celia", "serena")]).groups,
        *put(*rows[own + 1 :]).groups,
    ]
    assert codes_of(world, PutShares(groups)) == [OK] * number
    return batch


@pytest.mark.parametrize("own", [1, 63, 126])
def test_a_key_of_another_within_a_batch_is_not_given(world: World, own: int) -> None:
    batch = _put_for_both(world, 128, own)
    given, missing = shares_of(world, "curtis", *batch)
    assert given.keys() == set(batch) - {batch[own]}
    assert missing == {batch[own]: ErrorCode.NOT_NAMED}
    assert shares_of(world, "celia", *batch)[0] == {batch[own]: b"s"}


@pytest.mark.parametrize("own", [1, 63, 126])
@pytest.mark.parametrize("alone", [True, False])
def test_whoever_confirms_a_batch_confirms_its_own_keys(world: World, own: int, alone: bool) -> None:
    """One that names celia, 127 that do not: these stay, and are given."""
    batch = _put_for_both(world, 128, own)
    done = [Confirmed("carol", b"".join(batch * 2))]
    answers(world, "celia", Ping(False, 0, 0, done) if alone else GetShares([], 0, done))
    assert len(world.hubs["hub1"].shares) == 127
    given, missing = shares_of(world, "curtis", *batch)
    assert given.keys() == set(batch) - {batch[own]}
    # The key was one of curtis's at no time, so curtis hears no more of it than of any that is unknown.
    assert missing == {batch[own]: ErrorCode.UNKNOWN_KEY}
    assert shares_of(world, "celia", batch[own])[1] == {batch[own]: DONE}


def test_who_confirms_keys_of_others_leaves_no_tombstone_for_them(world: World) -> None:
    """celia confirms keys that carol deals to curtis a moment later."""
    batch = ids(64)
    answers(world, "celia", GetShares([], 0, [Confirmed("carol", b"".join(batch))]))
    assert codes_of(world, put(*map(share, batch))) == [OK] * 64
    assert len(shares_of(world, "curtis", *batch)[0]) == 64


def test_a_batch_of_two_responder_clients_is_given_to_both_with_their_own_codes(world: World) -> None:
    batch = ids(5)
    rows = [
        Row(key_id, 0, b"s", bytes([number]) * 32 + bytes([number + 100]) * 32)
        for number, key_id in enumerate(batch)
    ]
    codes_of(world, put(*rows, responders=[("celia", "serena"), ("curtis", "sunny")]))
    for client, add in (("curtis", 100), ("celia", 0)):
        wanted = {key_id: bytes([number + add]) * 32 for number, key_id in enumerate(batch)}
        for some in (batch[3:], batch[:1], batch):
            [answer] = answers(world, client, get(*some))
            assert isinstance(answer, Shares)
            found = {row.key_id: row.code for group in answer.groups for row in rows_of(group)}
            assert found == {key_id: wanted[key_id] for key_id in some}


# --- what is kept, and what it counts as ---


def test_a_batch_is_not_kept_for_the_sake_of_one_key() -> None:
    """Of each batch all keys but one are confirmed: what is held is what is counted, one share.

    (Columns are cut anew when half of their keys are gone: at most twice as much is held as is counted.)
    """
    store, terms = ShareStore(60.0), Terms(1, 5, 3, Party("carol", "sam"), (Party("curtis", "sunny"),), 200)
    for turn in range(8):
        batch = ids(FULL, turn * FULL)
        store.put(0.0, terms, b"".join(batch), 0, bytes(200 * FULL), bytes(32 * FULL), 60.0)
        rest = batch[: 100 * turn] + batch[100 * turn + 1 :]
        store.confirm(0.0, "curtis", "carol", b"".join(rest))
    every = ids(8 * FULL)
    lots = lots_of(store, every)
    assert store.counts("carol") == (8, 8 * 232)
    assert sum(len(lot.shares) + len(lot.codes) for lot in lots) == 8 * 232
    assert {type(column) for lot in lots for column in (lot.key_ids, lot.shares, lot.codes)} == {bytes}


def test_a_key_asked_for_many_times_in_a_frame_is_given_once(world: World) -> None:
    """16 KB of key IDs must not make a hub join gigabytes."""
    key_bytes = 1_000_000
    terms = Terms(1, 5, 3, Party("carol", "sam"), (Party("curtis", "sunny"),), key_bytes)
    store, [key_id] = world.hubs["hub1"].shares, ids(1)
    store.put(world.now, terms, key_id, 0, bytes(key_bytes), bytes(48), 60.0)
    tracemalloc.start()
    given, refused = store.get("curtis", bytes(16), "carol", key_id * FULL)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * key_bytes
    assert [len(one.shares) for one in given] == [key_bytes] and not refused
