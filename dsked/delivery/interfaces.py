"""A client's interfaces for encryptors over HTTP: started, given fresh certificates, and closed together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from dsked.chosen_limits import Limits
from dsked.config import origins, rules
from dsked.config.node import ClientSettings, SkipSettings, TlsSettings
from dsked.delivery import etsi
from dsked.delivery.http_server import Handler, HttpServer
from dsked.delivery.served_files import own_systems
from dsked.delivery.service import KeyService

if TYPE_CHECKING:  # loads cryptography's X.509
    from dsked.delivery.tls import Tls

_log = logging.getLogger(__name__)
#: What is served, as logs and people say.
ETSI, SKIP = "ETSI GS QKD 014", "SKIP"
_ADDRESSES = {ETSI: origins.LISTEN, SKIP: origins.SKIP_LISTEN}
_Identify = Callable[[web.BaseRequest], str]


class _Reloadable(Protocol):
    what: str  # "certificates", "pre-shared keys" or both, for people

    def reload(self) -> list[str]:
        """Read all files again. Gives, for each that stays as it was, what the log is to say of it."""


class Interfaces:
    """What one client serves its encryptors over HTTP. Made in a running event loop."""

    def __init__(self, service: KeyService, settings: ClientSettings) -> None:
        self._service = service
        self._settings = settings
        self.servers: dict[str, HttpServer] = {}  # by what they serve
        self._reloadable: dict[str, _Reloadable] = {}  # by the name of the interface

    async def start(self) -> None:
        """Serve. Raises ConfigurationError for an address or a file that cannot be used."""
        if self._settings.port is not None:
            await self._start_etsi(self._settings.port)
        if self._settings.skip is not None:
            await self._start_skip(self._settings.skip)

    async def _start_etsi(self, port: int) -> None:
        what = ETSI
        tls, identify = self._tls(what, self._settings.etsi_tls)
        if identify is None:
            identify = etsi.caller_of_authorization(self._service)
        app = etsi.create_app(self._service, identify)
        await self._serve(what, app, (self._settings.host, port), tls, self._settings.etsi_insecure)

    async def _start_skip(self, settings: SkipSettings) -> None:
        from dsked.delivery import skip

        what = SKIP
        if settings.psk_file is None:
            tls, identify = self._tls(what, settings.tls)
        else:
            tls, identify = self._psk(what, settings, settings.psk_file)
        if identify is None:
            identify = etsi.caller_of_authorization(self._service)
        app = skip.create_app(self._service, identify, settings.system_ids)
        insecure = settings.plain_http == rules.ETSI_PLAIN_HTTP_INSECURE
        await self._serve(what, app, (settings.host, settings.port), tls, insecure)

    def _psk(self, what: str, settings: SkipSettings, psk_file: Path) -> tuple[Tls, _Identify]:
        """TLS-PSK, with mutual TLS beside it where there are certificates, and who calls over it."""
        from dsked.delivery.identity import caller_of_certificate
        from dsked.delivery.skip_psk import SkipTls

        tls = SkipTls(settings.tls, psk_file, own_systems(settings, self._service.encryptors))
        self._reloadable[what] = tls
        return tls, caller_of_certificate(self._service)

    def _serves(self, sae_id: str) -> bool:
        return sae_id in self._service.encryptors

    def _tls(self, what: str, settings: TlsSettings | None) -> tuple[Tls | None, _Identify | None]:
        """Mutual TLS of an interface, and who calls over it."""
        if settings is None:
            return None, None
        from dsked.delivery.identity import caller_of_certificate
        from dsked.delivery.tls import Tls

        tls = Tls(settings)
        self._reloadable[what] = tls
        return tls, caller_of_certificate(self._service)

    async def _serve(
        self, what: str, app: Handler, address: tuple[str, int], tls: Tls | None, insecure: bool
    ) -> None:
        host, port = address
        server = HttpServer(app, self._settings.limits, tls, insecure, self._serves)
        self.servers[what] = server
        with origins.named(self._settings.origins, _ADDRESSES[what]):
            await server.start(host, port)
        how = f"over {tls.kind}" if tls else "as plain HTTP"
        _log.info("client %s serves %s %s on %s port %d", self._service.name, what, how, host, server.port)
        if insecure:
            _log.warning(
                "%s without TLS on %s port %d: whoever is on the network can read the keys, and get any "
                "encryptor's",
                what, host, server.port,
            )  # fmt: skip

    def use_limits(self, limits: Limits) -> None:
        """What is open stays."""
        for server in self.servers.values():
            server.use_limits(limits)

    def reload(self) -> None:
        """Read certificates, keys, authorities and revocation lists again; requests go on."""
        if not self._reloadable:
            _log.info("there are no certificates and no pre-shared keys to read again")
        for what, files in self._reloadable.items():
            faults = files.reload()
            for fault in faults:
                _log.error("%s %s", what, fault)
            if not faults:
                _log.info("%s has read its %s again", what, files.what)

    async def close(self) -> None:
        """Stop all; requests under way may finish for shutdown_grace_s."""
        while self.servers:
            _what, server = self.servers.popitem()
            await server.close()
