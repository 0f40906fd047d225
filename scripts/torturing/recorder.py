"""The peer at the wire: every connection between a client and a hub passes through it and is written down.

A use is written down before anything is done with the piece; then the weather decides whether it passes. A
line that is cut is closed for both ends, and read until both have said all that they had to say.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast

from .gateway import Gateway
from .ledger import Ledger, Origin, Use
from .tap import REFUSED_REWIND, Hello, Piece, Range, Tap, Way
from .weather import Fate, Forecast, Weather

#: An end that says nothing and does not close is left alone after this. On a machine that is very busy a node
#: may get no time for seconds, and what it then writes at first would be used and not seen.
LINGER_S = 10.0
#: Then what has come is read first: this process may have stood still itself, and timers come before sockets.
READ_S = 0.1
#: How long a connection waits for a hub that is down: less than a client waits for M0.
HOLD_S = 4.0


class Recorder:
    """The proxies of all hubs, and what passes through them.

    `keep`: whether lines keep all pieces, for somebody who wants to send them once more.
    """

    def __init__(self, ledger: Ledger, weather: Weather) -> None:
        self.ledger = ledger
        self.weather = weather
        self.keep = False
        self.begun_s = time.monotonic()
        self.lines: list[Line] = []  # all, by number
        self.dialled: list[Line] = []  # those that a hub was there for, in the order of dialling
        self.news = asyncio.Event()  # set when something has reached a client
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, hub: str, port: int) -> Gateway:
        """Listen on `port` for clients of a hub, which is reached through `Gateway.ports`."""
        gateway = Gateway()
        loop = asyncio.get_running_loop()

        def accepted() -> asyncio.Protocol:
            line = Line(self, hub, len(self.lines), gateway)
            self.lines.append(line)
            return line.ends[Way.TO_HUB]

        gateway.server = await loop.create_server(accepted, "127.0.0.1", port)
        return gateway

    def open_lines(self, *names: str) -> list[Line]:
        """The connections that are open, of all nodes or of those named."""
        return [line for line in self.lines if line.is_open and (not names or line.is_of(names))]

    def run(self, line: Line) -> None:
        """Dial the hub of a new connection."""
        task = asyncio.get_running_loop().create_task(line.dial())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class End(asyncio.Protocol):
    """One TCP connection of a line; what comes in here goes `way`."""

    def __init__(self, line: Line, way: Way) -> None:
        self._line, self._way = line, way
        self.transport: asyncio.Transport | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._line.connected(self._way)

    def data_received(self, data: bytes) -> None:
        self._line.carry(self._way, data)

    def eof_received(self) -> bool:
        self._line.ended(self._way)
        return True  # what the other end still says is read

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._line.ended(self._way)

    def write(self, data: bytes) -> None:
        """Send on to this end, unless it is gone."""
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def finish(self) -> None:
        """Say no more to this end."""
        if self.transport is not None and not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    def abort(self) -> None:
        """Be rid of it."""
        if self.transport is not None:
            self.transport.abort()


class Line:
    """One connection through the recorder: two TCP connections, and what passes between them.

    `answered`: names of the frames that have reached the client. `pieces`: all, if the recorder keeps them.
    """

    def __init__(self, recorder: Recorder, hub: str, number: int, gateway: Gateway) -> None:
        self._recorder, self._gateway = recorder, gateway
        self.hub, self.number = hub, number
        self.tap = Tap(self._note)
        self.ends = {way: End(self, way) for way in Way}
        self.answered: set[str] = set()
        self.pieces: list[Piece] = []
        self.story: list[str] = []
        self._forecast: Forecast | None = None
        self._fault = False  # the weather has lost or cut something
        self._late: dict[Way, list[bytes]] = {}  # held back, in order
        self._swapped: dict[Way, bytes] = {}  # goes behind the next piece
        self._ended: set[Way] = set()
        self._silent = False
        self._finishing = False
        self._hung_up: Way | None = None  # the direction whose sender closed the line, before anybody else
        self.port = 0

    # --- who ---

    @property
    def client(self) -> str:
        """The client's name, once M1 has told it."""
        hello = self.tap.hellos.get(Way.TO_HUB)
        return hello.client if hello is not None else ""

    @property
    def pair(self) -> tuple[str, str]:
        """Client and hub, once M1 has told them."""
        return self.client, self.hub

    def hello(self, way: Way) -> Hello | None:
        """M1 or M2."""
        return self.tap.hellos.get(way)

    def is_of(self, names: tuple[str, ...]) -> bool:
        """True where one of the nodes named is an end."""
        return self.hub in names or self.client in names

    @property
    def is_open(self) -> bool:
        """False as soon as the line is cut, or one end has closed it."""
        return not self._finishing

    @property
    def left_behind(self) -> bool:
        """True where one side refused the other for what it has forgotten: both need new streams.

        The hub says so in M2; a client closes on M2 and sends no M3.
        """
        hello = self.hello(Way.TO_CLIENT)
        if hello is None or self._fault:
            return False
        return hello.code == REFUSED_REWIND or (
            self._hung_up is Way.TO_HUB and hello.code == 0 and not self.tap.proved
        )

    def describe(self) -> str:
        """Circumstances, for a report."""
        boots = [hello.boot_id.hex()[:8] for way in Way if (hello := self.hello(way))]
        return (
            f"connection {self.number} of {self.client or 'somebody'} with {self.hub} (port {self.port}), "
            f"processes {' and '.join(boots) or 'unknown'}: {'; '.join(self.story) or 'nothing happened'}"
        )

    # --- bytes ---

    def connected(self, way: Way) -> None:
        """One of the two TCP connections is there; the client's comes first."""
        if way is Way.TO_HUB:
            self._recorder.run(self)

    async def dial(self) -> None:
        """Reach the hub, or give up as a hub that is down."""
        try:
            async with asyncio.timeout(HOLD_S):
                self.port = await self._gateway.port()
            self._recorder.dialled.append(self)
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self.ends[Way.TO_CLIENT], "127.0.0.1", self.port)
        except OSError:  # TimeoutError is one
            self._tell("the hub cannot be reached")
            self.ends[Way.TO_CLIENT].closed = True
            self.ended(Way.TO_CLIENT)
        if Way.TO_HUB in self._ended:
            self._finish()

    def carry(self, way: Way, data: bytes) -> None:
        """Bytes have come from one end: write down what they use, then send on what passes."""
        for piece in self.tap.feed(way, data):
            if self._recorder.keep:
                self.pieces.append(piece)
            if piece.name == "M1":
                self._begins()
            fate = self._fate(piece)
            if fate is Fate.DELAY:
                self._hold(way)
            if fate is Fate.REFLECT:
                self.ends[way].write(piece.raw)
            elif fate not in (Fate.LOSE_AND_CUT, Fate.LOSE_AND_SILENCE):
                self._send(piece, self._recorder.weather.instead(fate, piece), swap=fate is Fate.SWAP)
            if fate in (Fate.CUT, Fate.TEAR, Fate.LOSE_AND_CUT):
                self._finish()

    def ended(self, way: Way) -> None:
        """One end says no more. What came of a piece that it did not finish goes on."""
        if way not in self._ended:
            self._ended.add(way)
            self._tell(f"no more goes {way.value}")
            if self.is_open:
                self._hung_up = way
            if not self._silent and not self._finishing and not self._late.get(way):
                self._other(way).write(self.tap.rest(way))
        self._finish()

    def cut(self) -> None:
        """Let nothing pass any more, and close both ends."""
        if self.is_open:
            self._tell("cut")
            self._finish()

    def _begins(self) -> None:
        hello = self.hello(Way.TO_HUB)
        assert hello is not None
        self._forecast = self._recorder.weather.forecast((hello.client, self.hub))
        for identity, owner in ((hello.client_stream, hello.client), (hello.hub_stream, self.hub)):
            if any(identity):
                self._recorder.ledger.stream(identity, hello.client, self.hub, owner).attempted()

    def _note(self, used: Range) -> None:
        """Called before the piece is even whole."""
        hello = self.hello(Way.TO_CLIENT)
        if hello is None:
            raise AssertionError(f"{used} before M2")
        by_client = used.way is Way.TO_HUB
        identity = hello.client_stream if by_client else hello.hub_stream
        owner = self.client if by_client else self.hub
        ledger = self._recorder.ledger
        stream = ledger.stream(identity, self.client, self.hub, owner)
        ledger.note(stream, Use(used.start, used.end, used.name, Origin(self.number, used.number)))

    def _fate(self, piece: Piece) -> Fate:
        if self._silent or self._finishing:
            return Fate.LOSE_AND_SILENCE
        self._recorder.weather.saw(piece)
        if self._recorder.weather.calm:
            return Fate.PASS
        fate = self._forecast.of(piece) if self._forecast is not None else Fate.PASS
        if fate is Fate.PASS:
            return fate
        weather = self._recorder.weather
        weather.happened(fate, piece)
        self._fault |= fate is not Fate.DELAY
        self._tell(f"{piece.name} (piece {piece.number}) {piece.way.value} {fate.value}")
        self._forecast = weather.in_session() if fate is Fate.DELAY else None
        if fate is Fate.LOSE_AND_SILENCE:
            self._silent = True
            self._later(weather.silence_s(), self._finish)
        return fate

    def _send(self, piece: Piece, data: bytes, *, swap: bool) -> None:
        if swap:
            self._swapped[piece.way] = data
            return
        data += self._swapped.pop(piece.way, b"")
        late = self._late.get(piece.way)
        if late is not None:
            late.append(data)
            return
        self._other(piece.way).write(data)
        if piece.way is Way.TO_CLIENT:
            self.answered.add(piece.name)
            self._recorder.news.set()

    def _hold(self, way: Way) -> None:
        self._late.setdefault(way, [])
        self._later(self._recorder.weather.delay_s(), lambda: self._release(way))

    def _release(self, way: Way) -> None:
        pieces = self._late.pop(way, [])
        if not self._finishing:
            self._other(way).write(b"".join(pieces))

    def _other(self, way: Way) -> End:
        """The end that what goes `way` is sent to."""
        return self.ends[Way.TO_CLIENT if way is Way.TO_HUB else Way.TO_HUB]

    def _finish(self) -> None:
        """Close both ends, and read what they still say."""
        for end in self.ends.values():
            end.finish()
        if not self._finishing:
            self._finishing = True
            self._later(LINGER_S, lambda: self._later(READ_S, self._abort))
        if self._ended == set(Way):
            self._abort()

    def _abort(self) -> None:
        for end in self.ends.values():
            end.abort()

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(delay_s, action)

    def _tell(self, what: str) -> None:
        self.story.append(f"{time.monotonic() - self._recorder.begun_s:.3f} s {what}")
