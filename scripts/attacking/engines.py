"""A hub's and a client's engine, joined without a network: what attackers work on in one process."""

from __future__ import annotations

import random

from dsked.client.engine import ClientEngine
from dsked.client.refill import RefillSettings
from dsked.hub.engine import HubEngine
from dsked.limits import GATE_KEY_BYTES, MAX_WRAPPED_BYTES, STREAM_ID_BYTES, UUID_BYTES
from dsked.psrd.pair import Side, Streams
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.store import MemoryStream
from dsked.wire.additions import Wrapping
from dsked.wire.connection import ClientConnection, HubConnection
from dsked.wire.frame import FrameBuffer
from dsked.wire.messages import Message

HUB, CLIENT, ENCRYPTOR = "hank", "carol", "sam"
WINDOW_BYTES = 16 * 1024
POOL_BYTES = 64 * WINDOW_BYTES
NOW_S = 1000.0
REFILL = RefillSettings(500, 2000, 1000)


def _quiet(level: int, text: str, /, **fields: str) -> None:
    """What the engines would log."""


class Ends:
    """Both engines with a new connection between them, on which nothing has been said but M0.

    Over pools as media bring them, in memory here; `simulated`: over the laboratory's. `wrapped`: both wrap.
    """

    def __init__(self, seed: str, *, simulated: bool = False, wrapped: bool = False) -> None:
        self.random = random.Random(seed)  # noqa: S311  repeatable on purpose
        gate_key = self.random.randbytes(GATE_KEY_BYTES)
        streams = {} if simulated else self._streams()
        owners = {CLIENT: (ENCRYPTOR,)}
        wrapping = Wrapping.REQUIRED if wrapped else Wrapping.OFF
        self.hub = HubEngine(
            HUB, simulated=simulated, owners=owners, gate_keys={CLIENT: gate_key}, share_timeout_s=60.0,
            streams={CLIENT: streams[Side.HUB]} if streams else {}, random=self.random.randbytes,
            notice=_quiet, wrapping=wrapping,
        )  # fmt: skip
        self.client = ClientEngine(
            CLIENT, encryptors=owners[CLIENT], hubs=[(HUB, 1)], k=1, simulated=simulated,
            gate_keys={HUB: gate_key}, streams={HUB: streams[Side.CLIENT]} if streams else {}, refill=REFILL,
            share_timeout_s=60.0, random=self.random.randbytes, notice=_quiet, wrapping=wrapping,
        )  # fmt: skip
        self.hub.tick(NOW_S)  # it keeps the time that it was told last
        self.connect()

    def _streams(self) -> dict[Side, Streams]:
        """Of both ends, as a first bundle leaves them."""
        ids = {side: self.random.randbytes(STREAM_ID_BYTES) for side in Side}
        data = {side: self.random.randbytes(POOL_BYTES) for side in Side}
        uuid = self.random.randbytes(UUID_BYTES)

        def store(owner: Side) -> MemoryStream:
            made = MemoryStream()
            made.append(uuid, data[owner])
            return made

        return {
            side: Streams(
                OwnerPool(ids[side], store(side), WINDOW_BYTES),
                ReceiverPool(ids[side.other], store(side.other), WINDOW_BYTES),
            )
            for side in Side
        }

    def connect(self) -> None:
        """Begin another connection."""
        (peer,) = self.client.hubs
        self.near: ClientConnection = self.client.connected(peer)
        self.far: HubConnection = self.hub.connect()

    # --- bytes ---

    def said(self, side: Side) -> bytes:
        """What an end has to say now; it is lost unless the caller delivers it."""
        self.end_turns()
        return (self.near if side is Side.CLIENT else self.far).data_to_send()

    def hear(self, side: Side, data: bytes) -> None:
        """These bytes reach an end. Raises DskedError, as the engine does."""
        if side is Side.CLIENT:
            self.client.receive(self.near, data, NOW_S)
        else:
            self.hub.receive(self.far, data, NOW_S)

    def end_turns(self) -> None:
        """Let both engines act on what has come."""
        self.client.turn_ends(NOW_S)
        self.hub.turn_ends()

    def talk(self) -> None:
        """Deliver all that both have to say, until they are silent."""
        while any([self._deliver(Side.HUB), self._deliver(Side.CLIENT)]):
            pass

    def _deliver(self, sender: Side) -> bool:
        data = self.said(sender)
        if data:
            self.hear(sender.other, data)
        return bool(data)

    def frames(self, sender: Side, messages: list[Message]) -> list[bytes]:
        """These as the frames of an open session, which nobody has received yet."""
        connection = self.near if sender is Side.CLIENT else self.far
        sent: list[bytes] = []
        for number, message in enumerate(messages, 1):
            connection.send(number, message)
            said = connection.data_to_send()
            assert said, "a window is full"
            sent += FrameBuffer(MAX_WRAPPED_BYTES).feed(said)  # a hub may say first what it calls its clients
        return sent
