"""A hub as a whole: engine, TCP server, and what its operator sees (delivery's Node)."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from dsked.chosen_limits import report
from dsked.config.node import HubSettings
from dsked.hub.engine import HubEngine
from dsked.net.hub_server import HubServer
from dsked.psrd.pair import Streams

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
    ) -> None:
        """`streams`: by client, of those that have PSRD; none where it is simulated.

        `closed_pools`: by client, why pools that are there could not be opened; for status.
        """
        self.name = settings.name
        self._settings = settings
        self._on_stop = on_stop
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
            random=os.urandom,
            notice=_log.log,
            limits=settings.limits,
        )
        self._server = HubServer(self._engine, settings.limits)

    async def start(self) -> None:
        """Begin to serve. Raises ConfigurationError."""
        await self._server.start(self._settings.host, self._settings.port)
        self._listening = True
        _log.info("hub %s serves DSKE on %s port %d", self.name, self._settings.host, self._server.port)

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        return self._server.port

    async def close(self) -> None:
        """Close everything."""
        await self._server.close()

    def deliver(self, client: str, gate_key: bytes, streams: Streams) -> None:
        """The pair with `client` has new streams."""
        self._engine.deliver(client, gate_key, streams)
        self._server.touch()

    def grown(self, client: str) -> None:
        """The streams of the pair with `client` hold more bytes."""
        self._engine.grown(client)
        self._server.touch()

    def readiness(self) -> str | None:
        """None when ready, else why not."""
        return None if self._listening else "the hub does not listen yet"

    def status(self) -> dict[str, Any]:
        """The user guide's status."""
        return {
            **self._engine.status(),
            "closed_pools": dict(self._closed_pools),
            "nr_connections": self._server.nr_connections,
            "limits": report(self._settings.limits, self.role),
        }

    def stop(self) -> None:
        """Begin an orderly stop."""
        self._on_stop()
