"""Peers that hold gate key and pads and mean harm: clients towards a hub, and hubs towards clients.

They go through a true handshake; what they say then stands in frames under true tags, so that all that lies
behind the tag meets it: first some bodies that are valid by type, then one that need not even be canonical.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import cast

from dsked.auth.tags import one_time_tag
from dsked.errors import DskedError
from dsked.hub.simulated import Deliveries
from dsked.limits import (
    BOOT_ID_BYTES,
    GATE_KEY_BYTES,
    MASK_BYTES,
    MAX_SIMULATED_BLOCK_BYTES,
    NONCE_BYTES,
    STREAM_ID_BYTES,
)
from dsked.psrd.pair import Pair, Side
from dsked.psrd.store import in_memory
from dsked.wire.connection import ClientConnection, Connection, HubConnection, Stage
from dsked.wire.frame import Header, encode_untagged
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.handshake_hub import HubHandshake
from dsked.wire.messages import Message, PsrdBlock, PsrdRequest, Register, Registered
from dsked.wire.session import Session

from .content import Corpus

#: Bytes of its own pool that a peer has before it speaks.
PADS_BYTES = 16 * 1024
_MOST_PADS = 4096
Sent = Callable[[int, int], None]


def true_frame(session: Session, kind: int, request_id: int, body: bytes, pads: int) -> bytes:
    """A frame with a right tag and whatever inside, as only a peer that holds the pads can send it."""
    taken = session.streams.local.allocate(MASK_BYTES + pads)
    assert taken is not None, "pools in memory are always durable"
    position, pad = taken
    untagged = encode_untagged(Header(kind, request_id, position, pads, session.streams.peer.tell()), body)
    key = session._send_hash_key + pad[:MASK_BYTES]
    return untagged + one_time_tag(key, session._send_prefix + untagged)


class Said:
    """What a hostile peer says in a session. `sent` is told how many valid and how many broken bodies."""

    def __init__(self, corpus: Corpus, rng: random.Random, most: int, sent: Sent) -> None:
        self._corpus, self._random, self._most, self._sent = corpus, rng, most, sent

    def frames(self, session: Session) -> bytes:
        """Some valid ones, then a broken one, as far as the pads go."""
        rng, frames = self._random, []
        for _ in range(rng.randint(0, self._most)):
            kind, body, pads = rng.choice(self._corpus.valid)
            if session.streams.local.available() < 2 * _MOST_PADS:
                break
            frames.append(true_frame(session, kind, rng.randint(0, 12), body, pads))
        frames.append(self._broken(session))
        self._sent(len(frames) - 1, 1)
        return b"".join(frames)

    def _broken(self, session: Session) -> bytes:
        rng = self._random
        kind, body = rng.choice(self._corpus.broken)
        kind = rng.choice((kind, kind, kind, rng.randrange(0x80)))
        return true_frame(session, kind, rng.getrandbits(32), body, rng.choice((0, 0, 16, 48, _MOST_PADS)))


class Peer(asyncio.Protocol):
    """One connection of a hostile peer; all its output in one write."""

    def __init__(
        self, connection: Connection, took: Callable[[Message], None], speak: Callable[[], bytes]
    ) -> None:
        """`took` gets every message of the other end; `speak` gives what is said last of all."""
        self.connection, self._took, self._speak = connection, took, speak
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            for _, message in self.connection.receive_data(data):
                self._took(message)
            self._flush()
        except DskedError:  # a true peer would have closed it as well
            self.transport.abort()

    def _flush(self) -> None:
        data, last = self.connection.data_to_send(), self._speak()
        if data + last and not self.transport.is_closing():
            self.transport.write(data + last)
            if last:
                self.transport.write_eof()  # not everything that is odd ends a session

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class HostileClient:
    """A client that says anything to a hub; one session after the other."""

    def __init__(self, pair: Pair, port: int, said: Said, rng: random.Random) -> None:
        self.pair, self._port, self._said, self._random = pair, port, said, rng
        self._boot_id = rng.randbytes(BOOT_ID_BYTES)

    async def session(self) -> None:
        """Dial, say all, and wait until the hub has closed the connection."""
        handshake = ClientHandshake(self.pair, self._boot_id, self._random.randbytes(NONCE_BYTES))
        connection = ClientConnection(handshake, self._hello_done, lambda connection: None)
        spoken = False

        def took(message: Message) -> None:
            if isinstance(message, PsrdBlock):
                self._block(connection, message)

        def speak() -> bytes:
            nonlocal spoken
            session = connection.session
            if spoken or session is None or session.streams.local.available() < PADS_BYTES:
                return b""
            spoken = True
            return self._said.frames(session)

        peer = Peer(connection, took, speak)
        await asyncio.get_running_loop().create_connection(lambda: peer, "127.0.0.1", self._port)
        await peer.closed

    def _hello_done(self, connection: ClientConnection) -> None:
        streams = connection.handshake.streams
        assert streams is not None
        for side in Side:
            pool = streams.by_owner(Side.CLIENT, side)
            if pool.unused < 2 * PADS_BYTES:
                number = in_memory(pool.store).next_sequence
                request = PsrdRequest(
                    int(side is Side.HUB), pool.stream_id, number, MAX_SIMULATED_BLOCK_BYTES
                )
                connection.send_sealed(0, request)
        if not connection.handshake.wants_blocks:
            connection.prove()

    def _block(self, connection: ClientConnection, block: PsrdBlock) -> None:
        streams = connection.streams
        assert streams is not None
        pool = streams.by_owner(Side.CLIENT, Side.HUB if block.owner else Side.CLIENT)
        store = in_memory(pool.store)
        if block.sequence == store.next_sequence:
            store.append(block.uuid, block.data)
            streams.local.peer_holds(streams.local.store.end)
        if (
            connection.stage is Stage.PROOF
            and not connection.proved
            and not connection.handshake.wants_blocks
        ):
            connection.prove()


class HostileHub:
    """A hub that says anything to its clients, as soon as they have registered."""

    def __init__(self, name: str, gate_keys: dict[str, bytes], said: Said, rng: random.Random) -> None:
        self._name, self._said, self._random = name, said, rng
        self._pairs = {client: Pair(client, name, Side.HUB, key, True) for client, key in gate_keys.items()}
        self._dummy_key = rng.randbytes(GATE_KEY_BYTES)
        self._boot_id = rng.randbytes(BOOT_ID_BYTES)

    def accepted(self) -> Peer:
        """A client has dialled."""
        rng = self._random
        handshake = HubHandshake(
            self._name, rng.randbytes(NONCE_BYTES), self._pairs.get, self._dummy_key,
            lambda: (rng.randbytes(STREAM_ID_BYTES), rng.randbytes(STREAM_ID_BYTES)), self._boot_id,
        )  # fmt: skip
        connection = HubConnection(handshake, lambda connection: None, lambda connection: None)
        deliveries = Deliveries(rng.randbytes)
        registered = False

        def took(message: Message) -> None:
            nonlocal registered
            delivery = deliveries.of(connection)
            if isinstance(message, PsrdRequest):
                block = delivery.answer(message)
                if block is not None:
                    connection.send_sealed(0, block)
            elif isinstance(message, Register) and not registered:
                registered = True
                for pushed in delivery.push(2 * PADS_BYTES):
                    connection.send_sealed(0, pushed)
                connection.send(1, Registered(0, [], 60_000))

        def speak() -> bytes:
            nonlocal registered
            if not registered or connection.session is None:
                return b""
            registered = False
            return self._said.frames(connection.session)

        return Peer(connection, took, speak)
