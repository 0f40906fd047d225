"""The attacks that broke other choices, mounted by up to k - 1 liars who know the key."""

from __future__ import annotations

import random
from itertools import combinations, permutations
from math import log2

import pytest
from decoding import fields as naive

from dsked.errors import ReconstructionError
from dsked.sharing import amd, dealing, gf256, gfp, shamir, shares
from dsked.sharing.dealing import KeyShare, failure_bound_log2

from .dealings import add, deal_one, terms
from .recovering import mismatches, recover

XS = [1, 2, 3, 4, 5]


def _cancelling(xs: tuple[int, ...], liars: tuple[int, int], p: int | None) -> tuple[int, int]:
    """Differences for two liars that cancel at 0 when joined with the third of xs."""
    if p is None:
        c = dict(zip(xs, gf256.lagrange(xs, 0), strict=True))
        return c[liars[1]], c[liars[0]]
    d = dict(zip(xs, gfp.lagrange(xs, 0), strict=True))
    return d[liars[1]], -d[liars[0]] % p


@pytest.mark.parametrize("key_bytes", [32, 1040])
def test_differences_of_two_liars_who_know_the_key_never_pass(key_bytes: int) -> None:
    """Additive differences on any of key, x, f and r, sparse and dense, small and large."""
    rng = random.Random(key_bytes)
    of = terms(key_bytes=key_bytes)
    key_id, key, hubs = deal_one(of, XS, 1)
    elements = (0, 0, 1, 2, gfp.P - 1, 2**64)
    batch = []
    for _ in range(3000 if key_bytes == 32 else 300):
        seen = hubs[:3]
        for liar in (0, 1):
            seen[liar] = add(
                seen[liar],
                key=rng.choice((b"", b"\1", b"\x80" * 16, rng.randbytes(32))),
                x=rng.choice((*elements, rng.randrange(gfp.P))),
                f=rng.choice((*elements, rng.randrange(gfp.P))),
                r=rng.choice((b"", b"\1", b"\x0f" * 16)) if key_bytes > 1024 else b"",
            )
        batch.append((key_id, seen))
    assert set(dealing.rebuild(of, batch)) <= {key, None}


def test_the_best_difference_needs_to_guess_x() -> None:
    """Changing the last block by e asks for Df = e * x: right for one x of 2^127 - 1, checked at that x."""
    of = terms()
    key_id, key, hubs = deal_one(of, XS, 2)
    x = int.from_bytes(gfp.join([(s.x, s.code[:32]) for s in hubs[:3]])[:16], "little")
    message = shares.tag_message(of, key_id, key, b"")
    other_key = bytes((key[0] ^ 1,)) + key[1:]
    other = shares.tag_message(of, key_id, other_key, b"")
    scale_bytes = gf256.INVERSE[gf256.lagrange((1, 2, 3), 0)[0]]
    scale = pow(gfp.lagrange((1, 2, 3), 0)[0], -1, gfp.P)

    def forged(guess: int) -> bytes | None:
        difference = (amd.tag(guess, other) - amd.tag(guess, message)) * scale % gfp.P
        lie = add(hubs[0], key=bytes((scale_bytes,)), f=difference)
        return dealing.rebuild(of, [(key_id, [lie, hubs[1], hubs[2]])])[0]

    assert forged(x) == other_key  # the attack is right; only x is missing to it
    assert {forged((x + offset) % gfp.P) for offset in (-1, 1, 2, 2**126)} == {None}


def test_what_two_hubs_see_does_not_depend_on_the_key_or_x() -> None:
    """For every key and x there are random bytes under which two given shares are what they are."""
    of = terms(n=3, k=3, key_bytes=1, responders=terms().responders[:1])
    key_id, _, hubs = deal_one(of, [1, 2, 3], 3, "celia")
    seen = hubs[:2]
    for key in (b"\0", b"\x53", b"\xff"):
        for x in (0, 1, gfp.P - 1):
            f = amd.tag(x, shares.tag_message(of, key_id, key, b""))
            pair = naive.from_elements([x, f])
            third = KeyShare(
                3,
                shamir.join([(0, key), *((s.x, s.share) for s in seen)], at=3),
                gfp.join([(0, pair), *((s.x, s.code) for s in seen)], at=3),
            )
            assert dealing.rebuild(of, [(key_id, [*seen, third])]) == [key]


def test_a_hub_that_chooses_x_0_deals_alone() -> None:
    """Lagrange at 0 gives such a share weight 1 and all others 0: any code passes. Configured x: it fails."""
    of = terms()
    key_id, _, hubs = deal_one(of, XS, 4)
    evil_key = b"\x66" * 32
    f = amd.tag(1, shares.tag_message(of, key_id, evil_key, b""))
    evil = KeyShare(0, evil_key, naive.from_elements([1, f]))
    assert dealing.rebuild(of, [(key_id, [evil, hubs[1], hubs[2]])]) == [evil_key]
    assert dealing.rebuild(of, [(key_id, [evil._replace(x=1), hubs[1], hubs[2]])]) == [None]


def test_a_hub_that_chooses_its_x_multiplies_the_secret() -> None:
    """2 of n: with an x of its choice one hub turns the secret s into a * s + b for an a of its choice."""
    secret, x1, x2 = 2**100 + 7, 1, 2
    element = naive.from_elements([secret])
    share1, share2 = gfp.split(element, [x1, x2], 2, lambda length: b"\x11" * length)
    for claimed in (3, 77, 255):
        c1, c = gfp.lagrange((x1, claimed), 0)
        # share1 = s + slope * x1, and the hub knows share2 = s + slope * x2.
        ratio = x1 * pow(x2, -1, gfp.P)
        a = c1 * (1 - ratio) % gfp.P
        known = naive.elements(share2)[0]
        b = (c1 * known * ratio + c * known) % gfp.P
        [rebuilt] = naive.elements(gfp.join([(x1, share1), (claimed, share2)]))
        assert a != 1
        assert rebuilt == (a * secret + b) % gfp.P


def test_two_hubs_that_invent_a_smaller_k() -> None:
    """Two liars can deal 2 of 5 between them: a responder that believed k = 2 would take it.

    Under k = 3, its own, the same shares do not pass with any honest third, since k is under the tag and
    two points do not fix a polynomial of degree 2.
    """
    of, invented = terms(), terms(k=2)
    key_id, key, hubs = deal_one(of, XS, 5)
    rng = random.Random(0)
    evil = dealing.deal([(key_id, bytes(32))], invented, XS, rng.randbytes)
    lies = [KeyShare(x, evil[x - 1][0].share, evil[x - 1][0].codes[1]) for x in (1, 2)]
    assert dealing.rebuild(invented, [(key_id, lies)]) == [bytes(32)]
    assert dealing.rebuild(of, [(key_id, [*lies, honest]) for honest in hubs[2:]]) == [None] * 3
    assert recover(of, key_id, [*lies, *hubs[2:]])[:2] == (key, (1, 2))


@pytest.mark.parametrize("key_bytes", [32, 1025])
def test_another_whole_dealing_of_two_liars(key_bytes: int) -> None:
    """Two liars bring shares of a dealing of their own: the honest three decide."""
    of = terms(key_bytes=key_bytes)
    key_id, key, hubs = deal_one(of, XS, 6)
    evil_hubs = deal_one(of, XS, 7)[2]
    for a, b in combinations(range(5), 2):
        seen = [evil_hubs[i] if i in (a, b) else s for i, s in enumerate(hubs)]
        assert recover(of, key_id, seen)[:2] == (key, (a + 1, b + 1))


def test_decoding_misled_onto_an_honest_hub() -> None:
    """3 of 5: two liars move to another polynomial through one honest hub's and their own points.

    Four of five columns then fit a polynomial that is not the dealt one, and decoding points at an honest
    hub. The secret tag does not pass there, the search over all shares finds the key, the liars are named.
    """
    of = terms()
    key_id, key, hubs = deal_one(of, XS, 8)
    # d(x) = (x - 3)(x - 4), which honest hubs 3 and 4 do not see: with liars 1 and 2, hub 5 looks wrong.
    seen = list(hubs)
    for liar in (1, 2):
        difference = bytes((gf256.MUL[liar ^ 3][liar ^ 4],))
        seen[liar - 1] = add(hubs[liar - 1], key=difference)
    points = [(s.x, s.share) for s in seen[:3]]
    assert shamir.join(points, at=4) == seen[3].share
    assert shamir.join(points, at=5) != seen[4].share
    assert dealing.rebuild(of, [(key_id, seen[:3])]) == [None]
    assert recover(of, key_id, seen)[:2] == (key, (1, 2))


@pytest.mark.parametrize("liars", list(permutations(XS, 2)))
def test_differences_that_cancel_at_0_frame_nobody(liars: tuple[int, int]) -> None:
    """Two liars and one honest hub pass with the right key, while the other two differ from them.

    Nobody can tell then which two lied: no hub is named, whichever three passed first.
    """
    of = terms()
    key_id, key, hubs = deal_one(of, XS, 9)
    helper = next(x for x in XS if x not in liars)
    trio = (*liars, helper)
    of_bytes, of_elements = _cancelling(trio, liars, None), _cancelling(trio, liars, gfp.P)
    seen = {s.x: s for s in hubs}
    for liar, byte, number in zip(liars, of_bytes, of_elements, strict=True):
        seen[liar] = add(seen[liar], key=bytes((byte,)), x=number, f=number)
    passed = [seen[x] for x in trio]
    assert dealing.rebuild(of, [(key_id, passed)]) == [key]
    others = [s for s in seen.values() if s.x not in trio]
    assert mismatches(of, [(passed, others)]) == [()]
    honest = [s for s in seen.values() if s.x not in liars]
    assert mismatches(of, [(honest, [seen[x] for x in liars])]) == [()]
    assert recover(of, key_id, list(seen.values()))[:2] == (key, ())


def test_fewer_honest_than_k_is_an_error_never_a_wrong_key() -> None:
    of = terms()
    key_id, _, hubs = deal_one(of, XS, 10)
    rng = random.Random(2)
    for _ in range(30):
        seen = [add(s, key=rng.randbytes(3), x=rng.randrange(5), f=rng.randrange(1, 5)) for s in hubs[:2]]
        with pytest.raises(ReconstructionError):
            recover(of, key_id, [*seen, *hubs[2:4]])


# --- the bound ------------------------------------------------------------------------------------


def test_bound_of_a_256_bit_key() -> None:
    of = terms()
    message = shares.tag_message(of, bytes(16), bytes(32), b"")
    blocks = len(naive.message_blocks(message))
    assert failure_bound_log2(of, candidates=1) == pytest.approx(-127 + log2(blocks + 2), abs=1e-9)
    assert failure_bound_log2(of) == pytest.approx(failure_bound_log2(of, candidates=1) + 3.3219, abs=1e-4)
    assert failure_bound_log2(of, keys=2**40) == pytest.approx(failure_bound_log2(of) + 40)


def test_bound_of_long_keys_is_that_of_the_hash() -> None:
    of = terms(key_bytes=2**20)
    assert failure_bound_log2(of, candidates=1) == pytest.approx(-106 + 3 + 16, abs=1e-3)


@pytest.mark.parametrize("key_bytes", [32, 1040])
def test_every_bit_of_the_secret_tag_counts(key_bytes: int) -> None:
    of = terms(key_bytes=key_bytes)
    key_id, key, hubs = deal_one(of, XS, 1)
    for bit in range(127):
        seen = [add(hubs[0], f=1 << bit), *hubs[1:3]]
        assert dealing.rebuild(of, [(key_id, seen)]) == [None], f"bit {bit} of f"
    assert dealing.rebuild(of, [(key_id, hubs[:3])]) == [key]
