"""Dealing and rebuilding: batches, subsets, key sizes, an independent rebuilding, secrets kept."""

from __future__ import annotations

import pickle
from collections import Counter
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.poly1305 import Poly1305
from decoding import fields as naive
from hypothesis import given, settings
from hypothesis import strategies as st

from dsked.sharing import dealing, gfp, shamir, shares
from dsked.sharing.dealing import HubShare, KeyShare, Party

from .dealings import RESPONDERS, deal_one, seeded, terms

CLIENTS = ("celia", "connie")


@pytest.mark.parametrize(("n", "k"), [(2, 2), (3, 2), (5, 3), (5, 5), (7, 4)])
@pytest.mark.parametrize("key_bytes", [1, 32, 1024, 1025])
@pytest.mark.parametrize("client", CLIENTS)
def test_every_subset_gives_the_key(n: int, k: int, key_bytes: int, client: str) -> None:
    of = terms(n, k, key_bytes)
    key_id, key, hubs = deal_one(of, range(10, 10 + n), n, client)
    subsets = list(combinations(hubs, k))
    assert dealing.rebuild(of, [(key_id, subset) for subset in subsets]) == [key] * len(subsets)


@pytest.mark.parametrize("key_bytes", [4, 48, 1040])
def test_shares_by_the_definition(key_bytes: int) -> None:
    """Rebuilt by the naive implementation from hubs 5, 2 and 4; f computed by its sum of powers."""
    of = terms(key_bytes=key_bytes)
    xs = [3, 77, 1, 255, 90]
    key_id, key, hubs = deal_one(of, xs, 8)
    chosen = [hubs[4], hubs[1], hubs[3]]

    def byte_string(strings: list[bytes]) -> bytes:
        columns = zip(*strings, strict=True)
        points = ([(s.x, y) for s, y in zip(chosen, column, strict=True)] for column in columns)
        return bytes(naive.gf256_interpolate(column, 0) for column in points)

    assert byte_string([s.share for s in chosen]) == key
    x, f = (naive.gfp_interpolate([(s.x, naive.elements(s.code[:32])[i]) for s in chosen], 0) for i in (0, 1))
    before, after = shares.message_frame(of)
    covered = key
    if key_bytes > 1024:
        r = byte_string([s.code[32:] for s in chosen])
        covered = Poly1305.generate_tag(r + bytes(16), key) + r
    assert f == naive.amd_tag(x, naive.message_blocks(before + key_id + after + covered))


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_batches(data: st.DataObject) -> None:
    """A batch of keys from mixed sets of hubs gives what each key gives alone."""
    n = data.draw(st.integers(2, 6))
    of = terms(n, data.draw(st.integers(2, n)), data.draw(st.sampled_from([1, 16, 33, 1030])))
    xs = data.draw(st.lists(st.integers(1, 255), min_size=n, max_size=n, unique=True))
    draw = seeded(data.draw(st.integers(0, 2**32)))
    keys = [(draw(16), draw(of.key_bytes)) for _ in range(data.draw(st.integers(0, 6)))]
    hubs = dealing.deal(keys, of, xs, draw)
    assert [len(hub) for hub in hubs] == [len(keys)] * n
    for index in range(2):
        batch = []
        for i, (key_id, _) in enumerate(keys):
            chosen = data.draw(st.permutations(range(n)))[: of.k]
            given_by = [(xs[h], hubs[h][i]) for h in chosen]
            batch.append((key_id, [KeyShare(x, hub.share, hub.codes[index]) for x, hub in given_by]))
        assert dealing.rebuild(of, batch) == [key for _, key in keys]
        assert [dealing.rebuild(of, [entry])[0] for entry in batch] == [key for _, key in keys]


def test_large_batch_with_bad_entries_among_good() -> None:
    of = terms()
    draw = seeded(1)
    keys = [(draw(16), draw(32)) for _ in range(600)]
    hubs = dealing.deal(keys, of, [1, 2, 3, 4, 5], draw)
    batch = [
        (key_id, [KeyShare(x, hubs[x - 1][i].share, hubs[x - 1][i].codes[1]) for x in (2, 4, 5)])
        for i, (key_id, _) in enumerate(keys)
    ]
    wanted: list[bytes | None] = [key for _, key in keys]
    spoiled = {
        7: lambda s: s._replace(share=bytes(32)),
        8: lambda s: s._replace(share=s.share + b"\0"),
        300: lambda s: s._replace(code=s.code[:-1]),
        599: lambda s: s._replace(code=b"\xff" * 32),
        0: lambda s: s._replace(code=s.code[:16] + b"\xff" * 15 + b"\x7f"),
    }
    for i, spoil in spoiled.items():
        key_id, good = batch[i]
        batch[i] = (key_id, [good[0], spoil(good[1]), good[2]])
        wanted[i] = None
    assert dealing.rebuild(of, batch) == wanted


def test_nothing_fits_under_other_terms() -> None:
    """What is rebuilt under another key ID, other parties or other numbers fails, whoever says so."""
    of = terms()
    key_id, key, hubs = deal_one(of, [1, 2, 3, 4, 5], 3)
    entry = (key_id, hubs[:3])
    assert dealing.rebuild(of, [entry]) == [key]
    assert dealing.rebuild(of, [(bytes(16), hubs[:3])]) == [None]
    for changes in (
        {"version": 2},
        {"n": 4},
        {"initiator": Party("carol", "someone")},
        {"responders": RESPONDERS[:2]},
        {"key_bytes": 31},
    ):
        assert dealing.rebuild(of._replace(**changes), [entry]) == [None]


def test_codes_of_clients_are_independent() -> None:
    """Each responder client has an x, f and r of its own: a code of another client does not fit."""
    of = terms(key_bytes=1025)
    draw = seeded(5)
    key_id, key = draw(16), draw(1025)
    hubs = dealing.deal([(key_id, key)], of, [1, 2, 3, 4, 5], draw)
    for hub in hubs:
        first, second = hub[0].codes
        assert len(first) == len(second) == dealing.code_bytes(of) == 48
        assert all(first[i : i + 16] != second[i : i + 16] for i in (0, 16, 32))
    mixed = [KeyShare(x, hubs[x - 1][0].share, hubs[x - 1][0].codes[x == 2]) for x in (1, 2, 3)]
    assert dealing.rebuild(of, [(key_id, mixed)]) == [None]


def test_x_and_r_are_fresh_for_every_key() -> None:
    of = terms(n=2, k=2, key_bytes=1025)
    draw = seeded(9)
    hubs = dealing.deal([(draw(16), bytes(1025)) for _ in range(50)], of, [1, 2], draw)
    parts = Counter(
        share.codes[client][i : i + 16]
        for hub in hubs
        for share in hub
        for client in (0, 1)
        for i in (0, 16, 32)
    )
    assert len(parts) == 2 * 50 * 2 * 3


def test_deal_refuses_what_does_not_fit() -> None:
    of, good = terms(), (bytes(16), bytes(32))
    for keys, xs in (
        ([good], [1, 2, 3, 4]),
        ([good], [1, 2, 3, 4, 4]),
        ([good], [0, 1, 2, 3, 4]),
        ([(bytes(15), bytes(32))], [1, 2, 3, 4, 5]),
        ([(bytes(16), bytes(31))], [1, 2, 3, 4, 5]),
    ):
        with pytest.raises(ValueError):
            dealing.deal(keys, of, xs, bytes)
    with pytest.raises(ValueError):
        dealing.deal([good], of._replace(k=1), [1, 2, 3, 4, 5], bytes)


def test_rebuild_wants_exactly_k() -> None:
    key_id, _, hubs = deal_one(terms(), [1, 2, 3, 4, 5], 3)
    for count in (2, 4):
        with pytest.raises(ValueError, match="exactly k"):
            dealing.rebuild(terms(), [(key_id, hubs[:count])])


@pytest.mark.parametrize(
    "secret",
    [
        HubShare(b"SECRET", (b"SECRET",)),
        KeyShare(1, b"SECRET", b"SECRET"),
    ],
)
def test_no_secret_in_repr_and_none_pickled(secret: HubShare | KeyShare) -> None:
    assert "SECRET" not in f"{secret!r} {secret}"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_no_x_and_no_r_is_dealt_twice() -> None:
    """Rebuilt, since shares of one value differ as well: of every key and every responder client."""
    of = terms(n=2, k=2, key_bytes=1025)
    draw = seeded(11)
    hubs = dealing.deal([(draw(16), bytes(1025)) for _ in range(20)], of, [1, 2], draw)
    xs, rs = set(), set()
    for first, second in zip(*hubs, strict=True):
        for one, other in zip(first.codes, second.codes, strict=True):
            xs.add(gfp.join([(1, one[:32]), (2, other[:32])])[:16])
            rs.add(shamir.join([(1, one[32:]), (2, other[32:])]))
    assert len(xs) == len(rs) == 20 * 2
