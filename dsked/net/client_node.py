"""A client as a whole: engine, connections to its hubs, and its services (delivery's Node and KeyService)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from dsked.audit.log import AuditLog
from dsked.chosen_limits import Limits, report
from dsked.client.engine import ClientEngine
from dsked.client.figures import HubFigures
from dsked.client.refill import RefillSettings
from dsked.client.stored_place import StoredPair
from dsked.config.node import ClientSettings
from dsked.counters import Tally
from dsked.entropy.randomness import draw
from dsked.errors import DskedError, LimitError, RequestError
from dsked.fair_limit import FairLimit
from dsked.identifiers import key_id_text
from dsked.keys import Key, KeyLimits
from dsked.net.hub_dialer import HubDialer
from dsked.net.pool_watch import PoolWatch
from dsked.notice import told_to
from dsked.psrd.pair import Streams
from dsked.wire.additions import Wrapping

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
        audit: AuditLog | None = None,
    ) -> None:
        """`streams`: by hub, of those of which there is PSRD; none where it is simulated.

        `closed_pools`: by hub, why pools that are there could not be opened. `audit`: of its keys, if any.
        """
        self.name = settings.name
        self.encryptors = settings.encryptors
        self._on_stop = on_stop
        self._audit = audit
        self._stored = [
            StoredPair(one.initiator, one.responder, one.count, one.size_bits // 8)
            for one in settings.stored_keys
        ]
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
            random=draw,
            notice=told_to(_log),
            limits=settings.limits,
            stored=self._stored,
            audit=None if audit is None else audit.append,
            wrapping=Wrapping(settings.wrapping),
        )
        addresses = {hub.name: (hub.host, hub.port) for hub in settings.hubs}
        self._dialer = HubDialer(self._engine, addresses, turn_ended, settings.limits)
        self._pools = PoolWatch(self._pairs, "hub_name")
        self._limits = settings.limits
        self._in_flight = FairLimit()  # requests, by encryptor or whoever else asks
        self._initiated, self._responded = Tally(), Tally()
        self._idle = asyncio.Event()
        self._idle.set()

    def use_limits(self, limits: Limits) -> None:
        """What was accepted stays so."""
        self._limits = limits
        self._engine.use_limits(limits)
        self._dialer.use_limits(limits)

    async def start(self) -> None:
        """Begin to connect to the hubs."""
        self._dialer.touch()
        self._pools.start()

    async def close(self) -> None:
        """Take no more requests, finish what was accepted within a grace, tell the hubs, close."""
        self._engine.stop()
        self._dialer.touch()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.shutdown_grace_s):
                await self._idle.wait()
        self._engine.unregister()
        self._pools.close()
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
            size = "the default size" if size_bits is None else f"{size_bits!r} bits"
            said = (caller, number, size, responders)
            _log.debug("%r asks for %r keys of %s with %r", *said, extra={"encryptor": caller})
        done = self._initiated.counting(done)
        if self._admits(caller, done):
            counted, now = partial(self._answered, caller, done), self._dialer.turns.now()
            self._engine.get_keys(caller, responders, number, size_bits, counted, now)
            self._dialer.turns.gather(alone=self._in_flight.total <= 1)

    def get_keys_by_id(
        self,
        caller: str,
        initiator: str,
        key_ids: Sequence[bytes],
        done: Callable[[list[Key] | DskedError], None],
    ) -> None:
        """Hand out to `caller` the keys of `initiator`."""
        if _log.isEnabledFor(logging.DEBUG):
            said = (caller, len(key_ids), initiator)
            _log.debug("%r asks for %r keys of %r", *said, extra={"encryptor": caller})
        done = self._responded.counting(done)
        if self._admits(caller, done):
            counted, now = partial(self._answered, caller, done), self._dialer.turns.now()
            self._engine.get_keys_by_id(caller, initiator, key_ids, counted, now)
            self._dialer.turns.gather(alone=self._in_flight.total <= 1)

    def locate(self, asker: str, encryptor: str, done: Callable[[str | DskedError], None]) -> None:
        """Which client serves `encryptor`; `asker` is on whose account the question goes."""
        if self._admits(asker, done):
            counted, turns = partial(self._answered, asker, done), self._dialer.turns
            self._engine.locate(encryptor, counted, turns.now())
            turns.touch()

    def limits(self, initiator: str = "", responder: str = "") -> KeyLimits:
        """What a key request may ask for; with a pair of encryptors, their stored keys as well."""
        stored, most = self._engine.stored_keys(initiator, responder, self._dialer.turns.now())
        return self._engine.limits()._replace(stored_key_count=stored, max_key_count=most)

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
            fields = {"encryptor": who}
            if isinstance(outcome, list) and len(outcome) == 1:
                fields["key_id"] = key_id_text(outcome[0].key_id)
            _log.debug("answered: %s", outcome, extra=fields)  # keys have no repr that shows them
        done(outcome)

    # --- Node ---

    def readiness(self) -> str | None:
        """None when key requests can be served, else why not."""
        return self._engine.readiness()

    def status(self, first: int = 0) -> dict[str, Any]:
        """The user guide's status: all of it, as a client has few hubs."""
        status = self._engine.status(self._dialer.turns.now())
        self._pools.add_to(status["peer_hubs"])
        return {
            **status,
            "keys": {"initiator": self._initiated.report(), "responder": self._responded.report()},
            "nr_requests_in_flight": self._in_flight.total,
            "limits": report(self._limits, self.role),
            **({} if self._audit is None else {"audit_log": self._audit.status()}),
        }

    def _pairs(self, first: int) -> list[dict[str, Any]]:
        hubs: list[dict[str, Any]] = self._engine.status(self._dialer.turns.now())["peer_hubs"]
        return hubs[first:]

    def hub_figures(self) -> Iterator[HubFigures]:
        """What metrics tell of each hub."""
        return self._engine.figures(self._dialer.turns.now())

    def tallies(self) -> tuple[Tally, Tally]:
        """(initiators' half, responders' half) of the key requests so far."""
        return self._initiated, self._responded

    def nr_connections(self) -> int:
        """Hubs that TCP has reached."""
        return self._dialer.nr_connections

    @property
    def nr_hubs_needed(self) -> int:
        """k."""
        return self._engine.hubs.k

    def nr_requests_in_flight(self) -> int:
        """Requests that have no answer yet."""
        return self._in_flight.total

    def session_failures(self) -> Mapping[str, int]:
        """How often sessions were broken by hubs, or who stands between; by kind of error."""
        return self._dialer.failures

    def stored_keys(self) -> Iterator[tuple[StoredPair, int]]:
        """Of each pair of encryptors for which keys are to be stored: how many are ready."""
        now = self._dialer.turns.now()
        for pair in self._stored:
            yield pair, self._engine.stored_keys_of(pair, now)

    def drain(self) -> tuple[int, float]:
        """A client holds no shares."""
        raise RequestError(
            f"client {self.name} holds no shares: stop it, and it finishes what it has accepted"
        )

    def stop(self) -> None:
        """Begin an orderly stop."""
        self._on_stop()
