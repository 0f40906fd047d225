"""The connections of a capture: which ends are clients, and their pieces as they are completed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from decoding.capture import Address, Segment, Stream
from decoding.following import Conversation, Piece
from decoding.frames import pieces
from decoding.packed import MalformedError


@dataclass
class _Connection:
    number: int
    streams: dict[Address, Stream] = field(default_factory=dict)
    hub: Address | None = None
    conversation: Conversation = field(default_factory=Conversation)
    broken: bool = False


class Connections:
    """`port`: the hub's. Without it the hub is who speaks first: it says M0."""

    def __init__(self, port: int | None) -> None:
        self._port = port
        self._open: dict[frozenset[Address], _Connection] = {}
        self._number = 0

    def take(self, segment: Segment) -> Iterator[Piece]:
        """The pieces that a segment completes."""
        if self._port not in (None, segment.source[1], segment.target[1]):
            return
        ends = frozenset((segment.source, segment.target))
        if ends not in self._open or (segment.syn and self._open[ends].hub is not None):
            self._number += 1
            self._open[ends] = _Connection(self._number)
        connection = self._open[ends]
        connection.streams.setdefault(segment.source, Stream()).take(segment)
        yield from self._pieces(connection, segment)

    def _pieces(self, connection: _Connection, segment: Segment) -> Iterator[Piece]:
        source = segment.source
        if segment.data and connection.hub is None:
            from_hub = self._port in (None, source[1])
            connection.hub = source if from_hub else segment.target
        side = "H" if source == connection.hub else "C"
        stream = connection.streams[source]
        if connection.broken:
            return
        seen = 0
        try:
            for at, piece in pieces(stream.data):
                seen = at + len(piece)
                found = connection.conversation.take(side, piece, stream.at + at)
                yield found._replace(connection=connection.number)
            stream.drop(seen)
        except MalformedError as error:
            connection.broken = True
            yield Piece(side, stream.at, len(stream.data), "?", {}, None, str(error), connection.number)

    def end(self) -> Iterator[Piece]:
        """What was left of a piece when the capture ended."""
        for connection in self._open.values():
            for source, stream in connection.streams.items():
                if (stream.data or stream.lacks) and not connection.broken:
                    side, length = "H" if source == connection.hub else "C", len(stream.data)
                    why = "bytes are missing" if stream.lacks else "the connection ends within a piece"
                    yield Piece(side, stream.at, length, "?", {}, None, why, connection.number)
