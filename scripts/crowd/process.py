"""The process of a crowd: it does what it is told, a line of JSON at a time."""

from __future__ import annotations

import asyncio
import gc
import logging
import resource
from pathlib import Path
from typing import Any

from benching.children import answer_commands
from benching.quantiles import quantiles_ms

from crowd.asking import Asked
from crowd.crowd import GREEDY, Crowd, client
from dsked.config import gate_keys


class CrowdProcess:
    """Answers the commands of bench_clients.py; each is a method."""

    def __init__(self) -> None:
        self._crowd: Crowd | None = None

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do what `do` names, with the other fields."""
        found: dict[str, Any] = await getattr(self, command.pop("do"))(**command)
        return found

    @property
    def crowd(self) -> Crowd:
        """The clients that have joined."""
        assert self._crowd is not None
        return self._crowd

    async def join(
        self, ports: dict[str, int], keys: str, clients: int, ordinary: bool, together: bool, limit_s: float
    ) -> dict[str, Any]:
        """So many clients connect at once, or the greedy one where it is none; all register."""
        who = map(client, range(clients)) if clients else [GREEDY]
        of_pairs = gate_keys.load(Path(keys))
        self._crowd = Crowd(who, ports, of_pairs, ordinary=ordinary, together=together)
        begin = asyncio.get_running_loop().time()
        await self._crowd.dial()
        there = await self._crowd.until(len(self._crowd.members), limit_s)
        return {"seconds": there - begin, "dials": self._crowd.nr_dials}

    async def lose(self, limit_s: float) -> dict[str, Any]:
        """Until all have noticed that the hub is gone."""
        await self.crowd.until(0, limit_s)
        return {"dials": self.crowd.nr_dials}

    async def come_back(self, limit_s: float) -> dict[str, Any]:
        """Until all are registered again: seconds from the first that was connected."""
        there = await self.crowd.until(len(self.crowd.members), limit_s)
        return {"seconds": there - self.crowd.first_connected_at, "dials": self.crowd.nr_dials}

    async def ask_modestly(self, clients: int, per_s: float, seconds: float) -> dict[str, Any]:
        """The first so many clients ask for key pairs."""
        asked = self._asked(clients, seconds)
        await asked.modestly(per_s)
        return _told(asked, seconds)

    async def ask_greedily(self, concurrency: int, number: int, seconds: float) -> dict[str, Any]:
        """The greedy client asks for key pairs."""
        asked = self._asked(1, seconds)
        await asked.greedily(concurrency, number)
        return _told(asked, seconds)

    def _asked(self, clients: int, seconds: float) -> Asked:
        return Asked(self.crowd.members[:clients], asyncio.get_running_loop().time() + seconds)


def _told(asked: Asked, seconds: float) -> dict[str, Any]:
    return {
        "pairs_per_s": sum(asked.pairs) / seconds,
        "least_per_s": min(asked.pairs) / seconds,
        "most_per_s": max(asked.pairs) / seconds,
        "get_key_ms": quantiles_ms(asked.get_key_s),
        "by_id_ms": quantiles_ms(asked.by_id_s),
    }


if __name__ == "__main__":
    logging.disable()  # what thousands of clients say of a hub that was killed
    gc.disable()  # it would look through millions of objects again and again, and this process ends soon
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    answer_commands(CrowdProcess().answer)
