from __future__ import annotations

import asyncio
import errno
import random
import socket
from dataclasses import dataclass, field

import pytest

from dsked.errors import DskedError, FrameError, StorageError
from dsked.limits import MAX_TURN_BYTES
from dsked.net.tcp import DskeProtocol, peer_address, reason
from dsked.sockets import keep_alive
from dsked.wire.connection import Stage


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

    def data_to_send(self) -> bytes:
        if not self.writable:
            return b""
        data = b"".join(self.out)
        self.out.clear()
        return data


@dataclass
class FakeOwner:
    error: Exception | None = None
    events: list[tuple[object, ...]] = field(default_factory=list)

    def received(self, connection: FakeConnection, data: bytes) -> None:
        self.events.append(("received", data))
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


def test_bytes_reach_the_owner_and_the_turn_ends_soon(protocol, owner) -> None:
    protocol.data_received(b"data")
    assert owner.events == [("received", b"data"), ("touch",)]


async def test_much_at_once_is_taken_a_part_a_turn_in_order(protocol, owner) -> None:
    """And again, once it has come to that."""
    data = random.Random(1).randbytes(5 * MAX_TURN_BYTES)
    for begin, end in ((0, 7), (7, 2 * MAX_TURN_BYTES), (2 * MAX_TURN_BYTES, len(data))):
        protocol.data_received(data[begin:end])
        for _ in range(end // MAX_TURN_BYTES):
            await asyncio.sleep(0)
        assert protocol.transport.reading
    protocol.data_received(b"little")
    taken = [event[1] for event in owner.events if event[0] == "received"]
    assert max(map(len, taken)) == MAX_TURN_BYTES
    assert b"".join(taken) == data + b"little"


def test_a_peer_that_breaks_the_protocol_is_cut_off(protocol, owner) -> None:
    owner.error = FrameError("wrong")
    protocol.data_received(b"data")
    assert owner.events == [("received", b"data"), ("failed", "192.0.2.1", owner.error), ("touch",)]
    assert protocol.transport.aborted
    protocol.data_received(b"more")
    assert len(owner.events) == 3, "nothing more is read"


@pytest.mark.parametrize("how", ["flush", "resume_writing"])
def test_a_pool_that_fails_closes_its_connection(protocol, owner, monkeypatch, how: str) -> None:
    def fails() -> bytes:
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
