"""One TCP connection, without its socket: bytes in, messages out; messages in, bytes out.

    stage      awaits              then
    GREETING   M0 (client)         sends M1                                   -> HELLO
    HELLO      M1 (hub), M2 (client)  hub sends M2; client M3, or asks for blocks -> PROOF
    PROOF      M3 (hub), M4 (client)  the session is open                     -> OPEN
    OPEN       frames

What a handshake says is computed at once and held back until the marks that it uses or tells are
durable. Sealed PSRD frames may run from M2 on, where both sides simulate. Where wrapping is in force,
all that follows a side's WRAP is wrapped. Anything else out of place raises a PeerError, and the shell
closes the connection in silence.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from dsked.errors import FrameError, LimitError, PeerError
from dsked.limits import MAX_FRAME_BYTES, MAX_HANDSHAKE_BYTES, MAX_UNSENT_SEALED_BYTES, MAX_WRAPPED_BYTES
from dsked.psrd.pair import Pair, Promises, Side, Streams
from dsked.wire.frame import ARRAY_OF_7, LENGTH_BYTES, FrameBuffer
from dsked.wire.gate import Sealer
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.handshake_hub import HubHandshake
from dsked.wire.messages import SEALED_TYPES, Message, MessageType
from dsked.wire.session import Session
from dsked.wire.wrapping import Wrapper

_TYPE_OFFSET = LENGTH_BYTES + 1


class Stage(enum.Enum):
    """How far a connection has come."""

    GREETING = enum.auto()
    HELLO = enum.auto()
    PROOF = enum.auto()
    OPEN = enum.auto()
    CLOSING = enum.auto()  # what is queued still goes out, nothing more is read


def _is_sealed(piece: bytes) -> bool:
    return len(piece) > _TYPE_OFFSET and piece[_TYPE_OFFSET] in SEALED_TYPES


class Connection:
    """What both sides share: framing, stages, the session and the sealed frames.

    A hub has thousands of them: an idle one keeps nothing that only its handshake needed.
    """

    __slots__ = (
        "_buffer", "_ends_grew", "_out", "_promises", "_sealed_bytes", "_sealer", "_wrapper", "pair",
        "session", "stage", "writable",
    )  # fmt: skip
    takes_sealed: ClassVar[MessageType]  # the one sealed type that the other side sends
    _parts: ClassVar[Mapping[Stage, Callable[[Any, bytes], None]]]  # what takes the handshake's messages

    def __init__(self, stage: Stage, promises: Promises) -> None:
        self.stage = stage
        self._promises: Promises | None = promises  # until all are kept, and there is a session
        self.pair: Pair | None = None
        self.session: Session | None = None
        self.writable = True  # False while the transport holds too much unsent
        self._sealer: Sealer | None = None
        self._wrapper: Wrapper | None = None  # where wrapping is in force, of an open session
        self._buffer = FrameBuffer(MAX_HANDSHAKE_BYTES)
        self._out: list[bytes] = []
        self._sealed_bytes = 0  # in _out
        self._ends_grew = False  # since the handshake told them

    @property
    def streams(self) -> Streams | None:
        """The streams that this connection runs on: the handshake's, then the session's."""
        raise NotImplementedError

    def receive_data(self, data: bytes) -> Iterator[tuple[int, Message]]:
        """The verified messages in `data`, as (request id, message). Raises PeerError at the first
        piece that breaks the protocol, StorageError where a stream has failed; what came before has been
        yielded."""
        if self._reads_no_more():
            return
        for piece in self._buffer.feed(data):
            if self._wrapper is not None:
                piece = self._unwrapped(self._wrapper, piece)
                if not piece:
                    continue
            if self.session is not None and not _is_sealed(piece):
                yield self.session.open(piece)
            elif piece[LENGTH_BYTES] == ARRAY_OF_7:
                yield self._open_sealed(piece)
            else:
                self._handshake_part(piece)
            if self._reads_no_more():
                return

    def _unwrapped(self, wrapper: Wrapper, piece: bytes) -> bytes:
        """The frame inside; nothing for WRAP. Before that, sealed frames come in clear."""
        if wrapper.opens:
            return wrapper.open(piece)
        if not _is_sealed(piece):
            wrapper.begin(piece)
            self._buffer.max_bytes = MAX_WRAPPED_BYTES
            return b""
        return piece

    def _reads_no_more(self) -> bool:
        return self.stage is Stage.CLOSING

    @property
    def unfinished(self) -> int | None:
        """The number of the piece that has arrived in part, or None."""
        return self._buffer.nr_pieces if self._buffer.partial_bytes else None

    @property
    def rest(self) -> memoryview | None:
        """Where the rest of a long piece is to be received; None where what comes goes to `receive_data`."""
        return self._buffer.rest

    def filled(self, nr_bytes: int) -> bool:
        """So many bytes stand in `rest`. True when the piece is whole: `receive_data` takes it next."""
        return self._buffer.filled(nr_bytes)

    def _open_sealed(self, piece: bytes) -> tuple[int, Message]:
        if self._sealer is None or piece[_TYPE_OFFSET : _TYPE_OFFSET + 1] != bytes((self.takes_sealed,)):
            raise FrameError(f"a frame in stage {self.stage.name}")
        return self._sealer.open(piece)

    def _handshake_part(self, piece: bytes) -> None:
        take = self._parts.get(self.stage)
        if take is None:
            raise FrameError(f"a handshake message in stage {self.stage.name}")
        take(self, piece)

    def send(self, request_id: int, message: Message) -> int:
        """Queue a message of the open session; gives its number there. Raises LimitError."""
        assert self.session is not None
        return self.session.send(request_id, message)

    def tell_ends(self) -> None:
        """More bytes of the streams have come: the peer is to know, as soon as there is a session."""
        self._ends_grew = True
        if self.session is not None:
            self.session.ends_to_tell = True

    @property
    def wrapped(self) -> bool:
        """Whether the frames of its session are wrapped; False while there is none."""
        return self._wrapper is not None

    @property
    def delivers_blocks(self) -> bool:
        """True from M2 on, where both sides simulate PSRD: sealed frames may be sent."""
        return self._sealer is not None

    def send_sealed(self, request_id: int, message: Message) -> None:
        """Queue a message of simulated delivery. Raises LimitError."""
        assert self._sealer is not None
        if self._sealed_bytes > MAX_UNSENT_SEALED_BYTES:
            raise LimitError(f"{self._sealed_bytes} bytes of blocks wait for a peer that does not take them")
        frame = self._sealer.seal(request_id, message)
        if self._wrapper is not None:
            frame = self._wrapper.seal(frame)
        self._sealed_bytes += len(frame)
        self._out.append(frame)

    def data_to_send(self, enough: int = sys.maxsize) -> bytes:
        """The bytes that can leave now, joined for one write; no further frame once there are `enough` bytes.

        So less than that is all of it. Raises StorageError.
        """
        if self.streams is not None:
            self.streams.check()
        if not self.writable or not self._promises_kept():
            return b""
        if self.session is not None and self.stage is Stage.OPEN:
            frames = self.session.seal_ready()
            if self._wrapper is not None:
                frames = self._wrapper.seal_all(frames)
            for frame in frames:
                self._out.append(frame)
                enough -= len(frame)
                if enough <= 0:
                    break
        data = b"".join(self._out)
        self._out.clear()
        self._sealed_bytes = 0
        return data

    def _promises_kept(self) -> bool:
        if self._promises is None:
            return True
        kept = self._promises.kept
        if kept and self.session is not None:  # nothing more is promised
            self._promises = None
        return kept

    def _allow_sealed(self, side: Side, pair: Pair, hub_nonce: bytes, client_nonce: bytes) -> None:
        self.pair = pair
        if pair.simulated:
            self._sealer = Sealer(side, pair.gate_key, hub_nonce, client_nonce)

    def _open(self, session: Session) -> None:
        self.session = session
        session.ends_to_tell = self._ends_grew
        if session.additions.wrapped:
            self._wrapper = Wrapper(session)
        self.stage = Stage.OPEN
        self._buffer.max_bytes = MAX_FRAME_BYTES


class HubConnection(Connection):
    """The hub's end. `opened` is called once, when M3 has verified and before M4 leaves.

    `greeted` is called when M1 has been accepted and before M2 leaves: what it closes then acknowledges
    nothing beyond the mark that M2 tells.
    """

    __slots__ = ("_greeted", "_handshake", "_opened", "boot_id")
    takes_sealed = MessageType.PSRD_REQUEST

    def __init__(
        self,
        handshake: HubHandshake,
        greeted: Callable[[HubConnection], None],
        opened: Callable[[HubConnection], None],
    ) -> None:
        super().__init__(Stage.HELLO, handshake.promises)
        self._handshake: HubHandshake | None = handshake
        self._greeted: Callable[[HubConnection], None] | None = greeted
        self._opened: Callable[[HubConnection], None] | None = opened
        self.boot_id = b""  # the client process's boot ID (16 bytes), once M1 has verified
        self._out.append(handshake.greeting())

    @property
    def handshake(self) -> HubHandshake:
        """The handshake, until it is done."""
        assert self._handshake is not None
        return self._handshake

    @property
    def streams(self) -> Streams | None:
        return self.session.streams if self.session is not None else self.handshake.streams

    @property
    def client(self) -> str:
        """The client's name; only once M1 has verified."""
        assert self.pair is not None
        return self.pair.client

    def _hello(self, raw: bytes) -> None:
        handshake = self.handshake
        self._out.append(handshake.answer(raw))
        pair = handshake.pair
        assert pair is not None
        if handshake.refusal is not None:
            self.stage = Stage.CLOSING
            return
        self.boot_id = handshake.client_boot_id
        self._allow_sealed(Side.HUB, pair, handshake.nonce, handshake.client_nonce)
        self.stage = Stage.PROOF
        assert self._greeted is not None
        self._greeted(self)

    def _proof(self, raw: bytes) -> None:
        handshake, opened = self.handshake, self._opened
        proof, keys = handshake.verify(raw)
        assert handshake.streams is not None and opened is not None
        session = Session(
            Side.HUB, handshake.streams, keys, handshake.max_pads, handshake.proof_end, handshake.additions
        )
        self._out.append(proof)
        self._open(session)
        self._handshake = self._greeted = self._opened = None
        opened(self)

    _parts: ClassVar = {Stage.HELLO: _hello, Stage.PROOF: _proof}


class ClientConnection(Connection):
    """The client's end. `opened` is called once, when M4 has verified.

    `hello_done` is called when M2 has been accepted: simulated streams may need blocks before M3.
    """

    __slots__ = ("_hello_done", "_opened", "handshake", "proved")
    takes_sealed = MessageType.PSRD_BLOCK

    def __init__(
        self,
        handshake: ClientHandshake,
        hello_done: Callable[[ClientConnection], None],
        opened: Callable[[ClientConnection], None],
    ) -> None:
        super().__init__(Stage.GREETING, handshake.promises)
        self.handshake = handshake
        self._hello_done = hello_done
        self._opened = opened
        self.proved = False

    @property
    def streams(self) -> Streams | None:
        return self.handshake.streams

    def _greeting(self, raw: bytes) -> None:
        self._out.append(self.handshake.greet(raw))
        self.stage = Stage.HELLO

    def _hello(self, raw: bytes) -> None:
        self.handshake.answer(raw)
        self._allow_sealed(Side.CLIENT, self.handshake.pair, self.handshake.hub_nonce, self.handshake.nonce)
        if self._sealer is not None:
            self._buffer.max_bytes = MAX_FRAME_BYTES  # blocks may come now
        self.stage = Stage.PROOF
        self._hello_done(self)

    @property
    def cost_pads(self) -> bool:
        """True once something was said that costs pads: M3, and on media M1 as well.

        For M1 tells a mark 48 bytes above all that were told before, and durable: a crash burns them.
        """
        told_a_mark = self.handshake.streams is not None and not self.handshake.pair.simulated
        return self.proved or told_a_mark

    def prove(self) -> None:
        """Send M3; to be called once, when the streams hold enough bytes."""
        assert self.stage is Stage.PROOF and not self.proved
        self._out.append(self.handshake.prove())
        self.proved = True

    def _proof(self, raw: bytes) -> None:
        if not self.proved:
            raise PeerError("M4 before M3")
        done = self.handshake
        keys = done.finish(raw)
        assert done.streams is not None
        self._open(Session(Side.CLIENT, done.streams, keys, done.max_pads, additions=done.additions))
        self._opened(self)

    _parts: ClassVar = {Stage.GREETING: _greeting, Stage.HELLO: _hello, Stage.PROOF: _proof}
