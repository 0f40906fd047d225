"""Those without pads, and those without gate key as well: what they say to a hub, or in the place of one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import cast

import msgspec

from dsked.auth.tags import GATE_MAC_BYTES
from dsked.limits import BOOT_ID_BYTES, NONCE_BYTES
from dsked.psrd.pair import Pair
from dsked.wire.frame import LENGTH_BYTES, Header, encode_untagged
from dsked.wire.handshake import M0, M1, M2, M3, M4, NO_HOLDINGS, Holdings, Part, encode_part, with_mac

from .content import Corpus, changed, changed_part

_BYTES = 16


def _with_length(body: bytes, rng: random.Random) -> bytes:
    """With its own length in front, or now and then another."""
    length = len(body) if rng.randrange(8) else rng.choice((0, 1, 511, 512, 513, 2**16, 2**24, 2**32 - 1))
    return length.to_bytes(LENGTH_BYTES, "big") + body


class Stranger:
    """Draws what somebody says who has neither gate key nor pads."""

    def __init__(self, corpus: Corpus, rng: random.Random) -> None:
        self._corpus, self._random = corpus, rng
        self._kinds: tuple[Callable[[], bytes], ...] = (
            self._part,
            self._part,
            self._part,
            self._frame,
            self._garbage,
        )

    def says(self) -> bytes:
        """One message."""
        return self._random.choice(self._kinds)()

    def _part(self) -> bytes:
        """M0 to M4, valid by type or changed."""
        rng = self._random
        part = rng.choice(self._parts())
        whole = encode_part(changed_part(part, rng) if rng.randrange(2) else part)
        return whole if rng.randrange(3) == 0 else _with_length(changed(whole[LENGTH_BYTES:], rng, []), rng)

    def _parts(self) -> list[Part]:
        some = self._random.randbytes
        stream, boot, tag, mac = some(_BYTES), some(BOOT_ID_BYTES), some(_BYTES), some(GATE_MAC_BYTES)
        held = self._random.choice((NO_HOLDINGS, Holdings(stream, stream, 4096, 4096, 48, 48)))
        return [
            M0("DSKE", [1], some(NONCE_BYTES)),
            M1(1, "carol", "hank", some(NONCE_BYTES), boot, boot, 3, held, 4096, {}, mac),
            M1(1, "mallory", "hank", some(NONCE_BYTES), boot, boot, 7, held, 4096, {}, mac),
            M2(1, 0, "", boot, boot, 3, held, 4096, {}, mac),
            M3(0, stream, stream, 4096, 4096, tag),
            M4(0, 48, tag),
        ]

    def _frame(self) -> bytes:
        rng = self._random
        kind, body, pads = rng.choice(self._corpus.valid)
        whole = encode_untagged(Header(kind, 1, rng.getrandbits(16), pads, 48), body) + rng.randbytes(_BYTES)
        return whole if rng.randrange(2) else changed(whole, rng, [])

    def _garbage(self) -> bytes:
        rng = self._random
        texts = (b"GET / HTTP/1.1\r\nHost: hank\r\n\r\n", bytes.fromhex("16030100c8010000c40303"), b"")
        return rng.choice(texts) + rng.randbytes(rng.choice((0, 1, 3, 4, 5, 64, 512, 4096)))


class Caller(asyncio.Protocol):
    """Dials a hub, says one thing and no more. `heard`: bytes that the hub has said, M0 among them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._data)
        self._transport.write_eof()  # a part of a message ends here: nobody waits for the rest

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class Insider(asyncio.Protocol):
    """Dials a hub and holds the gate key, but no pads: M1 with odd fields under a true MAC, then anything."""

    def __init__(self, pair: Pair, stranger: Stranger, rng: random.Random) -> None:
        self._stranger, self._random = stranger, rng
        self._pair = pair
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._step = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._step += 1
        if self._step == 1:
            self._transport.write(self._hello(data))
        else:  # M2: the proof would be next
            self._transport.write(self._stranger.says())
            self._transport.write_eof()

    def _hello(self, greeting: bytes) -> bytes:
        rng, boot = self._random, self._random.randbytes(BOOT_ID_BYTES)
        held = Holdings(boot, boot, rng.getrandbits(32), 4096, rng.getrandbits(40), 48)
        m1 = M1(
            1, self._pair.client, self._pair.hub, boot, boot, boot, 3, held, 4096, {}, bytes(GATE_MAC_BYTES)
        )
        odd = changed_part(m1, rng) if rng.randrange(2) else m1
        return with_mac(
            msgspec.structs.replace(odd, mac=bytes(GATE_MAC_BYTES)), self._pair.gate_key, b"M1", greeting
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class FalseHub(asyncio.Protocol):
    """Listens in the place of a hub, without its gate key: M0 true or not, then anything."""

    def __init__(self, stranger: Stranger, rng: random.Random) -> None:
        self._stranger, self._random = stranger, rng

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        rng = self._random
        greeting = encode_part(M0("DSKE", [1], rng.randbytes(NONCE_BYTES)))
        self._transport.write(greeting if rng.randrange(2) else self._stranger.says())

    def data_received(self, data: bytes) -> None:
        self._transport.write(self._stranger.says())
        self._transport.write_eof()
