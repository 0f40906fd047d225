"""One client of the crowd: the product's own engine and dialer, from any local address."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence

from dsked.client.engine import ClientEngine
from dsked.client.refill import RefillSettings
from dsked.errors import DskedError
from dsked.keys import Key
from dsked.limits import (
    DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES,
    DEFAULT_SHARE_TIMEOUT_S,
    DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES,
    DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES,
)
from dsked.net.hub_dialer import HubDialer

ORDINARY_POOL = RefillSettings(
    DEFAULT_START_REQUEST_PSRD_THRESHOLD_BYTES,
    DEFAULT_STOP_REQUEST_PSRD_THRESHOLD_BYTES,
    DEFAULT_GET_PSRD_BLOCK_SIZE_BYTES,
)
#: A handshake of 2 x 48 bytes and the registration, and next to nothing beyond.
LEAST_POOL = RefillSettings(96, 128, 128)


HOST = "127.0.0.1"


class _Dialer(HubDialer):
    """Dials from a given local address, and counts."""

    def __init__(
        self, engine: ClientEngine, ports: Mapping[str, int], source: str, turn_ended: Callable[[], None]
    ) -> None:
        super().__init__(engine, {hub: (HOST, port) for hub, port in ports.items()}, turn_ended)
        self._source = source
        self.nr_dials = 0
        self.connected_at = 0.0  # when TCP was there last

    async def _open(self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> None:
        self.nr_dials += 1
        loop = asyncio.get_running_loop()
        await loop.create_connection(factory, host, port, local_addr=(self._source, 0))
        self.connected_at = loop.time()


def _silent(level: int, text: str, /, **fields: str) -> None:
    """A crowd keeps no log."""


class Member:
    """One client of the hubs on these ports of the host, dialling from `source`.

    Its keys need all of the hubs. `turn_ended` is called after each of its turns.
    """

    def __init__(
        self,
        name: str,
        encryptors: tuple[str, ...],
        gate_keys: Mapping[tuple[str, str], bytes],
        ports: Mapping[str, int],
        source: str,
        pool: RefillSettings,
        turn_ended: Callable[[], None],
    ) -> None:
        self.name = name
        self.encryptors = encryptors
        self._engine = ClientEngine(
            name,
            encryptors=encryptors,
            hubs=[(hub, x) for x, hub in enumerate(ports, 1)],
            k=len(ports),
            simulated=True,
            gate_keys={hub: gate_keys[name, hub] for hub in ports},
            refill=pool,
            share_timeout_s=DEFAULT_SHARE_TIMEOUT_S,
            random=os.urandom,
            notice=_silent,
        )
        self._dialer = _Dialer(self._engine, ports, source, turn_ended)

    @property
    def registered(self) -> bool:
        """True while all hubs have its encryptors."""
        return all(hub.registered for hub in self._engine.hubs)

    @property
    def nr_dials(self) -> int:
        """How often it has dialled hubs."""
        return self._dialer.nr_dials

    @property
    def connected_at(self) -> float:
        """When its TCP connection was there last, on the event loop's clock."""
        return self._dialer.connected_at

    def dial(self) -> None:
        """Connect to the hubs."""
        self._dialer.touch()

    async def get_keys(self, responder: str, number: int, bits: int) -> list[Key]:
        """Establish keys of its first encryptor with another. Raises DskedError."""
        outcome: asyncio.Future[list[Key] | DskedError] = asyncio.get_running_loop().create_future()
        caller = self.encryptors[0]
        self._engine.get_keys(caller, [responder], number, bits, outcome.set_result, self._now())
        return await self._settled(outcome)

    async def get_keys_by_id(self, initiator: str, key_ids: Sequence[bytes]) -> list[Key]:
        """Fetch for its last encryptor what another has established. Raises DskedError."""
        outcome: asyncio.Future[list[Key] | DskedError] = asyncio.get_running_loop().create_future()
        caller = self.encryptors[-1]
        self._engine.get_keys_by_id(caller, initiator, key_ids, outcome.set_result, self._now())
        return await self._settled(outcome)

    def _now(self) -> float:
        return self._dialer.turns.now()

    async def _settled(self, outcome: asyncio.Future[list[Key] | DskedError]) -> list[Key]:
        self._dialer.touch()
        settled = await outcome
        if isinstance(settled, DskedError):
            raise settled
        return settled
