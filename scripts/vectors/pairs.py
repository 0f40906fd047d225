"""Pairs of a client and a hub, with all that both sides keep of their pools from connection to connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dsked.limits import HANDSHAKE_PAD_BYTES
from dsked.psrd.pair import NO_BOOT, Side
from vectors.common import fixed

MEDIA_BYTES = 1 << 20
WINDOW_BYTES = 16 * 1024
#: How far a side's durable mark runs ahead of the exact one when it is renewed.
AHEAD_BYTES = 1500


@dataclass
class End:
    """One side of a pair before and in a session. Positions in bytes.

    `own_next`, `last_ack`: on its own pool; `mark`, `durable`, `told`: on the other side's.
    """

    boot: str
    own_next: int = 0
    last_ack: int = 0
    mark: int = 0
    durable: int = 0
    told: int = 0
    proved_boot: bytes = NO_BOOT
    hash_key: bytes | None = None  # of its own proof that the other side has verified last
    just_started: bool = True

    @property
    def boot_id(self) -> bytes:
        """Its process's boot ID, by a label."""
        return fixed(f"session boot {self.boot}", 16)

    def to_tell(self) -> int:
        """The durable mark for M1 or M2: the least that may be told."""
        self.told = max(self.told + HANDSHAKE_PAD_BYTES, self.mark)
        self.durable = max(self.durable, self.told)
        return self.told

    def ack(self, end: int) -> int:
        """The durable mark, told in a frame. `end`: of the other side's pool."""
        if self.mark >= self.durable:
            self.durable = min(self.mark + AHEAD_BYTES, end)
        self.told = max(self.told, self.durable)
        return self.durable

    def told_json(self) -> dict[str, Any]:
        """Its state before the connection, as it stands in the file."""
        return {
            "boot_id": self.boot_id.hex(), "just_started": self.just_started,
            "proved_boot": self.proved_boot.hex(), "own_next": self.own_next, "last_ack": self.last_ack,
            "mark": self.mark, "durable_mark": self.durable, "told_before": self.told,
            "previous_hash_key": None if self.hash_key is None else self.hash_key.hex(),
        }  # fmt: skip


@dataclass
class Pair:
    """A client and a hub with their pools, over as many connections as there are."""

    client: str
    hub: str
    x: int
    simulated: bool = False
    ends: dict[Side, End] = field(default_factory=dict)
    pool_ends: dict[Side, int] = field(default_factory=dict)
    generation: int = 0  # of simulated streams
    blocks: dict[Side, list[tuple[bytes, int]]] = field(default_factory=dict)  # of these: UUID and size
    lost: dict[Side, bool] = field(default_factory=dict)  # the client has not got the last of them

    @property
    def label(self) -> str:
        """What its fixed bytes are made of."""
        return f"session {self.client} {self.hub}"

    @property
    def gate_key(self) -> bytes:
        """G."""
        return fixed(f"{self.label} gate key", 32)

    def stream(self, owner: Side) -> bytes:
        """A pool's identity."""
        return fixed(f"{self.label} {owner.name} stream {self.generation}", 16)

    def pool(self, owner: Side) -> bytes:
        """All bytes of a pool."""
        return fixed(f"{self.label} {owner.name} pool {self.generation}", self.pool_ends[owner])

    def held_end(self, side: Side, owner: Side) -> int:
        """The end of a pool as one side holds it."""
        lost = side is Side.CLIENT and self.lost.get(owner, False)
        return self.pool_ends[owner] - (self.blocks[owner][-1][1] if lost else 0)

    def begin_anew(self) -> None:
        """New streams of simulated PSRD: nothing of them is there yet, and nothing is known of them."""
        self.generation += 1
        self.pool_ends = dict.fromkeys(Side, 0)
        self.blocks, self.lost = {side: [] for side in Side}, {}
        for end in self.ends.values():
            end.own_next = end.last_ack = end.mark = end.durable = end.told = 0
            end.hash_key = None

    def new_block(self, owner: Side, size: int) -> tuple[bytes, bytes]:
        """UUID and bytes of the next block of a simulated stream; once more of one that was lost."""
        if self.lost.pop(owner, False):
            uuid, lost = self.blocks[owner][-1]
            assert lost == size
            return uuid, self.pool(owner)[-size:]
        start, self.pool_ends[owner] = self.pool_ends[owner], self.pool_ends[owner] + size
        sequence = len(self.blocks[owner])
        uuid = fixed(f"{self.label} block {self.generation} {owner.name} {sequence}", 16)
        self.blocks[owner].append((uuid, size))
        return uuid, self.pool(owner)[start:]

    def hub_restarts(self) -> None:
        """Another process of the hub, which knows nothing of simulated streams and of the client's proofs."""
        self.ends[Side.HUB] = End(f"{self.hub} 2")
        self.ends[Side.CLIENT].hash_key = None


def media_pair(client: str, hub: str, x: int) -> Pair:
    """A pair whose PSRD came with a first bundle; neither side has used any."""
    ends = {Side.CLIENT: End(f"{client} 1"), Side.HUB: End(f"{hub} 1")}
    return Pair(client, hub, x, ends=ends, pool_ends=dict.fromkeys(Side, MEDIA_BYTES))


def simulated_pair(client: str, hub: str, x: int) -> Pair:
    """A pair that simulates PSRD; both sides have just started and hold nothing."""
    ends = {Side.CLIENT: End(f"{client} 1"), Side.HUB: End(f"{hub} 1")}
    pair = Pair(client, hub, x, simulated=True, ends=ends, pool_ends=dict.fromkeys(Side, 0))
    pair.blocks = {side: [] for side in Side}
    return pair
