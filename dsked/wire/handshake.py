"""The handshake M0 to M4: who speaks, over which streams, from which positions on.

    M0  H to C  versions and Nh in clear: costs the hub nothing, keeps nothing
    M1  C to H  who I am, what I hold; HMAC under the gate key
    M2  H to C  what I hold, or a refusal with its reason; HMAC under the gate key
    M3  C to H  position S_c; Poly1305 under the client pool over all of M0 to M3
    M4  H to C  position S_h; Poly1305 under the hub pool over all of M0 to M4

The gate key keeps outsiders from costing pads; what authenticates the ends is M3 and M4. The two
machines below take whole length-prefixed messages and give the next one; they neither read a
socket nor draw a nonce. The rules of positions are in psrd/pair.py (the design's section 6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Annotated, NamedTuple, TypeVar

import msgspec
from msgspec import Meta

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac, one_time_tag, verify_gate_mac, verify_one_time_tag
from dsked.errors import ErrorCode, FrameError, HandshakeRefusedError, TagError, WindowError
from dsked.limits import (
    BOOT_ID_BYTES,
    HANDSHAKE_PAD_BYTES,
    MAX_FRAME_PAD_BYTES,
    MIN_FRAME_PAD_BYTES,
    NONCE_BYTES,
    ONE_TIME_KEY_BYTES,
    PROTOCOL_VERSION,
    TAG_BYTES,
)
from dsked.psrd.pair import NO_STREAM, Pair, Side, Streams, begin_position, simulated_streams, tell_durable
from dsked.wire.frame import LENGTH_BYTES
from dsked.wire.messages import NodeName, StreamId, Uint8, Uint32, Uint64

MAGIC = "DSKE"
Nonce = Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
BootId = Annotated[bytes, Meta(min_length=BOOT_ID_BYTES, max_length=BOOT_ID_BYTES)]
Mac = Annotated[bytes, Meta(min_length=GATE_MAC_BYTES, max_length=GATE_MAC_BYTES)]
Tag = Annotated[bytes, Meta(min_length=TAG_BYTES, max_length=TAG_BYTES)]
#: Optional fields by number, for later additions; a receiver ignores those it does not know.
Optional = Annotated[dict[Uint32, bytes], Meta(max_length=8)]


class Flag(IntFlag):
    """Flags of M1 and M2."""

    JUST_STARTED = 1  # no completed handshake with this peer in this process yet
    SIMULATED = 2  # this side's configuration says that PSRD is simulated
    BEGIN_ANEW = 4  # simulated streams: M1 asks for new ones, M2 says that they are new


class _Part(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """Base of M0 to M4: a length-prefixed array."""


class M0(_Part, frozen=True):
    """H to C: the versions that the hub speaks, and its nonce Nh."""

    magic: Annotated[str, Meta(max_length=4)]
    versions: Annotated[list[Uint8], Meta(min_length=1, max_length=16)]
    nonce: Nonce


class Holdings(_Part, frozen=True):
    """What a side holds of a pair: stream identities, ends held (bytes), marks on the peer's pool."""

    client_stream: StreamId
    hub_stream: StreamId
    client_end: Uint64
    hub_end: Uint64
    exact_mark: Uint64
    durable_mark: Uint64


class M1(_Part, frozen=True):
    """C to H: the client's claim, under the gate key. `max_pads`: bytes of pads it takes per frame."""

    version: Uint8
    client: NodeName
    hub: NodeName
    nonce: Nonce
    boot_id: BootId
    flags: Uint8
    holdings: Holdings
    max_pads: Uint32
    optional: Optional
    mac: Mac


class M2(_Part, frozen=True):
    """H to C: the hub's side of it, or a refusal (`code` other than OK) with its reason."""

    version: Uint8
    code: Uint8
    reason: Annotated[str, Meta(max_length=128)]
    flags: Uint8
    holdings: Holdings
    max_pads: Uint32
    optional: Optional
    mac: Mac


class M3(_Part, frozen=True):
    """C to H: position S_c on the client pool, and the streams and ends that the session runs on."""

    position: Uint64
    client_stream: StreamId
    hub_stream: StreamId
    client_end: Uint64
    hub_end: Uint64
    tag: Tag


class M4(_Part, frozen=True):
    """H to C: position S_h on the hub pool, and the hub's durable mark on the client pool."""

    position: Uint64
    ack: Uint64
    tag: Tag


PartT = TypeVar("PartT", bound=_Part)
_ENCODER = msgspec.msgpack.Encoder()
_NO_HOLDINGS = Holdings(NO_STREAM, NO_STREAM, 0, 0, 0, 0)


def encode_part(part: _Part) -> bytes:
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
        return "SessionKeys(...)"


def _with_mac(part: PartT, key: bytes, label: bytes, transcript: bytes) -> bytes:
    raw = encode_part(part)[:-GATE_MAC_BYTES]
    return raw + gate_mac(key, label, transcript + raw)


def _with_tag(part: _Part, key: bytes, side: Side, transcript: bytes) -> bytes:
    raw = encode_part(part)[:-TAG_BYTES]
    return raw + one_time_tag(key, side.value + transcript + raw)


def _verify_tag(raw: bytes, key: bytes, side: Side, transcript: bytes) -> None:
    verify_one_time_tag(key, side.value + transcript + raw[:-TAG_BYTES], raw[-TAG_BYTES:])


def _holdings(pair: Pair, streams: Streams | None) -> Holdings:
    """What to tell of `streams`. Telling a durable mark makes it durable first."""
    if streams is None:
        return _NO_HOLDINGS
    local, peer = streams.local, streams.peer
    client, hub = (local, peer) if pair.side is Side.CLIENT else (peer, local)
    return Holdings(
        client.stream_id, hub.stream_id, client.store.end, hub.store.end,
        peer.mark, tell_durable(peer),
    )  # fmt: skip


def _base_flags(pair: Pair) -> Flag:
    flags = Flag(0) if pair.had_session else Flag.JUST_STARTED
    return flags | Flag.SIMULATED if pair.simulated else flags


@dataclass(slots=True)
class ClientHandshake:
    """The client's machine: greet (M0 to M1), answer (M2), prove (M3), finish (M4)."""

    pair: Pair
    boot_id: bytes
    nonce: bytes
    streams: Streams | None = None
    max_pads: int = MAX_FRAME_PAD_BYTES
    hub_nonce: bytes = b""
    _transcript: bytes = field(default=b"", repr=False)
    _m2: M2 | None = None
    _hash_key: bytes = field(default=b"", repr=False)
    _proof_end: int = 0

    def greet(self, raw: bytes) -> bytes:
        """Take M0, give M1. Raises FrameError, HandshakeRefusedError (no version in common)."""
        m0 = decode_part(M0, raw)
        if m0.magic != MAGIC:
            raise FrameError("the other end does not speak DSKE")
        if PROTOCOL_VERSION not in m0.versions:
            raise HandshakeRefusedError(
                ErrorCode.VERSION, f"the hub speaks versions {m0.versions}, this client {PROTOCOL_VERSION}"
            )
        self.hub_nonce = m0.nonce
        self.streams = self.pair.streams
        flags = _base_flags(self.pair)
        if self.pair.simulated and (self.streams is None or self.streams.short):
            flags |= Flag.BEGIN_ANEW
        m1 = M1(
            PROTOCOL_VERSION, self.pair.client, self.pair.hub, self.nonce, self.boot_id, int(flags),
            _holdings(self.pair, self.streams), MAX_FRAME_PAD_BYTES, {}, bytes(GATE_MAC_BYTES),
        )  # fmt: skip
        signed = _with_mac(m1, self.pair.gate_key, b"M1", raw)
        self._transcript = raw + signed
        return signed

    def answer(self, raw: bytes) -> None:
        """Take M2. Raises TagError, HandshakeRefusedError; afterwards `streams` are the session's."""
        m2 = decode_part(M2, raw)
        verify_gate_mac(
            self.pair.gate_key, b"M2", self._transcript + raw[:-GATE_MAC_BYTES], raw[-GATE_MAC_BYTES:]
        )
        if m2.code != ErrorCode.OK:
            raise HandshakeRefusedError(m2.code, m2.reason)
        if m2.version != PROTOCOL_VERSION:
            raise HandshakeRefusedError(ErrorCode.VERSION, f"the hub chose version {m2.version}")
        if bool(m2.flags & Flag.SIMULATED) != self.pair.simulated:
            raise HandshakeRefusedError(ErrorCode.PSRD_MODE, "the hub's PSRD mode differs")
        if m2.flags & Flag.BEGIN_ANEW:
            if not self.pair.simulated:
                raise HandshakeRefusedError(ErrorCode.PSRD_MODE, "only simulated streams are begun anew")
            self.streams = simulated_streams(m2.holdings.client_stream, m2.holdings.hub_stream)
        if m2.max_pads < MIN_FRAME_PAD_BYTES:
            raise FrameError(f"frames of {m2.max_pads} pad bytes; {MIN_FRAME_PAD_BYTES} are the least")
        self._check_holdings(m2)
        self.max_pads = min(MAX_FRAME_PAD_BYTES, m2.max_pads)
        self._m2 = m2
        self._transcript += raw

    def _check_holdings(self, m2: M2) -> None:
        told, streams = m2.holdings, self.streams
        if streams is None or (told.client_stream, told.hub_stream) != (
            streams.local.stream_id,
            streams.peer.stream_id,
        ):
            raise HandshakeRefusedError(ErrorCode.STREAM_UNKNOWN, "the hub holds other streams")
        if told.exact_mark > streams.local.next and not m2.flags & Flag.JUST_STARTED:
            self.pair.rewound = True
            if self.pair.simulated:  # in memory nothing can be restored: begin anew at the next try
                self.pair.streams = None
                raise HandshakeRefusedError(ErrorCode.REWIND, "the hub's mark lies beyond our own position")
        if not self.pair.simulated:
            streams.local.held_end = min(told.client_end, streams.local.store.end)

    @property
    def wants_blocks(self) -> bool:
        """True while new simulated streams do not hold enough bytes for M3 and M4."""
        return self.pair.simulated and self.streams is not None and self.streams.short

    def prove(self) -> bytes:
        """M3. Reserves [S_c, S_c + 48) for good. Raises PoolExhaustedError, StorageError."""
        assert self.streams is not None and self._m2 is not None
        pool, told = self.streams.local, self._m2
        position = begin_position(
            pool,
            had_session=self.pair.had_session,
            peer_just_started=bool(told.flags & Flag.JUST_STARTED),
            peer_exact=told.holdings.exact_mark,
            peer_durable=told.holdings.durable_mark,
        )
        pads = pool.allocate_at(position, HANDSHAKE_PAD_BYTES)
        self._proof_end, self._hash_key = position + HANDSHAKE_PAD_BYTES, pads[ONE_TIME_KEY_BYTES:]
        hub_end = self.streams.peer.end
        if not self.pair.simulated:  # a bundle may have reached this side first
            hub_end = min(hub_end, told.holdings.hub_end)
        m3 = M3(
            position, pool.stream_id, self.streams.peer.stream_id, pool.held_end, hub_end, bytes(TAG_BYTES)
        )
        tagged = _with_tag(m3, pads[:ONE_TIME_KEY_BYTES], Side.CLIENT, self._transcript)
        self._transcript += tagged
        return tagged

    def finish(self, raw: bytes) -> SessionKeys:
        """Take M4: the session is open. Raises TagError, ReplayError, WindowError."""
        assert self.streams is not None
        m4 = decode_part(M4, raw)
        pool = self.streams.peer
        pads = pool.read_proof(m4.position)
        _verify_tag(raw, pads[:ONE_TIME_KEY_BYTES], Side.HUB, self._transcript)
        pool.advance(m4.position + HANDSHAKE_PAD_BYTES)
        pool.raise_durable(pool.mark, now=True)  # our first frame tells the hub so
        self.streams.local.acknowledged(max(m4.ack, self._proof_end))
        self.pair.streams, self.pair.had_session = self.streams, True
        return SessionKeys(self.hub_nonce, self._hash_key, self.nonce, pads[ONE_TIME_KEY_BYTES:])


@dataclass(slots=True)
class HubHandshake:
    """The hub's machine: greeting (M0), answer (M1 to M2), verify (M3 to M4).

    `find_pair` gives the pair of a client's name; an unknown name is checked against `dummy_key`,
    so that neither time nor answer tells which names exist. `new_stream_ids` are two fresh
    identities of 16 bytes, used only if simulated streams are begun anew.
    """

    hub: str
    nonce: bytes
    find_pair: Callable[[str], Pair | None]
    dummy_key: bytes = field(repr=False)
    new_stream_ids: Callable[[], tuple[bytes, bytes]]
    pair: Pair | None = None
    streams: Streams | None = None
    client_nonce: bytes = b""
    boot_id: bytes = b""
    max_pads: int = MAX_FRAME_PAD_BYTES
    refusal: ErrorCode | None = None
    proof_end: int = 0
    _m1: M1 | None = None
    _transcript: bytes = field(default=b"", repr=False)

    def greeting(self) -> bytes:
        """M0."""
        raw = encode_part(M0(MAGIC, [PROTOCOL_VERSION], self.nonce))
        self._transcript = raw
        return raw

    def answer(self, raw: bytes) -> bytes:
        """Take M1, give M2 (`refusal` is set where it refuses). Raises FrameError, TagError: silence."""
        m1 = decode_part(M1, raw)
        pair = self.find_pair(m1.client)
        verify_gate_mac(
            self.dummy_key if pair is None else pair.gate_key,
            b"M1", self._transcript + raw[:-GATE_MAC_BYTES], raw[-GATE_MAC_BYTES:],
        )  # fmt: skip
        if pair is None:  # a MAC under the dummy key: one in 2^256
            raise TagError("the gate MAC does not verify")
        if m1.max_pads < MIN_FRAME_PAD_BYTES:
            raise FrameError(f"frames of {m1.max_pads} pad bytes; {MIN_FRAME_PAD_BYTES} are the least")
        self.pair, self.client_nonce, self.boot_id, self._m1 = pair, m1.nonce, m1.boot_id, m1
        self.max_pads = min(MAX_FRAME_PAD_BYTES, m1.max_pads)
        m2 = self._m2(pair, m1)
        signed = _with_mac(m2, pair.gate_key, b"M2", self._transcript + raw)
        self._transcript += raw + signed
        return signed

    def _m2(self, pair: Pair, m1: M1) -> M2:
        flags = _base_flags(pair)
        holdings = _NO_HOLDINGS
        reason = self._reason_to_refuse(pair, m1)
        if not reason:
            if pair.simulated and self._begin_anew(pair, m1):
                flags |= Flag.BEGIN_ANEW
                client_stream, hub_stream = self.new_stream_ids()
                self.streams = simulated_streams(hub_stream, client_stream)
            else:
                self.streams = pair.streams
            self._note_rewind(pair, m1)
            holdings = _holdings(pair, self.streams)
        code = self.refusal or ErrorCode.OK
        return M2(
            PROTOCOL_VERSION, int(code), reason, int(flags), holdings, MAX_FRAME_PAD_BYTES, {},
            bytes(GATE_MAC_BYTES),
        )  # fmt: skip

    def _reason_to_refuse(self, pair: Pair, m1: M1) -> str:
        """Sets `refusal` and gives its text; empty if there is none."""
        if m1.version != PROTOCOL_VERSION:
            self.refusal = ErrorCode.VERSION
            return f"version {m1.version} is not spoken here, only {PROTOCOL_VERSION}"
        if m1.hub != self.hub:
            self.refusal = ErrorCode.WRONG_HUB
            return f"this hub is {self.hub}"
        if bool(m1.flags & Flag.SIMULATED) != pair.simulated:
            self.refusal = ErrorCode.PSRD_MODE
            return "one side simulates PSRD and the other does not"
        if not pair.simulated and not _same_streams(pair, m1.holdings):
            self.refusal = ErrorCode.STREAM_UNKNOWN
            return "the two sides hold different streams: deliver new PSRD to both"
        return ""

    @staticmethod
    def _begin_anew(pair: Pair, m1: M1) -> bool:
        streams, told = pair.streams, m1.holdings
        return (
            bool(m1.flags & (Flag.JUST_STARTED | Flag.BEGIN_ANEW))
            or not pair.had_session
            or streams is None
            or not _same_streams(pair, told)
            or streams.short
            or told.exact_mark > streams.local.next  # a rewind
            or streams.local.next > told.hub_end  # a block was lost, and bytes of it are used
            or told.client_end > streams.peer.end
        )

    @staticmethod
    def _note_rewind(pair: Pair, m1: M1) -> None:
        """Only an exact mark above our next, told by a client that did not just start, proves one."""
        if pair.streams is None or m1.flags & Flag.JUST_STARTED or not _same_streams(pair, m1.holdings):
            return
        if m1.holdings.exact_mark > pair.streams.local.next:
            pair.rewound = True

    def verify(self, raw: bytes) -> tuple[bytes, SessionKeys]:
        """Take M3, give M4 and the session's keys. Raises FrameError, TagError, ReplayError, WindowError."""
        assert self.pair is not None and self.streams is not None and self._m1 is not None
        m3 = decode_part(M3, raw)
        local, peer = self.streams.local, self.streams.peer
        if (m3.client_stream, m3.hub_stream) != (peer.stream_id, local.stream_id):
            raise FrameError("M3 names other streams than M2")
        if m3.client_end > peer.end or m3.hub_end > local.store.end:
            raise WindowError("M3 claims more bytes than the hub holds")
        pads = peer.read_proof(m3.position)
        _verify_tag(raw, pads[:ONE_TIME_KEY_BYTES], Side.CLIENT, self._transcript)
        peer.advance(m3.position + HANDSHAKE_PAD_BYTES)
        local.held_end = m3.hub_end
        hash_key = pads[ONE_TIME_KEY_BYTES:]
        m4, own_hash_key = self._prove(self._transcript + raw)
        self.pair.streams, self.pair.had_session = self.streams, True
        return m4, SessionKeys(self.client_nonce, own_hash_key, self.nonce, hash_key)

    def _prove(self, transcript: bytes) -> tuple[bytes, bytes]:
        assert self.pair is not None and self.streams is not None and self._m1 is not None
        local, told = self.streams.local, self._m1
        position = begin_position(
            local,
            had_session=self.pair.had_session,
            peer_just_started=bool(told.flags & Flag.JUST_STARTED),
            peer_exact=told.holdings.exact_mark,
            peer_durable=told.holdings.durable_mark,
        )
        pads = local.allocate_at(position, HANDSHAKE_PAD_BYTES)
        self.proof_end = position + HANDSHAKE_PAD_BYTES
        m4 = M4(position, tell_durable(self.streams.peer), bytes(TAG_BYTES))
        raw = _with_tag(m4, pads[:ONE_TIME_KEY_BYTES], Side.HUB, transcript)
        return raw, pads[ONE_TIME_KEY_BYTES:]


def _same_streams(pair: Pair, told: Holdings) -> bool:
    """The hub's view: does the client hold the streams that this side holds?"""
    streams = pair.streams
    return streams is not None and (told.client_stream, told.hub_stream) == (
        streams.peer.stream_id,
        streams.local.stream_id,
    )
