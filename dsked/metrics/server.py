"""The listener for metrics: /metrics for Prometheus, /healthz and /readyz for whoever watches the process."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from time import perf_counter
from typing import TYPE_CHECKING

from dsked import __version__
from dsked.config.node import MetricsSettings
from dsked.delivery.control import ControlServer
from dsked.delivery.service import KeyService
from dsked.errors import ConfigurationError
from dsked.limits import SCRAPE_KEPT_TIMES
from dsked.metrics import families as f
from dsked.metrics.families import Scrape
from dsked.metrics.http import Reply, Scrapers, is_own_host
from dsked.metrics.of_delivery import gather_control, gather_http
from dsked.metrics.of_process import OwnProcess
from dsked.metrics.rendering import CONTENT_TYPE, render
from dsked.sockets import Acceptor, listen

if TYPE_CHECKING:  # a node loads what it is, and no more
    from dsked.audit.log import AuditLog
    from dsked.delivery.interfaces import Interfaces
    from dsked.net.client_node import ClientNode
    from dsked.net.hub_node import HubNode

#: Puts values into a scrape, and stops after each slice of work.
Source = Callable[[Scrape], Iterator[None]]


class MetricsServer:
    """Serves one node's metrics. `readiness`: None when the node serves, else why not."""

    def __init__(
        self, settings: MetricsSettings, role: str, name: str, readiness: Callable[[], str | None]
    ) -> None:
        self._settings = settings
        self._labels = role, name, __version__, platform.python_version()
        self._readiness = readiness
        self._sources: list[Source] = [OwnProcess().gather]
        self._scrapers = Scrapers(self._answer, self._may_be_called)
        self._scrape: asyncio.Task[bytes] | None = None  # under way, or kept for a while
        self._acceptor: Acceptor | None = None

    async def start(self) -> None:
        """Listen. Raises ConfigurationError."""
        host, port = self._settings.host, self._settings.port
        try:
            sockets = await listen(host, port)
        except OSError as error:
            text = error.strerror or error
            raise ConfigurationError(f"metrics: cannot listen on {host} port {port}: {text}") from None
        self._acceptor = Acceptor(sockets, self._scrapers)

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        assert self._acceptor is not None
        return self._acceptor.port

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        if self._acceptor is not None:
            await self._acceptor.close()
        if self._scrape is not None:
            self._scrape.cancel()
        self._scrapers.close()

    # --- what is measured ---

    def watch_hub(self, hub: HubNode) -> None:
        """Tell of a hub."""
        from dsked.metrics import of_hub

        self._sources.append(partial(of_hub.gather, hub))

    def watch_client(self, client: ClientNode) -> KeyService:
        """Tell of a client; returns its key service, which counts from now on."""
        from dsked.metrics import of_client
        from dsked.metrics.metered import MeteredKeys

        keys = MeteredKeys(client)
        self._sources.append(partial(of_client.gather, client, keys))
        return keys

    def watch_audit(self, audit: AuditLog) -> None:
        """Tell of the audit log."""
        from dsked.metrics import of_audit

        self._sources.append(partial(of_audit.gather, audit))

    def watch_control(self, control: ControlServer) -> None:
        """Tell of the control socket."""
        self._sources.append(partial(gather_control, control))

    def watch_interfaces(self, interfaces: Interfaces) -> None:
        """Tell of the HTTP interfaces."""

        from dsked.delivery.interfaces import ETSI

        def gather(scrape: Scrape) -> Iterator[None]:
            for what, server in tuple(interfaces.servers.items()):
                yield from gather_http("etsi" if what == ETSI else "skip", server, scrape)

        self._sources.append(gather)

    # --- answers ---

    def _may_be_called(self, host: str) -> bool:
        return is_own_host(host, self._settings.host)

    async def _answer(self, path: str) -> Reply:
        if path == "/metrics":
            return Reply(200, await self._metrics(), CONTENT_TYPE)
        if path == "/healthz":  # whoever reads this knows that the event loop runs
            return Reply(200, b"ok\n")
        if path == "/readyz":
            reason = self._readiness()
            return Reply(200, b"ready\n") if reason is None else Reply(503, f"{reason}\n".encode())
        return Reply(404, b"there are /metrics, /healthz and /readyz\n")

    async def _metrics(self) -> bytes:
        """The text of a scrape: one for all who ask while it is gathered, and for a while after.

        However often it is asked for, it costs a small part of a core.
        """
        if self._scrape is None:
            self._scrape = asyncio.get_running_loop().create_task(self._gather())
        return await asyncio.shield(self._scrape)

    async def _gather(self) -> bytes:
        loop, begun, worked_s = asyncio.get_running_loop(), perf_counter(), 0.0
        scrape, text = Scrape(), bytearray()
        parts = chain(self._fill(scrape, begun), map(text.extend, render(scrape)))
        try:
            while True:
                slice_begun = perf_counter()
                done = next(parts, parts) is parts
                worked_s += perf_counter() - slice_begun
                if done:
                    return bytes(text)
                await asyncio.sleep(0)
        finally:
            loop.call_later(SCRAPE_KEPT_TIMES * worked_s, self._forget)

    def _fill(self, scrape: Scrape, begun: float) -> Iterator[None]:
        scrape.add(f.BUILD_INFO, 1, *self._labels)
        scrape.add(f.READY, self._readiness() is None)
        for source in self._sources:
            yield from source(scrape)
        scrape.add(f.SCRAPE_SECONDS, perf_counter() - begun)

    def _forget(self) -> None:
        self._scrape = None
