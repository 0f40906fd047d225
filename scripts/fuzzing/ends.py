"""Both ends of one pair with fixed bytes: a connection under test, and the honest end that it talks to."""

from __future__ import annotations

from functools import cache

from vectors.common import fixed

from dsked.limits import BOOT_ID_BYTES, GATE_KEY_BYTES, NONCE_BYTES, STREAM_ID_BYTES
from dsked.psrd.pair import Pair, Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import MemoryStream, in_memory
from dsked.wire.additions import Wrapping
from dsked.wire.connection import ClientConnection, Connection, HubConnection
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.handshake_hub import HubHandshake

WINDOW_BYTES = 16 * 1024
#: A first session begins a window behind the marks; the rest is for what is said in it.
_MEDIA_BYTES = 3 * WINDOW_BYTES
_BLOCK_BYTES = 4096
GATE_KEY = fixed("fuzzing, gate key", GATE_KEY_BYTES)


@cache
def _pool_bytes(owner: Side, size: int) -> bytes:
    return fixed(f"fuzzing, pool {owner.name}", size)


def _stream_id(owner: Side) -> bytes:
    return fixed(f"fuzzing, stream {owner.name}", STREAM_ID_BYTES)


def _append(streams: Streams, side: Side, size: int) -> None:
    for owner in Side:
        store = in_memory(streams.by_owner(side, owner).store)
        store.append(fixed(f"fuzzing, block {owner.name}", 16), _pool_bytes(owner, size))
    streams.local.peer_holds(streams.local.store.end)


def media_streams(side: Side) -> Streams:
    """The streams of one side, as a first bundle leaves them; in memory."""
    streams = Streams(
        OwnerPool(_stream_id(side), MemoryStream(), WINDOW_BYTES),
        ReceiverPool(_stream_id(side.other), MemoryStream(), WINDOW_BYTES),
    )
    _append(streams, side, _MEDIA_BYTES)
    return streams


def _pair(side: Side, simulated: bool) -> Pair:
    pair = Pair("carol", "hank", side, GATE_KEY, simulated)
    if not simulated:
        pair.streams = media_streams(side)
    return pair


def _deliver(connection: Connection, side: Side) -> None:
    """New simulated streams get their first block at once, the same at both ends."""
    streams = connection.streams
    if streams is not None and connection.delivers_blocks and streams.short:
        _append(streams, side, _BLOCK_BYTES)


def _wrapping(wrapped: bool) -> Wrapping:
    return Wrapping.ON if wrapped else Wrapping.OFF


def client_end(*, simulated: bool, wrapped: bool = False) -> ClientConnection:
    """The client's end, which proves itself as soon as it may."""
    pair = _pair(Side.CLIENT, simulated)
    handshake = ClientHandshake(
        pair, fixed("fuzzing, client's boot", BOOT_ID_BYTES), fixed("fuzzing, Nc", NONCE_BYTES),
        wrapping=_wrapping(wrapped),
    )  # fmt: skip

    def hello_done(connection: ClientConnection) -> None:
        _deliver(connection, Side.CLIENT)
        connection.prove()

    return ClientConnection(handshake, hello_done, lambda connection: None)


def hub_end(*, simulated: bool, wrapped: bool = False) -> HubConnection:
    """The hub's end."""
    pair = _pair(Side.HUB, simulated)
    handshake = HubHandshake(
        hub="hank",
        nonce=fixed("fuzzing, Nh", NONCE_BYTES),
        find_pair={pair.client: pair}.get,
        dummy_key=bytes(GATE_KEY_BYTES),
        new_stream_ids=lambda: (_stream_id(Side.HUB), _stream_id(Side.CLIENT)),
        boot_id=fixed("fuzzing, hub's boot", BOOT_ID_BYTES),
        wrapping=_wrapping(wrapped),
    )
    return HubConnection(
        handshake, lambda connection: _deliver(connection, Side.HUB), lambda connection: None
    )
