"""A connection to a hub as HubPeer sees it, and a HubPeer."""

from __future__ import annotations

from dataclasses import dataclass, field

from dsked.client.hub_peer import HubPeer
from dsked.client.refill import RefillSettings
from dsked.errors import LimitError
from dsked.psrd.pair import Pair, Side, Streams, simulated_streams
from dsked.wire.messages import Message, Ping, PsrdRequest

NOW = 1000.0
KEY_IDS = [number.to_bytes(16, "big") for number in range(2000)]


@dataclass
class FakeSession:
    pads_wanted: int = 0
    waiting: dict[int, Message] = field(default_factory=dict)  # by number; the others have left

    def exchange(self, number: int, message: Message | None) -> bool:
        if number not in self.waiting:
            return False
        if message is None:
            del self.waiting[number]
        else:
            self.waiting[number] = message
        return True

    def ping(self) -> Ping:
        return Ping(reply=False, client_end=0, hub_end=0, done=[])


@dataclass(eq=False)
class FakeConnection:
    """What HubPeer uses of a ClientConnection."""

    streams: Streams | None = field(default_factory=lambda: simulated_streams(b"c" * 16, b"h" * 16))
    session: FakeSession | None = field(default_factory=FakeSession)
    sent: list[tuple[int, Message]] = field(default_factory=list)
    sealed: list[PsrdRequest] = field(default_factory=list)
    full: bool = False
    delivers_blocks: bool = True

    def send(self, request_id: int, message: Message) -> int:
        if self.full:
            raise LimitError("a peer that does not read")
        self.sent.append((request_id, message))
        return len(self.sent)

    def send_sealed(self, request_id: int, message: PsrdRequest) -> None:
        self.sealed.append(message)


def new_peer(*, simulated: bool = True) -> HubPeer:
    return HubPeer(
        Pair("carol", "hank", Side.CLIENT, bytes(32), simulated), 1, 0, RefillSettings(500, 2000, 1000)
    )
