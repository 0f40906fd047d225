"""The daemon: one process, one node, from start to a clean stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from dsked import descriptors
from dsked.config.node import ClientSettings, HubSettings, NodeSettings
from dsked.delivery.access import AccessRules
from dsked.delivery.control import ControlServer
from dsked.delivery.sd_notify import notify
from dsked.delivery.service import KeyService, Node
from dsked.errors import DskedError, ExitStatus, exit_status
from dsked.storage.running import RunningStore

_log = logging.getLogger("dsked")
#: Modules that only some nodes need, and that are imported late.
MODULES = {
    "hub": ("dsked.net.hub_node",),
    "client": ("dsked.net.client_node",),
    "etsi": ("dsked.delivery.etsi", "dsked.delivery.http_server"),
}
#: Objects until a collection of the young ones: at Python's 700 it runs with every turn of 64 requests, for a
#: tenth of all processor time, and finds next to nothing: requests leave no circle of references behind.
_GC_YOUNG = 20_000
SettingsT = TypeVar("SettingsT", HubSettings, ClientSettings)


class _Closable(Protocol):
    async def close(self) -> None:
        """Close it."""


def load(part: str) -> None:
    """Import what a hub, a client, or a client's ETSI interface runs on: `part` is a key of MODULES."""
    with _without_certificates():
        for module in MODULES[part]:
            importlib.import_module(module)
    with contextlib.suppress(ImportError):  # the log will tell
        importlib.import_module("uvloop")


@contextlib.contextmanager
def _without_certificates() -> Iterator[None]:
    """Keeps OpenSSL from reading the system's certificate authorities, 50 ms of aiohttp's import.

    aiohttp wants them for its HTTP client, and a node is none.
    """
    before = {name: os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR")}
    os.environ.update(dict.fromkeys(before, os.devnull))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def run(settings: NodeSettings) -> int:
    """Run a node until it is told to stop; gives the exit status: 0 after a clean stop."""
    _set_up_logging(settings.log_level)
    _forbid_core_dumps()
    for part in _parts(settings):
        load(part)
    gc.freeze()  # what was imported stays: collections need not look at it
    gc.set_threshold(_GC_YOUNG, *gc.get_threshold()[1:])
    return _run_loop(_serve(settings))


def _parts(settings: NodeSettings) -> list[str]:
    if not isinstance(settings, ClientSettings):
        return ["hub"]
    return ["client"] if settings.port is None else ["client", "etsi"]


def _fit_limits(settings: NodeSettings) -> tuple[NodeSettings, int]:
    """Limits that the number of file descriptors allows, and block files to keep open. Raises DskedError."""
    client = isinstance(settings, ClientSettings)
    limits, open_files, cut = descriptors.fitted(
        settings.limits,
        "client" if client else "hub",
        descriptors.raise_limit(),
        dialled=len(settings.hubs) if isinstance(settings, ClientSettings) else 0,
        files=not settings.simulated,
    )
    if cut:
        _log.warning("%s", cut)
    return replace(settings, limits=limits), open_files


def _set_up_logging(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def _forbid_core_dumps() -> None:
    """Keys and pads lie in this process's memory: no core file, and no tracing by other processes."""
    import ctypes
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pr_set_dumpable = 4  # prctl(2)
    ctypes.CDLL(None).prctl(pr_set_dumpable, 0, 0, 0, 0)


def _run_loop(main: Coroutine[Any, Any, int]) -> int:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:
        _log.warning("uvloop is not installed: running on asyncio's own event loop, which is slower")
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


async def _serve(settings: NodeSettings) -> int:
    daemon: _Daemon | None = None
    try:
        daemon = _Daemon(settings)
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

    def __init__(self, settings: NodeSettings) -> None:
        self.stopping = asyncio.Event()
        self._settings, self._open_files = _fit_limits(settings)
        self._parts: list[_Closable] = []
        self._node: Node | None = None
        self._ready = False
        self._status = ""

    async def start(self) -> None:
        """Start every part. Raises DskedError."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        loop.set_exception_handler(_log_exception)
        if isinstance(self._settings, ClientSettings):
            await self._start_client(self._settings)
        else:
            await self._start_hub(self._settings)
        self._tell_readiness()

    def _open_store(self, role: str, peers: Mapping[str, int]) -> RunningStore:
        """The node's state directory, which is its own from now on."""
        store = RunningStore(self._settings.state_dir, role, self._settings.name, peers, self._open_files)
        self._parts.append(store)
        return store

    async def _start_hub(self, settings: HubSettings) -> None:
        from dsked.net.hub_node import HubNode  # each role loads its own engine alone

        store = self._open_store("hub", dict.fromkeys(settings.owners or (), 0))
        hub = HubNode(
            _with_gate_keys(settings, store), self.stopping.set, store.streams(), store.closed_pools
        )
        store.deliver_to(hub)
        await self._start_control(hub, None, store)
        await self._add(hub, hub.start())
        self._node = hub

    async def _start_client(self, settings: ClientSettings) -> None:
        from dsked.net.client_node import ClientNode

        store = self._open_store("client", {hub.name: hub.x for hub in settings.hubs})
        client = ClientNode(
            _with_gate_keys(settings, store),
            self.stopping.set,
            self._tell_readiness,
            store.streams(),
            store.closed_pools,
        )
        store.deliver_to(client)
        await self._start_control(client, client, store)
        if settings.port is not None:
            await self._start_etsi(client, settings.host, settings.port)
        await self._add(client, client.start())
        self._node = client

    async def _start_control(self, node: Node, service: KeyService | None, store: RunningStore) -> None:
        settings = self._settings.control
        rules = AccessRules.from_names(os.geteuid(), settings.users, settings.groups)
        deliveries = None if self._settings.simulated else store
        control = ControlServer(node, service, rules, deliveries, self._settings.limits)
        await self._add(control, control.start(settings.path, settings.group))

    async def _start_etsi(self, service: KeyService, host: str, port: int) -> None:
        from dsked.delivery import etsi, http_server  # loads aiohttp: clients only

        app = etsi.create_app(service, etsi.caller_of_authorization(service))
        server = http_server.HttpServer(app, self._settings.limits)
        await self._add(server, server.start(host, port))
        _log.info("client %s serves ETSI GS QKD 014 on %s port %d", service.name, host, server.port)

    async def _add(self, part: _Closable, start: Coroutine[Any, Any, None]) -> None:
        self._parts.append(part)
        await start

    def _tell_readiness(self) -> None:
        """Tell the service manager once that the node serves, and until then what is missing."""
        if self._ready or self._node is None:
            return
        reason = self._node.readiness()
        if reason is None:
            self._ready = True
            _log.info("%s %s is ready", self._node.role, self._node.name)
            notify("READY=1\nSTATUS=ready")
        elif reason != self._status:
            self._status = reason
            notify(f"STATUS={reason}")

    async def close(self) -> None:
        """Close every part, the last one first."""
        notify("STOPPING=1")
        if self._node is not None:
            _log.info("%s %s is stopping", self._node.role, self._node.name)
        while self._parts:
            await self._parts.pop().close()


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
