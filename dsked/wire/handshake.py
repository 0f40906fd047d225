"""The handshake M0 to M4: who speaks, over which streams, from which positions on.

    M0  H to C  versions and Nh in clear: costs the hub nothing, keeps nothing
    M1  C to H  who I am, what I hold; HMAC under the gate key
    M2  H to C  what I hold, or a refusal with its reason; HMAC under the gate key
    M3  C to H  position S_c; Poly1305 under the client pool over all of M0 to M3
    M4  H to C  position S_h; Poly1305 under the hub pool over all of M0 to M4

The gate key keeps outsiders from costing pads; what authenticates the ends is M3 and M4. Here are the
messages and their codes; the two machines that give the next message for the last stand in
handshake_client.py and handshake_hub.py, the rules of positions in psrd/pair.py.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Annotated, NamedTuple, NoReturn, TypeVar

import msgspec
from msgspec import Meta

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac, one_time_tag, verify_one_time_tag
from dsked.errors import FrameError
from dsked.limits import (
    BOOT_ID_BYTES,
    MAX_NODE_NAME_BYTES,
    NONCE_BYTES,
    TAG_BYTES,
)
from dsked.psrd.pair import NO_STREAM, Pair, Promises, Side, Streams
from dsked.secrecy import no_pickle, no_secrets
from dsked.wire.frame import LENGTH_BYTES
from dsked.wire.messages import NodeName, StreamId, Uint8, Uint32, Uint64, name_fits

MAGIC = "DSKE"
Nonce = Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
BootId = Annotated[bytes, Meta(min_length=BOOT_ID_BYTES, max_length=BOOT_ID_BYTES)]
Mac = Annotated[bytes, Meta(min_length=GATE_MAC_BYTES, max_length=GATE_MAC_BYTES)]
Tag = Annotated[bytes, Meta(min_length=TAG_BYTES, max_length=TAG_BYTES)]
#: Optional fields by number; a receiver ignores those it does not know.
Optional = Annotated[dict[Uint32, bytes], Meta(max_length=8)]
#: The first: the sender's own `next` on its own pool, in M1 and in a REWIND (media only).
NEXT_FIELD = 1
_NEXT_BYTES = 8
_MAX_REASON_BYTES = 128


class Flag(IntFlag):
    """Flags of M1 and M2."""

    JUST_STARTED = 1  # no completed handshake with this peer in this process yet
    SIMULATED = 2  # this side's configuration says that PSRD is simulated
    BEGIN_ANEW = 4  # simulated streams: M1 asks for new ones, M2 says that they are new


def _check_order(optional: dict[int, bytes]) -> None:
    """Numbers stand in ascending order. (None stands twice: encoding again gives other bytes, then.)"""
    if list(optional) != sorted(optional):
        raise ValueError("optional fields are out of order")


def _check_text(text: str, most: int) -> None:
    """The limit is one of bytes; the types count characters."""
    if not name_fits(text, most):
        raise ValueError(f"a text of more than {most} bytes")


class Part(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """Base of M0 to M4: a length-prefixed array."""


class M0(Part, frozen=True):
    """H to C: the versions that the hub speaks, and its nonce Nh."""

    magic: Annotated[str, Meta(max_length=4)]
    versions: Annotated[list[Uint8], Meta(min_length=1, max_length=16)]
    nonce: Nonce


class Holdings(Part, frozen=True):
    """What a side holds of a pair: stream identities, ends held (bytes), marks on the peer's pool."""

    client_stream: StreamId
    hub_stream: StreamId
    client_end: Uint64
    hub_end: Uint64
    exact_mark: Uint64
    durable_mark: Uint64


class M1(Part, frozen=True):
    """C to H: the client's claim, under the gate key. `max_pads`: bytes of pads it takes per frame.

    `proved_boot`, here and in M2: the process of the other side whose proof the sender verified last.
    """

    version: Uint8
    client: NodeName
    hub: NodeName
    nonce: Nonce
    boot_id: BootId
    proved_boot: BootId
    flags: Uint8
    holdings: Holdings
    max_pads: Uint32
    optional: Optional
    mac: Mac

    def __post_init__(self) -> None:
        _check_order(self.optional)
        _check_text(self.client, MAX_NODE_NAME_BYTES)
        _check_text(self.hub, MAX_NODE_NAME_BYTES)


class M2(Part, frozen=True):
    """H to C: the hub's side of it, or a refusal (`code` other than OK) with its reason."""

    version: Uint8
    code: Uint8
    reason: Annotated[str, Meta(max_length=_MAX_REASON_BYTES)]
    boot_id: BootId
    proved_boot: BootId
    flags: Uint8
    holdings: Holdings
    max_pads: Uint32
    optional: Optional
    mac: Mac

    def __post_init__(self) -> None:
        _check_order(self.optional)
        _check_text(self.reason, _MAX_REASON_BYTES)


class M3(Part, frozen=True):
    """C to H: position S_c on the client pool, and the streams and ends that the session runs on."""

    position: Uint64
    client_stream: StreamId
    hub_stream: StreamId
    client_end: Uint64
    hub_end: Uint64
    tag: Tag


class M4(Part, frozen=True):
    """H to C: position S_h on the hub pool, and the hub's durable mark on the client pool."""

    position: Uint64
    ack: Uint64
    tag: Tag


PartT = TypeVar("PartT", bound=Part)
_ENCODER = msgspec.msgpack.Encoder()
NO_HOLDINGS = Holdings(NO_STREAM, NO_STREAM, 0, 0, 0, 0)


def encode_part(part: Part) -> bytes:
    """A message of the handshake with its length prefix."""
    body = _ENCODER.encode(part)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


def decode_part(kind: type[PartT], raw: bytes) -> PartT:
    """The typed message of `raw` (length prefix included). Raises FrameError."""
    try:
        part = msgspec.msgpack.decode(raw[LENGTH_BYTES:], type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise FrameError(f"{kind.__name__} is malformed: {type(error).__name__}") from None
    if encode_part(part) != raw:
        raise FrameError(f"{kind.__name__} is not in canonical form")
    return part


class SessionKeys(NamedTuple):
    """What a session tags with: the receiver's nonce and the hash key r, for each direction."""

    send_nonce: bytes
    send_hash_key: bytes
    receive_nonce: bytes
    receive_hash_key: bytes

    def __repr__(self) -> str:
        return no_secrets(self)

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


def with_mac(part: Part, key: bytes, label: bytes, transcript: bytes) -> bytes:
    """M1 or M2 as it leaves: its last field is HMAC-SHA256(gate key, label, transcript, itself)."""
    raw = encode_part(part)[:-GATE_MAC_BYTES]
    return raw + gate_mac(key, label, transcript + raw)


def with_tag(part: Part, key: bytes, side: Side, transcript: bytes) -> bytes:
    """M3 or M4 as it leaves: its last field is the one-time tag under `key` (32 pool bytes)."""
    raw = encode_part(part)[:-TAG_BYTES]
    return raw + one_time_tag(key, side.value + transcript + raw)


def verify_proof(raw: bytes, key: bytes, side: Side, transcript: bytes) -> None:
    """Raise TagError unless M3 or M4 of `side` carries the right tag."""
    verify_one_time_tag(key, side.value + transcript + raw[:-TAG_BYTES], raw[-TAG_BYTES:])


def holdings_of(pair: Pair, streams: Streams | None, promises: Promises) -> Holdings:
    """What to tell of `streams`; its durable mark is promised. Raises StorageError."""
    if streams is None:
        return NO_HOLDINGS
    streams.recover()
    local, peer = streams.local, streams.peer
    client, hub = (local, peer) if pair.side is Side.CLIENT else (peer, local)
    return Holdings(
        client.stream_id, hub.stream_id, client.store.end, hub.store.end,
        peer.mark, promises.tell(peer, peer.mark_to_tell),
    )  # fmt: skip


def tell_next(streams: Streams | None) -> dict[int, bytes]:
    """The optional field that tells where the own pool stands, for a peer that was left behind."""
    if streams is None or streams.local.window is None:
        return {}
    return {NEXT_FIELD: streams.local.next.to_bytes(_NEXT_BYTES, "big")}


def next_told(optional: dict[int, bytes]) -> int:
    """The peer's `next` on its own pool; 0 where it does not tell. Raises FrameError."""
    field = optional.get(NEXT_FIELD, bytes(_NEXT_BYTES))
    if len(field) != _NEXT_BYTES:
        raise FrameError(f"a position of {len(field)} bytes")
    return int.from_bytes(field, "big")


def base_flags(pair: Pair) -> Flag:
    """What a side always tells of itself."""
    flags = Flag(0) if pair.had_session else Flag.JUST_STARTED
    return flags | Flag.SIMULATED if pair.simulated else flags
