"""What a node runs on is imported late, by what it is: a hub, a client, a client's interfaces."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator

from dsked.config import interfaces
from dsked.config.node import ClientSettings, NodeSettings

#: Modules that only some nodes need, and that are imported late.
MODULES = {
    "hub": ("dsked.net.hub_node",),
    "client": ("dsked.net.client_node",),
    "http": ("dsked.delivery.interfaces",),
    "tls": ("dsked.delivery.tls", "dsked.delivery.identity"),
    "skip": ("dsked.delivery.skip",),
    "psk": ("dsked.delivery.skip_psk",),
    "hub metrics": ("dsked.metrics.server", "dsked.metrics.of_hub"),
    "client metrics": ("dsked.metrics.server", "dsked.metrics.of_client"),
}


def load(part: str) -> None:
    """Import what a hub, a client, or a client's interfaces run on: `part` is a key of MODULES."""
    with _without_certificates():
        for module in MODULES[part]:
            importlib.import_module(module)
    with contextlib.suppress(ImportError):  # the log will tell
        importlib.import_module("uvloop")


def parts(settings: NodeSettings) -> list[str]:
    """What this node runs on: keys of MODULES."""
    measured = settings.metrics is not None
    if not isinstance(settings, ClientSettings):
        return ["hub", *metrics_parts("hub", measured)]
    of_interfaces = interfaces.parts(settings.port is not None, settings.etsi_tls, settings.skip)
    return ["client", *of_interfaces, *metrics_parts("client", measured)]


def metrics_parts(role: str, measured: bool) -> list[str]:
    """What a node of this role runs on for its metrics: keys of MODULES."""
    return [f"{role} metrics"] if measured else []


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
