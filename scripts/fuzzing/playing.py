"""A script played to one end of a connection, beside an honest end of the other side.

What is changed of the handshake and of frames gets its true MAC, tag, seal or wrapping: else nobody would
look at it.
"""

from __future__ import annotations

from contextlib import suppress
from enum import IntEnum
from typing import Any

from dsked.auth.tags import GATE_MAC_BYTES, gate_mac, one_time_tag
from dsked.errors import DskedError, FrameError, PoolExhaustedError
from dsked.limits import AEAD_NONCE_BYTES, MASK_BYTES, ONE_TIME_KEY_BYTES, TAG_BYTES
from dsked.psrd.pair import Side
from dsked.psrd.pool import ReceiverPool
from dsked.wire.connection import ClientConnection, Connection, HubConnection, Stage
from dsked.wire.frame import HEADER_BYTES, LENGTH_BYTES, Header, encode_untagged
from dsked.wire.gate import Sealer
from dsked.wire.handshake import M3, M4, decode_part
from dsked.wire.wrapping import _head

from . import ends, script

_SIDE_OF = {HubConnection: Side.HUB, ClientConnection: Side.CLIENT}


class Do(IntEnum):
    """What a step makes of its content."""

    SAY = 0  # it is sent as it is
    HONEST = 1  # the honest end's next bytes; a content of three is a place and the bits that change there
    PROVE = 2  # a message of the handshake, without length prefix: it gets its true MAC or tag
    FRAME = 3  # head and body of a frame, which gets its true tag, and is wrapped where it must be
    SEAL = 4  # type, request id and body of simulated delivery, which are truly sealed


def frame_step(kind: int, body: bytes, *, request_id: int = 1, pads: int = 0) -> bytes:
    """The content of a step FRAME: type, request id, pads, ack, gap before its position; then the body."""
    return b"".join(
        (bytes([kind]), request_id.to_bytes(4, "big"), pads.to_bytes(4, "big"), bytes(8), bytes(2), body)
    )


FRAME_HEAD_BYTES = len(frame_step(0, b""))


def true_frame(content: bytes, pool: ReceiverPool, hash_key: bytes, prefix: bytes) -> bytes:
    """A frame with a tag that verifies, as far as its position is in the pool."""
    content = content.ljust(FRAME_HEAD_BYTES, b"\0")
    request_id, pads, ack, gap = (
        int.from_bytes(content[start:end], "big") for start, end in ((1, 5), (5, 9), (9, 17), (17, 19))
    )
    position = pool.mark + gap
    untagged = encode_untagged(
        Header(content[0] & 0x7F, request_id, position, pads, ack), content[FRAME_HEAD_BYTES:]
    )
    mask = bytes(MASK_BYTES)
    with suppress(PoolExhaustedError):
        mask = pool.store.read(position, MASK_BYTES)
    return untagged + one_time_tag(hash_key + mask, prefix + untagged)


class Play:
    """A script that is played to an end, piece by piece, beside the honest end of the other side."""

    def __init__(self, end: Connection, honest: Connection) -> None:
        self.end = end
        self.honest = honest
        self.said = b""
        self._transcript = b""
        self._sealer: Sealer | None = None
        self._handshake: Any = end.handshake  # type: ignore[attr-defined]  # a hub's lets go of it
        self._hear()

    def step(self, step: script.Step) -> None:
        """Raises DskedError where the end has enough."""
        for piece in self._pieces(step):
            self.said += piece
            self._transcript += piece
            for _ in self.end.receive_data(piece):
                pass
            if self.end.stage is not Stage.OPEN:
                self._hear()

    def _hear(self) -> None:
        """What the end says goes to the honest one, as long as that understands."""
        data = self.end.data_to_send()
        self._transcript += data
        with suppress(DskedError):
            list(self.honest.receive_data(data))

    def _pieces(self, step: script.Step) -> list[bytes]:
        match step.kind:
            case Do.HONEST:
                data = self.honest.data_to_send()
                return [_changed(data, step.content)] if data else []
            case Do.PROVE:
                return [self._proved(step.content)]
            case Do.FRAME if self.end.session is not None:
                session = self.end.session  # what the honest end would tag with, had it come as far
                frame = true_frame(
                    step.content, session.streams.peer, session._receive_hash_key, session._receive_prefix
                )
                return [self._wrapped(frame)]
            case Do.SEAL if self.end.delivers_blocks:
                return [self._wrapped(self._sealed(step.content))]
        return [step.content]

    def _wrapped(self, frame: bytes) -> bytes:
        """The frame as it must come where the end has heard WRAP."""
        wrapper = self.end._wrapper
        if wrapper is None or wrapper._inward is None:
            return frame
        inner, awaited = frame[LENGTH_BYTES:], wrapper._inward
        head = _head(len(inner) + TAG_BYTES)
        return head + awaited._aead.encrypt(awaited._number.to_bytes(AEAD_NONCE_BYTES, "big"), inner, head)

    def _proved(self, body: bytes) -> bytes:
        raw = (len(body) % 2**32).to_bytes(LENGTH_BYTES, "big") + body
        if self.end.stage is Stage.HELLO:
            label = b"M1" if isinstance(self.end, HubConnection) else b"M2"
            untold = raw[:-GATE_MAC_BYTES]
            return untold + gate_mac(ends.GATE_KEY, label, self._transcript + untold)
        if self.end.stage is Stage.PROOF and self.end.streams is not None:
            return self._with_tag(raw, self.end.streams.peer)
        return raw

    def _with_tag(self, raw: bytes, pool: ReceiverPool) -> bytes:
        hub = isinstance(self.end, HubConnection)
        key = bytes(ONE_TIME_KEY_BYTES)
        with suppress(FrameError, PoolExhaustedError):
            part = decode_part(M3, raw) if hub else decode_part(M4, raw)
            key = pool.store.read(part.position, ONE_TIME_KEY_BYTES)
        side = Side.CLIENT if hub else Side.HUB
        return raw[:-TAG_BYTES] + one_time_tag(key, side.value + self._transcript + raw[:-TAG_BYTES])

    def _sealed(self, content: bytes) -> bytes:
        content = content.ljust(5, b"\0")
        if self._sealer is None:
            side, handshake = _SIDE_OF[type(self.end)], self._handshake
            nonces = (
                (handshake.nonce, handshake.client_nonce)
                if side is Side.HUB
                else (handshake.hub_nonce, handshake.nonce)
            )
            self._sealer = Sealer(side.other, ends.GATE_KEY, *nonces)
        header, body = Header(content[0] & 0x7F, int.from_bytes(content[1:5], "big"), 0, 0, 0), content[5:]
        associated = encode_untagged(header, bytes(len(body) + TAG_BYTES))[:HEADER_BYTES]
        return encode_untagged(header, self._sealer._out.seal(body, associated)) + bytes(TAG_BYTES)


def _changed(data: bytes, content: bytes) -> bytes:
    if len(content) != 3:
        return data
    at = int.from_bytes(content[:2], "big") % len(data)
    return data[:at] + bytes([data[at] ^ content[2]]) + data[at + 1 :]
