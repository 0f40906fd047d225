"""A client as a whole: engine, connections to its hubs, and its services (delivery's Node and KeyService)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from dsked.client.engine import ClientEngine
from dsked.client.refill import RefillSettings
from dsked.config.node import ClientSettings
from dsked.errors import DskedError, LimitError
from dsked.keys import Done, KeyLimits, Outcome
from dsked.limits import MAX_REQUESTS_IN_FLIGHT, SHUTDOWN_GRACE_S
from dsked.net.hub_dialer import HubDialer
from dsked.psrd.pair import Streams

_log = logging.getLogger("dsked.client")


class ClientNode:
    """One running client.

    `on_stop` is called when its operator asks it to stop; `turn_ended` after every turn.
    """

    role: Literal["hub", "client"] = "client"

    def __init__(
        self,
        settings: ClientSettings,
        on_stop: Callable[[], None],
        turn_ended: Callable[[], None],
        streams: Mapping[str, Streams] = MappingProxyType({}),
        closed_pools: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`streams`: by hub, of those of which there is PSRD; none where it is simulated.

        `closed_pools`: by hub, why pools that are there could not be opened.
        """
        self.name = settings.name
        self.encryptors = settings.encryptors
        self._on_stop = on_stop
        self._engine = ClientEngine(
            settings.name,
            encryptors=settings.encryptors,
            hubs=[(hub.name, hub.x) for hub in settings.hubs],
            k=settings.min_nr_shares,
            simulated=settings.simulated,
            gate_keys=settings.gate_keys,
            streams=streams,
            closed_pools=closed_pools,
            refill=RefillSettings(
                settings.start_request_psrd_threshold,
                settings.stop_request_psrd_threshold,
                settings.get_psrd_block_size,
            ),
            share_timeout_s=settings.share_timeout_s,
            random=os.urandom,
            notice=_log.log,
        )
        addresses = {hub.name: (hub.host, hub.port) for hub in settings.hubs}
        self._dialer = HubDialer(self._engine, addresses, turn_ended)
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def start(self) -> None:
        """Begin to connect to the hubs."""
        self._dialer.touch()

    async def close(self) -> None:
        """Take no more requests, finish what was accepted within a grace, tell the hubs, close."""
        self._engine.stop()
        self._dialer.touch()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_GRACE_S):
                await self._idle.wait()
        self._engine.unregister()
        await self._dialer.close()

    def deliver(self, hub: str, gate_key: bytes, streams: Streams) -> None:
        """The pair with `hub` has new streams."""
        self._engine.deliver(hub, gate_key, streams)
        self._dialer.touch()

    def grown(self, hub: str) -> None:
        """The streams of the pair with `hub` hold more bytes."""
        self._engine.grown(hub)
        self._dialer.touch()

    # --- KeyService ---

    def get_keys(
        self, caller: str, responders: Sequence[str], number: int, size_bits: int | None, done: Done
    ) -> None:
        """Establish `number` keys from `caller` to `responders`."""
        counted = self._count(
            done, "%r asks for %r keys of %r bits with %r", caller, number, size_bits, responders
        )
        if counted is not None:
            self._engine.get_keys(caller, responders, number, size_bits, counted, self._dialer.turns.now())
            self._dialer.touch()

    def get_keys_by_id(self, caller: str, initiator: str, key_ids: Sequence[bytes], done: Done) -> None:
        """Hand out to `caller` the keys of `initiator`."""
        counted = self._count(done, "%r asks for %r keys of %r", caller, len(key_ids), initiator)
        if counted is not None:
            self._engine.get_keys_by_id(caller, initiator, key_ids, counted, self._dialer.turns.now())
            self._dialer.touch()

    def locate(self, encryptor: str, done: Callable[[str | DskedError], None]) -> None:
        """Which client serves `encryptor`."""
        self._engine.locate(encryptor, done, self._dialer.turns.now())
        self._dialer.touch()

    def limits(self) -> KeyLimits:
        """What a key request may ask for."""
        return self._engine.limits()

    def _count(self, done: Done, what: str, *details: object) -> Done | None:
        """`done`, counted as in flight until it is called; None where there are too many already.

        `what` and `details` are for the log at level debug.
        """
        _log.debug(what, *details)
        if self._in_flight >= MAX_REQUESTS_IN_FLIGHT:
            done(LimitError(f"{MAX_REQUESTS_IN_FLIGHT} requests are under way: ask again later"))
            return None
        self._in_flight += 1
        self._idle.clear()

        def counted(outcome: Outcome) -> None:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
            _log.debug("answered: %s", outcome)  # keys have no repr that shows them
            done(outcome)

        return counted

    # --- Node ---

    def readiness(self) -> str | None:
        """None when key requests can be served, else why not."""
        return self._engine.readiness()

    def status(self) -> dict[str, Any]:
        """The user guide's status."""
        return self._engine.status(self._dialer.turns.now())

    def stop(self) -> None:
        """Begin an orderly stop."""
        self._on_stop()
