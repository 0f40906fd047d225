"""TLS with pre-shared keys (TLS-PSK) for SKIP, alone or beside certificates on one port.

The identity of a pre-shared key is the system ID of the encryptor that has it. Python's callback gives an
identity, and not the connection that it came over: handshakes go on one step at a time, so that it is known
whose step it is. Python has TLS-PSK from 3.13 on.

Keys that come from the callback go with SHA-256 in TLS 1.3. OpenSSL chooses such a suite where a server has
no certificate, and one of SHA-384 otherwise, without the key then: beside certificates keys serve TLS 1.2.
"""

from __future__ import annotations

import hmac
import re
import ssl
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from cryptography import x509

from dsked.config.node import TlsSettings
from dsked.delivery.tls import Tls, TlsConnection
from dsked.delivery.tls_files import CIPHERS, Faults, Loaded, harden
from dsked.delivery.tls_parts import as_file, demand_private, read
from dsked.errors import ConfigurationError, NotAllowedError
from dsked.limits import MAX_PSK_BYTES, MAX_PSK_SESSIONS, MIN_PSK_BYTES

#: Suites for TLS 1.2, all with forward secrecy; the draft recommends the last two (its Table 1).
PSK_CIPHERS = (
    "ECDHE-PSK-CHACHA20-POLY1305:DHE-PSK-AES256-GCM-SHA384:DHE-PSK-CHACHA20-POLY1305:"
    "DHE-PSK-AES256-CBC-SHA384:DHE-PSK-AES256-CBC-SHA"
)
#: The group of Diffie and Hellman's exchange (RFC 7919, appendix A.2).
_GROUP = Path(__file__).with_name("ffdhe3072.pem")
_HEX = re.compile(r"([0-9a-fA-F]{2})+", re.ASCII)
_LINE = "expected IDENTITY:HEXKEY"


def demand_psk(path: Path) -> None:
    """Raises ConfigurationError where this Python has no TLS-PSK, for which the file is."""
    if not getattr(ssl, "HAS_PSK", False):
        running = ".".join(map(str, sys.version_info[:3]))
        raise ConfigurationError(
            f"{path}: TLS-PSK needs Python 3.13 or later, and this is {running}: "
            "use certificates, or run dsked with a newer Python"
        )


class Psks:
    """The pre-shared keys of a file, and the system of each."""

    def __init__(self, path: Path, system_ids: Mapping[str, str]) -> None:
        """`system_ids`: of this client's encryptors. Raises ConfigurationError, without any key in it."""
        demand_private(path, "the pre-shared keys")
        self._keys: dict[str, bytes] = {}
        for number, line in enumerate(_lines(path), 1):
            if not line or line.startswith("#"):
                continue
            identity, separator, key = (part.strip() for part in line.rpartition(":"))
            fault = _fault(identity, separator, key, system_ids) or (
                f"{identity} stands in the file twice" if identity in self._keys else None
            )
            if fault:
                raise ConfigurationError(f"{path}, line {number}: {fault}")
            self._keys[identity] = bytes.fromhex(key)
        if not self._keys:
            raise ConfigurationError(f"{path}: no pre-shared key in it: {_LINE} in each line")
        self._encryptors = {identity: system_ids[identity] for identity in self._keys}

    def key(self, identity: str | None) -> bytes:
        """The key; empty where there is none."""
        return b"" if identity is None else self._keys.get(identity, b"")

    def encryptor(self, identity: str) -> str:
        """Whose key it is."""
        return self._encryptors[identity]


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in read(path).decode().splitlines()]
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: expected text in UTF-8") from None


def _fault(identity: str, separator: str, key: str, system_ids: Mapping[str, str]) -> str | None:
    """What is wrong with a line, without anything of its key, which may stand where the identity should."""
    if not separator or not identity:
        return _LINE
    if identity not in system_ids:
        known = ", ".join(system_ids) or "none"
        return f"what stands before the last ':' is no system ID of this client: expected one of {known}"
    if not _HEX.fullmatch(key) or not MIN_PSK_BYTES <= len(key) // 2 <= MAX_PSK_BYTES:
        return (
            f"the key of {identity}: expected {MIN_PSK_BYTES} to {MAX_PSK_BYTES} bytes as hexadecimal digits"
        )
    return None


class PskLoaded(Loaded):
    """What was read of the files at one time. Without `settings` there are no certificates."""

    def __init__(
        self,
        settings: TlsSettings | None,
        path: Path,
        system_ids: Mapping[str, str],
        before: PskLoaded | None = None,
    ) -> None:
        """As Loaded's."""
        self._certificates = settings is not None
        self._group = read(_GROUP)
        #: The connection whose handshake is being gone on with.
        self.asking: PskConnection | None = None
        #: TLS 1.2: a resumed session names no identity. OpenSSL remembers sessions with their keys.
        self._sessions: dict[bytes, str] = {}
        if settings is not None:
            super().__init__(settings, before)
        else:
            Faults.__init__(self)
            self.renew()
        self.psks: Psks = self.taken(
            lambda: Psks(path, system_ids), None if before is None else before.psks, "pre-shared keys"
        )

    def renew(self) -> None:
        """Have a context that remembers no sessions, nor does this. No file is read."""
        super().renew()
        self._sessions.clear()

    def _context(self) -> ssl.SSLContext:
        if self._certificates:
            context = super()._context()
        else:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            harden(context)
        context.set_ciphers(f"{CIPHERS}:{PSK_CIPHERS}" if self._certificates else PSK_CIPHERS)
        with as_file(self._group) as group:
            context.load_dh_params(group)
        context.set_psk_server_callback(self._psk)  # type: ignore[attr-defined]
        return context

    def _psk(self, identity: str | None) -> bytes:
        assert self.asking is not None
        return self.asking.asked(identity)

    def remember(self, session: bytes, identity: str) -> None:
        """Note whose TLS 1.2 session that is."""
        self._sessions[session] = identity
        if len(self._sessions) > MAX_PSK_SESSIONS:
            del self._sessions[next(iter(self._sessions))]

    def recall(self, session: bytes) -> str | None:
        """Whose TLS 1.2 session it was."""
        return self._sessions.get(session)

    def warnings(self) -> Iterator[str]:
        """What will have clients refuse us, or us refuse them."""
        return super().warnings() if self._certificates else iter(())


class SkipTls(Tls):
    """TLS with pre-shared keys, and with certificates beside them where `settings` names some."""

    loaded: PskLoaded

    def __init__(self, settings: TlsSettings | None, path: Path, system_ids: Mapping[str, str]) -> None:
        """Raises ConfigurationError for a file that cannot be used."""
        demand_psk(path)
        if settings is None:
            self.kind, self.what = "TLS-PSK", "pre-shared keys"
        else:
            self.kind, self.what = "TLS-PSK and mutual TLS", "certificates and pre-shared keys"
        self._begin(partial(PskLoaded, settings, path, system_ids), PskConnection)


class PskConnection(TlsConnection):
    """One connection's TLS, and whom its pre-shared key or its certificate stands for."""

    _tls: SkipTls
    _loaded: PskLoaded
    _asked: str | None = None  # the identity that was looked up last, whatever came of it
    _identity: str | None = None  # the one whose key this connection has proven to know

    def asked(self, identity: str | None) -> bytes:
        """The key of an identity that the peer names; empty where there is none."""
        self._asked = identity
        return self._loaded.psks.key(identity)

    def do_handshake(self) -> None:
        """As TlsConnection's; in the end it is known whether a pre-shared key was used, and whose."""
        self._loaded.asking = self
        try:
            super().do_handshake()
        finally:
            self._loaded.asking = None
        self._identity = self._proven()

    def _proven(self) -> str | None:
        """The identity that the finished handshake proves.

        In TLS 1.3 a client may name others than the one that is used. With SHA-256 the first one that is
        known is the one; tickets, which look the same, are never given.
        """
        name, _version, _bits = self.cipher() or ("", "", 0)
        known = self._asked if self._loaded.psks.key(self._asked) else None
        if self.version() == "TLSv1.3":
            return known if self.session_reused and name.endswith("_SHA256") else None
        if "PSK-" not in name or self.session is None:
            return None
        if self.session_reused:
            return self._loaded.recall(self.session.id)
        if known is not None:
            self._loaded.remember(self.session.id, known)
        return known

    def caller(self) -> str:
        """The encryptor, by what is loaded now. Raises NotAllowedError."""
        if self._identity is None:
            return self._caller_of_certificate()
        now, before = self._tls.loaded.psks, self._loaded.psks
        if not hmac.compare_digest(now.key(self._identity), before.key(self._identity)):
            raise NotAllowedError("the pre-shared key was changed since the connection began: connect again")
        return before.encryptor(self._identity)

    def _caller_of_certificate(self) -> str:
        if self._asked is not None and self.getpeercert(binary_form=True) is None:
            raise NotAllowedError(
                f"the pre-shared key of {self._asked[:64]!r} is unknown, or was not used: "
                "where the port has certificates as well, TLS-PSK takes TLS 1.2"
            )
        return super().caller()

    def _shown(self, shown: x509.Certificate | None) -> str:
        who = super()._shown(shown)
        return f"PSK identity {self._asked[:64]!r}" if not who and self._asked else who
