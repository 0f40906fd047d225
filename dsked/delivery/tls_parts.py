"""What mutual TLS is made of, each part read once: certificate and key, CAs, revocation lists."""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dsked.config import config_file, secret_files, service
from dsked.delivery import verification
from dsked.delivery.identity import UNREADABLE, subject
from dsked.errors import ConfigurationError

_CRL = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Own:
    """What a side shows of itself, and its private key."""

    path: Path
    key_path: Path
    certificate: x509.Certificate
    _pem: bytes
    _key_pem: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path, key_path: Path) -> Own:
        """Raises ConfigurationError where a file cannot be used."""
        pem = read(path)
        certificate = _certificates(path, pem)[0]
        demand_private(key_path)
        own = cls(path, key_path, certificate, pem, read(key_path))
        own.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        return own

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have a context show it. Raises ConfigurationError where OpenSSL does not take it."""
        try:
            with as_file(self._pem) as certificate, as_file(self._key_pem) as private_key:
                context.load_cert_chain(certificate, private_key, self._no_password)
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                what = f"it does not belong to the certificate {self.path}"
            else:
                what = f"expected a private key in PEM, whole and with its first and last line{_words(error)}"
            raise ConfigurationError(f"{self.key_path}: {what}") from None

    def demand_for_servers(self) -> None:
        """Raises ConfigurationError for a certificate that clients do not take from a server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.load_into(context)
        if not verification.is_for_servers(context, self.certificate.public_bytes(Encoding.DER)):
            raise ConfigurationError(
                f"{self.path}: {subject(self.certificate)} is not meant for servers, and encryptors would "
                "refuse it; expected a certificate whose extended key usage, if it has any, is serverAuth"
            )

    def _no_password(self) -> str:
        raise ConfigurationError(f"{self.key_path} is encrypted: expected a private key without a passphrase")


@dataclass(frozen=True, slots=True)
class Authorities:
    """CAs whose certificates are trusted."""

    path: Path
    certificates: tuple[x509.Certificate, ...]
    _pem: bytes

    @classmethod
    def read(cls, path: Path) -> Authorities:
        """Raises ConfigurationError where the file cannot be used, or a certificate in it is no CA's."""
        pem = read(path)
        authorities = cls(path, tuple(_certificates(path, pem)), pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authorities.load_into(context)
        of_cas = set(context.get_ca_certs(True))  # those that OpenSSL takes for a CA's
        for one in authorities.certificates:
            if one.public_bytes(Encoding.DER) not in of_cas:
                raise ConfigurationError(
                    f"{path}: {subject(one)} is no CA: expected the certificates of the CAs that sign those "
                    "of encryptors, and no others"
                )
        return authorities

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have a context trust them. Raises ConfigurationError where OpenSSL does not take them."""
        _load_trust(context, self.path, self._pem)


@dataclass(frozen=True, slots=True)
class Lists:
    """Revocation lists."""

    path: Path
    lists: tuple[x509.CertificateRevocationList, ...]
    _pem: bytes

    @classmethod
    def read(cls, path: Path) -> Lists:
        """Raises ConfigurationError where the file cannot be used.

        A certificate in it is refused: OpenSSL would take it for a CA.
        """
        pem = read(path)
        blocks = _CRL.findall(pem)
        if not blocks or b"-----BEGIN" in _CRL.sub(b"", pem):
            raise ConfigurationError(f"{path}: expected revocation lists (X509 CRL) in PEM, and nothing else")
        try:
            found = tuple(x509.load_pem_x509_crl(block) for block in blocks)
        except UNREADABLE:
            raise ConfigurationError(f"{path}: a revocation list is damaged; expected lists in PEM") from None
        lists = cls(path, found, pem)
        lists.load_into(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        return lists

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have a context look certificates up. Raises ConfigurationError where OpenSSL does not take them."""
        _load_trust(context, self.path, self._pem)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def demand_private(path: Path, what: str = "the private key") -> None:
    """Raises ConfigurationError for a file of secrets that others may read."""
    try:
        status = path.stat()
    except OSError as error:
        raise _unread(path, error) from None
    if secret_files.open_to(status):
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise ConfigurationError(f"{path}: others may read {what} (mode {mode}): expected 0600")


def read(path: Path) -> bytes:
    """The whole file. Raises ConfigurationError, also for one that is no regular file, or much too long."""
    try:
        content = config_file.read(path)
    except OSError as error:
        raise _unread(path, error) from None
    if len(content) > config_file.MAX_FILE_BYTES:
        raise ConfigurationError(
            f"{path}: larger than {config_file.MAX_FILE_BYTES} bytes: is it the right file?"
        )
    return content


def _unread(path: Path, error: OSError) -> ConfigurationError:
    hint = service.hint(path) if isinstance(error, FileNotFoundError) else ""
    return ConfigurationError(f"{path} cannot be read: {error.strerror}{hint}")


def _certificates(path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except UNREADABLE:
        raise ConfigurationError(f"{path}: expected certificates in PEM, none of them damaged") from None


def _load_trust(context: ssl.SSLContext, path: Path, pem: bytes) -> None:
    try:
        with as_file(pem) as name:
            context.load_verify_locations(name)
    except ssl.SSLError as error:
        raise ConfigurationError(f"{path} cannot be used{_words(error)}") from None


@contextlib.contextmanager
def as_file(content: bytes) -> Iterator[str]:
    """The name of a file in memory: Python has OpenSSL read keys and lists out of files only."""
    with os.fdopen(os.memfd_create("tls"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"


def _words(error: ssl.SSLError) -> str:
    """Behind a sentence, in parentheses; OpenSSL does not always know."""
    return f" ({error.reason.lower().replace('_', ' ')})" if error.reason else ""
