"""A session: frames sealed and opened under one-time pads, in one place for both sides.

Messages wait in the outbox in plain form and are sealed only when they leave: then a pad is taken,
once, and the frame carries the newest ack. What waits for pads, for the window or for a slow
reader costs no pad byte, and can be taken back: nobody may be waiting for it any more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple, NoReturn

from dsked.auth.pads import apply_pad
from dsked.auth.tags import (
    long_one_time_tag,
    one_time_tag,
    verify_long_one_time_tag,
    verify_one_time_tag,
)
from dsked.errors import FrameError, LimitError, PoolExhaustedError
from dsked.limits import (
    MASK_BYTES,
    MAX_FRAME_PAD_BYTES,
    MAX_OUTBOX_BYTES,
    MAX_OUTBOX_MESSAGES,
    TAG_BYTES,
    USED_UP_BYTES,
    WRAP_KEY_BYTES,
    WRAP_PAD_BYTES,
)
from dsked.psrd.pair import Side, Streams
from dsked.secrecy import no_pickle, no_secrets
from dsked.wire.additions import NOTHING, Additions
from dsked.wire.frame import OVERHEAD_BYTES, Header, body_of, decode_header, encode_untagged, untagged_parts
from dsked.wire.handshake import SessionKeys
from dsked.wire.local_identifiers import Definitions, LocalIdentifiers
from dsked.wire.messages import Message, Names, Ping, Unknown, Wrap, decode_body, encode_body


def _padded(bins: list[bytes], pad: bytes | memoryview) -> Iterator[bytes]:
    """Each of `bins` XORed with its part of `pad`, which begins behind the mask."""
    if len(pad) > _LONG_BYTES:
        pad = memoryview(pad)  # its parts are no copies
    start = MASK_BYTES
    for piece in bins:
        end = start + len(piece)
        yield apply_pad(piece, pad[start:end])
        start = end


def _largest_pads(window: int | None) -> int:
    """Pad bytes that one frame may take from a pool, at most."""
    return MAX_FRAME_PAD_BYTES if window is None else min(MAX_FRAME_PAD_BYTES, window // 4)


#: A frame with more secret bytes is long. It is not encoded for its size alone, which takes as long as to
#: encrypt it, and not copied for its tag.
_LONG_BYTES = 32 * 1024


#: What a WRAP must say: type, request id, pads; and its body.
_WRAP_HEADER = (Wrap.type, 0, WRAP_KEY_BYTES)
_WRAP_BODY = encode_body(Wrap())


class _Waiting(NamedTuple):
    """A message in the outbox, still in plain form. `size`: bytes of its frame, about."""

    request_id: int
    message: Message
    bins: list[bytes]
    pads: int
    size: int

    def __repr__(self) -> str:
        return no_secrets(self)

    def __reduce__(self) -> NoReturn:
        no_pickle(self)


#: By a number that only counts up: the oldest is found, and any is taken out, in O(1).
_Outbox = OrderedDict[int, _Waiting]
#: The outbox of every session in which nothing waits: one of its own would take room for nothing.
_NOTHING: _Outbox = OrderedDict()
#: Likewise those of every session in which nobody has an identifier.
_NO_IDENTIFIERS = LocalIdentifiers()


class Session:
    """One authenticated connection between a client and a hub, after M4.

    `proof_end`: the end of this side's own handshake frame, which counts as acknowledged once the
    peer's first frame has verified. `additions`: those in force.
    """

    __reduce__ = no_pickle

    def __init__(
        self, side: Side, streams: Streams, keys: SessionKeys, max_pads: int, proof_end: int = 0,
        additions: Additions = NOTHING,
    ) -> None:  # fmt: skip
        self.streams = streams
        self.additions = additions
        self._side = side
        self._identifiers = _NO_IDENTIFIERS
        self._definitions: Definitions | None = None
        self.max_pads = min(max_pads, _largest_pads(streams.local.window))
        self._max_pads_received = _largest_pads(streams.peer.window)
        self._send_prefix = keys.send_nonce + side.value
        self._receive_prefix = keys.receive_nonce + side.other.value
        self._send_hash_key = keys.send_hash_key
        self._receive_hash_key = keys.receive_hash_key
        self._proof_end = proof_end
        self._outbox = _NOTHING
        self._nr_sent = 0
        self.outbox_bytes = 0
        #: Bytes of the own pool that the waiting messages need, WRAP among them.
        self.pads_wanted = WRAP_PAD_BYTES if additions.wrapped else 0
        self.frames_received = 0  # WRAP is none of them: a hub says it with M4
        self.ends_to_tell = False  # more bytes have come than the peer knows of

    @property
    def pads_left(self) -> int:
        """Bytes of the own pool that no waiting message needs."""
        return max(self.streams.local.left - self.pads_wanted, 0)

    # --- sending ---

    def send(self, request_id: int, message: Message) -> int:
        """Queue a message; gives its number, for `exchange`.

        Raises LimitError when too much waits already (a peer that does not read).
        """
        if self.outbox_bytes > MAX_OUTBOX_BYTES or len(self._outbox) >= MAX_OUTBOX_MESSAGES:
            raise LimitError(f"{len(self._outbox)} messages wait for a peer that does not take them")
        if not self._outbox:
            self._outbox = OrderedDict()
        if self._definitions is not None:
            for names in self._to_define(self._definitions, message):
                self._append(0, names)
        return self._append(request_id, message)

    def _append(self, request_id: int, message: Message) -> int:
        self._nr_sent += 1
        self._put(self._nr_sent, request_id, message)
        return self._nr_sent

    def _put(self, number: int, request_id: int, message: Message) -> None:
        bins = list(message.secrets())
        pads = sum(map(len, bins))
        assert pads <= self.max_pads, "a larger share travels in pieces"
        size = OVERHEAD_BYTES + (pads if pads > _LONG_BYTES else len(encode_body(message)))
        self._outbox[number] = _Waiting(request_id, message, bins, pads, size)
        self.outbox_bytes += size
        self.pads_wanted += MASK_BYTES + pads

    def give_identifiers(self, give: Callable[[str], int | None]) -> None:
        """A hub: clients for whom `give` has an identifier get it before they are named, where in force."""
        if self.additions.local_identifiers:
            self._definitions = Definitions(give)

    def _to_define(self, definitions: Definitions, message: Message) -> Iterator[Names]:
        """What is told before `message`, unless the pool is nearly used up: names need no pads."""
        wanted = definitions.wanted(message)
        if not wanted:
            return
        left = self.pads_left - sum(map(len, message.secrets()))
        if self.streams.local.window is None or left >= USED_UP_BYTES:
            yield from definitions.give(wanted)

    def exchange(self, number: int, message: Message | None) -> bool:
        """Have another message leave in the place of one that was queued, or none.

        False where that one has left: nothing has changed then.
        """
        old = self._outbox.get(number)
        if old is None:
            return False
        self._count_out(old)
        if message is not None:
            self._put(number, old.request_id, message)
            return True
        del self._outbox[number]
        if not self._outbox:
            self._outbox = _NOTHING
        return True

    def _count_out(self, waiting: _Waiting) -> None:
        self.outbox_bytes -= waiting.size
        self.pads_wanted -= MASK_BYTES + waiting.pads

    def seal_ready(self) -> Iterator[bytes]:
        """The frames that can leave now, in order; what lacks pads or window stays queued."""
        while self._outbox:
            number, first = next(iter(self._outbox.items()))
            frame = self._seal(first.request_id, first.message, first.bins, first.pads)
            if frame is None:
                break
            del self._outbox[number]
            self._count_out(first)
            if isinstance(first.message, Names):
                self.define(first.message)
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
        taken = self._take(MASK_BYTES + pads, urgent=urgent)
        if taken is None:
            return None
        position, pad = taken
        if pads:
            message.replace_secrets(_padded(bins, pad))
        return self._frame(request_id, message, position, pads, pad)

    def _take(self, length: int, *, urgent: bool) -> tuple[int, bytes] | None:
        try:
            return self.streams.local.allocate(length, urgent=urgent)
        except PoolExhaustedError:  # there may be more soon
            return None

    def _frame(self, request_id: int, message: Message, position: int, pads: int, pad: bytes) -> bytes:
        header = Header(int(message.type), request_id, position, pads, self.streams.peer.tell())
        key = self._send_hash_key + pad[:MASK_BYTES]
        return self._tagged(header, encode_body(self._identifiers.shorten(message)), key)

    def seal_wrap(self) -> tuple[bytes, bytes] | None:
        """WRAP, and the key that it tells of; None while the pool does not let it leave. Called for once."""
        taken = self._take(WRAP_PAD_BYTES, urgent=True)
        if taken is None:
            return None
        position, pad = taken
        self.pads_wanted -= WRAP_PAD_BYTES
        return self._frame(0, Wrap(), position, WRAP_KEY_BYTES, pad), pad[MASK_BYTES:]

    def _tagged(self, header: Header, body: bytes, key: bytes) -> bytes:
        """The whole frame."""
        if header.pads > _LONG_BYTES:
            parts = untagged_parts(header, body)
            return b"".join((*parts, long_one_time_tag(key, self._send_prefix, *parts)))
        untagged = encode_untagged(header, body)
        return untagged + one_time_tag(key, self._send_prefix + untagged)

    # --- receiving ---

    def open(self, frame: bytes) -> tuple[int, Message]:
        """Verify a frame, move the mark, decrypt: (request id, message).

        Raises FrameError, ReplayError, WindowError or TagError before anything has changed;
        FrameError after the mark has moved, if the authentic body breaks a rule.
        """
        header, pad = self._verified(frame)
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
        self._identifiers.resolve(message)
        if isinstance(message, Names) and self._side is Side.CLIENT:
            self.define(message)
        return header.request_id, message

    def open_wrap(self, frame: bytes) -> bytes:
        """The peer's wrapping key. Raises FrameError if the frame is no WRAP, else as `open` does."""
        header = decode_header(frame)
        if (header.type, header.request_id, header.pads) != _WRAP_HEADER or body_of(frame) != _WRAP_BODY:
            raise FrameError("the first frame is WRAP where frames are wrapped")
        return self._verified(frame)[1][MASK_BYTES:]

    def _verified(self, frame: bytes) -> tuple[Header, bytes]:
        """A frame's header and its bytes of the pool, once its tag has verified: the mark has moved."""
        header = decode_header(frame)
        if header.pads > self._max_pads_received:
            raise FrameError(f"{header.pads} pad bytes in a frame; {self._max_pads_received} are allowed")
        pool = self.streams.peer
        length = MASK_BYTES + header.pads
        pad = pool.read(header.position, length)
        key = self._receive_hash_key + pad[:MASK_BYTES]
        self._verify(frame, key)
        pool.advance(header.position + length)
        self.streams.local.acknowledged(max(header.ack, self._proof_end))
        return header, pad

    def define(self, names: Names) -> None:
        """From now on these identifiers stand for their names. Raises FrameError."""
        if not self.additions.local_identifiers:
            raise FrameError("a NAMES where local identifiers are not in force")
        if self._identifiers is _NO_IDENTIFIERS:
            self._identifiers = LocalIdentifiers()
        self._identifiers.define(names)

    def _verify(self, frame: bytes, key: bytes) -> None:
        tag = frame[-TAG_BYTES:]
        if len(frame) > _LONG_BYTES:
            covered = memoryview(frame)[:-TAG_BYTES]
            verify_long_one_time_tag(key, (self._receive_prefix, covered), tag)
        else:
            verify_one_time_tag(key, self._receive_prefix + frame[:-TAG_BYTES], tag)
