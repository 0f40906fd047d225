"""Whole batches in columns: as one key at a time, whatever is changed in whichever column."""

from __future__ import annotations

import pickle
import random
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.sharing.dealing import HubColumns, KeyShare, code_bytes, deal, deal_columns, responder_clients
from dsked.sharing.points import well_formed
from dsked.sharing.proof import disagreeing_columns
from dsked.sharing.rebuilding import Column, rebuild, rebuild_columns
from dsked.sharing.terms import Party, Terms

from .dealings import RESPONDERS, seeded, terms
from .recovering import find_disagreeing

LENGTHS = [1, 15, 16, 32, 33, 1023, 1024, 1025, 1040]
MALFORMED = [b"\xff" * 15 + b"\x7f", b"\xff" * 16, bytes(15) + b"\x80"]  # p, and values above it


class Dealt:
    """A batch of keys dealt in columns, and what one responder client is given of it."""

    def __init__(self, of: Terms, xs: list[int], number: int, seed: int) -> None:
        draw = seeded(seed)
        self.terms, self.xs = of, xs
        self.key_ids = [draw(16) for _ in range(number)]
        self.keys = [draw(of.key_bytes) for _ in range(number)]
        self.hubs = deal_columns(b"".join(self.key_ids), b"".join(self.keys), of, xs, draw)

    def columns(self, client: int = 0) -> list[Column]:
        clients, size = len(responder_clients(self.terms)), code_bytes(self.terms)
        columns = []
        for x, hub in zip(self.xs, self.hubs, strict=True):
            starts = range(client * size, len(hub.codes), clients * size)
            columns.append((x, hub.shares, b"".join(hub.codes[at : at + size] for at in starts)))
        return columns


@st.composite
def batches(draw: st.DrawFn) -> Dealt:
    n = draw(st.integers(2, 7))
    responders = [Party(f"client {i}", "someone") for i in range(draw(st.integers(1, 3)))]
    of = terms(n, draw(st.integers(2, n)), draw(st.sampled_from(LENGTHS)), responders)
    xs = draw(st.lists(st.integers(1, 255), min_size=n, max_size=n, unique=True))
    return Dealt(of, xs, draw(st.integers(0, 9)), draw(st.integers(0, 2**32)))


def changed(column: Column, at: int, mask: int) -> Column:
    """The column with the byte at `at` of its shares and codes, laid end to end, changed."""
    x, shares, codes = column
    both = bytearray(shares + codes)
    both[at] ^= mask
    return x, bytes(both[: len(shares)]), bytes(both[len(shares) :])


def key_of(of: Terms, number: int, at: int) -> int:
    """The key to which the byte at `at` of a column belongs."""
    beyond = at - number * of.key_bytes
    return at // of.key_bytes if beyond < 0 else beyond // code_bytes(of)


def rows(columns: list[Column], of: Terms, number: int) -> list[list[KeyShare]]:
    size, code = of.key_bytes, code_bytes(of)
    return [
        [KeyShare(x, s[i * size : (i + 1) * size], c[i * code : (i + 1) * code]) for x, s, c in columns]
        for i in range(number)
    ]


def agrees(of: Terms, entry: list[KeyShare]) -> bool:
    whole = len(well_formed(of, entry)) == len(entry)
    return whole and find_disagreeing(of, [(entry[: of.k], entry[of.k :])]) == []


@settings(deadline=None, max_examples=50)
@given(batches(), st.data())
def test_any_k_columns_give_the_keys(dealt: Dealt, data: st.DataObject) -> None:
    for client in range(len(responder_clients(dealt.terms))):
        columns = data.draw(st.permutations(dealt.columns(client)))
        assert rebuild_columns(dealt.terms, dealt.key_ids, columns[: dealt.terms.k]) == dealt.keys
        assert disagreeing_columns(dealt.terms, columns) == []


@settings(deadline=None, max_examples=50)
@given(batches(), st.data())
def test_one_changed_byte_hurts_its_own_key_only(dealt: Dealt, data: st.DataObject) -> None:
    of, number, columns = dealt.terms, len(dealt.keys), dealt.columns()
    if not number:
        return
    hub = data.draw(st.integers(0, of.n - 1))
    at = data.draw(st.integers(0, number * (of.key_bytes + code_bytes(of)) - 1))
    columns[hub] = changed(columns[hub], at, data.draw(st.integers(1, 255)))
    hurt = key_of(of, number, at)
    wanted = [None if i == hurt else key for i, key in enumerate(dealt.keys)]
    for chosen in combinations(range(of.n), of.k):
        found = rebuild_columns(of, dealt.key_ids, [columns[i] for i in chosen])
        assert found == (wanted if hub in chosen else dealt.keys)
    if of.n > of.k:
        assert disagreeing_columns(of, data.draw(st.permutations(columns))) == [hurt]


@settings(deadline=None, max_examples=50)
@given(batches(), st.data())
def test_malformed_elements_hurt_their_own_keys_only(dealt: Dealt, data: st.DataObject) -> None:
    of, number = dealt.terms, len(dealt.keys)
    if not number:
        return
    columns, size = dealt.columns(), code_bytes(of)
    hurt = set()
    for _ in range(data.draw(st.integers(1, 4))):
        hub, key = data.draw(st.integers(0, of.k - 1)), data.draw(st.integers(0, number - 1))
        start = key * size + data.draw(st.sampled_from([0, 16]))
        x, shares, codes = columns[hub]
        columns[hub] = x, shares, codes[:start] + data.draw(st.sampled_from(MALFORMED)) + codes[start + 16 :]
        hurt.add(key)
    wanted = [None if i in hurt else key for i, key in enumerate(dealt.keys)]
    assert rebuild_columns(of, dealt.key_ids, columns[: of.k]) == wanted
    assert disagreeing_columns(of, columns) == sorted(hurt)


@settings(deadline=None, max_examples=50)
@given(batches(), st.data())
def test_as_row_by_row(dealt: Dealt, data: st.DataObject) -> None:
    """Several changes anywhere: what is rebuilt and what disagrees is the same as key by key."""
    of, number, columns = dealt.terms, len(dealt.keys), dealt.columns()
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    for _ in range(data.draw(st.integers(0, 6)) if number else 0):
        hub, at = rng.randrange(of.n), rng.randrange(number * (of.key_bytes + code_bytes(of)))
        columns[hub] = changed(columns[hub], at, rng.randrange(1, 256))
    entries = rows(columns, of, number)
    found = rebuild_columns(of, dealt.key_ids, columns[: of.k])
    alone = [
        rebuild(of, [(key_id, entry[: of.k])])[0]
        for key_id, entry in zip(dealt.key_ids, entries, strict=True)
    ]
    assert found == alone
    odd = [i for i, entry in enumerate(entries) if not agrees(of, entry)]
    assert disagreeing_columns(of, columns) == odd


def test_dealing_rows_is_dealing_columns() -> None:
    of, xs = terms(key_bytes=1025), [9, 3, 200, 1, 77]
    dealt = Dealt(of, xs, 3, 5)
    draw = seeded(5)
    draw(3 * 16)
    draw(3 * 1025)
    again = seeded(5)
    keys = [(again(16)) for _ in range(3)]
    values = [again(1025) for _ in range(3)]
    assert (keys, values) == (dealt.key_ids, dealt.keys)
    hubs = deal(list(zip(keys, values, strict=True)), of, xs, again)
    assert [
        HubColumns(b"".join(s.share for s in hub), b"".join(c for s in hub for c in s.codes)) for hub in hubs
    ] == dealt.hubs


@pytest.mark.parametrize("key_bytes", [32, 1025])
@pytest.mark.parametrize(("n", "k"), [(2, 2), (5, 3), (9, 5)])
def test_the_first_k_minus_1_columns_know_nothing_of_keys(key_bytes: int, n: int, k: int) -> None:
    """Other keys, other IDs and so other tags from the same random bytes: these hubs get the same.

    They get uniform values whatever the secret is; for any other k - 1 hubs the map from those values to
    theirs is one to one (test_shamir, test_gfp).
    """
    of, xs = terms(n, k, key_bytes), list(range(7, 7 + n))
    draw = seeded(3)
    first, second = (deal_columns(draw(3 * 16), draw(3 * key_bytes), of, xs, seeded(4)) for _ in range(2))
    assert first[: k - 1] == second[: k - 1]
    for one, other in zip(first[k - 1 :], second[k - 1 :], strict=True):
        assert one.shares != other.shares and one.codes != other.codes


@pytest.mark.parametrize(("key_bytes", "in_code"), [(32, 32), (1024, 32), (1025, 48)])
@pytest.mark.parametrize("number", [0, 1, 300])
def test_every_random_byte_is_drawn_for_one_purpose(key_bytes: int, in_code: int, number: int) -> None:
    of, drawn = terms(5, 3, key_bytes), []

    def draw(length: int) -> bytes:
        drawn.append(length)
        return random.randbytes(length)

    deal_columns(bytes(16 * number), bytes(key_bytes * number), of, [1, 2, 3, 4, 5], draw)
    codes = number * len(responder_clients(of))
    of_secrets = codes * (in_code - 16)  # x and r; f follows from them
    assert sum(drawn) == of_secrets + 2 * (number * key_bytes + codes * in_code)
    assert len(drawn) <= 5


@pytest.mark.parametrize("number", [85, 86, 128, 512])
def test_batches_beyond_one_piece(number: int) -> None:
    """86 keys for three clients have more than 512 elements: the bad keys among them are found."""
    of = terms(5, 3, 16, [Party(f"client {i}", "someone") for i in range(3)])
    dealt = Dealt(of, [5, 4, 3, 2, 1], number, 1)
    hurt = sorted({0, number // 2, number - 1})
    for client in range(3):
        columns = dealt.columns(client)
        x, shares, codes = columns[2]
        for i in hurt:
            codes = codes[: 32 * i] + bytes(32) + codes[32 * i + 32 :]
        columns[2] = x, shares, codes
        found = rebuild_columns(of, dealt.key_ids, columns[:3])
        assert [i for i, key in enumerate(found) if key is None] == hurt
        assert all(key in (None, wanted) for key, wanted in zip(found, dealt.keys, strict=True))
        assert rebuild_columns(of, dealt.key_ids, [columns[i] for i in (4, 0, 1)]) == dealt.keys
        assert disagreeing_columns(of, columns) == hurt


@pytest.mark.parametrize(
    "key_bytes", [4099, *(pytest.param(size << 20, marks=pytest.mark.full) for size in (1, 2))]
)
def test_long_keys(key_bytes: int) -> None:
    of = terms(key_bytes=key_bytes)
    dealt = Dealt(of, [1, 2, 3, 4, 5], 2, 1)
    columns = dealt.columns(1)
    for chosen in ((0, 1, 2), (4, 2, 0)):
        assert rebuild_columns(of, dealt.key_ids, [columns[i] for i in chosen]) == dealt.keys
    assert disagreeing_columns(of, columns) == []
    for at in (0, key_bytes - 1, key_bytes, 2 * key_bytes - 1, 2 * key_bytes + 47, 2 * key_bytes + 48):
        lied = [changed(columns[0], at, 0x10), *columns[1:]]
        hurt = key_of(of, 2, at)
        assert disagreeing_columns(of, lied) == [hurt]
        assert rebuild_columns(of, dealt.key_ids, lied[:3])[hurt] is None


def test_what_does_not_fit_is_refused() -> None:
    of, xs = terms(responders=RESPONDERS[:1]), [1, 2, 3, 4, 5]
    dealt = Dealt(of, xs, 2, 1)
    columns = dealt.columns()
    for key_ids, keys in ((bytes(31), bytes(64)), (bytes(32), bytes(63)), (bytes(32), bytes(32))):
        with pytest.raises(ValueError, match="a key ID has 16 bytes"):
            deal_columns(key_ids, keys, of, xs, bytes)
    with pytest.raises(ValueError, match="exactly k"):
        rebuild_columns(of, dealt.key_ids, columns[:4])
    x, shares, codes = columns[2]
    for odd in ((x, shares[:-1], codes), (x, shares, codes[:-1]), (x, shares + bytes(32), codes)):
        with pytest.raises(ValueError, match="a share and a code of each key"):
            rebuild_columns(of, dealt.key_ids, [*columns[:2], odd])
        with pytest.raises(ValueError, match="a share and a code of each key"):
            disagreeing_columns(of, [*columns[:2], odd])
    for call in (
        lambda same: rebuild_columns(of, dealt.key_ids, same),
        lambda same: disagreeing_columns(of, same),
    ):
        with pytest.raises(ValueError, match="distinct"):
            call([*columns[:2], columns[1]])


def test_no_secret_in_repr_and_none_pickled() -> None:
    columns = HubColumns(b"SECRET", b"SECRET")
    assert "SECRET" not in f"{columns!r} {columns}"
    with pytest.raises(TypeError):
        pickle.dumps(columns)
