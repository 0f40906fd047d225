from __future__ import annotations

import asyncio
import errno
import socket
from dataclasses import dataclass, field

import pytest

from dsked.errors import DskedError, FrameError, StorageError
from dsked.limits import MAX_FRAME_BYTES, MAX_TURN_BYTES, MAX_WRITE_BYTES
from dsked.net.tcp import DskeProtocol, OpenProtocols, peer_address, reason
from dsked.sockets import keep_alive
from dsked.wire.connection import Stage
from dsked.wire.frame import LENGTH_BYTES, FrameBuffer


@dataclass
class FakeSocket:
    options: dict[tuple[int, int], int] = field(default_factory=dict)

    def setsockopt(self, level: int, name: int, value: int) -> None:
        self.options[level, name] = value


@dataclass
class FakeTransport:
    socket: FakeSocket = field(default_factory=FakeSocket)
    peername: tuple[str, int] | None = ("192.0.2.1", 4711)
    written: list[bytes] = field(default_factory=list)
    closed: bool = False
    aborted: bool = False
    reading: bool = True

    def get_extra_info(self, name: str):
        return {"socket": self.socket, "peername": self.peername}[name]

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


@dataclass
class FakeConnection:
    out: list[bytes] = field(default_factory=list)
    writable: bool = True
    stage: Stage = Stage.OPEN
    buffer: FrameBuffer = field(default_factory=lambda: FrameBuffer(MAX_FRAME_BYTES))

    @property
    def rest(self) -> memoryview | None:
        return self.buffer.rest

    def filled(self, nr_bytes: int) -> bool:
        return self.buffer.filled(nr_bytes)

    def data_to_send(self, enough: int) -> bytes:
        data = b""
        while self.writable and self.out and len(data) < enough:
            data += self.out.pop(0)
        return data


@dataclass
class FakeOwner:
    error: Exception | None = None
    events: list[tuple[object, ...]] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)

    def received(self, connection: FakeConnection, data: bytes) -> None:
        self.events.append(("received", data))
        self.pieces += connection.buffer.feed(data)
        if self.error is not None:
            raise self.error

    def failed(self, connection: FakeConnection, peer: str, error: DskedError) -> None:
        self.events.append(("failed", peer, error))

    def lost(self, connection: FakeConnection, error: Exception | None) -> None:
        self.events.append(("lost", error))

    def touch(self) -> None:
        self.events.append(("touch",))


@pytest.fixture
def owner() -> FakeOwner:
    return FakeOwner()


@pytest.fixture
def protocol(owner: FakeOwner) -> DskeProtocol:
    return DskeProtocol(owner, FakeConnection(), FakeTransport())


def bring(protocol: DskeProtocol, data: bytes) -> bytes:
    """What a transport does with `data` that has come, once; gives what it has not read."""
    buffer = protocol.get_buffer(-1)
    part = data[: len(buffer)]
    buffer[: len(part)] = part
    protocol.buffer_updated(len(part))
    return data[len(part) :]


def piece(number: int, length: int) -> bytes:
    return (length - LENGTH_BYTES).to_bytes(LENGTH_BYTES, "big") + bytes((number,)) * (length - LENGTH_BYTES)


def test_bytes_reach_the_owner_and_the_turn_ends_soon(protocol, owner) -> None:
    assert bring(protocol, b"\0\0\0\1a") == b""
    assert owner.events == [("received", b"\0\0\0\1a"), ("touch",)]
    assert protocol.transport.reading


async def test_much_leaves_in_parts_a_turn_for_each(protocol) -> None:
    frames = [bytes((number,)) * (MAX_WRITE_BYTES // 2) for number in range(5)]
    connection, written = protocol.connection, protocol.transport.written
    connection.out[:] = frames
    connection.stage = Stage.CLOSING
    protocol.flush()
    assert written == [b"".join(frames[:2])]
    await asyncio.sleep(0)
    assert written[1:] == [b"".join(frames[2:4])]
    assert not protocol.transport.closed
    await asyncio.sleep(0)
    assert written[2:] == frames[4:]
    assert protocol.transport.closed


async def test_parts_wait_for_a_reader(protocol) -> None:
    frames = [bytes((number,)) * MAX_WRITE_BYTES for number in range(2)]
    protocol.connection.out[:] = frames
    protocol.flush()
    protocol.pause_writing()
    await asyncio.sleep(0)
    assert protocol.transport.written == frames[:1]
    protocol.resume_writing()
    assert protocol.transport.written == frames


async def test_at_the_end_all_leaves_at_once(protocol) -> None:
    frames = [bytes((number,)) * MAX_WRITE_BYTES for number in range(5)]
    protocol.connection.out[:] = frames
    protocol.flush_all()
    assert protocol.transport.written == [b"".join(frames)]
    assert protocol.transport.closed


def test_connections_share_the_memory_that_they_receive_into(protocol, owner) -> None:
    other = DskeProtocol(FakeOwner(), FakeConnection(), FakeTransport())
    for one in (protocol, other, protocol):
        bring(one, piece(1, 100)[:60])
        bring(one, piece(1, 100)[60:])
    assert owner.pieces == 2 * [piece(1, 100)] == 2 * other.owner.pieces


async def test_more_than_a_turns_bytes_wait_for_the_others_turn(protocol, owner) -> None:
    small = b"".join(piece(number, 64) for number in range(100))
    stream = small * (3 * MAX_TURN_BYTES // len(small) + 1)
    for _ in range(3):
        stream = bring(protocol, stream)
        assert not protocol.transport.reading
        await asyncio.sleep(0)
        assert protocol.transport.reading
    assert bring(protocol, stream) == b""
    assert protocol.transport.reading
    assert len(owner.pieces) == 100 * (3 * MAX_TURN_BYTES // len(small) + 1)


async def test_a_long_frame_is_received_where_it_stays_and_one_of_them_in_a_turn(protocol, owner) -> None:
    """The owner hears of it when it begins and when it is whole; the next is not read in the same turn."""
    whole = [piece(1, 100), piece(2, 5 * MAX_TURN_BYTES), piece(3, 2 * MAX_TURN_BYTES), piece(4, 100)]
    stream = bring(protocol, b"".join(whole))
    assert owner.pieces == whole[:1]
    assert protocol.transport.reading
    stream = bring(protocol, stream[:1000]) + stream[1000:]
    assert len(owner.events) == 2
    assert protocol.transport.reading
    stream = bring(protocol, stream)
    assert owner.pieces == whole[:2]
    assert not protocol.transport.reading
    await asyncio.sleep(0)
    while stream:
        stream = bring(protocol, stream)
        await asyncio.sleep(0)
    assert owner.pieces == whole


async def test_a_long_frame_that_breaks_the_protocol_is_the_last(protocol, owner) -> None:
    stream = bring(protocol, piece(1, 2 * MAX_TURN_BYTES))
    owner.error = FrameError("wrong")
    bring(protocol, stream)
    assert ("failed", "192.0.2.1", owner.error) in owner.events
    assert protocol.transport.aborted


def test_a_peer_that_breaks_the_protocol_is_cut_off(protocol, owner) -> None:
    owner.error = FrameError("wrong")
    bring(protocol, b"\0\0\0\1a")
    assert owner.events == [("received", b"\0\0\0\1a"), ("failed", "192.0.2.1", owner.error), ("touch",)]
    assert protocol.transport.aborted
    bring(protocol, b"more")
    assert len(owner.events) == 3, "nothing more is read"


@pytest.mark.parametrize("how", ["flush", "resume_writing"])
def test_a_pool_that_fails_closes_its_connection(protocol, owner, monkeypatch, how: str) -> None:
    def fails(enough: int) -> bytes:
        raise StorageError("the disk is gone")

    monkeypatch.setattr(protocol.connection, "data_to_send", fails)
    getattr(protocol, how)()
    assert protocol.transport.aborted
    assert [str(event[2]) for event in owner.events if event[0] == "failed"] == ["the disk is gone"]


def test_output_is_one_write(protocol) -> None:
    protocol.connection.out += [b"one", b"two"]
    protocol.flush()
    protocol.flush()
    assert protocol.transport.written == [b"onetwo"]


def test_nothing_is_written_to_a_transport_that_closes(protocol) -> None:
    protocol.connection.out.append(b"late")
    protocol.transport.close()
    protocol.flush()
    assert protocol.transport.written == []


def test_a_closing_connection_says_its_last_word_and_closes(protocol) -> None:
    protocol.connection.out.append(b"refused")
    protocol.connection.stage = Stage.CLOSING
    protocol.flush()
    assert protocol.transport.written == [b"refused"]
    assert protocol.transport.closed


def test_a_slow_reader_stops_the_output_until_it_has_read(protocol, owner) -> None:
    protocol.pause_writing()
    protocol.connection.out.append(b"waits")
    protocol.flush()
    assert protocol.transport.written == []
    protocol.resume_writing()
    assert protocol.transport.written == [b"waits"]
    assert owner.events == [("touch",)]


def test_a_lost_connection_is_told(protocol, owner) -> None:
    error = ConnectionResetError()
    protocol.connection_lost(error)
    assert owner.events == [("lost", error), ("touch",)]


def test_the_system_notices_peers_that_vanish() -> None:
    raw = FakeSocket()
    keep_alive(raw)
    assert raw.options == {
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 10,
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 5,
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 25_000,
    }


def test_a_peer_without_an_address() -> None:
    assert peer_address(FakeTransport()) == "192.0.2.1"
    assert peer_address(FakeTransport(peername=None)) == "unknown"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 1)"), "Connection refused"),
        (OSError(errno.EADDRINUSE, "error while attempting to bind on ..."), "Address already in use"),
        (OSError("Multiple exceptions: ..."), "Multiple exceptions: ..."),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "Name or service not known"),
    ],
)
def test_the_systems_reason_is_told_in_its_own_words(error: OSError, text: str) -> None:
    assert reason(error) == text


async def test_closing_ends_once_those_that_linger_are_gone(protocol) -> None:
    """As real transports do, this one tells that it was aborted in the next turn of the loop."""
    protocols: OpenProtocols = OpenProtocols()
    protocols["carol's"] = protocol
    loop = asyncio.get_running_loop()
    protocol.transport.abort = lambda: loop.call_soon(protocols.lost, "carol's")
    await protocols.close(0.01)
    assert protocol.transport.closed
    assert not protocols
