"""Forged and bit-flipped tags against the engines: nothing is accepted, and nothing changes at all.

Every bit of M1 to M4 and of a frame of every type, in clear and wrapped, is flipped; then comes what a
forger would try, among it the best that is known against Wegman and Carter's tags: to guess the hash key r
and correct the tag by it.
An engine goes on with the session that it would have closed, so that one meets millions of forgeries.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import chain, cycle, islice

from dsked.errors import PeerError
from dsked.limits import GATE_KEY_BYTES, MAX_FRAME_BYTES, NONCE_BYTES, TAG_BYTES
from dsked.psrd.pair import Side
from dsked.wire.frame import (
    ARRAY_OF_7,
    HEADER_BYTES,
    LENGTH_BYTES,
    TRAILER_BYTES,
    FrameBuffer,
    decode_header,
    encode_untagged,
)
from dsked.wire.gate import Sealer
from dsked.wire.messages import (
    Confirmed,
    Error,
    GetGroup,
    GetShares,
    Locate,
    Located,
    Message,
    Missing,
    PartyBody,
    Ping,
    PsrdBlock,
    PsrdRequest,
    PutGroup,
    PutShares,
    PutSharesAck,
    Register,
    Registered,
    ShareGroup,
    Shares,
    Unregister,
)

from .attack import Broken, Figures, Told
from .engines import WINDOW_BYTES, Ends
from .snapshot import changes, snapshot

KEY_ID = bytes(range(16))
PARTY = PartyBody("curtis", "sunny")
POLY1305_P = 2**130 - 5
POLY1305_CLAMP = 0x0FFFFFFC_0FFFFFFC_0FFFFFFC_0FFFFFFF
#: One message of every type that the client sends, and one of every type that the hub sends.
MESSAGES: dict[Side, list[Message]] = {
    Side.CLIENT: [
        Register(["sam", "serena"]), Ping(False, 1, 2, [Confirmed("carol", KEY_ID)]), Error(9, "no"),
        PutShares([PutGroup("sam", [PARTY], 5, 3, 60_000, 16, 2 * KEY_ID, 0, bytes(32), bytes(64))]),
        GetShares([GetGroup("curtis", KEY_ID, 0)], 1000, []), Locate(["sunny"]), Unregister(),
    ],
    Side.HUB: [
        Registered(0, [], 60_000), Ping(True, 1, 2, []), Error(9, "no"), PutSharesAck(b"\0"),
        Located(["curtis"]),
        Shares([ShareGroup(PARTY, [PARTY], 5, 3, 16, 2 * KEY_ID, 0, bytes(32), bytes(64))],
               [Missing("carol", 6, 2 * KEY_ID)]),
    ],
}  # fmt: skip
SEALED: dict[Side, Message] = {
    Side.CLIENT: PsrdRequest(1, KEY_ID, 7, 1000),
    Side.HUB: PsrdBlock(0, KEY_ID, 7, KEY_ID, bytes(32)),
}


def flipped(piece: bytes, bit: int) -> bytes:
    """`piece` with one bit the other way round."""
    data = bytearray(piece)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


# --- what is attacked ---

#: How many pieces have come whole; what was refused counts, too.
_HEARD = "._buffer.nr_pieces"


class Door:
    """One end that waits for `pieces`, which nobody has seen yet. `side` is the one attacked."""

    def __init__(self, name: str, ends: Ends, side: Side, pieces: list[bytes]) -> None:
        self.name, self.ends, self.side, self.pieces = name, ends, side, pieces
        self._engine = ends.client if side is Side.CLIENT else ends.hub
        self._before = self._now()

    def _now(self) -> dict[str, object]:
        for _ in range(2):  # the second turn is one in which nothing has come
            self.ends.end_turns()
        return snapshot(self._engine)

    def takes(self, data: bytes) -> bool:
        """Whether it acts on `data`, which come over a connection of their own. More may be awaited."""
        heard = False
        try:
            for piece in FrameBuffer(MAX_FRAME_BYTES).feed(data):
                self.ends.hear(self.side, piece)
                heard = True
        except PeerError:
            return heard
        return heard

    def check(self) -> None:
        """Raise Broken where anything has changed, or where the true pieces would not have been taken."""
        found = [path for path in changes(self._before, self._now()) if not path.endswith(_HEARD)]
        if found:
            raise Broken(f"{self.name}: what was refused has changed {', '.join(found)}")
        for piece in self.pieces:
            if not self.takes(piece):
                raise Broken(f"{self.name}: a true piece was refused: nothing has been attacked")


class SealedDoor:
    """One end of simulated delivery. A refused frame takes a nonce, so each meets a new connection."""

    def __init__(self, name: str, sender: Side, rng: random.Random) -> None:
        self.name = name
        self._gate_key = rng.randbytes(GATE_KEY_BYTES)
        self._nonces = rng.randbytes(NONCE_BYTES), rng.randbytes(NONCE_BYTES)
        self._receiver = sender.other
        self.pieces = [Sealer(sender, self._gate_key, *self._nonces).seal(1, SEALED[sender])]

    def takes(self, data: bytes) -> bool:
        """As a Door's."""
        try:
            Sealer(self._receiver, self._gate_key, *self._nonces).open(data)
        except PeerError:
            return False
        return True

    def check(self) -> None:
        """As a Door's."""
        if not all(map(self.takes, self.pieces)):
            raise Broken(f"{self.name}: a true frame was refused: nothing has been attacked")


def doors(seed: str) -> Iterator[Door | SealedDoor]:
    """All that waits for something authentic: M1 to M4, and frames of every type, both ways; wrapped ones."""
    for simulated in (False, True):
        kind = "simulated" if simulated else "media"
        for number, receiver in enumerate((Side.HUB, Side.CLIENT) * 2, 1):
            ends = Ends(f"{seed} M{number}", simulated=simulated)
            yield Door(f"M{number} ({kind})", ends, receiver, [_handshake(ends, number)])
        for sender, messages in MESSAGES.items():
            ends = Ends(f"{seed} {sender}", simulated=simulated)
            ends.talk()
            yield Door(f"frames from {sender} ({kind})", ends, sender.other, ends.frames(sender, messages))
    for sender, messages in MESSAGES.items():
        ends = Ends(f"{seed} WRAP {sender}", wrapped=True)
        yield Door(f"WRAP from {sender}", ends, sender.other, [_wrap(ends, sender)])
        ends = Ends(f"{seed} wrapped {sender}", wrapped=True)
        ends.talk()
        yield Door(f"wrapped from {sender}", ends, sender.other, ends.frames(sender, messages))
    rng = random.Random(seed)  # noqa: S311  repeatable on purpose
    yield from (SealedDoor(f"sealed from {sender}", sender, rng) for sender in Side)


def _handshake(ends: Ends, number: int) -> bytes:
    """M1, M2, M3 or M4; those before it have been delivered."""
    for sent in range(number + 1):
        sender = Side.CLIENT if sent % 2 else Side.HUB
        data = ends.said(sender)
        if sent == number:
            return data
        ends.hear(sender.other, data)
        while ends.near.handshake.wants_blocks:  # new simulated streams: before M3
            ends.hear(Side.HUB, ends.said(Side.CLIENT))
            ends.hear(Side.CLIENT, ends.said(Side.HUB))
    raise AssertionError(number)


def _wrap(ends: Ends, sender: Side) -> bytes:
    """The first piece behind M4, which nobody has heard. The hub may say it once the client spoke."""
    ends.hear(Side.CLIENT, _handshake(ends, 4))
    said = ends.said(Side.CLIENT)
    if sender is Side.HUB:
        ends.hear(Side.HUB, said)
        said = ends.said(Side.HUB)
    return next(FrameBuffer(MAX_FRAME_BYTES).feed(said))


# --- what is tried ---


def every_bit(targets: list[Door | SealedDoor]) -> Iterator[tuple[Door | SealedDoor, bytes]]:
    """Every bit of every true piece, one at a time."""
    for door in targets:
        for piece in door.pieces:
            yield from ((door, flipped(piece, bit)) for bit in range(8 * len(piece)))


def forgeries(targets: list[Door], rng: random.Random) -> Iterator[tuple[Door, bytes]]:
    """What a forger tries who has seen all true pieces, without end."""
    turns = cycle([(door, make) for door in targets for make in FORGERS])
    for door, make in turns:
        yield door, make(door.pieces, rng)


def _random_tag(pieces: list[bytes], rng: random.Random) -> bytes:
    return rng.choice(pieces)[:-TAG_BYTES] + rng.randbytes(TAG_BYTES)


def _flips(pieces: list[bytes], rng: random.Random) -> bytes:
    """Two to eight bits anywhere."""
    piece = bytearray(rng.choice(pieces))
    for bit in rng.sample(range(8 * len(piece)), rng.randint(2, 8)):
        piece[bit // 8] ^= 1 << bit % 8
    return bytes(piece)


def _splice(pieces: list[bytes], rng: random.Random) -> bytes:
    """The bytes of one piece under the tag of another, or of itself with another header."""
    one, other = rng.choice(pieces), rng.choice(pieces)
    if one is not other:
        return one[:-TAG_BYTES] + other[-TAG_BYTES:]
    return flipped(one, rng.randrange(8 * LENGTH_BYTES, 8 * min(HEADER_BYTES, len(one) - TAG_BYTES)))


def _elsewhere(pieces: list[bytes], rng: random.Random) -> bytes:
    """A frame at another position of the window, under its own tag or a random one."""
    piece = rng.choice(pieces)
    if piece[LENGTH_BYTES] != ARRAY_OF_7:
        return _random_tag(pieces, rng)
    header = decode_header(piece)._replace(position=rng.randrange(2 * WINDOW_BYTES))
    untagged = encode_untagged(header, piece[HEADER_BYTES:-TRAILER_BYTES])
    return untagged + rng.choice((piece[-TAG_BYTES:], rng.randbytes(TAG_BYTES)))


def poly1305_hash(r: int, message: bytes) -> int:
    """Poly1305 without its final addition of s and reduction to 128 bits (RFC 8439, section 2.5)."""
    found = 0
    for start in range(0, len(message), 16):
        found = (found + int.from_bytes(message[start : start + 16] + b"\1", "little")) * r % POLY1305_P
    return found


def _guessed_key(pieces: list[bytes], rng: random.Random) -> bytes:
    """Another message under the true one's s: the tag is right if the guess of r is, one in 2^106."""
    piece = rng.choice(pieces)
    other = flipped(piece, rng.randrange(8 * LENGTH_BYTES, 8 * (len(piece) - TAG_BYTES)))
    r = rng.getrandbits(128) & POLY1305_CLAMP
    prefix = bytes(NONCE_BYTES + 1)  # the receiver's nonce and the direction: the same in both
    before, after = (poly1305_hash(r, prefix + one[:-TAG_BYTES]) for one in (piece, other))
    tag = int.from_bytes(piece[-TAG_BYTES:], "little") - before + after
    return other[:-TAG_BYTES] + (tag % 2**128).to_bytes(TAG_BYTES, "little")


FORGERS: list[Callable[[list[bytes], random.Random], bytes]] = [
    _random_tag, _flips, _splice, _elsewhere, _guessed_key,
]  # fmt: skip


class Tags:
    """The attack."""

    name = "tags"
    what = (
        "every bit flipped and tags forged, M1 to M4 and frames of all types: none accepted, nothing changed"
    )
    unit = "forgeries"
    full = 500_000
    long = 10_000_000
    piece = 1_000_000
    _told_every = 10_000

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        """One piece; every bit first."""
        rng = random.Random(seed)  # noqa: S311  repeatable on purpose
        targets = list(doors(seed))
        bits = sum(8 * len(piece) for door in targets for piece in door.pieces)
        engines = [door for door in targets if isinstance(door, Door)]
        tried = islice(chain(every_bit(targets), forgeries(engines, rng)), amount)
        for number, (door, data) in enumerate(tried):
            if data not in door.pieces and door.takes(data):
                raise Broken(f"{door.name}: number {number} was accepted: {data.hex()}")
            if number % self._told_every == 0:
                told(number)
        for door in targets:
            door.check()
        return {"bits": min(bits, amount), "forged": max(amount - bits, 0), "accepted": 0}


ATTACK = Tags()
