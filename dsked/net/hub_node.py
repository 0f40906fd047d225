"""A hub as a whole: engine, TCP server, and what its operator sees (delivery's Node)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Literal

from dsked.audit.log import AuditLog
from dsked.chosen_limits import Limits, report
from dsked.config.node import HubSettings
from dsked.entropy.randomness import draw
from dsked.hub.engine import HubEngine
from dsked.hub.figures import ClientFigures, HubFigures
from dsked.net.hub_server import HubServer
from dsked.net.pool_watch import PoolWatch
from dsked.notice import told_to
from dsked.psrd.pair import Streams
from dsked.wire.additions import Wrapping

_log = logging.getLogger("dsked.hub")


class HubNode:
    """One running hub. `on_stop` is called when its operator asks it to stop."""

    role: Literal["hub", "client"] = "hub"

    def __init__(
        self,
        settings: HubSettings,
        on_stop: Callable[[], None],
        streams: Mapping[str, Streams] = MappingProxyType({}),
        closed_pools: Mapping[str, str] = MappingProxyType({}),
        audit: AuditLog | None = None,
    ) -> None:
        """`streams`: by client, of those that have PSRD; none where it is simulated.

        `closed_pools`: by client, why pools that are there could not be opened; for status.
        """
        self.name = settings.name
        self._settings = settings
        self._on_stop = on_stop
        self._audit = audit
        self._closed_pools = closed_pools
        self._listening = False
        self._engine = HubEngine(
            settings.name,
            simulated=settings.simulated,
            owners=settings.owners,
            gate_keys=settings.gate_keys,
            streams=streams,
            thresholds=(settings.start_request_psrd_threshold, settings.stop_request_psrd_threshold),
            share_timeout_s=settings.share_timeout_s,
            random=draw,
            notice=told_to(_log),
            limits=settings.limits,
            audit=None if audit is None else audit.append,
            wrapping=Wrapping(settings.wrapping),
        )
        self._pools = PoolWatch(self._pairs, "client_name")
        self._limits = settings.limits
        self._server = HubServer(self._engine, settings.limits)

    def use_limits(self, limits: Limits) -> None:
        """What is open, and what is held, stays."""
        self._limits = limits
        self._engine.shares.limits = limits
        self._server.use_limits(limits)

    async def start(self) -> None:
        """Begin to serve. Raises ConfigurationError."""
        await self._server.start(self._settings.host, self._settings.port)
        self._listening = True
        self._pools.start()
        _log.info("hub %s serves DSKE on %s port %d", self.name, self._settings.host, self._server.port)

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return self._server.port

    async def close(self) -> None:
        """Close everything."""
        self._pools.close()
        await self._server.close()

    def deliver(self, client: str, gate_key: bytes, streams: Streams) -> None:
        """The pair with `client` has new streams."""
        self._engine.deliver(client, gate_key, streams)
        self._server.touch()

    def grown(self, client: str) -> None:
        """The streams of the pair with `client` hold more bytes."""
        self._engine.grown(client)
        self._server.touch()

    def use_clients(
        self,
        owners: Mapping[str, tuple[str, ...]],
        gate_keys: Mapping[str, bytes],
        streams: Mapping[str, Streams],
    ) -> None:
        """Serve these clients and no others from now on; `streams` as at the start."""
        self._engine.use_clients(owners, gate_keys, streams)
        self._server.touch()

    def readiness(self) -> str | None:
        """None when ready, else why not."""
        return None if self._listening else "the hub does not listen yet"

    def status(self, first: int = 0) -> dict[str, Any]:
        """The user guide's status, with a page of clients from number `first` on."""
        status = self._engine.status(first)
        self._pools.add_to(status["peer_clients"])
        return {
            **status,
            "closed_pools": dict(self._closed_pools),
            "nr_connections": self._server.nr_connections,
            "limits": report(self._limits, self.role),
            **({} if self._audit is None else {"audit_log": self._audit.status()}),
        }

    def _pairs(self, first: int) -> list[dict[str, Any]]:
        clients: list[dict[str, Any]] = self._engine.status(first)["peer_clients"]
        return clients

    def figures(self) -> HubFigures:
        """What metrics tell of all clients together."""
        return self._engine.figures()

    def client_figures(self) -> Iterator[ClientFigures]:
        """What metrics tell of each client."""
        return self._engine.client_figures()

    def connections(self) -> tuple[int, int]:
        """(connections, those of them that have shown no gate key yet)."""
        return self._server.nr_connections, self._server.nr_strangers

    def outsiders(self) -> Mapping[str, int]:
        """What outsiders have done, by kind: how often since the start."""
        return self._server.outsiders

    def drain(self) -> tuple[int, float]:
        """Take no more shares: how many are left, and in how many seconds they have all timed out."""
        return self._server.drain()

    def stop(self) -> None:
        """Begin an orderly stop."""
        self._on_stop()
