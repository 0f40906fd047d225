"""What liars do to the shares of one key: each alone, or together, with the key in their hands."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import NamedTuple

from simulating.enemies.cabal import Differences, secret_bytes
from simulating.enemies.sums import add_elements

from dsked.sharing import amd, gf256, gfp
from dsked.sharing.dealing import deal
from dsked.sharing.shares import PAIR_BYTES, KeyShare, tag_message
from dsked.sharing.terms import Terms

_ELEMENT = gfp.ELEMENT_BYTES
_NO_PAIR = bytes(PAIR_BYTES)


class Dealt(NamedTuple):
    """One key as it was dealt; `shares` and `liars` by x."""

    terms: Terms
    key_id: bytes
    key: bytes
    shares: Mapping[int, KeyShare]
    liars: list[int]


class Kind(NamedTuple):
    """`lie` gives what the liars say instead. `least`: liars that it takes; `collude`: they know the key, and
    are fewer than k; `needs_r`: there must be a hash key."""

    lie: Callable[[Dealt, random.Random], dict[int, KeyShare]]
    least: int = 1
    collude: bool = False
    needs_r: bool = False


def _pair(x: int, f: int) -> bytes:
    return b"".join((number % gfp.P).to_bytes(_ELEMENT, "little") for number in (x, f))


def shifted(share: KeyShare, string: bytes = b"", pair: bytes = _NO_PAIR) -> KeyShare:
    """The share with differences added: to the first bytes of key | r, and to x | f."""
    secret = share.share + share.code[PAIR_BYTES:]
    moved = gf256.xor(secret, string.ljust(len(secret), b"\0"))
    end = len(share.share)
    return KeyShare(share.x, moved[:end], add_elements(share.code[:PAIR_BYTES], pair) + moved[end:])


def _alone(change: Callable[[KeyShare, random.Random], KeyShare], *, needs_r: bool = False) -> Kind:
    """A lie that each tells for itself."""

    def lie(dealt: Dealt, rng: random.Random) -> dict[int, KeyShare]:
        return {x: change(dealt.shares[x], rng) for x in dealt.liars}

    return Kind(lie, needs_r=needs_r)


def _one_byte(share: KeyShare, rng: random.Random) -> KeyShare:
    at = rng.choice((0, len(share.share) - 1, rng.randrange(len(share.share))))
    return shifted(share, bytes(at) + bytes([rng.randrange(1, 256)]))


def _random(share: KeyShare, rng: random.Random) -> KeyShare:
    pair = _pair(rng.randrange(gfp.P), rng.randrange(gfp.P))
    r = rng.randbytes(len(share.code) - PAIR_BYTES)
    return KeyShare(share.x, rng.randbytes(len(share.share)), pair + r)


def _malformed(share: KeyShare, rng: random.Random) -> KeyShare:
    beyond = gfp.P.to_bytes(_ELEMENT, "little")
    return rng.choice(
        (
            share._replace(share=share.share[:-1]),
            share._replace(code=b""),
            share._replace(code=beyond + share.code[_ELEMENT:]),
            share._replace(code=share.code[:_ELEMENT] + b"\xff" * _ELEMENT + share.code[PAIR_BYTES:]),
        )
    )


# --- together -------------------------------------------------------------------------------------


def _together(dealt: Dealt, rng: random.Random, string: bytes, pair: bytes) -> dict[int, KeyShare]:
    """Their shares moved along one polynomial that is 0 at as many honest hubs as can be.

    With those it rebuilds to the truth plus `string` and `pair`.
    """
    length = secret_bytes(dealt.terms, len(dealt.shares[dealt.liars[0]].code))
    honest = [x for x in dealt.shares if x not in dealt.liars]
    helped = rng.sample(honest, min(dealt.terms.k - len(dealt.liars), len(honest)))
    rest = (dealt.liars + [x for x in honest if x not in helped])[: dealt.terms.k - 1 - len(helped)]
    strings = [(0, string.ljust(length, b"\0")), *((x, bytes(length)) for x in helped)]
    pairs = [(0, pair), *((x, _NO_PAIR) for x in helped)]
    strings += [(x, rng.randbytes(length)) for x in rest]
    pairs += [(x, _pair(rng.randrange(gfp.P), rng.randrange(gfp.P))) for x in rest]
    moved = Differences(tuple(strings), tuple(pairs))
    return {x: shifted(dealt.shares[x], *moved.at(x)) for x in dealt.liars}


def _shift(dealt: Dealt, rng: random.Random) -> dict[int, KeyShare]:
    """A key of their choice, and f as it would be if they guessed x: the best that there is."""
    difference = rng.choice((b"\1", rng.randbytes(len(dealt.key))))
    wanted = gf256.xor(dealt.key, difference.ljust(len(dealt.key), b"\0"))
    guess, dx = rng.randrange(gfp.P), rng.choice((0, 0, 1, rng.randrange(gfp.P)))
    r = rng.randbytes(len(dealt.shares[dealt.liars[0]].code) - PAIR_BYTES)
    true, other = (tag_message(dealt.terms, dealt.key_id, key, r) for key in (dealt.key, wanted))
    df = amd.tag((guess + dx) % gfp.P, other) - amd.tag(guess, true)
    return _together(dealt, rng, difference, _pair(dx, df))


def _shift_tag(dealt: Dealt, rng: random.Random) -> dict[int, KeyShare]:
    """x and f only: the right key, if it were to pass."""
    return _together(dealt, rng, b"", _pair(rng.randrange(3), rng.randrange(gfp.P)))


def _frame(dealt: Dealt, rng: random.Random) -> dict[int, KeyShare]:
    """Differences that cancel at 0: the key passes, and honest hubs are those that differ from it."""
    return _together(dealt, rng, b"", _NO_PAIR)


def _frame_late(dealt: Dealt, rng: random.Random) -> dict[int, KeyShare]:
    """The same with a difference that all have in common in one column only."""
    framed = _together(dealt, rng, b"", _NO_PAIR)
    column = rng.randrange(len(dealt.key))
    return {
        x: shifted(
            dealt.shares[x], bytes(column) + bytes([dealt.shares[x].share[column] ^ share.share[column]])
        )
        for x, share in framed.items()
    }


def _own_dealing(dealt: Dealt, rng: random.Random) -> dict[int, KeyShare]:
    """Shares of another key, dealt as it should be."""
    hubs = deal(
        [(dealt.key_id, rng.randbytes(len(dealt.key)))], dealt.terms, list(dealt.shares), rng.randbytes
    )
    other = {x: KeyShare(x, hub[0].share, hub[0].codes[0]) for x, hub in zip(dealt.shares, hubs, strict=True)}
    return {x: other[x] for x in dealt.liars}


KINDS: dict[str, Kind] = {
    "random": _alone(_random),
    "one byte": _alone(_one_byte),
    "x": _alone(lambda share, rng: shifted(share, pair=_pair(rng.randrange(1, gfp.P), 0))),
    "f": _alone(lambda share, rng: shifted(share, pair=_pair(0, rng.randrange(1, gfp.P)))),
    "r": _alone(
        lambda share, rng: shifted(share, bytes(len(share.share)) + bytes([rng.randrange(1, 256)])),
        needs_r=True,
    ),
    "malformed": _alone(_malformed),
    "shift": Kind(_shift, collude=True),
    "shift the tag": Kind(_shift_tag, collude=True),
    "frame": Kind(_frame, least=2, collude=True),
    "frame in one column": Kind(_frame_late, least=2, collude=True),
    "own dealing": Kind(_own_dealing, collude=True),
}
