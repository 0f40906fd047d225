"""Both ends of one pair without a network: states, handshakes, connections, over media or simulated pools."""

from __future__ import annotations

import random
from dataclasses import dataclass

from dsked.limits import BOOT_ID_BYTES, GATE_KEY_BYTES, NONCE_BYTES, STREAM_ID_BYTES
from dsked.psrd.pair import Pair, Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import MemoryStream, in_memory
from dsked.wire.additions import NOTHING, Additions, Wrapping
from dsked.wire.connection import ClientConnection, HubConnection, Stage
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.handshake_hub import HubHandshake
from dsked.wire.messages import Message, PartyBody, PutGroup, PutShares
from dsked.wire.session import Session

from ..psrd.stores import filled, memory_of, stream_bytes

WIN = 16 * 1024
SIZE = 256 * 1024
GATE = b"G" * GATE_KEY_BYTES
CLIENT_STREAM = b"c" * STREAM_ID_BYTES
HUB_STREAM = b"h" * STREAM_ID_BYTES
CLIENT_BYTES = stream_bytes(SIZE, 11)
HUB_BYTES = stream_bytes(SIZE, 12)

Sessions = tuple[Session, Session]  # the client's, the hub's


def flips(data: bytes, step: int = 1) -> list[bytes]:
    """`data` with single bits flipped: every one, or every `step`th."""
    changed = []
    for bit in range(0, 8 * len(data), step):
        other = bytearray(data)
        other[bit // 8] ^= 1 << bit % 8
        changed.append(bytes(other))
    return changed


def put(share: bytes = b"share of the key", *codes: bytes, key_id: int = 1) -> PutShares:
    """A PUT_SHARES of one key."""
    ids = key_id.to_bytes(16, "big")
    parties = [PartyBody("curtis", "sunny")]
    size = max(len(share), 1)
    return PutShares([PutGroup("sam", parties, 5, 3, 60_000, size, ids, 0, share, b"".join(codes))])


def media_streams(side: Side, *, slow: bool = False) -> Streams:
    """The streams of one side, as a first bundle leaves them."""
    client, hub = filled(CLIENT_BYTES, slow=slow), filled(HUB_BYTES, slow=slow)
    if side is Side.CLIENT:
        return Streams(OwnerPool(CLIENT_STREAM, client, WIN), ReceiverPool(HUB_STREAM, hub, WIN))
    return Streams(OwnerPool(HUB_STREAM, hub, WIN), ReceiverPool(CLIENT_STREAM, client, WIN))


@dataclass
class Parts:
    """A handshake's machines, and its messages as they went over the wire."""

    near: ClientHandshake
    far: HubHandshake
    m0: bytes = b""
    m1: bytes = b""
    m2: bytes = b""
    m3: bytes = b""


class Ends:
    """A client's and a hub's state of their pair. `slow`: their disks work only when told to."""

    def __init__(self, *, simulated: bool = False, slow: bool = False, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.client = Pair("carol", "hank", Side.CLIENT, GATE, simulated)
        self.hub = Pair("carol", "hank", Side.HUB, GATE, simulated)
        self.dummy_key = self.random.randbytes(GATE_KEY_BYTES)
        self.wrapping = Wrapping.OFF, Wrapping.OFF  # the client's and the hub's
        self.boot_id, self.hub_boot_id = (self.random.randbytes(BOOT_ID_BYTES) for _ in Side)
        if not simulated:
            self.client.streams = media_streams(Side.CLIENT, slow=slow)
            self.hub.streams = media_streams(Side.HUB, slow=slow)

    def _ids(self) -> tuple[bytes, bytes]:
        return self.random.randbytes(STREAM_ID_BYTES), self.random.randbytes(STREAM_ID_BYTES)

    def machines(self) -> Parts:
        """Two machines that have not spoken yet."""
        near = ClientHandshake(
            self.client, self.boot_id, self.random.randbytes(NONCE_BYTES), wrapping=self.wrapping[0]
        )
        pairs = {self.hub.client: self.hub}
        nonce = self.random.randbytes(NONCE_BYTES)
        far = HubHandshake(
            "hank", nonce, pairs.get, self.dummy_key, self._ids, self.hub_boot_id, wrapping=self.wrapping[1]
        )
        return Parts(near, far)

    def hello(self) -> Parts:
        """M0 to M2 are through; where new simulated streams lack bytes they have got some."""
        parts = self.machines()
        parts.m0 = parts.far.greeting()
        parts.m1 = parts.near.greet(parts.m0)
        parts.m2 = parts.far.answer(parts.m1)
        parts.near.answer(parts.m2)
        if parts.near.wants_blocks:
            assert parts.near.streams is not None and parts.far.streams is not None
            for owner in Side:
                self.deliver(parts.near.streams, parts.far.streams, owner)
        return parts

    def deliver(self, near: Streams, far: Streams, owner: Side, size: int = 4096) -> None:
        """One block of a simulated pool reaches both sides."""
        uuid, data = self.random.randbytes(16), self.random.randbytes(size)
        for side, streams in ((Side.CLIENT, near), (Side.HUB, far)):
            in_memory(streams.by_owner(side, owner).store).append(uuid, data)
            streams.local.peer_holds(streams.local.store.end)

    def proof(self) -> Parts:
        """M3 is made, and not delivered yet."""
        parts = self.hello()
        parts.m3 = parts.near.prove()
        return parts

    def sessions(self, additions: Additions = NOTHING) -> Sessions:
        """Of a complete handshake."""
        parts = self.proof()
        m4, hub_keys = parts.far.verify(parts.m3)
        client_keys = parts.near.finish(m4)
        assert self.client.streams is not None and self.hub.streams is not None
        return (
            Session(Side.CLIENT, self.client.streams, client_keys, parts.near.max_pads, 0, additions),
            Session(Side.HUB, self.hub.streams, hub_keys, parts.far.max_pads, parts.far.proof_end, additions),
        )

    def connections(self) -> tuple[ClientConnection, HubConnection]:
        """Two ends of a TCP connection; nothing has been sent yet."""
        parts = self.machines()
        return (
            ClientConnection(parts.near, lambda connection: None, lambda connection: None),
            HubConnection(parts.far, lambda connection: None, lambda connection: None),
        )

    def open_connections(self) -> tuple[ClientConnection, HubConnection]:
        """Two ends with an open session."""
        near, far = self.connections()
        deliver_all(far, near)
        deliver_all(near, far)
        deliver_all(far, near)
        if near.handshake.wants_blocks:
            assert near.streams is not None and far.streams is not None
            for owner in Side:
                self.deliver(near.streams, far.streams, owner)
        near.prove()
        deliver_all(near, far)
        deliver_all(far, near)
        assert (near.stage, far.stage) == (Stage.OPEN, Stage.OPEN)
        return near, far


def deliver_all(
    sender: ClientConnection | HubConnection, receiver: ClientConnection | HubConnection
) -> list[tuple[int, Message]]:
    """What one end has to send arrives at the other, in one piece."""
    return list(receiver.receive_data(sender.data_to_send()))


def frames(session: Session, *messages: Message) -> list[bytes]:
    """The messages, sealed."""
    for number, message in enumerate(messages, 1):
        session.send(number, message)
    return list(session.seal_ready())


def state(streams: Streams) -> tuple[object, ...]:
    """All that a frame may change: marks of both pools, and the receiver's bytes."""
    local, peer = streams.local, streams.peer
    assert isinstance(peer.store, MemoryStream)
    unread = b"".join(map(bytes, memory_of(peer.store)))
    return local.next, local.durable, local.acked, local.held_end, peer.mark, peer.durable, peer.told, unread
