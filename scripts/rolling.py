"""Roll all hubs of a topology, one after the other, while keys flow: requests that fail, keys that are lost.

Each hub is drained, stopped and started again (docs/changing-a-network.md). Two kinds of load go on all the
time: key pairs as fast as the machine makes them, and keys that are fetched only seconds after they were
established, through hubs that were rolled in between. Exits 0 only if no request failed and no key was lost.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import click
from benching.quantiles import quantiles_ms
from laboratory import Laboratory, free_ports, topology, wait_until
from load import INITIATOR, RESPONDER, ControlConnection, Load

from dsked.delivery.control_protocol import Op

CLIENTS = {"carol": [INITIATOR], "curtis": [RESPONDER]}
KEY_BITS = 256
_LATE_EVERY_S = 0.02
_CALM_S = 3.0


@dataclass
class LateKeys:
    """Keys that are fetched so many seconds after they were established, `longest_s` at most."""

    carol: ControlConnection
    curtis: ControlConnection
    longest_s: float
    fetched: int = 0
    failed: list[str] = field(default_factory=list)  # of Get key
    lost: list[str] = field(default_factory=list)
    _open: set[asyncio.Task[None]] = field(default_factory=set)
    _over: bool = False

    async def run(self) -> None:
        """Until `stop`: then what was established is still fetched."""
        while not self._over:
            delay_s = random.uniform(0, self.longest_s)  # noqa: S311  # no secret
            task = asyncio.create_task(self._one(delay_s))
            self._open.add(task)
            task.add_done_callback(self._open.discard)
            await asyncio.sleep(_LATE_EVERY_S)
        await asyncio.gather(*self._open)

    def stop(self) -> None:
        """Establish no more."""
        self._over = True

    async def _one(self, delay_s: float) -> None:
        try:
            [[key_id, key]] = await self.carol.request(Op.GET_KEYS, [[RESPONDER], 1, KEY_BITS, INITIATOR])
        except RuntimeError as error:
            self.failed.append(str(error))
            return
        await asyncio.sleep(delay_s)
        try:
            found = await self.curtis.request(Op.GET_KEYS_BY_ID, [INITIATOR, [key_id], RESPONDER])
        except RuntimeError as error:
            self.lost.append(str(error))
            return
        if found == [[key_id, key]]:
            self.fetched += 1
        else:
            self.lost.append("the two ends hold different values")


class Rolling:
    """One laboratory, its load, and what became of it."""

    def __init__(self, lab: Laboratory, concurrency: int, share_timeout_s: float) -> None:
        self.lab = lab
        self._concurrency = concurrency
        self._late_s = share_timeout_s / 2
        self._hubs = [name for role, name in lab.nodes() if role == "hub"]
        self._drained_s: list[float] = []

    async def run(self, rounds: int) -> dict[str, Any]:
        """Roll all hubs so many times; gives the figures."""
        await self._until_all_take_shares("they have started")
        calm = await self._under_load(lambda: asyncio.sleep(_CALM_S))
        rolled = await self._under_load(lambda: self._roll(rounds))
        return {
            "hubs": len(self._hubs),
            "rounds": rounds,
            "calm": calm,
            "rolled": rolled,
            "drained_s": [round(seconds, 2) for seconds in self._drained_s],
            "failed": calm["failed"] + rolled["failed"],
            "lost": calm["lost"] + rolled["lost"],
        }

    async def _under_load(self, work: Callable[[], Awaitable[None]]) -> dict[str, Any]:
        carol, curtis, *others = [
            await ControlConnection.open(self.lab.socket("client", name)) for name in [*CLIENTS, *CLIENTS]
        ]
        load = Load(carol, curtis, 1, KEY_BITS)
        late = LateKeys(others[0], others[1], self._late_s)
        running: list[asyncio.Task[Any]] = [
            asyncio.create_task(load.run(self._concurrency, float("inf"))),
            asyncio.create_task(late.run()),
        ]
        try:
            await work()
        finally:
            load.stop()
            late.stop()
            await asyncio.gather(*running)
            for connection in (carol, curtis, *others):
                connection.transport.close()
        return _figures(load, late)

    async def _roll(self, rounds: int) -> None:
        for hub in self._hubs * rounds:
            begun = time.monotonic()
            await asyncio.to_thread(self.lab.dskectl, "--hub", hub, "drain")
            self._drained_s.append(time.monotonic() - begun)
            await asyncio.to_thread(self.lab.stop, hub)
            await asyncio.to_thread(self.lab.start, hub)
            await self._until_all_take_shares(f"{hub} was rolled")

    async def _until_all_take_shares(self, when: str) -> None:
        """Clients are ready with k hubs, and those of two need not be the same."""
        await asyncio.to_thread(wait_until, self._all_take_shares, f"all hubs take shares: {when}")

    def _all_take_shares(self) -> bool:
        peers = [peer for client in CLIENTS for peer in self.lab.status(client)["peer_hubs"]]
        return all(peer["registered"] and not peer["draining"] for peer in peers)


def _figures(load: Load, late: LateKeys) -> dict[str, Any]:
    get_key, by_id = quantiles_ms(load.get_key_s), quantiles_ms(load.by_id_s)
    return {
        "requests": len(load.get_key_s) + len(load.by_id_s) + load.refused + 2 * late.fetched,
        "failed": load.refused + len(late.failed),
        "late_keys": late.fetched + len(late.lost),
        "lost": len(late.lost),
        "said": sorted({load.refusal, *late.failed, *late.lost} - {""}),
        "get_key_p50_ms": round(get_key[0], 2),
        "get_key_p99_ms": round(get_key[1], 2),
        "by_id_p50_ms": round(by_id[0], 2),
        "by_id_p99_ms": round(by_id[1], 2),
        "longest_ms": round(1000 * max([*load.get_key_s, *load.by_id_s], default=0.0), 1),
    }


def roll(rounds: int, hubs: int, k: int, concurrency: int, share_timeout_s: int) -> dict[str, Any]:
    """Start a topology, roll it under load, stop it; gives the figures."""
    content = topology(
        hubs, CLIENTS, free_ports(hubs + len(CLIENTS)), min_nr_shares=k, share_timeout_secs=share_timeout_s
    )
    with Laboratory(content) as lab:
        return asyncio.run(Rolling(lab, concurrency, share_timeout_s).run(rounds))


@click.command()
@click.option(
    "--rounds", default=1, show_default=True, type=click.IntRange(1), help="Times each hub is rolled."
)
@click.option("--hubs", default=5, show_default=True, type=click.IntRange(2, 15))
@click.option("--k", default=3, show_default=True, type=click.IntRange(2))
@click.option("--concurrency", default=8, show_default=True, help="Key pairs under way.")
@click.option("--share-timeout-secs", "share_timeout_s", default=6, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def main(rounds: int, hubs: int, k: int, concurrency: int, share_timeout_s: int, as_json: bool) -> None:
    """Roll all hubs under load; exits 0 only if no request failed and no key was lost."""
    found = roll(rounds, hubs, k, concurrency, share_timeout_s)
    if as_json:
        click.echo(json.dumps(found))
    else:
        for name in ("calm", "rolled"):
            click.echo(f"{name}: " + ", ".join(f"{what} {value}" for what, value in found[name].items()))
        click.echo(f"{found['hubs']} hubs, {rounds} rounds: {found['failed']} failed, {found['lost']} lost")
    sys.exit(bool(found["failed"] or found["lost"]))


if __name__ == "__main__":
    main()
