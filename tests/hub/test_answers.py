from __future__ import annotations

import pytest

from dsked.errors import ErrorCode
from dsked.hub.answers import Answer
from dsked.hub.lots import Given
from dsked.limits import (
    MAX_FRAME_BYTES,
    MAX_FRAME_PAD_BYTES,
    MAX_KEYS_PER_FRAME,
    MIN_FRAME_PAD_BYTES,
)
from dsked.sharing.shares import code_bytes
from dsked.sharing.terms import Party, Terms
from dsked.wire.frame import OVERHEAD_BYTES
from dsked.wire.messages import Shares, cut_key_ids, decode_body, encode_body
from dsked.wire.terms import columns_fit, share_terms

Whole = dict[bytes, tuple[bytes, bytes]]  # key ID to (share, code)


def given(
    first: int,
    number: int = 1,
    *,
    key_bytes: int = 32,
    offset: int = 0,
    encryptor: str = "sam",
    code: int = 32,
) -> Given:
    """Keys with the numbers from `first` on; their shares and codes are unlike one another's."""
    terms = Terms(1, 5, 3, Party("carol", encryptor), (Party("curtis", "sunny"),), key_bytes)
    numbers, code = range(first, first + number), code_bytes(terms)
    shares = b"".join(bytes((one + i) % 251 for i in range(offset, key_bytes)) for one in numbers)
    codes = b"" if offset else b"".join(bytes([one % 256]) * code for one in numbers)
    return Given(terms, ids(numbers), offset, shares, codes)


def ids(numbers: range) -> bytes:
    return b"".join(number.to_bytes(16, "big") for number in numbers)


def answer(items: list[Given], nr_missing: int = 0) -> Answer:
    made = Answer()
    made.given = items
    made.miss("carol", ErrorCode.UNKNOWN_KEY, ids(range(nr_missing)))
    return made


def messages(made: Answer, max_pads: int = MAX_FRAME_PAD_BYTES) -> list[Shares]:
    """The messages, each held to what a frame may be."""
    found = list(made.messages(max_pads))
    for message in found:
        body = encode_body(message)
        assert decode_body(Shares.type, body) == message
        assert len(body) + OVERHEAD_BYTES <= MAX_FRAME_BYTES
        assert sum(map(len, message.secrets())) <= max_pads
        assert sum(group.number for group in (*message.groups, *message.missing)) <= MAX_KEYS_PER_FRAME
        for group in message.groups:
            terms = share_terms(group)
            assert terms is not None and columns_fit(terms, group, 1), "as a client checks it"
    return found


def joined(found: list[Shares]) -> Whole:
    """Pieces put together in order."""
    whole: Whole = {}
    for message in found:
        for group in message.groups:
            for key_id, share, code in keys_of(group.key_ids, group.shares, group.codes):
                before = whole.get(key_id, (b"", b""))
                assert len(before[0]) == group.offset and not (code and before[1])
                whole[key_id] = (before[0] + share, before[1] + code)
    return whole


def keys_of(key_ids: bytes, shares: bytes, codes: bytes) -> list[tuple[bytes, bytes, bytes]]:
    cut = cut_key_ids(key_ids)
    share, code = len(shares) // len(cut), len(codes) // len(cut)
    return [
        (key_id, shares[at * share : (at + 1) * share], codes[at * code : (at + 1) * code])
        for at, key_id in enumerate(cut)
    ]


def as_given(items: list[Given]) -> Whole:
    ones = (keys_of(item.key_ids, item.shares, item.codes) for item in items)
    return {key_id: (share, code) for keys in ones for key_id, share, code in keys}


def test_nothing_to_say_is_no_message() -> None:
    assert messages(answer([])) == []


def test_one_column_goes_out_as_it_is() -> None:
    item = given(1, 128)
    [message] = messages(answer([item]))
    [group] = message.groups
    assert group.shares is item.shares and group.codes is item.codes and group.key_ids is item.key_ids


def test_keys_under_the_same_terms_share_one_group() -> None:
    items = [given(10 * number, number + 1, encryptor=("sam", "sue")[number % 2]) for number in range(6)]
    [message] = messages(answer(items))
    assert [group.initiator.encryptor for group in message.groups] == ["sam", "sue"]
    assert [group.number for group in message.groups] == [1 + 3 + 5, 2 + 4 + 6]
    assert joined([message]) == as_given(items)


def test_terms_are_told_as_they_are_stored() -> None:
    [message] = messages(answer([given(1)]))
    [group] = message.groups
    assert (group.n, group.k, group.key_bytes) == (5, 3, 32)
    assert (group.initiator.client, group.initiator.encryptor) == ("carol", "sam")
    assert [(party.client, party.encryptor) for party in group.responders] == [("curtis", "sunny")]


def test_shares_and_missing_travel_together() -> None:
    [message] = messages(answer([given(1)], 2))
    assert len(message.groups) == 1
    assert [one.key_ids for one in message.missing] == [ids(range(2))]


def test_missing_keys_are_told_by_initiator_and_code() -> None:
    made = answer([], 2)
    made.miss("celia", ErrorCode.UNKNOWN_KEY, ids(range(2, 3)))
    made.miss("carol", ErrorCode.DONE, ids(range(3, 5)))
    made.miss("carol", ErrorCode.UNKNOWN_KEY, ids(range(5, 6)))
    made.miss("carol", ErrorCode.NOT_NAMED, b"")
    [message] = messages(made)
    assert [(one.initiator, one.code, one.key_ids) for one in message.missing] == [
        ("carol", ErrorCode.UNKNOWN_KEY, ids(range(2)) + ids(range(5, 6))),
        ("celia", ErrorCode.UNKNOWN_KEY, ids(range(2, 3))),
        ("carol", ErrorCode.DONE, ids(range(3, 5))),
    ]


def test_more_missing_than_a_frame_holds() -> None:
    found = messages(answer([], MAX_KEYS_PER_FRAME + 1))
    assert [[one.number for one in message.missing] for message in found] == [[MAX_KEYS_PER_FRAME], [1]]
    assert b"".join(message.missing[0].key_ids for message in found) == ids(range(MAX_KEYS_PER_FRAME + 1))


def test_more_keys_than_a_frame_holds() -> None:
    items = [given(100 * number, 100, key_bytes=4) for number in range(11)]
    found = messages(answer(items))
    assert [message.groups[0].number for message in found] == [MAX_KEYS_PER_FRAME, 1100 - MAX_KEYS_PER_FRAME]
    assert joined(found) == as_given(items)


@pytest.mark.parametrize("key_bytes", [32, 700, MIN_FRAME_PAD_BYTES - 48])
def test_shares_that_fit_a_frame_are_not_cut(key_bytes: int) -> None:
    items = [given(1, 70, key_bytes=key_bytes), given(100, 3)]
    found = messages(answer(items, 1), max_pads=MIN_FRAME_PAD_BYTES)
    assert joined(found) == as_given(items)
    assert all(group.offset == 0 for message in found for group in message.groups)
    most = MIN_FRAME_PAD_BYTES // items[0].key_secrets
    full = [group.number for message in found for group in message.groups if group.key_bytes == key_bytes]
    assert full[:-1] == [most] * (len(full) - 1), "each frame but the last is full"


def test_a_large_share_travels_in_pieces_with_its_code_in_the_first() -> None:
    items = [given(3, 2, key_bytes=10_000)]
    found = messages(answer(items), max_pads=MIN_FRAME_PAD_BYTES)
    groups = [message.groups[0] for message in found]
    assert [(group.offset, len(group.shares), len(group.codes)) for group in groups] == 2 * [
        (0, 4048, 48), (4048, 4096, 0), (8144, 1856, 0),
    ]  # fmt: skip
    assert joined(found) == as_given(items)


def test_small_keys_travel_whole_beside_large_ones() -> None:
    items = [given(1, key_bytes=5000), given(2), given(3, key_bytes=5000), given(4)]
    found = messages(answer(items), max_pads=MIN_FRAME_PAD_BYTES)
    assert joined(found) == as_given(items)
    assert len(found) == 5


@pytest.mark.parametrize("offset", [1, 20, 31])
def test_a_share_from_an_offset_on_comes_without_its_code(offset: int) -> None:
    whole, part = given(1), given(2, offset=offset)
    found = messages(answer([whole, part]))
    [group] = [group for message in found for group in message.groups if group.offset]
    assert (group.offset, group.codes, group.shares) == (offset, b"", given(2).shares[offset:])
    [other] = [group for message in found for group in message.groups if not group.offset]
    assert other.shares == whole.shares


def test_from_an_offset_on_a_large_share_travels_in_pieces_too() -> None:
    found = messages(answer([given(1, key_bytes=10_000, offset=1000)]), max_pads=MIN_FRAME_PAD_BYTES)
    groups = [message.groups[0] for message in found]
    assert [(group.offset, len(group.shares)) for group in groups] == [
        (1000, 4096),
        (5096, 4096),
        (9192, 808),
    ]
    assert b"".join(group.shares for group in groups) == given(1, key_bytes=10_000).shares[1000:]


def test_many_groups_are_cut_by_their_metadata() -> None:
    items = [given(number, encryptor=f"{number:0128}") for number in range(1000)]
    found = messages(answer(items))
    assert len(found) > 1
    assert joined(found) == as_given(items)


# --- what there is room for ---


@pytest.mark.parametrize(
    ("room", "kept"), [(64 * 6, [4, 2]), (64 * 5, [4, 1]), (64 * 5 - 1, [4]), (64, [1]), (63, []), (-1, [])]
)
def test_what_does_not_fit_is_to_be_asked_for_again(room: int, kept: list[int]) -> None:
    items = [given(0, 4), given(4, 2, encryptor="sue")]
    made = answer(list(items))
    made.keep_within(room)
    assert [item.number for item in made.given] == kept
    later = b"".join(made.missing.get(("carol", ErrorCode.LIMIT), []))
    told = cut_key_ids(b"".join(item.key_ids for item in made.given) + later)
    assert sorted(told) == cut_key_ids(ids(range(6)))
    assert as_given(made.given).items() <= as_given(items).items()


def test_a_small_share_is_given_where_a_large_one_has_no_room() -> None:
    made = answer([given(1, key_bytes=1000), given(2)])
    made.keep_within(100)
    assert [item.key_ids for item in made.given] == [ids(range(2, 3))]
    assert made.missing == {("carol", ErrorCode.LIMIT): [ids(range(1, 2))]}
