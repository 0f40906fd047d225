"""What clients of a crowd ask for: modest ones now and then, a greedy one as much as it can."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

from crowd.member import Member

BITS = 256


class Asked:
    """Key pairs of some clients until `until` (the loop's clock): how many of each, how long they took."""

    def __init__(self, members: Sequence[Member], until: float) -> None:
        self._members = members
        self._until = until
        self._loop = asyncio.get_running_loop()
        self.pairs = [0] * len(members)
        self.get_key_s: list[float] = []
        self.by_id_s: list[float] = []

    async def modestly(self, per_s: float) -> None:
        """Each asks for one key at a time with its neighbour, at random moments, so many a second."""
        await asyncio.gather(*(self._now_and_then(place, per_s) for place in range(len(self._members))))

    async def _now_and_then(self, place: int, per_s: float) -> None:
        dice = random.SystemRandom()
        at = self._loop.time() + dice.expovariate(per_s)
        while at < self._until:
            await asyncio.sleep(at - self._loop.time())
            await self._pair(place, (place + 1) % len(self._members), 1)
            at = max(at + dice.expovariate(per_s), self._loop.time())

    async def greedily(self, concurrency: int, number: int) -> None:
        """Each has so many requests of `number` keys under way all the time, between its own encryptors."""
        await asyncio.gather(
            *(self._always(place, number) for place in range(len(self._members)) for _ in range(concurrency))
        )

    async def _always(self, place: int, number: int) -> None:
        while self._loop.time() < self._until:
            await self._pair(place, place, number)

    async def _pair(self, one: int, other: int, number: int) -> None:
        initiator, responder = self._members[one], self._members[other]
        begin = time.perf_counter()
        keys = await initiator.get_keys(responder.encryptors[-1], number, BITS)
        middle = time.perf_counter()
        found = await responder.get_keys_by_id(initiator.encryptors[0], [key.key_id for key in keys])
        assert found == keys, "the two ends hold different keys"
        self.get_key_s.append(middle - begin)
        self.by_id_s.append(time.perf_counter() - middle)
        self.pairs[one] += number
