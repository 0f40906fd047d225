"""Hubs as the client's parts see them, answered by the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dsked.client.hubs import Hubs
from dsked.psrd.pair import NO_BOOT, Streams, simulated_streams
from dsked.wire.messages import Confirmed, Message

OnAnswer = Callable[[Message | None, float], bool]


@dataclass
class FakeSession:
    max_pads: int = 256 * 1024
    streams: Streams = field(default_factory=lambda: simulated_streams(b"c" * 16, b"h" * 16))

    pads_wanted: int = 0

    @property
    def pads_left(self) -> int:
        return self.streams.local.left


@dataclass
class FakeConnection:
    session: FakeSession = field(default_factory=FakeSession)


@dataclass
class FakePair:
    simulated: bool = True


@dataclass(eq=False)
class FakeHub:
    """A HubPeer whose requests lie in `asked` until the test answers them."""

    x: int
    registered: bool = True
    full: bool = False  # it does not read
    late: bool = False
    drains: bool = False
    problem: str = "down"
    share_timeout_ms: int = 60_000
    boot: bytes = b"one process".ljust(16)
    supply: None = None
    pair: FakePair = field(default_factory=FakePair)
    connection: FakeConnection | None = field(default_factory=FakeConnection)
    asked: list[tuple[int, Message]] = field(default_factory=list)
    waiting: set[int] = field(default_factory=set)  # requests that have not left
    exchanged: list[tuple[int, Message | None]] = field(default_factory=list)
    confirmations: list[Confirmed] = field(default_factory=list)
    _calls: dict[int, OnAnswer] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"hub{self.x}"

    @property
    def boot_id(self) -> bytes:
        return self.boot if self.registered else NO_BOOT

    @property
    def trouble(self) -> str:
        return "" if self.registered else self.problem

    @property
    def takes_shares(self) -> bool:
        return not self.drains and not self.trouble

    @property
    def index(self) -> int:
        return self.x - 1

    def request(self, message: Message, on_answer: OnAnswer) -> int | None:
        if self.full:
            return None
        request_id = len(self.asked) + 1
        self.asked.append((request_id, message))
        self._calls[request_id] = on_answer
        return request_id

    def answer(self, message: Message | None, now: float, request_id: int | None = None) -> None:
        """Answer a request, else the oldest one that is open; None: its session is lost."""
        request_id = request_id or next(iter(self._calls))
        if self._calls[request_id](message, now) or message is None:
            self._calls.pop(request_id, None)

    def exchange(self, request_id: int, message: Message | None) -> bool:
        """Everything leaves at once here, but for the requests in `waiting`."""
        if request_id not in self.waiting:
            return False
        if message is None:
            del self._calls[request_id]
            self.waiting.remove(request_id)
        self.exchanged.append((request_id, message))
        return True

    def forget(self, request_id: int, now: float) -> None:
        on_answer = self._calls.pop(request_id, None)
        if on_answer is not None:
            on_answer(None, now)

    def lose_session(self, now: float) -> None:
        self.registered = False
        while self._calls:
            self.answer(None, now)

    @property
    def nr_requests(self) -> int:
        return len(self._calls)

    def confirm(self, confirmed: Confirmed) -> None:
        self.confirmations.append(confirmed)

    @property
    def has_confirmations(self) -> bool:
        return bool(self.confirmations)

    def take_confirmations(self) -> list[Confirmed]:
        taken, self.confirmations = self.confirmations, []
        return taken

    def send_confirmations(self) -> None:
        self.take_confirmations()


def fake_hubs(n: int = 5, k: int = 3) -> tuple[list[FakeHub], Hubs]:
    """n hubs at 1..n."""
    hubs = [FakeHub(x) for x in range(1, n + 1)]
    return hubs, Hubs(hubs, k)
