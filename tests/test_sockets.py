"""Acceptor and TurnReader: what happens at the limits of the system and of a turn."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from dsked import sockets
from dsked.limits import MAX_ACCEPTS_PER_TURN, MAX_TURN_BYTES
from dsked.sockets import Acceptor, TurnReader, listen

LIMIT_S = 10.0


def pytest_asyncio_loop_factories():
    """The daemon runs on both."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


class Guest(asyncio.Protocol):
    made: list[asyncio.BaseTransport]

    def __init__(self, made: list[asyncio.BaseTransport], came: asyncio.Event) -> None:
        self.made, self._came = made, came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.append(transport)
        self._came.set()


class Exhausted:
    """A socket that listens, and whose accept fails for a while as where no descriptor is left."""

    def __init__(self, listening: socket.socket, failures: int, error: int) -> None:
        self._listening, self.failures, self._error = listening, failures, error

    def accept(self) -> Any:
        if self.failures:
            self.failures -= 1
            raise OSError(self._error, os.strerror(self._error))
        return self._listening.accept()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._listening, name)


async def _until(came: asyncio.Event, condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            came.clear()
            await came.wait()


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
async def test_without_a_descriptor_it_waits_says_so_once_and_goes_on(error: int, caplog) -> None:
    made: list[asyncio.BaseTransport] = []
    came, gave_up = asyncio.Event(), []
    [listening] = await listen("127.0.0.1", 0)
    few: Any = Exhausted(listening, 5, error)
    acceptor = Acceptor([few], lambda: Guest(made, came), lambda: gave_up.append(1))
    _, writer = await asyncio.open_connection("127.0.0.1", acceptor.port)
    await _until(came, lambda: len(made) == 1)
    assert few.failures == 0 and len(gave_up) == 5
    assert caplog.messages == [f"new connections wait: {os.strerror(error)}"]
    writer.close()
    made[0].close()
    await acceptor.close()


async def test_a_connection_that_has_gone_already_costs_no_pause(caplog) -> None:
    made: list[asyncio.BaseTransport] = []
    came = asyncio.Event()
    [listening] = await listen("127.0.0.1", 0)
    gone: Any = Exhausted(listening, 3, errno.ECONNABORTED)
    acceptor = Acceptor([gone], lambda: Guest(made, came))
    _, writer = await asyncio.open_connection("127.0.0.1", acceptor.port)
    await _until(came, lambda: len(made) == 1)
    assert not caplog.messages
    writer.close()
    made[0].close()
    await acceptor.close()


async def test_only_so_many_are_accepted_in_a_turn(monkeypatch) -> None:
    taken: list[int] = []
    [listening] = await listen("127.0.0.1", 0)
    callers = [socket.create_connection(listening.getsockname()) for _ in range(3 * MAX_ACCEPTS_PER_TURN)]
    in_a_turn = 0
    came = asyncio.Event()
    real = Acceptor._accept

    def accept(self: Acceptor, one: socket.socket) -> None:
        nonlocal in_a_turn
        before = len(taken)
        real(self, one)
        in_a_turn = max(in_a_turn, len(taken) - before)
        came.set()

    def take(self: Acceptor, accepted: socket.socket) -> None:
        taken.append(1)
        accepted.close()

    monkeypatch.setattr(Acceptor, "_accept", accept)
    monkeypatch.setattr(Acceptor, "_take", take)
    acceptor = Acceptor([listening], asyncio.Protocol)
    await _until(came, lambda: len(taken) == len(callers))
    assert in_a_turn == MAX_ACCEPTS_PER_TURN
    await acceptor.close()
    for caller in callers:
        caller.close()


async def test_what_was_accepted_has_its_protocol_when_closing_is_done() -> None:
    """Or nobody would close it, and the node would wait for it in vain."""
    made: list[asyncio.BaseTransport] = []
    [listening] = await listen("127.0.0.1", 0)
    acceptor = Acceptor([listening], lambda: Guest(made, asyncio.Event()))
    callers = [socket.create_connection(listening.getsockname()) for _ in range(3)]
    acceptor._accept(listening)
    await acceptor.close()
    await acceptor.close()
    assert len(made) == 3
    for transport in made:
        transport.close()
    for caller in callers:
        caller.close()


class FakeTransport:
    def __init__(self) -> None:
        self.reading, self.closing = True, False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing


def _reader(taken: list[bytes]) -> tuple[TurnReader, FakeTransport]:
    transport = FakeTransport()
    return TurnReader(transport, taken.append), transport  # type: ignore[arg-type]


async def test_much_that_comes_at_once_is_taken_a_part_a_turn() -> None:
    taken: list[bytes] = []
    reader, transport = _reader(taken)
    data = os.urandom(3 * MAX_TURN_BYTES + 1)
    reader.received(data)
    reader.received(b"more")
    assert list(map(len, taken)) == [MAX_TURN_BYTES] and not transport.reading
    for turns in range(2, 5):
        await asyncio.sleep(0)
        assert len(taken) == turns
    assert b"".join(taken) == data + b"more" and transport.reading
    reader.received(b"little")
    assert taken[-1] == b"little"


async def test_who_may_not_be_read_from_is_not_when_the_rest_is_done() -> None:
    reader, transport = _reader([])
    reader.received(bytes(MAX_TURN_BYTES + 1))
    reader.pause()
    await asyncio.sleep(0)
    assert not transport.reading
    reader.resume()
    await asyncio.sleep(0)
    assert transport.reading


async def test_what_has_come_already_waits_as_well() -> None:
    taken: list[bytes] = []
    reader, transport = _reader(taken)
    reader.received(bytes(3 * MAX_TURN_BYTES))
    reader.pause()
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(taken) == 1
    reader.resume()
    reader.pause()
    reader.resume()
    await asyncio.sleep(0)
    assert len(taken) == 2 and not transport.reading, "one part a turn, however often it goes on"
    await asyncio.sleep(0)
    assert len(taken) == 3 and transport.reading


async def test_nothing_is_taken_from_a_connection_that_was_closed() -> None:
    taken: list[bytes] = []
    reader, transport = _reader(taken)
    reader.received(bytes(3 * MAX_TURN_BYTES))
    transport.closing = True
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(taken) == 1 and not transport.reading


@pytest.mark.full
async def test_a_peer_that_reads_nothing_any_more_is_given_up(monkeypatch) -> None:
    """It answers probes, and keeps its window shut: the system ends the connection all the same."""
    monkeypatch.setattr(sockets, "UNACKNOWLEDGED_S", 1)
    made: list[asyncio.BaseTransport] = []
    came = asyncio.Event()
    lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    acceptor = Acceptor(await listen("127.0.0.1", 0), lambda: Guest(made, came))
    monkeypatch.setattr(Guest, "connection_lost", lambda self, exc: lost.set_result(exc))
    with socket.create_connection(("127.0.0.1", acceptor.port)):
        await _until(came, lambda: len(made) == 1)
        made[0].write(bytes(32 * 1024 * 1024))  # type: ignore[attr-defined]
        assert isinstance(await asyncio.wait_for(lost, 3 * LIMIT_S), TimeoutError)
    await acceptor.close()


class OtherHost:
    """A network namespace behind a veth pair: `address` is ours there."""

    def __init__(self) -> None:
        token = os.urandom(3).hex()
        self._name, self._here, self._there = f"dsked-{token}", f"dsked-{token}a", f"dsked-{token}b"
        net = f"10.254.{int(token[:2], 16)}"
        self.address = f"{net}.1"
        self._caller: subprocess.Popen[bytes] | None = None
        self._ip(f"netns add {self._name}")
        try:
            self._ip(f"link add {self._here} type veth peer name {self._there} netns {self._name}")
            self._ip(f"addr add {net}.1/24 dev {self._here}")
            self._ip(f"link set {self._here} up")
            self._ip(f"-n {self._name} addr add {net}.2/24 dev {self._there}")
            self._ip(f"-n {self._name} link set {self._there} up")
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _ip(line: str) -> None:
        subprocess.run(["ip", *line.split()], check=True, capture_output=True)

    def call(self, port: int) -> None:
        """A process there connects to us, and says nothing."""
        code = f"import socket; s = socket.create_connection(('{self.address}', {port})); input()"
        inside = ["ip", "netns", "exec", self._name, sys.executable, "-c", code]
        self._caller = subprocess.Popen(inside, stdin=subprocess.PIPE)

    def vanish(self) -> None:
        """Its network is gone."""
        self._ip(f"-n {self._name} link set {self._there} down")

    def close(self) -> None:
        if self._caller is not None:
            self._caller.communicate(b"\n")
        self._ip(f"netns del {self._name}")


@pytest.mark.full
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces need root and ip")
@pytest.mark.parametrize("says", [b"", b"something"])
async def test_a_peer_whose_host_is_gone_is_given_up(says: bytes, monkeypatch) -> None:
    """Nothing comes from it any more, no reset either: probes find that out, or what was sent to it."""
    for name in ("KEEPALIVE_IDLE_S", "KEEPALIVE_INTERVAL_S", "KEEPALIVE_COUNT", "UNACKNOWLEDGED_S"):
        monkeypatch.setattr(sockets, name, 1)
    made: list[asyncio.BaseTransport] = []
    came = asyncio.Event()
    lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(Guest, "connection_lost", lambda self, exc: lost.set_result(exc))
    other = OtherHost()
    try:
        acceptor = Acceptor(await listen(other.address, 0), lambda: Guest(made, came))
        other.call(acceptor.port)
        await _until(came, lambda: len(made) == 1)
        other.vanish()
        made[0].write(says)  # type: ignore[attr-defined]
        assert isinstance(await asyncio.wait_for(lost, 3 * LIMIT_S), OSError)
        await acceptor.close()
    finally:
        other.close()
