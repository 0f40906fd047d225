"""The recorder between a client and a hub of our own: it writes down what was sent, whatever arrives."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
import uvloop

from scripts.torturing.gateway import Gateway
from scripts.torturing.ledger import HANDSHAKE_BYTES, Ledger, Reuse, Stream
from scripts.torturing.recorder import Line, Recorder
from scripts.torturing.tap import Piece, Way
from scripts.torturing.weather import Fate, Forecast, Weather

from .wires import frames, media

LIMIT_S = 10.0


class OneFault(Weather):
    """The weather of one connection, as a test wants it."""

    def __init__(self, forecast: Forecast | None) -> None:
        super().__init__("test")
        self._forecast = forecast

    def forecast(self, pair: tuple[str, str]) -> Forecast | None:
        return self._forecast

    def in_session(self) -> Forecast:
        return Forecast(Fate.PASS)


class Wire(NamedTuple):
    """A client's and a hub's end of a connection through a recorder."""

    recorder: Recorder
    client: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    hub: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    gateway: Gateway

    def end(self, way: Way) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The receiver of what goes that way."""
        return self.hub if way is Way.TO_HUB else self.client

    async def send(self, way: Way, data: bytes) -> None:
        """Send, and wait until it has arrived."""
        self._sender(way).write(data)
        assert await self.end(way)[0].readexactly(len(data)) == data

    def lose(self, way: Way, data: bytes) -> None:
        """Send what will not arrive."""
        self._sender(way).write(data)

    def _sender(self, way: Way) -> asyncio.StreamWriter:
        return (self.client if way is Way.TO_HUB else self.hub)[1]

    async def handshake(self, messages: int = 5) -> None:
        for way, message in media().sent[:messages]:
            await self.send(way, message)

    async def closed(self, *ways: Way) -> None:
        """Wait until nothing more comes to these ends, and nothing has."""
        for way in ways or tuple(Way):
            assert await self.end(way)[0].read() == b""

    def stream(self, way: Way) -> Stream:
        identity = media().client_stream if way is Way.TO_HUB else media().hub_stream
        return self.recorder.ledger.streams[identity]

    @property
    def line(self) -> Line:
        return self.recorder.lines[-1]

    async def until_used(self, way: Way, nr_uses: int) -> None:
        """Wait until so many uses of a direction's stream are written down."""
        while self.stream(way).nr_uses < nr_uses:  # noqa: ASYNC110  a few turns of the loop
            await asyncio.sleep(0)


@asynccontextmanager
async def wired(
    forecast: Forecast | None = None, ledger: Ledger | None = None, weather: type[OneFault] = OneFault
) -> AsyncIterator[Wire]:
    accepted: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.put_nowait((reader, writer))

    hub = await asyncio.start_server(accept, "127.0.0.1", 0)
    recorder = Recorder(ledger or Ledger(lambda client, hub: None), weather(forecast))
    gateway = await recorder.serve("hank", 0)
    gateway.set_ports(hub.sockets[0].getsockname()[1])
    async with asyncio.timeout(LIMIT_S):
        client = await asyncio.open_connection("127.0.0.1", gateway.server.sockets[0].getsockname()[1])
        wire = Wire(recorder, client, await accepted.get(), gateway)
        yield wire
        for _, writer in (wire.client, wire.hub):
            writer.close()
    gateway.server.close()
    hub.close()


async def test_what_passes_arrives_unchanged_and_is_written_down() -> None:
    async with wired() as wire:
        await wire.handshake()
        for frame in frames().values():
            await wire.send(frame.way, frame.raw)
        for way in Way:
            expected = [frame for frame in frames().values() if frame.way is way]
            assert wire.stream(way).nr_uses == 1 + len(expected)
            wanted = HANDSHAKE_BYTES + sum(frame.end - frame.start for frame in expected)
            assert wire.stream(way).used == wanted
        assert wire.line.client == "carol"
        assert "PUT_SHARES_ACK" in wire.line.answered
        assert not wire.recorder.ledger.faults


async def test_positions_used_twice_are_noticed_across_connections() -> None:
    """The positive control of the whole: the same trace twice is reuse of every range in it."""
    ledger = Ledger(lambda client, hub: None)
    for _ in range(2):
        async with wired(ledger=ledger) as wire:
            await wire.handshake()
            frame = frames()["REGISTER"]
            await wire.send(frame.way, frame.raw)
    assert [type(fault) for fault in ledger.faults] == [Reuse] * 3
    kinds = [fault.second.kind for fault in ledger.faults if isinstance(fault, Reuse)]
    assert kinds == ["M3", "M4", "REGISTER"]


@pytest.mark.parametrize("fate", [Fate.LOSE_AND_CUT, Fate.LOSE_AND_SILENCE])
@pytest.mark.parametrize(("message", "sent"), [("M3", 3), ("M4", 4)])
async def test_a_lost_proof_is_written_down_and_arrives_nowhere(fate: Fate, message: str, sent: int) -> None:
    async with wired(Forecast(fate, message=message)) as wire:
        await wire.handshake(sent)
        way, proof = media().sent[sent]
        wire.lose(way, proof)
        await wire.closed()
        assert wire.stream(way).used == HANDSHAKE_BYTES
        assert not wire.line.is_open
        assert message in wire.line.describe()


async def test_silence_loses_what_follows_both_ways_and_writes_it_down() -> None:
    register, registered = frames()["REGISTER"], frames()["REGISTERED: taken"]
    async with wired(Forecast(Fate.LOSE_AND_SILENCE, pieces=0)) as wire:
        await wire.handshake()
        wire.lose(register.way, register.raw)
        await wire.until_used(register.way, 2)
        wire.lose(registered.way, registered.raw)
        await wire.closed()
        assert wire.stream(registered.way).nr_uses == 2


async def test_what_is_still_said_on_a_line_that_was_cut_is_written_down() -> None:
    register, registered = frames()["REGISTER"], frames()["REGISTERED: taken"]
    async with wired(Forecast(Fate.CUT, pieces=0)) as wire:
        await wire.handshake()
        await wire.send(register.way, register.raw)
        await wire.closed()
        wire.lose(registered.way, registered.raw)
        await wire.until_used(registered.way, 2)


def test_a_recorder_that_stood_still_itself_reads_before_it_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process got no time while an end still spoke; on uvloop timers may then come before sockets."""
    monkeypatch.setattr("scripts.torturing.recorder.LINGER_S", 0.05)
    register, registered = frames()["REGISTER"], frames()["REGISTERED: taken"]

    async def run() -> None:
        async with wired(Forecast(Fate.CUT, pieces=0)) as wire:
            await wire.handshake()
            await wire.send(register.way, register.raw)
            hub = wire.hub[1].get_extra_info("socket").fileno()

            def stand_still() -> None:
                loop.remove_reader(alarm)
                os.write(hub, registered.raw)
                time.sleep(0.2)

            loop = asyncio.get_running_loop()
            alarm, bell = socket.socketpair()
            with alarm, bell:
                loop.add_reader(alarm, stand_still)
                bell.send(b"!")
                await wire.until_used(registered.way, 2)

    uvloop.run(run())


CHANGED = {
    Fate.REPEAT: lambda piece, before: piece + piece,
    Fate.REPLAY: lambda piece, before: before + piece,
}


@pytest.mark.parametrize("fate", CHANGED)
async def test_pieces_come_again(fate: Fate) -> None:
    register = frames()["REGISTER"]

    class Again(OneFault):
        def instead(self, fate: Fate, piece: Piece) -> bytes:
            return CHANGED[fate](piece.raw, b"old") if fate in CHANGED else piece.raw

    async with wired(Forecast(fate, pieces=0), weather=Again) as wire:
        await wire.handshake()
        wire.lose(register.way, register.raw)
        expected = CHANGED[fate](register.raw, b"old")
        assert await wire.hub[0].readexactly(len(expected)) == expected
        assert wire.stream(register.way).nr_uses == 2, "it counts once"


async def test_a_piece_comes_behind_the_next_one() -> None:
    first, second = [frame for frame in frames().values() if frame.way is Way.TO_HUB][:2]
    async with wired(Forecast(Fate.SWAP, pieces=0)) as wire:
        await wire.handshake()
        wire.lose(Way.TO_HUB, first.raw + second.raw)
        assert await wire.hub[0].readexactly(len(first.raw + second.raw)) == second.raw + first.raw


async def test_a_piece_comes_back_to_its_sender() -> None:
    register = frames()["REGISTER"]
    async with wired(Forecast(Fate.REFLECT, pieces=0)) as wire:
        await wire.handshake()
        wire.lose(register.way, register.raw)
        assert await wire.client[0].readexactly(len(register.raw)) == register.raw


async def test_in_calm_weather_everything_passes_on_old_connections_too() -> None:
    register = frames()["REGISTER"]
    async with wired(Forecast(Fate.LOSE_AND_CUT, pieces=0)) as wire:
        await wire.handshake()
        wire.recorder.weather.calm = True
        await wire.send(register.way, register.raw)


async def test_a_sender_that_dies_in_the_middle_of_a_frame_has_used_it() -> None:
    frame = frames()["REGISTER"]
    async with wired() as wire:
        await wire.handshake()
        wire.lose(frame.way, frame.raw[:-1])
        wire.client[1].transport.abort()
        assert await wire.hub[0].read() in (frame.raw[:-1], b"")
        assert wire.stream(frame.way).nr_uses == 2


async def test_late_pieces_arrive_in_order() -> None:
    ours = [frame for frame in frames().values() if frame.way is Way.TO_HUB]
    async with wired(Forecast(Fate.DELAY, pieces=1)) as wire:
        await wire.handshake()
        await wire.send(Way.TO_HUB, b"".join(frame.raw for frame in ours))


async def test_a_hub_that_is_down_keeps_the_client_waiting_and_a_clone_gets_its_turn() -> None:
    gateway = Gateway()
    waiting = asyncio.create_task(gateway.port())
    await asyncio.sleep(0)
    assert not waiting.done()
    gateway.set_ports(7)
    assert await waiting == 7
    gateway.set_ports(7, 8)
    assert {await gateway.port() for _ in range(2)} == {7, 8}


def test_a_forecast_waits_for_its_message_or_counts_pieces() -> None:
    m3 = Piece(Way.TO_HUB, 1, "M3", b"\0\0\0\1\x96")
    frame = Piece(Way.TO_HUB, 2, "PING", b"\0\0\0\1\x97")
    on_message = Forecast(Fate.CUT, message="M3")
    assert [on_message.of(piece) for piece in (frame, m3)] == [Fate.PASS, Fate.CUT]
    on_count = Forecast(Fate.CUT, pieces=2)
    assert [on_count.of(piece) for piece in (m3, frame, frame)] == [Fate.PASS, Fate.PASS, Fate.CUT]


def test_weather_loses_proofs_both_ways_and_never_many_handshakes_in_a_row() -> None:
    weather = Weather("test")
    in_a_row, messages = 0, set()
    for _ in range(500):
        forecast = weather.forecast(("carol", "hank"))
        assert forecast is not None
        messages.add(forecast.message)
        in_a_row = in_a_row + 1 if forecast.message else 0
        assert in_a_row <= 2
    assert messages == {"", "M1", "M2", "M3", "M4"}
    weather.calm = True
    assert weather.forecast(("carol", "hank")) is None
