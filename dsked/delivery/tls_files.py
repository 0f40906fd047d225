"""The files of mutual TLS as they were read at one time, and the contexts that are made of them."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import TypeVar

from cryptography import x509

from dsked.config.node import TlsSettings
from dsked.delivery import tls_words, verification
from dsked.delivery.identity import SaeIdRule, subject
from dsked.delivery.tls_parts import Authorities, Lists, Own
from dsked.errors import ConfigurationError, NotAllowedError

#: Suites for TLS 1.2: forward secrecy, and authenticated encryption. Those of TLS 1.3 all are like that.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_Part = TypeVar("_Part")


class Faults:
    """What is read part by part, and what could not be read."""

    def __init__(self) -> None:
        self.faults: list[str] = []  # in words that go on after the name of an interface

    def taken(self, read: Callable[[], _Part], before: _Part | None, what: str) -> _Part:
        """A part as it is now, or as it was `before`. Raises ConfigurationError where there is neither."""
        try:
            return read()
        except ConfigurationError as error:
            if before is None:
                raise
            self.faults.append(f"goes on with the {what} it has: {error}")
            return before


class Loaded(Faults):
    """What was read of the files at one time; it stays as it is, whatever becomes of the files."""

    def __init__(self, settings: TlsSettings, before: Loaded | None = None) -> None:
        """A file that cannot be used leaves in force what was read `before`, and stands in `faults`.

        Without `before` it raises ConfigurationError with the file's name.
        """
        super().__init__()
        self._settings = settings
        self.rule = SaeIdRule(settings.sae_id_from, settings.sae_ids)
        self._own: Own = self.taken(
            lambda: _for_servers(Own.read(settings.certificate, settings.private_key)),
            None if before is None else before._own,
            "certificate",
        )
        self._authorities: Authorities = self.taken(
            lambda: Authorities.read(settings.client_ca),
            None if before is None else before._authorities,
            "CAs",
        )
        self._lists: Lists | None = None
        if (crl := settings.crl) is not None:
            kept = None if before is None else before._lists
            self._lists = self.taken(lambda: Lists.read(crl), kept, "revocation lists")
        self.renew()

    def renew(self) -> None:
        """Have a context that remembers no sessions. No file is read."""
        self.context = self._context()

    def _context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        harden(context)
        context.minimum_version = _VERSIONS[self._settings.minimum_tls]
        context.set_ciphers(CIPHERS)
        context.verify_mode = ssl.CERT_OPTIONAL  # without a certificate a request gets 401, and a message
        # Whoever stands in the file of CAs is trusted, be it an intermediate one.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        self._own.load_into(context)
        self._authorities.load_into(context)
        if self._lists is not None:
            self._lists.load_into(context)
        return context

    @cached_property
    def _verifying(self) -> ssl.SSLContext:
        context = Loaded._context(self)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def verify(self, chain: Sequence[bytes]) -> None:
        """Verify certificates again that a client has shown (DER, its own first), as a new handshake would.

        Raises NotAllowedError. The first one is taken not to have expired.
        """
        try:
            verification.verify(self._verifying, chain)
        except ssl.SSLCertVerificationError as error:
            raise NotAllowedError(tls_words.of_certificate(error, "the certificate", valid=True)) from None
        except ssl.SSLError as error:
            raise NotAllowedError(f"the certificate does not verify: {tls_words.reason(error)}") from None

    def holds_until(self, chain: Sequence[x509.Certificate]) -> float:
        """When the first of these certificates, of the CAs or of the lists expires that has not (Unix time).

        What depends on it is to be verified again then, and a second later: OpenSSL's clock may lag behind.
        """
        now = time.time()
        ends = (*self._ends, *(one.not_valid_after_utc.timestamp() for one in chain))
        return min((at for end in ends for at in (end, end + 1) if at > now), default=math.inf)

    @cached_property
    def _ends(self) -> tuple[float, ...]:
        ends = [ca.not_valid_after_utc for ca in self._authorities.certificates]
        if self._lists is not None:
            ends += [one.next_update_utc for one in self._lists.lists if one.next_update_utc is not None]
        return tuple(end.timestamp() for end in ends)

    def warnings(self) -> Iterator[str]:
        """What will have clients refuse us, or us refuse them."""
        now = datetime.now(UTC)
        if self._own.certificate.not_valid_after_utc <= now:
            yield f"{self._own.path} has expired: encryptors will refuse it"
        for ca in self._authorities.certificates:
            if ca.not_valid_after_utc <= now:
                file = self._authorities.path
                yield f"{file}: {subject(ca)} has expired: no certificate of this CA will be taken"
        if self._lists is not None:
            yield from self._warnings_of_lists(self._lists, now)

    def _warnings_of_lists(self, found: Lists, now: datetime) -> Iterator[str]:
        for one in found.lists:
            if one.next_update_utc is not None and one.next_update_utc <= now:
                yield (
                    f"{found.path}: the list of {one.issuer.rfc4514_string()} has expired: "
                    "no certificate of this CA will be taken"
                )
        listed = {one.issuer for one in found.lists}
        for ca in self._authorities.certificates:
            if ca.subject not in listed:
                yield (
                    f"{found.path} has no list of {subject(ca)}: no certificate of this CA will be taken; "
                    f"expected a list of each CA in {self._authorities.path}"
                )


def _for_servers(own: Own) -> Own:
    own.demand_for_servers()
    return own


def harden(context: ssl.SSLContext) -> None:
    """What every interface has in common."""
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # A resumed session is not verified again: there are no tickets (their key would open what was recorded),
    # and what OpenSSL remembers of TLS 1.2 sessions goes with the context when files are loaded anew.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0
