"""The client's machine of the handshake: greet (M0 to M1), answer (M2), prove (M3), finish (M4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from dsked.auth.tags import GATE_MAC_BYTES, verify_gate_mac
from dsked.errors import ErrorCode, FrameError, HandshakeRefusedError
from dsked.limits import (
    HANDSHAKE_PAD_BYTES,
    MAX_FRAME_PAD_BYTES,
    MIN_FRAME_PAD_BYTES,
    ONE_TIME_KEY_BYTES,
    PROTOCOL_VERSION,
    TAG_BYTES,
)
from dsked.psrd.pair import (
    Pair,
    Promises,
    Side,
    Streams,
    begin_position,
    lies_where_no_frame_was,
    peers_hash_key,
    simulated_streams,
)
from dsked.psrd.pool import OwnerPool
from dsked.psrd.proofs import proof_key
from dsked.secrecy import no_pickle
from dsked.wire.additions import NOTHING, Additions, Wrapping, accepted, offer, start_bytes
from dsked.wire.handshake import (
    M0,
    M1,
    M2,
    M3,
    M4,
    MAGIC,
    Flag,
    Holdings,
    SessionKeys,
    base_flags,
    decode_part,
    holdings_of,
    next_told,
    tell_next,
    verify_proof,
    with_mac,
    with_tag,
)
from dsked.wire.messages import one_line


@dataclass(slots=True)
class ClientHandshake:
    """The client's machine: greet (M0 to M1), answer (M2), prove (M3), finish (M4).

    What it gives must not leave before its `promises` are kept.
    """

    pair: Pair
    boot_id: bytes
    nonce: bytes
    streams: Streams | None = None
    max_pads: int = MAX_FRAME_PAD_BYTES
    wrapping: Wrapping = Wrapping.OFF
    additions: Additions = NOTHING  # in force, once M2 has been taken
    hub_nonce: bytes = b""
    promises: Promises = field(default_factory=Promises)
    _transcript: bytes = field(default=b"", repr=False)
    _told_mark: int = 0  # the durable mark on the hub pool that M1 tells
    _m2: M2 | None = None
    _hash_key: bytes = field(default=b"", repr=False)
    _proof_end: int = 0

    __reduce__ = no_pickle

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
        flags = base_flags(self.pair)
        if self.pair.simulated and (self.streams is None or self.streams.short):
            flags |= Flag.BEGIN_ANEW
        holdings = holdings_of(self.pair, self.streams, self.promises)
        self._told_mark = holdings.durable_mark
        m1 = M1(
            PROTOCOL_VERSION, self.pair.client, self.pair.hub, self.nonce, self.boot_id,
            self.pair.proved_boot, int(flags), holdings,
            MAX_FRAME_PAD_BYTES, {**tell_next(self.streams), **offer(self.wrapping)}, bytes(GATE_MAC_BYTES),
        )  # fmt: skip
        signed = with_mac(m1, self.pair.gate_key, b"M1", raw)
        self._transcript = raw + signed
        return signed

    def answer(self, raw: bytes) -> None:
        """Take M2; afterwards `streams` are the session's.

        Raises FrameError, TagError, HandshakeRefusedError, StorageError.
        """
        m2 = decode_part(M2, raw)
        verify_gate_mac(
            self.pair.gate_key, b"M2", self._transcript + raw[:-GATE_MAC_BYTES], raw[-GATE_MAC_BYTES:]
        )
        if m2.code == ErrorCode.REWIND and not self.pair.simulated:
            self.pair.catch_up(next_told(m2.optional))
        if m2.code != ErrorCode.OK:
            without_words = f"the hub refuses the handshake with code {m2.code}, without words"
            raise HandshakeRefusedError(m2.code, one_line(m2.reason) or without_words)
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
        self.additions = accepted(m2.optional, offer(self.wrapping))
        if self.wrapping is Wrapping.REQUIRED and not self.additions.wrapped:
            raise HandshakeRefusedError(
                ErrorCode.WRAPPING, "message wrapping is required here, and the hub does not take it"
            )
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
            self.pair.sound_alarm()
            if self.pair.simulated:  # in memory nothing can be restored: begin anew at the next try
                self.pair.streams = None
                raise HandshakeRefusedError(ErrorCode.REWIND, "the hub's mark lies beyond our own position")
        if not self.pair.simulated:
            streams.local.peer_holds(told.client_end)

    @property
    def wants_blocks(self) -> bool:
        """True while new simulated streams do not hold enough bytes for M3 and M4."""
        return self.pair.simulated and self.streams is not None and self.streams.short

    def prove(self) -> bytes:
        """M3. Takes [S_c, S_c + 48) for good. Raises PoolExhaustedError, StorageError.

        PoolExhaustedError as well where nothing would be left for WRAP, which every session begins with then.
        """
        assert self.streams is not None and self._m2 is not None
        pool, told = self.streams.local, self._m2
        position = begin_position(
            pool,
            boot_id=self.boot_id,
            proved_boot=told.proved_boot,
            exact_mark=told.holdings.exact_mark,
            durable_mark=told.holdings.durable_mark,
        )
        hash_key = self._own_hash_key(pool, position, told.holdings)
        pool.check_room(position, start_bytes(self.additions.wrapped))
        self.pair.may_prove(told.boot_id)  # this hub answers M3 with its own proof, even if that is lost
        pads = self.promises.proof_bytes(pool, position)
        self._proof_end, self._hash_key = position + HANDSHAKE_PAD_BYTES, pads[ONE_TIME_KEY_BYTES:]
        hub_end = self.streams.peer.end
        if not self.pair.simulated:  # a bundle may have reached this side first
            hub_end = min(hub_end, told.holdings.hub_end)
        m3 = M3(
            position, pool.stream_id, self.streams.peer.stream_id, pool.held_end, hub_end, bytes(TAG_BYTES)
        )
        tagged = with_tag(m3, proof_key(hash_key, pads), Side.CLIENT, self._transcript)
        self._transcript += tagged
        return tagged

    def _own_hash_key(self, pool: OwnerPool, position: int, told: Holdings) -> bytes | None:
        """r of M3; None: it lies in the pool. Raises HandshakeRefusedError: simulated streams begin anew."""
        if lies_where_no_frame_was(pool, position, told.durable_mark):
            return None
        hash_key = pool.proofs.last_verified(told.exact_mark)
        if hash_key is None:
            self.pair.streams = None
            raise HandshakeRefusedError(ErrorCode.REWIND, "the hub has verified none of the last proofs")
        return hash_key

    def finish(self, raw: bytes) -> SessionKeys:
        """Take M4: the session is open. Raises TagError, ReplayError, WindowError, StorageError."""
        m4 = decode_part(M4, raw)
        assert self.streams is not None and self._m2 is not None
        pool = self.streams.peer
        pads = pool.read_proof(m4.position)
        hash_key = peers_hash_key(pool, m4.position, self._told_mark)
        verify_proof(raw, proof_key(hash_key, pads), Side.HUB, self._transcript)
        pool.proved = pads[ONE_TIME_KEY_BYTES:]
        pool.advance(m4.position + HANDSHAKE_PAD_BYTES)
        self.promises.tell(pool, pool.mark)  # our first frame acknowledges M4
        self.streams.local.begins_session(self._m2.holdings.durable_mark)
        self.streams.local.acknowledged(max(m4.ack, self._proof_end))
        self.pair.streams, self.pair.had_session = self.streams, True
        self.pair.proved_boot = self._m2.boot_id
        return SessionKeys(self.hub_nonce, self._hash_key, self.nonce, pads[ONE_TIME_KEY_BYTES:])
