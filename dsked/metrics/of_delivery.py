"""What metrics tell of the interfaces towards encryptors and operators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from dsked.delivery.control import ControlServer
from dsked.errors import ErrorCode
from dsked.metrics import families as f
from dsked.metrics.families import Scrape

_UNAUTHORIZED = 401


class HttpFigures(Protocol):
    """An HTTP server; delivery's own is not imported here, for a hub has none."""

    @property
    def nr_connections(self) -> int:
        """Open ones."""

    @property
    def nr_failed_handshakes(self) -> int:
        """Of TLS."""

    @property
    def replies(self) -> Mapping[int, int]:
        """By HTTP status."""


def gather_control(control: ControlServer, scrape: Scrape) -> Iterator[None]:
    """Of the control socket."""
    scrape.add(f.CONNECTIONS, control.nr_connections, "control")
    refused = control.failures[ErrorCode.NOT_ALLOWED]
    scrape.add(f.AUTHENTICATION_FAILURES, refused, "control", "not_allowed")
    for code, number in sorted(control.failures.items()):
        scrape.add(f.CONTROL_ERRORS, number, code.name.lower())
    yield


def gather_http(interface: str, server: HttpFigures, scrape: Scrape) -> Iterator[None]:
    """Of one HTTP interface."""
    scrape.add(f.CONNECTIONS, server.nr_connections, interface)
    scrape.add(f.AUTHENTICATION_FAILURES, server.nr_failed_handshakes, interface, "tls_handshake")
    scrape.add(f.AUTHENTICATION_FAILURES, server.replies.get(_UNAUTHORIZED, 0), interface, "unauthorized")
    for status, number in sorted(server.replies.items()):
        scrape.add(f.HTTP_REPLIES, number, interface, str(status))
    yield
