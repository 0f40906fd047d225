"""The hub's machine of the handshake: greeting (M0), answer (M1 to M2), verify (M3 to M4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dsked.auth.tags import GATE_MAC_BYTES, verify_gate_mac
from dsked.errors import ErrorCode, FrameError, HandshakeRefusedError, TagError, WindowError
from dsked.limits import (
    HANDSHAKE_PAD_BYTES,
    MAX_FRAME_PAD_BYTES,
    MIN_FRAME_PAD_BYTES,
    ONE_TIME_KEY_BYTES,
    PROTOCOL_VERSION,
    TAG_BYTES,
)
from dsked.psrd.pair import (
    NO_BOOT,
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
from dsked.wire.additions import NOTHING, Additions, Wrapping, accept, fields, start_bytes
from dsked.wire.frame import LENGTH_BYTES
from dsked.wire.handshake import (
    M0,
    M1,
    M2,
    M3,
    M4,
    MAGIC,
    NO_HOLDINGS,
    Flag,
    Holdings,
    SessionKeys,
    base_flags,
    decode_part,
    encode_part,
    holdings_of,
    next_told,
    tell_next,
    verify_proof,
    with_mac,
    with_tag,
)

_FIXARRAY, _MAX_FIXINT = 0x90, 0x7F  # msgpack


@dataclass(slots=True)
class HubHandshake:
    """The hub's machine: greeting (M0), answer (M1 to M2), verify (M3 to M4).

    `find_pair` gives the pair of a client's name; an unknown name is checked against `dummy_key`,
    so that neither time nor answer tells which names exist. `new_stream_ids` are two fresh
    identities of 16 bytes, used only if simulated streams are begun anew. `boot_id` is the hub's own.
    What it gives must not leave before its `promises` are kept.
    """

    hub: str
    nonce: bytes
    find_pair: Callable[[str], Pair | None]
    dummy_key: bytes = field(repr=False)
    new_stream_ids: Callable[[], tuple[bytes, bytes]]
    boot_id: bytes
    pair: Pair | None = None
    streams: Streams | None = None
    client_nonce: bytes = b""
    client_boot_id: bytes = b""
    max_pads: int = MAX_FRAME_PAD_BYTES
    wrapping: Wrapping = Wrapping.OFF
    additions: Additions = NOTHING  # in force, once M1 has been taken
    refusal: ErrorCode | None = None
    reason: str = ""  # of the refusal
    proof_end: int = 0
    promises: Promises = field(default_factory=Promises)
    _told_mark: int = 0  # the durable mark on the client pool that M2 tells
    _m1: M1 | None = None
    _transcript: bytes = field(default=b"", repr=False)

    __reduce__ = no_pickle

    def greeting(self) -> bytes:
        """M0."""
        raw = encode_part(M0(MAGIC, [PROTOCOL_VERSION], self.nonce))
        self._transcript = raw
        return raw

    def answer(self, raw: bytes) -> bytes:
        """Take M1, give M2 (`refusal` is set where it refuses). Raises FrameError, TagError: silence."""
        m1 = _decode_m1(raw)
        pair = self.find_pair(m1.client)
        verify_gate_mac(
            self.dummy_key if pair is None else pair.gate_key,
            b"M1", self._transcript + raw[:-GATE_MAC_BYTES], raw[-GATE_MAC_BYTES:],
        )  # fmt: skip
        if pair is None:  # a MAC under the dummy key: one in 2^256
            raise TagError("the gate MAC does not verify")
        if m1.max_pads < MIN_FRAME_PAD_BYTES:
            raise FrameError(f"frames of {m1.max_pads} pad bytes; {MIN_FRAME_PAD_BYTES} are the least")
        self.pair, self.client_nonce, self.client_boot_id, self._m1 = pair, m1.nonce, m1.boot_id, m1
        self.max_pads = min(MAX_FRAME_PAD_BYTES, m1.max_pads)
        self.additions = accept(m1.optional, self.wrapping)
        m2 = self._m2(pair, m1)
        signed = with_mac(m2, pair.gate_key, b"M2", self._transcript + raw)
        self._transcript += raw + signed
        return signed

    def _m2(self, pair: Pair, m1: M1) -> M2:
        flags = base_flags(pair)
        holdings, proved_boot, optional = NO_HOLDINGS, NO_BOOT, {}
        reason = self._reason_to_refuse(pair, m1)
        if not reason:
            self._note_rewind(pair, m1)
            reason = self._out_of_reach(pair, m1)
        if not reason:
            flags |= self._choose_streams(pair, m1)
            pair.latest_hello = self.nonce
            pair.may_prove(m1.boot_id)  # the client answers M2 with its proof, even if that is lost
            holdings, proved_boot = holdings_of(pair, self.streams, self.promises), pair.proved_boot
            self._told_mark = holdings.durable_mark
            optional = fields(self.additions)
        elif self.refusal == ErrorCode.REWIND:
            optional = tell_next(pair.streams)
        self.reason, code = reason, self.refusal or ErrorCode.OK
        return M2(
            PROTOCOL_VERSION, int(code), reason, self.boot_id, proved_boot, int(flags), holdings,
            MAX_FRAME_PAD_BYTES, optional, bytes(GATE_MAC_BYTES),
        )  # fmt: skip

    def _choose_streams(self, pair: Pair, m1: M1) -> Flag:
        """Set the handshake's streams, new ones perhaps; on media, follow a client that is ahead."""
        if not pair.simulated:
            pair.catch_up(next_told(m1.optional))
        elif self._begin_anew(pair, m1):
            client_stream, hub_stream = self.new_stream_ids()
            self.streams = simulated_streams(hub_stream, client_stream)
            return Flag.BEGIN_ANEW
        self.streams = pair.streams
        return Flag(0)

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
        if self.wrapping is Wrapping.REQUIRED and not self.additions.wrapped:
            self.refusal = ErrorCode.WRAPPING
            return "message wrapping is required here: the client has it off, or has other ciphers"
        if not pair.simulated and not _same_streams(pair, m1.holdings):
            self.refusal = ErrorCode.STREAM_UNKNOWN
            return "the two sides hold different streams: deliver new PSRD to both"
        return ""

    def _out_of_reach(self, pair: Pair, m1: M1) -> str:
        """As `_reason_to_refuse`, where M4 could not stand anywhere that the client takes."""
        if pair.simulated or pair.streams is None:
            return ""
        pool, told = pair.streams.local, m1.holdings
        try:
            position = self._proof_position(pool, m1)
        except HandshakeRefusedError as refused:
            self.refusal = ErrorCode(refused.refusal)
            return str(refused)
        if position + start_bytes(self.additions.wrapped) > min(pool.store.end, told.hub_end):
            self.refusal = ErrorCode.POOL_EXHAUSTED
            return "the hub's PSRD for this client is used up: deliver new blocks"
        return ""

    def _proof_position(self, pool: OwnerPool, m1: M1) -> int:
        return begin_position(
            pool,
            boot_id=self.boot_id,
            proved_boot=m1.proved_boot,
            exact_mark=m1.holdings.exact_mark,
            durable_mark=m1.holdings.durable_mark,
        )

    def _begin_anew(self, pair: Pair, m1: M1) -> bool:
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
            or not streams.peer.proved  # no hash key of the client's proof is known here,
            or streams.local.proofs.last_verified(told.exact_mark) is None  # or none of the own one,
            or m1.proved_boot != self.boot_id  # or the client has forgotten that
        )

    @staticmethod
    def _note_rewind(pair: Pair, m1: M1) -> None:
        """Only an exact mark above our next, told by a client that did not just start, proves one."""
        if pair.streams is None or m1.flags & Flag.JUST_STARTED or not _same_streams(pair, m1.holdings):
            return
        if m1.holdings.exact_mark > pair.streams.local.next:
            pair.sound_alarm()

    def verify(self, raw: bytes) -> tuple[bytes, SessionKeys]:
        """Take M3, give M4 and the session's keys. Raises FrameError, TagError, ReplayError, WindowError."""
        assert self.pair is not None and self.streams is not None and self._m1 is not None
        m3 = decode_part(M3, raw)
        if self.pair.latest_hello != self.nonce:
            raise FrameError("a newer handshake of this client has taken the place of this one")
        local, peer = self.streams.local, self.streams.peer
        if (m3.client_stream, m3.hub_stream) != (peer.stream_id, local.stream_id):
            raise FrameError("M3 names other streams than M2")
        if m3.client_end > peer.end or m3.hub_end > local.store.end:
            raise WindowError("M3 claims more bytes than the hub holds")
        pads = peer.read_proof(m3.position)
        key = proof_key(peers_hash_key(peer, m3.position, self._told_mark), pads)
        verify_proof(raw, key, Side.CLIENT, self._transcript)
        peer.proved = pads[ONE_TIME_KEY_BYTES:]
        peer.advance(m3.position + HANDSHAKE_PAD_BYTES)
        self.pair.proved_boot = self.client_boot_id
        local.begins_session(self._m1.holdings.durable_mark)
        told_end = 0 if self.pair.simulated else self._m1.holdings.hub_end  # perhaps more than M2 knew of
        local.peer_holds(max(m3.hub_end, told_end))
        hash_key = pads[ONE_TIME_KEY_BYTES:]
        m4, own_hash_key = self._prove(self._transcript + raw)
        self.pair.streams, self.pair.had_session = self.streams, True
        return m4, SessionKeys(self.client_nonce, own_hash_key, self.nonce, hash_key)

    def _prove(self, transcript: bytes) -> tuple[bytes, bytes]:
        assert self.pair is not None and self.streams is not None and self._m1 is not None
        local = self.streams.local
        told = self._m1.holdings
        position = self._proof_position(local, self._m1)
        fresh = lies_where_no_frame_was(local, position, told.durable_mark)
        hash_key = None if fresh else local.proofs.last_verified(told.exact_mark)
        pads = self.promises.proof_bytes(local, position)
        self.proof_end = position + HANDSHAKE_PAD_BYTES
        peer = self.streams.peer
        m4 = M4(position, self.promises.tell(peer, max(peer.mark, peer.durable)), bytes(TAG_BYTES))
        raw = with_tag(m4, proof_key(hash_key, pads), Side.HUB, transcript)
        return raw, pads[ONE_TIME_KEY_BYTES:]


def _decode_m1(raw: bytes) -> M1:
    """Raises FrameError; of another version it says which, if that is a number of one byte."""
    try:
        return decode_part(M1, raw)
    except FrameError:
        start = raw[LENGTH_BYTES : LENGTH_BYTES + 2]
        if len(start) == 2 and start[0] & 0xF0 == _FIXARRAY and PROTOCOL_VERSION != start[1] <= _MAX_FIXINT:
            raise FrameError(f"M1 is of version {start[1]}; {PROTOCOL_VERSION} is spoken here") from None
        raise


def _same_streams(pair: Pair, told: Holdings) -> bool:
    """The hub's view: does the client hold the streams that this side holds?"""
    streams = pair.streams
    return streams is not None and (told.client_stream, told.hub_stream) == (
        streams.peer.stream_id,
        streams.local.stream_id,
    )
