"""What a client's TLS makes of a certificate: OpenSSL is asked, by the client's own context."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dsked.certs.lab import Lab
from dsked.config import rules
from dsked.config.node import TlsSettings
from dsked.delivery import identity, tls_files, tls_words, verification

_ANYBODY = "anybody"  # the server of the handshake in memory: what it shows does not matter

#: OpenSSL's results of verification (X509_V_ERR_*): of time, of what the CAs say, of what their lists say.
_OF_TIME = frozenset({9, 10})
_OF_CA = frozenset({2, 7, 18, 19, 20, 21})
_OF_CRL = frozenset({3, 11, 12, 23})


class Verifier:
    """Verifies certificates as a client does that has these CAs and lists."""

    def __init__(self, settings: TlsSettings) -> None:
        """Raises ConfigurationError for a file that the client cannot use either."""
        self._settings = settings
        with tempfile.TemporaryDirectory() as name:
            server = Lab(Path(name))
            server.create({_ANYBODY: "localhost"}, (), days=1)
            own = replace(
                settings,
                certificate=server.directory / f"{_ANYBODY}.pem",
                private_key=server.directory / f"{_ANYBODY}.key",
                sae_id_from=rules.SAE_ID_FROM_CN,
                sae_ids={},
                minimum_tls=rules.DEFAULT_MINIMUM_TLS,
            )
            self._context = tls_files.Loaded(own).context
        self._cas = [x509.load_der_x509_certificate(one) for one in self._context.get_ca_certs(True)]

    def fault(self, chain: Sequence[x509.Certificate]) -> str | None:
        """Why the first one is refused where its holder shows all of `chain`, or None."""
        try:
            verification.verify(self._context, [one.public_bytes(Encoding.DER) for one in chain])
        except ssl.SSLCertVerificationError as error:
            return self._words(error, chain)
        except ssl.SSLError as error:
            return f"TLS takes it for no certificate: {tls_words.reason(error)}"
        return None

    def _words(self, error: ssl.SSLCertVerificationError, chain: Sequence[x509.Certificate]) -> str:
        code, words = error.verify_code, tls_words.of_certificate(error, "the certificate")
        if code in _OF_TIME:
            return next(self._faults_of_time(chain), words)
        file = self._settings.client_ca if code in _OF_CA else self._settings.crl if code in _OF_CRL else None
        return f"{words}: see {file}" if file else words

    def _faults_of_time(self, chain: Sequence[x509.Certificate]) -> Iterator[str]:
        """OpenSSL does not tell which of the certificates it is."""
        yield from (f"the certificate {fault}" for fault in faults_of_time(chain[0]))
        issuers = {one.issuer for one in chain}
        for ca in (*chain[1:], *self._cas):
            if ca.subject in issuers:
                yield from (f"the CA {identity.subject(ca)} {fault}" for fault in faults_of_time(ca))


def faults_of_time(certificate: x509.Certificate) -> Iterator[str]:
    """What the clock of this computer has against a certificate."""
    now = datetime.now(UTC)
    if now < certificate.not_valid_before_utc:
        yield f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
    if now > certificate.not_valid_after_utc:
        yield f"expired at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
