"""A session: frames sealed and opened under one-time pads, in one place for both sides.

Messages wait in the outbox in plain form and are sealed only when they leave: then a pad is taken,
once, and the frame carries the newest ack. What waits for pads, for the window or for a slow
reader costs no pad byte.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple, NoReturn

from dsked.auth.pads import apply_pad
from dsked.auth.tags import one_time_tag, verify_one_time_tag
from dsked.errors import FrameError, LimitError, PoolExhaustedError
from dsked.limits import MASK_BYTES, MAX_FRAME_PAD_BYTES, MAX_OUTBOX_BYTES, MAX_OUTBOX_MESSAGES, TAG_BYTES
from dsked.psrd.pair import Side, Streams
from dsked.secrecy import no_pickle, no_secrets
from dsked.wire.frame import OVERHEAD_BYTES, Header, body_of, decode_header, encode_untagged
from dsked.wire.handshake import SessionKeys
from dsked.wire.messages import Message, Ping, Unknown, decode_body, encode_body


def _padded(bins: list[bytes], pad: bytes) -> Iterator[bytes]:
    """Each of `bins` XORed with its part of `pad`, which begins behind the mask."""
    start = MASK_BYTES
    for piece in bins:
        end = start + len(piece)
        yield apply_pad(piece, pad[start:end])
        start = end


def _largest_pads(window: int | None) -> int:
    """Pad bytes that one frame may take from a pool, at most."""
    return MAX_FRAME_PAD_BYTES if window is None else min(MAX_FRAME_PAD_BYTES, window // 4)


class _Waiting(NamedTuple):
    """A message in the outbox, still in plain form. `size`: bytes of its frame."""

    request_id: int
    message: Message
    bins: list[bytes]
    pads: int
    size: int

    def __repr__(self) -> str:
        return no_secrets(self)

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


#: The outbox of every session in which nothing waits: an empty deque of its own would take 0.7 KiB.
_NOTHING: deque[_Waiting] = deque(maxlen=0)


class Session:
    """One authenticated connection between a client and a hub, after M4.

    `proof_end`: the end of this side's own handshake frame, which counts as acknowledged once the
    peer's first frame has verified.
    """

    __reduce__ = no_pickle

    def __init__(
        self, side: Side, streams: Streams, keys: SessionKeys, max_pads: int, proof_end: int = 0
    ) -> None:
        self.streams = streams
        self.max_pads = min(max_pads, _largest_pads(streams.local.window))
        self._max_pads_received = _largest_pads(streams.peer.window)
        self._send_prefix = keys.send_nonce + side.value
        self._receive_prefix = keys.receive_nonce + side.other.value
        self._send_hash_key = keys.send_hash_key
        self._receive_hash_key = keys.receive_hash_key
        self._proof_end = proof_end
        self._outbox = _NOTHING
        self.outbox_bytes = 0
        self.pads_wanted = 0  # bytes of the own pool that the waiting messages need
        self.frames_received = 0
        self.ends_to_tell = False  # more bytes have come than the peer knows of

    @property
    def pads_left(self) -> int:
        """Bytes of the own pool that no waiting message needs."""
        return max(self.streams.local.left - self.pads_wanted, 0)

    # --- sending ---

    def send(self, request_id: int, message: Message) -> None:
        """Queue a message. Raises LimitError when too much waits already (a peer that does not read)."""
        bins = list(message.secrets())
        pads = sum(map(len, bins))
        assert pads <= self.max_pads, "a larger share travels in pieces"
        if self.outbox_bytes > MAX_OUTBOX_BYTES or len(self._outbox) >= MAX_OUTBOX_MESSAGES:
            raise LimitError(f"{len(self._outbox)} messages wait for a peer that does not take them")
        size = OVERHEAD_BYTES + len(encode_body(message))
        if not self._outbox:
            self._outbox = deque()
        self._outbox.append(_Waiting(request_id, message, bins, pads, size))
        self.outbox_bytes += size
        self.pads_wanted += MASK_BYTES + pads

    def seal_ready(self) -> Iterator[bytes]:
        """The frames that can leave now, in order; what lacks pads or window stays queued."""
        while self._outbox:
            first = self._outbox[0]
            frame = self._seal(first.request_id, first.message, first.bins, first.pads)
            if frame is None:
                break
            self._outbox.popleft()
            self.outbox_bytes -= first.size
            self.pads_wanted -= MASK_BYTES + first.pads
            yield frame
        if not self._outbox:
            self._outbox = _NOTHING
        if self.ends_to_tell or self.streams.peer.tell_now:
            ping = self._seal(0, self.ping(), [], 0, urgent=True)
            if ping is not None:
                self.ends_to_tell = False
                yield ping

    def ping(self) -> Ping:
        """A PING that tells the ends held (the ack goes with every frame)."""
        local, peer = self.streams.local.store.end, self.streams.peer.end
        client_end, hub_end = (local, peer) if self._send_prefix[-1:] == Side.CLIENT.value else (peer, local)
        return Ping(reply=False, client_end=client_end, hub_end=hub_end, done=[])

    def _seal(
        self, request_id: int, message: Message, bins: list[bytes], pads: int, *, urgent: bool = False
    ) -> bytes | None:
        try:
            taken = self.streams.local.allocate(MASK_BYTES + pads, urgent=urgent)
        except PoolExhaustedError:  # there may be more soon
            return None
        if taken is None:
            return None
        position, pad = taken
        if pads:
            message.replace_secrets(_padded(bins, pad))
        header = Header(int(message.type), request_id, position, pads, self.streams.peer.tell())
        untagged = encode_untagged(header, encode_body(message))
        key = self._send_hash_key + pad[:MASK_BYTES]
        return untagged + one_time_tag(key, self._send_prefix + untagged)

    # --- receiving ---

    def open(self, frame: bytes) -> tuple[int, Message]:
        """Verify a frame, move the mark, decrypt: (request id, message).

        Raises FrameError, ReplayError, WindowError or TagError before anything has changed;
        FrameError after the mark has moved, if the authentic body breaks a rule.
        """
        header = decode_header(frame)
        if header.pads > self._max_pads_received:
            raise FrameError(f"{header.pads} pad bytes in a frame; {self._max_pads_received} are allowed")
        pool = self.streams.peer
        length = MASK_BYTES + header.pads
        pad = pool.read(header.position, length)
        key = self._receive_hash_key + pad[:MASK_BYTES]
        verify_one_time_tag(key, self._receive_prefix + frame[:-TAG_BYTES], frame[-TAG_BYTES:])
        pool.advance(header.position + length)
        self.streams.local.acknowledged(max(header.ack, self._proof_end))
        self.frames_received += 1
        message = decode_body(header.type, body_of(frame))
        if isinstance(message, Unknown):
            return header.request_id, message  # its pads, if it has any, are burned
        bins = list(message.secrets())
        secret_bytes = sum(map(len, bins))
        if secret_bytes != header.pads:
            raise FrameError(f"{secret_bytes} secret bytes under {header.pads} pads")
        if secret_bytes:
            message.replace_secrets(_padded(bins, pad))
        return header.request_id, message
