"""A hostile network between real daemons: pieces torn, changed, repeated, replayed, swapped and reflected.

The recorder of scripts/torturing stands in the middle of all connections of three hubs and two clients, over
pools that came on media, while both clients ask for keys. After each stretch of bad weather it becomes
honest, and keys must flow through every pair again.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter, deque
from pathlib import Path
from typing import ClassVar

import provision
import uvloop
from laboratory import free_ports
from torturing.media_world import FIRST_BYTES, MORE_BYTES, MediaWorld
from torturing.nodes import TortureError
from torturing.tap import LENGTH_BYTES, Piece, Way
from torturing.weather import Fate, Weather
from torturing.world import PORTS

from .attack import Broken, Figures, Told

STRETCH_S = (1.0, 3.0)
LOOK_S = 0.1
REMEMBERED_PIECES = 500


class Storm(Weather):
    """Everything that the path can do to a piece."""

    in_handshake: ClassVar[tuple[Fate, ...]] = tuple(
        fate for fate in Fate if fate not in (Fate.PASS, Fate.DELAY, Fate.SWAP)
    )
    in_a_session: ClassVar[tuple[Fate, ...]] = tuple(fate for fate in Fate if fate is not Fate.PASS)
    pieces_before_fault: ClassVar[int] = 40

    def __init__(self, seed: str) -> None:
        super().__init__(seed, calm=True)
        self._seen: dict[Way, deque[bytes]] = {way: deque(maxlen=REMEMBERED_PIECES) for way in Way}

    def stretch_s(self) -> float:
        """How long it is bad."""
        return self._random.uniform(*STRETCH_S)

    def saw(self, piece: Piece) -> None:
        self._seen[piece.way].append(piece.raw)

    def instead(self, fate: Fate, piece: Piece) -> bytes:
        match fate:
            case Fate.TEAR:
                return piece.raw[: self._random.randrange(1, len(piece.raw))]
            case Fate.CORRUPT:
                return self._corrupted(piece.raw)
            case Fate.REPEAT:
                return 2 * piece.raw
            case Fate.REPLAY:  # of any pair and any session, this one's too
                return self._random.choice(self._seen[piece.way]) + piece.raw
        return piece.raw

    def _corrupted(self, raw: bytes) -> bytes:
        """One bit, a run of random bytes, some left out or put in; the length prefix is mended or not."""
        at = self._random.randrange(len(raw))
        some = self._random.randbytes(self._random.randint(1, 16))
        match self._random.randrange(4):
            case 0:
                return raw[:at] + bytes([raw[at] ^ 1 << self._random.randrange(8)]) + raw[at + 1 :]
            case 1:
                return (raw[:at] + some + raw[at + len(some) :])[: len(raw)]
            case 2:
                body = raw[LENGTH_BYTES:at] + some + raw[max(at, LENGTH_BYTES) :]
            case _:
                body = raw[LENGTH_BYTES:at] + raw[at + len(some) :]
        return len(body).to_bytes(LENGTH_BYTES, "big") + body


def provide(config: Path, state_base: Path, size: int) -> None:
    """Bundles of the smallest window, and enough for all of a piece."""
    provision.deliver(config, state_base, FIRST_BYTES)
    provision.deliver(config, state_base, MORE_BYTES)


class Stretches:
    """Bad weather again and again, until there were so many faults."""

    def __init__(self, seed: str, amount: int, told: Told) -> None:
        self.storm = Storm(seed)
        self.world = MediaWorld(seed, free_ports(PORTS), provide, self.storm)
        self.recovery_s: list[float] = []
        self._amount, self._told = amount, told

    async def run(self) -> Figures:
        """Everything. Raises TortureError at the first thing that does not hold."""
        await self.world.begin()
        while self.storm.faults.total() < self._amount:
            await self._bad_weather()
            await self._calm()
            self.world.check_logs()
        return self._figures()

    async def _bad_weather(self) -> None:
        self.storm.calm = False
        self.world.cut(*self.world.nodes)  # so that all connections meet it
        until = time.monotonic() + self.storm.stretch_s()
        while time.monotonic() < until and self.storm.faults.total() < self._amount:
            await asyncio.sleep(LOOK_S)
            self.world.check()
            self._told(min(self.storm.faults.total(), self._amount))

    async def _calm(self) -> None:
        self.storm.calm = True
        since = self.world.cut(*self.world.nodes)
        begin = time.monotonic()
        await self.world.flows(*self.world.nodes, since=since)
        self.recovery_s.append(time.monotonic() - begin)

    def _figures(self) -> Figures:
        streams = self.world.ledger.streams.values()
        kinds: Counter[str] = Counter()
        for fault, number in self.storm.faults.items():
            kinds[next(fate.name.lower() for fate in Fate if fault.endswith(fate.value))] += number
        return {
            "stretches": len(self.recovery_s),
            "key_pairs": self.world.load.pairs.total(),
            "connections": len(self.world.recorder.lines),
            "bytes_used": sum(stream.used for stream in streams),
            "bytes_wasted": sum(stream.wasted for stream in streams),
            "bytes_used_twice": 0,
            "wrong_keys": 0,
            "recovery_s_max": round(max(self.recovery_s), 2),
            **{f"faults_{name}": number for name, number in sorted(kinds.items())},
        }


class HostileNetwork:
    """The attack."""

    name = "weather"
    what = (
        "a network that tears, changes, repeats, replays, swaps and reflects: keys flow again, none is wrong"
    )
    unit = "faults"
    full = 300
    long = 10_000
    piece = 500

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        """One piece, in a laboratory of its own; its files are kept where something does not hold."""
        return uvloop.run(self._run(seed, amount, told))

    async def _run(self, seed: str, amount: int, told: Told) -> Figures:
        stretches = Stretches(seed, amount, told)
        kept = False
        try:
            return await stretches.run()
        except TortureError as error:
            kept = True
            raise Broken(f"{error}\nfiles are in {stretches.world.root}") from None
        finally:
            await stretches.world.close()
            if not kept:
                shutil.rmtree(stretches.world.root)


ATTACK = HostileNetwork()
