"""Mutual TLS: contexts that can be loaded anew, failed handshakes that tell both sides why, and who calls.

The event loops' own TLS drops the alert of a failed handshake and logs nothing (asyncio's and uvloop's), and
a context that connections were accepted with cannot be changed. So both get a context that makes every
connection with the newest one, and an SSL object whose failed handshake looks unfinished until the client
has read the alert.
"""

from __future__ import annotations

import _ssl
import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from typing import Any, cast

from cryptography import x509

from dsked.config.node import TlsSettings
from dsked.delivery import identity, tls_words
from dsked.delivery.handshakes import Accepted, current
from dsked.delivery.tls_files import Loaded
from dsked.errors import NotAllowedError
from dsked.limits import HTTP_LINGER_S, MAX_TLS_SESSIONS, OUTSIDER_LOG_INTERVAL_S
from dsked.seldom import Seldom, more

_log = logging.getLogger(__name__)

_PLAIN_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
    b"Content-Length: 55\r\nConnection: close\r\n"
    b'\r\n{"message":"this port speaks HTTPS: use https:// here"}'
)
_HANDSHAKE, _CERTIFICATE = 22, 11  # RFC 8446, 5.1 (ContentType) and 4 (HandshakeType)


class Tls:
    """What one interface needs for mutual TLS, made of files that `reload` reads again."""

    # For people.
    kind = "mutual TLS"
    what = "certificates"

    def __init__(self, settings: TlsSettings) -> None:
        """Raises ConfigurationError for a file that cannot be used."""
        self._begin(partial(Loaded, settings), TlsConnection)

    def _begin(self, load: Callable[[Any], Loaded], connection_class: type[TlsConnection]) -> None:
        self._load, self._connection_class = load, connection_class
        self._seldom = Seldom(OUTSIDER_LOG_INTERVAL_S)
        self.nr_failed_handshakes = 0
        self._take(self._load(None))
        #: To be given to `connect_accepted_socket`: connections get what was loaded last.
        self.context: ssl.SSLContext = _Newest(self)

    def reload(self) -> list[str]:
        """Read all files again, for connections from now on; those that are there are checked by them.

        What cannot be used stays as it is, whatever else has changed. Gives a text for each such file, to be
        put after the interface's name.
        """
        self._take(self._load(self.loaded))
        return self.loaded.faults

    def _take(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self._equip()
        self._warned: set[str] = set()
        self._warn()

    def _warn(self) -> None:
        """Tell each thing once that is wrong with what is loaded, be it so from the beginning or by now."""
        for warning in self.loaded.warnings():
            if warning not in self._warned:
                self._warned.add(warning)
                _log.warning("%s", warning)

    def _equip(self) -> None:
        self.loaded.context.sslobject_class = self._connection_class
        if hasattr(ssl.SSLContext, "_msg_callback"):  # no public way shows a certificate that does not verify
            cast(Any, ssl.SSLContext.__mro__[1])._msg_callback.__set__(self.loaded.context, _note_certificate)

    def spare_memory(self) -> None:
        """To be called after handshakes of TLS 1.2: each leaves a session."""
        if self.loaded.context.session_stats()["number"] > MAX_TLS_SESSIONS:
            self.loaded.renew()
            self._equip()

    def too_slow(self, address: str) -> None:
        """Tell the log of a handshake that was given up."""
        self.nr_failed_handshakes += 1
        reason = "it took too long"
        self.tell(reason, f"TLS handshake with {address} failed", "", reason)

    def tell(self, kind: Hashable, what: str, subject: str, reason: str) -> None:
        """One line now and then of each kind; kinds are few."""
        left_out = self._seldom.may_tell(kind, time.monotonic())
        if left_out is not None:
            of_whom = f" ({subject})" if subject else ""
            _log.warning("%s%s: %s%s", what, of_whom, reason, more(left_out))
            self._warn()  # what has expired by now may be why


class _Newest(ssl.SSLContext):
    """Makes every connection with the context that was loaded last."""

    _tls: Tls

    def __new__(cls, tls: Tls) -> _Newest:
        self = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        self._tls = tls
        return self

    def __init__(self, tls: Tls) -> None:
        """There is nothing to load."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """One connection."""
        loaded = self._tls.loaded
        connection = cast(TlsConnection, loaded.context.wrap_bio(incoming, outgoing, server_side=True))
        connection.begin(self._tls, loaded, incoming, outgoing)
        return connection


class TlsConnection(ssl.SSLObject):
    """One connection's TLS, and whom its certificate stands for."""

    def begin(self, tls: Tls, loaded: Loaded, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        """To be called before the handshake, in its context."""
        self._tls, self._loaded = tls, loaded
        self._incoming, self._outgoing = incoming, outgoing
        self._accepted: Accepted = current.get()
        self._message = b""  # the client's certificates, as they came
        self._failed = False
        self._certificate: x509.Certificate | None = None
        self._chain: list[bytes] = []  # DER, as it came: its own first
        self._others: list[x509.Certificate] = []  # what of the rest can be read
        self._checked_by: Loaded | None = None
        self._sae_id = ""
        self._expires = self._until = 0.0  # Unix time
        self._may_stay = True

    def note_certificate(self, message: bytes) -> None:
        """The client's Certificate message, before it is verified."""
        self._message = message

    def do_handshake(self) -> None:
        """Raises SSLWantReadError while there is something to wait for: after a failure, the client's end."""
        if self._failed:
            self._incoming.read()  # what it sent before it could know: TLS 1.3 does not wait for our word
            raise ssl.SSLWantReadError  # until the client ends, or is cut off
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            self._fail(error)
            raise ssl.SSLWantReadError from None  # the loop writes what is there: the alert
        self._message = b""
        self._accepted.done()
        if self.version() == "TLSv1.2":
            self._tls.spare_memory()

    def _fail(self, error: ssl.SSLError) -> None:
        self._failed = True
        self._tls.nr_failed_handshakes += 1
        self._incoming.read()
        if error.reason == "HTTP_REQUEST":
            self._outgoing.write(_PLAIN_HTTP)
        shown = shown_certificate(self._message)
        reason = tls_words.reason(error, shown is not None and identity.is_in_time(shown))
        what = f"TLS handshake with {self._accepted.address} failed"
        self._tls.tell(reason, what, self._shown(shown), reason)
        asyncio.get_running_loop().call_later(HTTP_LINGER_S, self._accepted.cut)

    def _shown(self, shown: x509.Certificate | None) -> str:
        """For the log: who the client says it is, before that is verified."""
        return "" if shown is None else f"certificate {identity.subject(shown)}"

    def caller(self) -> str:
        """The SAE ID of the client's certificate, by what is loaded now. Raises NotAllowedError."""
        loaded = self._tls.loaded
        if self._checked_by is not loaded or time.time() >= self._until:
            certificate = self._certificate or self._read()
            self._verify_again(certificate, loaded)
            self._sae_id = loaded.rule.sae_id(certificate)
            self._checked_by = loaded
        return self._sae_id

    def _read(self) -> x509.Certificate:
        der = self.getpeercert(binary_form=True)
        if der is None:
            raise NotAllowedError("no client certificate: expected one of the calling SAE's")
        try:  # OpenSSL takes certificates that cannot be read here
            certificate = x509.load_der_x509_certificate(der)
            self._expires = certificate.not_valid_after_utc.timestamp()
        except identity.UNREADABLE as error:
            raise NotAllowedError(f"the certificate cannot be read: {error}") from None
        self._certificate, self._chain = certificate, self._shown_chain()
        self._others = list(_readable(self._chain[1:]))
        return certificate

    def _shown_chain(self) -> list[bytes]:
        if hasattr(self, "get_unverified_chain"):  # public from Python 3.13 on
            return list(self.get_unverified_chain())
        shown = cast(Any, self)._sslobj.get_unverified_chain()
        return [one.public_bytes(_ssl.ENCODING_DER) for one in shown]

    def _verify_again(self, certificate: x509.Certificate, loaded: Loaded) -> None:
        """By OpenSSL, unless it has just done so; that holds until something expires that it depends on."""
        until = min(self._expires, loaded.holds_until(self._others))
        if time.time() >= self._expires:
            raise NotAllowedError("the certificate has expired since the connection began")
        just_done = self._checked_by is None and loaded is self._loaded and not self.session_reused
        if not just_done:
            loaded.verify(self._chain)
        self._until = until

    def refused(self, error: NotAllowedError) -> None:
        """Tell the log of a request that is answered with 401; the connection ends with it."""
        self._may_stay = False
        subject = f"certificate {identity.subject(self._certificate)}" if self._certificate else ""
        # Who has no certificate cannot keep the log silent about those who have one.
        kind = ("refused", self.getpeercert(binary_form=True) is not None)
        reason = identity.one_line(str(error))  # names of the certificate may stand in it
        self._tls.tell(kind, f"request from {self._accepted.address} refused", subject, reason)

    @property
    def may_stay(self) -> bool:
        """Whether more requests may come over this connection; else the client is to shake hands again."""
        return self._may_stay and self._loaded is self._tls.loaded


def _note_certificate(
    connection: Any, direction: str, version: int, content_type: int, message_type: int, data: bytes
) -> None:
    """Called with all that OpenSSL reads and writes; of interest is what stands before the verification."""
    if content_type == _HANDSHAKE and message_type == _CERTIFICATE and direction == "read":
        connection.note_certificate(data)


def _readable(chain: Iterable[bytes]) -> Iterator[x509.Certificate]:
    for der in chain:
        with contextlib.suppress(*identity.UNREADABLE):
            yield x509.load_der_x509_certificate(der)


def shown_certificate(message: bytes) -> x509.Certificate | None:
    """The first certificate of a Certificate message; it proves nothing (RFC 5246, 7.4.2; RFC 8446, 4.4.2).

    TLS 1.3 puts a context before the list, which is empty in a handshake: one byte, 0. In TLS 1.2 the list's
    length stands there.
    """
    body = message[4:]
    at = 4 if len(body) >= 4 and int.from_bytes(body[1:4]) == len(body) - 4 else 3
    length = int.from_bytes(body[at : at + 3])
    try:
        return x509.load_der_x509_certificate(body[at + 3 : at + 3 + length])
    except identity.UNREADABLE:
        return None
