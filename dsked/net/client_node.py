"""A client as a whole: engine, connections to its hubs, and its services (delivery's Node and KeyService)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from dsked.chosen_limits import report
from dsked.client.engine import ClientEngine
from dsked.client.refill import RefillSettings
from dsked.config.node import ClientSettings
from dsked.errors import DskedError, LimitError
from dsked.fair_limit import FairLimit
from dsked.keys import Key, KeyLimits
from dsked.limits import SHUTDOWN_GRACE_S
from dsked.net.hub_dialer import HubDialer
from dsked.psrd.pair import Streams

_log = logging.getLogger("dsked.client")
ResultT = TypeVar("ResultT")


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
            limits=settings.limits,
        )
        addresses = {hub.name: (hub.host, hub.port) for hub in settings.hubs}
        self._dialer = HubDialer(self._engine, addresses, turn_ended, settings.limits)
        self._limits = settings.limits
        self._in_flight = FairLimit()  # requests, by encryptor or whoever else asks
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
        self,
        caller: str,
        responders: Sequence[str],
        number: int,
        size_bits: int | None,
        done: Callable[[list[Key] | DskedError], None],
    ) -> None:
        """Establish `number` keys from `caller` to `responders`."""
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%r asks for %r keys of %r bits with %r", caller, number, size_bits, responders)
        if self._admits(caller, done):
            counted, turns = partial(self._answered, caller, done), self._dialer.turns
            self._engine.get_keys(caller, responders, number, size_bits, counted, turns.now())
            turns.touch()

    def get_keys_by_id(
        self,
        caller: str,
        initiator: str,
        key_ids: Sequence[bytes],
        done: Callable[[list[Key] | DskedError], None],
    ) -> None:
        """Hand out to `caller` the keys of `initiator`."""
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("%r asks for %r keys of %r", caller, len(key_ids), initiator)
        if self._admits(caller, done):
            counted, turns = partial(self._answered, caller, done), self._dialer.turns
            self._engine.get_keys_by_id(caller, initiator, key_ids, counted, turns.now())
            turns.touch()

    def locate(self, asker: str, encryptor: str, done: Callable[[str | DskedError], None]) -> None:
        """Which client serves `encryptor`; `asker` is on whose account the question goes."""
        if self._admits(asker, done):
            counted, turns = partial(self._answered, asker, done), self._dialer.turns
            self._engine.locate(encryptor, counted, turns.now())
            turns.touch()

    def limits(self) -> KeyLimits:
        """What a key request may ask for."""
        return self._engine.limits()

    def _admits(self, who: str, done: Callable[[ResultT | DskedError], None]) -> bool:
        """Count a request as in flight; False, and `done` is told, where `who` has too many already."""
        in_flight = self._in_flight
        if not in_flight.fits(who, 1, self._limits.max_requests_in_flight):
            done(LimitError(f"{in_flight.total} requests are under way: ask again later"))
            return False
        if not in_flight.total:
            self._idle.clear()
        in_flight.take(who, 1)
        return True

    def _answered(
        self, who: str, done: Callable[[ResultT | DskedError], None], outcome: ResultT | DskedError
    ) -> None:
        """The engine's answer to a request that was in flight."""
        in_flight = self._in_flight
        in_flight.give_back(who, 1)
        if not in_flight.total:
            self._idle.set()
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("answered: %s", outcome)  # keys have no repr that shows them
        done(outcome)

    # --- Node ---

    def readiness(self) -> str | None:
        """None when key requests can be served, else why not."""
        return self._engine.readiness()

    def status(self) -> dict[str, Any]:
        """The user guide's status."""
        return {
            **self._engine.status(self._dialer.turns.now()),
            "nr_requests_in_flight": self._in_flight.total,
            "limits": report(self._limits, self.role),
        }

    def stop(self) -> None:
        """Begin an orderly stop."""
        self._on_stop()
