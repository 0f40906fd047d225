"""What leaves and what arrives at one end: pads once, and nothing acted on that the peer did not send."""

from __future__ import annotations

from typing import Any, Protocol

from dsked.errors import DskedError, PeerError
from dsked.wire.connection import ClientConnection, Connection, Stage
from simulating.events import Broken, Events
from simulating.wires.pieces import LENGTH_BYTES, WRAPPED, Cutter, Use, is_any_frame, is_frame, split, use_of


class Judge(Protocol):
    """Who is told which pads are used, and knows the enemies."""

    def pads_used(self, name: str, serial: int, stream_id: bytes, use: Use) -> None:
        """A life of this name writes a piece that uses positions of its own stream. Raises Broken."""

    def are_honest(self, *names: str) -> bool:
        """True for honest nodes."""


class Receiver(Protocol):
    """The process at an end, as far as what arrives concerns it."""

    name: str
    serial: int

    def receive(self, connection: Connection, data: bytes) -> None:
        """Bytes for the engine. Raises DskedError."""

    def state_of(self, connection: Connection) -> Any:
        """All that an unauthentic piece must not change."""


class Watched(Protocol):
    """An end, as its inspector sees it."""

    connection: Connection
    peer: str
    open: bool

    @property
    def process(self) -> Receiver:
        """Whose end it is."""


class Inspector:
    """Watches one end. `source` is the inspector of the other end, None where an outsider is."""

    def __init__(self, events: Events, judge: Judge, end: Watched) -> None:
        self._events, self._judge, self._end = events, judge, end
        self.source: Inspector | None = None
        self._sent: list[bytes] = []  # what this end has sent and the other has not seen yet
        self._nr_wrapped = 0  # of them
        self._cutter = Cutter()
        self.tampered = False  # something was lost or forged on the way to here

    @property
    def name(self) -> str:
        """Whose end it is."""
        return self._end.process.name

    # --- what leaves ---

    def sent(self, data: bytes) -> None:
        """Bytes that this end's process writes. Raises Broken where a pad byte is used again."""
        for piece in split(data):
            self._sent.append(piece)
            use = use_of(self._unwrapped(piece))
            if use is not None:
                streams = self._end.connection.streams
                assert streams is not None
                process = self._end.process
                self._judge.pads_used(process.name, process.serial, streams.local.stream_id, use)

    def _unwrapped(self, piece: bytes) -> bytes:
        """What is inside, by the sender's own key and the number that the piece must have."""
        if piece[LENGTH_BYTES] != WRAPPED:
            return piece
        wrapper = self._end.connection._wrapper
        assert wrapper is not None and wrapper._outward is not None
        nonce = self._nr_wrapped.to_bytes(12, "big")
        inner = wrapper._outward._aead.decrypt(nonce, piece[10:], piece[:10])
        self._nr_wrapped += 1
        self._events.count("pieces wrapped")
        return len(inner).to_bytes(LENGTH_BYTES, "big") + inner

    # --- what arrives ---

    def receive(self, data: bytes) -> None:
        """Hand `data` to the engine; what the peer did not send, in a call of its own. Raises DskedError."""
        start = 0
        for piece, end in self._cutter.feed(data):
            if self._is_of_the_peer(piece):
                continue
            before = max(end - len(piece), 0)
            if before > start:
                self._take(data[start:before])
            if not self._end.open:
                return
            self._take_forged(data[max(start, before) : end], piece)
            start = end
        if start < len(data) and self._end.open:
            self._take(data[start:])

    def _take(self, data: bytes) -> None:
        process, connection = self._end.process, self._end.connection
        was_open = connection.stage is Stage.OPEN
        try:
            process.receive(connection, data)
        except PeerError as error:
            if was_open and not self.tampered and self._is_between_honest():
                raise Broken(f"{self._where()}: an honest session breaks by itself: {error}") from None
            raise

    def _is_between_honest(self) -> bool:
        return self.source is not None and self._judge.are_honest(self.name, self.source.name)

    def _is_of_the_peer(self, piece: bytes) -> bool:
        """Sent on this very connection, in its order.

        What was lost in between may be frames, and before a frame also blocks, which are numbered apart.
        """
        sent = self.source._sent if self.source is not None else []
        if piece not in sent:
            return False
        skipped = sent[: sent.index(piece)]
        may_miss = is_any_frame if is_frame(piece) else is_frame
        if not all(map(may_miss, skipped)) or (skipped and not is_any_frame(piece)):
            return False
        self.tampered = self.tampered or bool(skipped)
        del sent[: len(skipped) + 1]
        return True

    def _take_forged(self, data: bytes, piece: bytes) -> None:
        connection = self._end.connection
        exempt = isinstance(connection, ClientConnection) and connection.stage is Stage.GREETING
        closing = connection.stage is Stage.CLOSING
        self._events.count("forged pieces")
        self.tampered = True
        before = self._state()
        try:
            self._take(data)
        except DskedError:
            if not exempt and self._state() != before:
                raise Broken(f"{self._where()}: a forged piece was refused, and changed state") from None
            raise
        if not (exempt or closing):
            raise Broken(f"{self._where()}: a forged piece of {len(piece)} bytes was taken")

    def _where(self) -> str:
        return f"{self._end.process.name} from {self._end.peer}"

    def _state(self) -> Any:
        return self._end.process.state_of(self._end.connection)
