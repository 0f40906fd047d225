"""Which connection of a client the hub talks to, and when an older one ends."""

from __future__ import annotations

import random

import pytest

from dsked.hub.engine import HubEngine
from dsked.limits import BOOT_ID_BYTES, NONCE_BYTES
from dsked.psrd.pair import Pair, Side
from dsked.wire.connection import ClientConnection, HubConnection, Stage
from dsked.wire.handshake_client import ClientHandshake
from dsked.wire.messages import Error, Located, Message, Ping, Register

from ..wire.sides import GATE, media_streams

RANDOM = random.Random(1).randbytes
NOW = 1000.0


class Hub:
    """A hub with one client, carol. `simulated`: no blocks are delivered, so that no session opens."""

    def __init__(self, *, simulated: bool = False) -> None:
        self.simulated = simulated
        self.engine = HubEngine(
            "hank", simulated=simulated, owners={"carol": ("sam",)}, gate_keys={"carol": GATE},
            streams={} if simulated else {"carol": media_streams(Side.HUB)},
            share_timeout_s=60.0, random=RANDOM, notice=lambda level, text, /, **fields: None,
        )  # fmt: skip

    def process(self, original: Pair | None = None) -> tuple[Pair, bytes]:
        """A process of carol, with its boot ID; it starts from the marks on the disk of `original`."""
        pair = Pair("carol", "hank", Side.CLIENT, GATE, self.simulated)
        pair.streams = None if self.simulated else media_streams(Side.CLIENT)
        if original is not None and original.streams is not None and pair.streams is not None:
            local, peer = pair.streams.local, pair.streams.peer
            local.next = local.durable = original.streams.local.durable
            peer.mark = peer.durable = peer.told = original.streams.peer.durable
        return pair, RANDOM(BOOT_ID_BYTES)

    def dial(self, process: tuple[Pair, bytes]) -> tuple[ClientConnection, HubConnection]:
        """M0 to M2 are through."""
        far = self.engine.connect()
        near = ClientConnection(
            ClientHandshake(*process, RANDOM(NONCE_BYTES)), lambda connection: None, lambda connection: None
        )
        self.exchange(near, far)
        return near, far

    def exchange(self, near: ClientConnection, far: HubConnection) -> None:
        """What waits at the hub, then at the client, then at the hub arrives."""
        list(near.receive_data(far.data_to_send()))
        self.engine.receive(far, near.data_to_send(), NOW)
        list(near.receive_data(far.data_to_send()))

    def open(self, process: tuple[Pair, bytes]) -> tuple[ClientConnection, HubConnection]:
        near, far = self.dial(process)
        near.prove()
        self.exchange(near, far)
        near.send(1, Register(["sam"]))
        self.exchange(near, far)
        assert near.stage is far.stage is Stage.OPEN
        return near, far

    def to_close(self) -> list[HubConnection]:
        return self.engine.turn_ends()[1]


def test_another_process_of_a_client_ends_the_session_before_it_is_told_a_mark() -> None:
    hub = Hub()
    original = hub.process()
    near, far = hub.open(original)
    assert far.session is not None
    far.send(0, Ping(False, 0, 0, []))
    _, newer = hub.dial(hub.process(original[0]))
    assert far.data_to_send() == b"", "nothing is acknowledged any more"
    assert hub.to_close() == [far]
    near.send(2, Register([]))
    hub.engine.receive(far, near.data_to_send(), NOW)
    assert far.session.frames_received == 1, "nothing more is read"
    hub.engine.disconnected(far)
    assert newer.stage is Stage.PROOF


def test_the_same_process_ends_its_session_only_with_its_proof() -> None:
    hub = Hub()
    process = hub.process()
    _, far = hub.open(process)
    near, newer = hub.dial(process)
    assert far.stage is Stage.OPEN
    assert hub.to_close() == []
    near.prove()
    hub.exchange(near, newer)
    assert newer.stage is Stage.OPEN
    assert hub.to_close() == [far]


@pytest.mark.parametrize("simulated", [False, True])
def test_only_the_newest_handshake_of_a_client_stays(simulated: bool) -> None:
    hub = Hub(simulated=simulated)
    half_open = [hub.dial(hub.process())[1] for _ in range(3)]
    assert [connection.stage for connection in half_open] == [Stage.CLOSING, Stage.CLOSING, Stage.PROOF]
    assert hub.to_close() == half_open[:2]


def test_what_the_hub_refuses_ends_nothing() -> None:
    hub = Hub()
    _, far = hub.open(hub.process())
    pair, boot_id = hub.process()
    assert pair.streams is not None
    pair.streams.local.stream_id = b"?" * 16
    refused = hub.engine.connect()
    near = ClientHandshake(pair, boot_id, RANDOM(NONCE_BYTES))
    hub.engine.receive(refused, near.greet(refused.data_to_send()), NOW)
    assert refused.stage is Stage.CLOSING
    assert far.stage is Stage.OPEN
    assert hub.to_close() == []


@pytest.mark.parametrize(("message", "answered"), [(Located([]), True), (Error(9, "no"), False)])
def test_what_only_hubs_send_is_answered_with_error_but_error_never_is(
    message: Message, answered: bool
) -> None:
    hub = Hub()
    near, far = hub.open(hub.process())
    near.send(7, message)
    hub.engine.receive(far, near.data_to_send(), NOW)
    answers = [(number, said) for number, said in near.receive_data(far.data_to_send()) if number]
    assert [(number, type(said)) for number, said in answers] == ([(7, Error)] if answered else [])
    assert far.stage is Stage.OPEN
