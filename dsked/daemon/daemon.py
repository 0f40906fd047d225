"""The daemon: one process, one node, from start to a clean stop.

Here its parts are wired. What the process sets up stands in process.py, what is imported for which node in
loading.py, what is read again on SIGHUP in reloading.py, what the service manager is told in
service_manager.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from dsked import __version__
from dsked.config import origins
from dsked.config.node import ClientSettings, HubSettings, NodeSettings
from dsked.config.origins import named
from dsked.daemon import loading, process
from dsked.daemon.configuration import Configuration, Owners
from dsked.daemon.reloading import Reloads
from dsked.daemon.service_manager import ServiceManager
from dsked.delivery.access import AccessRules
from dsked.delivery.audited import AuditedKeys
from dsked.delivery.control import ControlServer
from dsked.delivery.listener import ControlGroupError
from dsked.delivery.service import KeyService, Node
from dsked.errors import DskedError, ExitStatus, exit_status
from dsked.storage.running import RunningStore

if TYPE_CHECKING:
    from dsked.audit.log import AuditLog
    from dsked.metrics.server import MetricsServer

_log = logging.getLogger("dsked")
SettingsT = TypeVar("SettingsT", HubSettings, ClientSettings)


class _Closable(Protocol):
    async def close(self) -> None:
        """Close it."""


def run(settings: NodeSettings, read_again: Callable[[], NodeSettings]) -> int:
    """Run a node until it is told to stop; gives the exit status: 0 after a clean stop.

    `read_again` gives the settings as they are written by now, or raises ConfigurationError.
    """
    process.set_up(settings)
    for part in loading.parts(settings):
        loading.load(part)
    process.collect_seldom()
    return process.run_loop(serve(settings, read_again))


async def serve(settings: NodeSettings, read_again: Callable[[], NodeSettings]) -> int:
    """Serve until the node is told to stop; gives the exit status."""
    daemon: _Daemon | None = None
    try:
        daemon = _Daemon(settings, read_again)
        await daemon.start()
        await daemon.stopping.wait()
    except DskedError as error:
        _log.error("%s", error)
        return exit_status(error.code)
    finally:
        if daemon is not None:
            await daemon.close()
    return ExitStatus.OK


class _Daemon:
    """The parts of one node's process, started in order and closed in reverse."""

    def __init__(self, settings: NodeSettings, read_again: Callable[[], NodeSettings]) -> None:
        self.stopping = asyncio.Event()
        self._settings, self._open_files = process.fit_limits(settings)
        self._parts: list[_Closable] = []
        self._node: Node | None = None
        self._configuration = Configuration(settings, read_again)
        self._metrics: MetricsServer | None = None
        self._audit: AuditLog | None = None
        role = "client" if isinstance(settings, ClientSettings) else "hub"
        self._manager = ServiceManager(f"{role} {settings.name}", self._readiness)
        self._reloads = Reloads(self._manager.reloading)
        self._reloads.add_read(self._configuration.read)

    async def start(self) -> None:
        """Start every part. Raises DskedError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reloads.ask)
        loop.set_exception_handler(_log_exception)
        if isinstance(self._settings, ClientSettings):
            await self._start_client(self._settings)
        else:
            await self._start_hub(self._settings)
        self._tell_readiness()
        self._reloads.start()

    def _open_audit_log(self, role: str) -> AuditLog | None:
        """Where every key, or share, is written down, if that is asked for."""
        if self._settings.audit_log is None:
            return None
        from dsked.audit.log import AuditLog

        about = {"role": role, "node": self._settings.name, "version": __version__}
        with named(self._settings.origins, origins.AUDIT_LOG):
            self._audit = audit = AuditLog(self._settings.audit_log, about)
        self._parts.append(audit)
        self._reloads.add(audit.reopen)
        return audit

    def _open_store(self, role: str, peers: Mapping[str, int]) -> RunningStore:
        """The node's state directory, which is its own from now on."""
        settings = self._settings
        with named(settings.origins, origins.STATE_DIR):
            store = RunningStore(settings.state_dir, role, settings.name, peers, self._open_files)
        self._parts.append(store)
        return store

    async def _start_hub(self, settings: HubSettings) -> None:
        from dsked.net.hub_node import HubNode  # each role loads its own engine alone

        store = self._open_store("hub", dict.fromkeys(settings.owners or (), 0))
        hub = HubNode(
            _with_gate_keys(settings, store),
            self.stopping.set,
            store.streams(),
            store.closed_pools,
            self._open_audit_log("hub"),
        )
        store.deliver_to(hub)
        await self._start_metrics("hub")
        if self._metrics is not None:
            self._metrics.watch_hub(hub)
        await self._start_control(hub, None, store)
        with named(settings.origins, origins.LISTEN):
            await self._add(hub, hub.start())
        self._node = hub
        self._configuration.on_limits(hub.use_limits)

        def use_clients(owners: Owners, gate_keys: Mapping[str, bytes]) -> None:
            store.know(dict.fromkeys(owners, 0))
            hub.use_clients(owners, gate_keys if settings.simulated else store.gate_keys(), store.streams())

        self._configuration.on_clients(use_clients)

    async def _start_client(self, settings: ClientSettings) -> None:
        from dsked.net.client_node import ClientNode

        store = self._open_store("client", {hub.name: hub.x for hub in settings.hubs})
        audit = self._open_audit_log("client")
        client = ClientNode(
            _with_gate_keys(settings, store),
            self.stopping.set,
            self._tell_readiness,
            store.streams(),
            store.closed_pools,
            audit,
        )
        store.deliver_to(client)
        await self._start_metrics("client")
        service: KeyService = client if self._metrics is None else self._metrics.watch_client(client)
        if audit is not None:
            service = AuditedKeys(service, audit.append, asyncio.get_running_loop().time)
        await self._start_control(client, service, store)
        if settings.port is not None or settings.skip is not None:
            await self._start_interfaces(service, settings)
        await self._add(client, client.start())
        self._node = client
        self._configuration.on_limits(client.use_limits)

    async def _start_control(self, node: Node, service: KeyService | None, store: RunningStore) -> None:
        settings, written = self._settings.control, self._settings.origins
        rules = AccessRules.from_names(os.geteuid(), settings.users, settings.groups, written)
        deliveries = None if self._settings.simulated else store
        control = ControlServer(node, service, rules, deliveries, self._settings.limits)
        with named(written, origins.CONTROL_GROUP, (ControlGroupError,)):
            await self._add(control, control.start(settings.path, settings.group))
        self._configuration.on_limits(control.use_limits)
        self._configuration.on_access(control.use_rules)
        if self._metrics is not None:
            self._metrics.watch_control(control)

    async def _start_interfaces(self, service: KeyService, settings: ClientSettings) -> None:
        from dsked.delivery.interfaces import Interfaces  # loads aiohttp: clients only

        served = Interfaces(service, settings)
        with named(settings.origins):
            await self._add(served, served.start())
        self._reloads.add(served.reload)
        self._configuration.on_limits(served.use_limits)
        if self._metrics is not None:
            self._metrics.watch_interfaces(served)

    async def _start_metrics(self, role: str) -> None:
        if self._settings.metrics is not None:
            from dsked.metrics.server import MetricsServer  # loads prometheus_client: where it is asked for

            self._metrics = MetricsServer(self._settings.metrics, role, self._settings.name, self._readiness)
            if self._audit is not None:
                self._metrics.watch_audit(self._audit)
            with named(self._settings.origins, origins.METRICS):
                await self._add(self._metrics, self._metrics.start())

    async def _add(self, part: _Closable, start: Coroutine[Any, Any, None]) -> None:
        self._parts.append(part)
        await start

    def _readiness(self) -> str | None:
        """None when the node serves, else why not."""
        if self.stopping.is_set():
            return "stopping"
        return "starting" if self._node is None else self._node.readiness()

    def _tell_readiness(self) -> None:
        """Tell the service manager once that the node serves, and until then what is missing."""
        if not self._manager.is_ready and self._node is not None:
            self._manager.look()

    async def close(self) -> None:
        """Close every part, the last one first."""
        self._manager.stopping()
        self._reloads.stop()
        if self._node is not None:
            _log.info("%s %s is stopping", self._node.role, self._node.name)
        while self._parts:
            await self._parts.pop().close()
        self._manager.close()


def _with_gate_keys(settings: SettingsT, store: RunningStore) -> SettingsT:
    """Where PSRD comes on media, gate keys come with it."""
    return settings if settings.simulated else replace(settings, gate_keys=store.gate_keys())


def _log_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What no code of ours has caught: logged once, and the daemon goes on."""
    error = context.get("exception")
    if isinstance(error, OSError):  # a socket's end, or no file descriptor left: no traceback
        _log.warning("%s: %s", context.get("message"), error)
        return
    _log.error("%s", context.get("message"), exc_info=error)
