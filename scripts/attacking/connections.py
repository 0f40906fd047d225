"""Floods of connections, from one address and from many, to a hub, a control socket and an ETSI port.

And floods of requests by one local user. The honest pair must get its keys meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from dsked.delivery.control_protocol import Op, encode_request

from .attack import Figures, Told
from .honest import Times
from .siege import VICTIM, Siege, check_success, run_loop, siege

AT_ONCE = 100
REQUESTS_AT_ONCE = 1000
QUIET_S = 3.0
Dial = Callable[[asyncio.AbstractEventLoop], Awaitable[Any]]


class Flood:
    """Connections, AT_ONCE of them at a time, each dropped as soon as it stands or has said a word."""

    def __init__(self, besieged: Siege, rng: random.Random) -> None:
        self._lab, self._random = besieged.lab, rng

    async def run(self, dial: Dial, number: int, told: Told) -> float:
        """Connections in a second."""
        loop = asyncio.get_running_loop()
        begin = time.monotonic()
        left = number
        while left > 0:
            batch = min(left, AT_ONCE)
            made = await asyncio.gather(*(dial(loop) for _ in range(batch)), return_exceptions=True)
            for one in made:
                if isinstance(one, tuple):
                    one[0].abort()
            left -= batch
            told(number - left)
        return number / (time.monotonic() - begin)

    def from_one(self, loop: asyncio.AbstractEventLoop) -> Awaitable[Any]:
        """To the hub, from 127.0.0.1."""
        return loop.create_connection(asyncio.Protocol, "127.0.0.1", self._lab.port(VICTIM))

    def from_many(self, loop: asyncio.AbstractEventLoop) -> Awaitable[Any]:
        """To the hub, from some address of 127.0.0.0/8, which all are this host's."""
        address = f"127.{self._random.randrange(1, 255)}.{self._random.randrange(256)}.9"
        return loop.create_connection(
            asyncio.Protocol, "127.0.0.1", self._lab.port(VICTIM), local_addr=(address, 0)
        )

    def to_control(self, loop: asyncio.AbstractEventLoop) -> Awaitable[Any]:
        """To carol's control socket."""
        return loop.create_unix_connection(asyncio.Protocol, str(self._lab.socket("client", "carol")))

    def to_http(self, loop: asyncio.AbstractEventLoop) -> Awaitable[Any]:
        """To carol's ETSI port, with a request."""
        return loop.create_connection(_Asks, "127.0.0.1", self._lab.port("carol"))

    async def asks(self, number: int, told: Told) -> float:
        """A local user's requests over one control connection; how many in a second."""
        reader, writer = await asyncio.open_unix_connection(str(self._lab.socket("client", "carol")))
        begin = time.monotonic()
        for first in range(0, number, REQUESTS_AT_ONCE):
            last = min(first + REQUESTS_AT_ONCE, number)
            writer.write(b"".join(self._request(request_id) for request_id in range(first, last)))
            for _ in range(first, last):
                length = int.from_bytes(await reader.readexactly(4), "big")
                await reader.readexactly(length)
            told(last)
        writer.close()
        return number / (time.monotonic() - begin)

    def _request(self, request_id: int) -> bytes:
        key_ids = [self._random.randbytes(16)]
        choices: list[tuple[Op, list[Any]]] = [
            (Op.STATUS, []),
            (Op.LOCATE, [f"nobody-{self._random.randrange(10**9)}"]),
            (Op.GET_KEYS_BY_ID, ["sunny", key_ids, "sam"]),
            (Op.GET_KEYS, [["nobody"], 1, 256, "sam"]),
        ]
        op, args = self._random.choice(choices)
        return encode_request(op, request_id, args)


class _Asks(asyncio.Protocol):
    """Asks for a status as soon as it stands."""

    def connection_made(self, transport: Any) -> None:
        transport.write(b"GET /api/v1/keys/sunny/status HTTP/1.1\r\nHost: x\r\n\r\n")


class Connections:
    name = "connections"
    what = "floods of connections and of local requests; the honest get their keys"
    unit = "connections"
    full = 20_000
    long = 400_000
    piece = 50_000

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        figures: Figures = {}
        with siege() as besieged:
            quiet = besieged.quiet(QUIET_S)
            flood = Flood(besieged, random.Random(seed))  # noqa: S311  an attack, not a secret
            share, done = -(-amount // 5), 0
            kinds: dict[str, Callable[[Told], Awaitable[float]]] = {
                "one_address": lambda told: flood.run(flood.from_one, share, told),
                "many_addresses": lambda told: flood.run(flood.from_many, share, told),
                "control": lambda told: flood.run(flood.to_control, share, told),
                "http": lambda told: flood.run(flood.to_http, share, told),
                "requests": lambda told: flood.asks(share, told),
            }
            for kind, attack in kinds.items():
                so_far = done

                def at(now: int, before: int = so_far) -> None:
                    told(before + now)

                loud, rate = besieged.loud(lambda attack=attack, at=at: run_loop(attack(at)))  # type: ignore[misc]
                self._note(figures, kind, loud, rate)
                done += share
            besieged.check_unharmed(lines=40)
        return {**figures, "quiet_p99_ms_max": quiet.p99_ms}

    @staticmethod
    def _note(figures: Figures, kind: str, loud: Times, rate: float) -> None:
        if loud.pairs:
            check_success(kind, loud)
        figures[f"{kind}_per_s_min"] = round(rate)
        figures[f"{kind}_p99_ms_max"] = loud.p99_ms
        figures["honest_pairs"] = loud.pairs + int(figures.get("honest_pairs", 0))


ATTACK = Connections()
