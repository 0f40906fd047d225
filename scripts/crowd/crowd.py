"""The clients of one process: they connect all at once, and come back by themselves when the hub does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

from crowd.member import HOST, LEAST_POOL, ORDINARY_POOL, Member

#: A greedy client, which has a second encryptor and so needs nobody else.
GREEDY = ("greedy", ("greedy", "greedier"))
_PER_NETWORK = 250  # of client addresses in a /24
#: More would take the process longer than a real client takes for its answer.
_DIALS_IN_A_TURN = 16


def client(number: int) -> tuple[str, tuple[str, ...]]:
    """Name and encryptors of client `number` of a crowd."""
    return f"c{number:05}", (f"c{number:05}",)


def own_address(number: int) -> str:
    """A loopback address for client `number` alone."""
    return f"127.1.{number // _PER_NETWORK}.{number % _PER_NETWORK + 1}"


class Crowd:
    """Many clients of the hubs on these ports. `ordinary`: their pools; else those are as small as may be.

    `together`: all come from one address, as behind one NAT.
    """

    def __init__(
        self,
        clients: Iterable[tuple[str, tuple[str, ...]]],
        ports: Mapping[str, int],
        gate_keys: Mapping[tuple[str, str], bytes],
        *,
        ordinary: bool,
        together: bool,
    ) -> None:
        pool = ORDINARY_POOL if ordinary else LEAST_POOL
        self.members: list[Member] = []
        self._registered: set[int] = set()
        self._changed = asyncio.Event()
        for number, (name, encryptors) in enumerate(clients):
            source = HOST if together else own_address(number)
            turn_ended = partial(self._look, number)
            self.members.append(Member(name, encryptors, gate_keys, ports, source, pool, turn_ended))

    def _look(self, number: int) -> None:
        if self.members[number].registered:
            self._registered.add(number)
        else:
            self._registered.discard(number)
        self._changed.set()

    async def dial(self) -> None:
        """All connect now: as soon as one process can, and yet each answers at once what the hub says."""
        for first in range(0, len(self.members), _DIALS_IN_A_TURN):
            for member in self.members[first : first + _DIALS_IN_A_TURN]:
                member.dial()
            await asyncio.sleep(0)

    @property
    def nr_registered(self) -> int:
        """How many are registered."""
        return len(self._registered)

    async def until(self, registered: int, limit_s: float) -> float:
        """Wait until so many are registered: the loop's time then. Raises TimeoutError."""
        async with asyncio.timeout(limit_s):
            while self.nr_registered != registered:
                self._changed.clear()
                await self._changed.wait()
        return asyncio.get_running_loop().time()

    @property
    def nr_dials(self) -> int:
        """How often hubs were dialled by all together."""
        return sum(member.nr_dials for member in self.members)

    @property
    def first_connected_at(self) -> float:
        """When the first of the present connections was there, on the loop's clock."""
        return min(member.connected_at for member in self.members)
