"""A laboratory's own certificates: one authority for all clients and encryptors of a topology.

For trying things out: the authority's private key lies beside all the others, and whoever reads the
directory can be any encryptor. Where keys matter, an organisation's own PKI issues the certificates.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from dsked.certs.authority import MAX_COMMON_NAME_CHARACTERS, Authority, revoked_now
from dsked.errors import ConfigurationError, StorageError

CA, CRL, README = "ca", "crl", "README.txt"
_T = TypeVar("_T")
_PEM = serialization.Encoding.PEM
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DNS_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.ASCII)
_README = """\
Certificates of a DSKE laboratory, made by `dskectl certs create-lab`. NOT FOR KEYS THAT MATTER:
whoever can read the private keys in this directory can be any client and any encryptor.

ca.pem, ca.key      the authority, and its private key
crl.pem             revoked certificates; `dskectl certs revoke-lab ENCRYPTOR` adds one (--undo: off again)
NAME.pem, NAME.key  certificate and private key of a client (KME) or an encryptor (SAE)

All are valid until {until:%Y-%m-%d}; `dskectl certs create-lab --force` makes them anew.
"""


class Lab:
    """The certificates of one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def exists(self) -> bool:
        """Whether a laboratory's authority is there."""
        return (self.directory / f"{CA}.key").exists()

    def create(self, clients: Mapping[str, str], encryptors: Collection[str], days: int) -> None:
        """Make all anew, valid for `days`. `clients`: by name the host that each is reached at.

        Raises ConfigurationError for a name that no certificate or file can have, StorageError.
        """
        _check_names([*clients, *encryptors])
        until = datetime.now(UTC) + timedelta(days=days)
        authority = Authority.new(until)
        self._make_directory()
        self._write(README, _README.format(until=until).encode())
        self._store(CA, authority.certificate, authority.key)
        for name, host in clients.items():
            self._store(name, *authority.issue(name, ExtendedKeyUsageOID.SERVER_AUTH, _server_names(host)))
        for name in encryptors:
            self._store(name, *authority.issue(name, ExtendedKeyUsageOID.CLIENT_AUTH, _dns_name(name)))
        self._write(f"{CRL}.pem", authority.crl([], 1))

    def revoke(self, name: str) -> bool:
        """Put the certificate of `name` on the list. False: it stands there already.

        Raises ConfigurationError for a file that is missing or of no laboratory, StorageError.
        """
        serial, revoked = self._look_up(name)
        if serial in revoked:
            return False
        self._write_list([*revoked.values(), revoked_now(serial)])
        return True

    def restore(self, name: str) -> bool:
        """Take the certificate of `name` off the list. False: it is not there. Raises as `revoke`."""
        serial, revoked = self._look_up(name)
        if serial not in revoked:
            return False
        self._write_list(entry for number, entry in revoked.items() if number != serial)
        return True

    def _look_up(self, name: str) -> tuple[int, dict[int, x509.RevokedCertificate]]:
        """The serial number of a certificate that is this laboratory's, and the list by serial number."""
        certificate = self._read(f"{name}.pem", x509.load_pem_x509_certificate)
        own = self._read(f"{CA}.pem", x509.load_pem_x509_certificate)
        if certificate.issuer != own.subject or certificate == own:
            raise ConfigurationError(f"{self.directory / name}.pem: is none that this laboratory has issued")
        return certificate.serial_number, {entry.serial_number: entry for entry in self._crl()}

    def _crl(self) -> x509.CertificateRevocationList:
        return self._read(f"{CRL}.pem", x509.load_pem_x509_crl)

    def _write_list(self, revoked: Iterable[x509.RevokedCertificate]) -> None:
        """One that is newer than what is there."""
        authority = Authority(
            self._read(f"{CA}.pem", x509.load_pem_x509_certificate), self._read(f"{CA}.key", _load_key)
        )
        number = self._crl().extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
        self._write(f"{CRL}.pem", authority.crl(revoked, number + 1))

    def _store(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self._write(f"{name}.key", private, 0o600)
        self._write(f"{name}.pem", certificate.public_bytes(_PEM))

    def _make_directory(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{self.directory}: cannot be made: {error.strerror}") from None

    def _write(self, file: str, data: bytes, mode: int = 0o644) -> None:
        """Replaces a file in one step: daemons find the old one or the new one, whole."""
        path = self.directory / file
        fresh = path.with_name(f"{file}.new")
        try:
            fresh.unlink(missing_ok=True)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            fresh.replace(path)
        except OSError as error:
            raise StorageError(f"{path}: cannot be written: {error.strerror}") from None

    def _read(self, file: str, load: Callable[[bytes], _T]) -> _T:
        path = self.directory / file
        try:
            return load(path.read_bytes())
        except FileNotFoundError:
            raise ConfigurationError(
                f"{path}: there is no such file; 'dskectl certs create-lab' makes a laboratory's"
            ) from None
        except OSError as error:
            raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
        except (ValueError, TypeError):
            raise ConfigurationError(f"{path}: is not as 'dskectl certs create-lab' makes it") from None


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError
    return key


def _check_names(names: Iterable[str]) -> None:
    taken = {CA: "the authority", CRL: "the list of revoked certificates"}
    for name in names:
        if "/" in name or name.startswith("."):
            raise ConfigurationError(
                f"{name!r}: no file can have this name; a laboratory's certificates need names without '/' "
                "that do not begin with '.'"
            )
        if len(name) > MAX_COMMON_NAME_CHARACTERS:
            raise ConfigurationError(
                f"{name!r}: a certificate's common name has at most {MAX_COMMON_NAME_CHARACTERS} characters, "
                f"this one {len(name)}"
            )
        if name in taken:
            raise ConfigurationError(f"{name!r}: {taken[name]} has the file of this name; names must differ")
        taken[name] = "another client or encryptor"


def _server_names(host: str) -> list[x509.GeneralName]:
    """Names and addresses that a client is reached at: its own host, and this computer."""
    addresses = {ipaddress.ip_address(one) for one in ("127.0.0.1", "::1")}
    names = {"localhost"}
    try:
        addresses.add(ipaddress.ip_address(host))
    except ValueError:
        names.add(host)
    return [
        *(name for one in sorted(names) for name in _dns_name(one)),
        *(x509.IPAddress(address) for address in sorted(addresses, key=str)),
    ]


def _dns_name(name: str) -> list[x509.GeneralName]:
    """An encryptor's name is a DNS name as well where it can be one, for `sae_id_from: san-dns`."""
    return [x509.DNSName(name)] if _DNS_NAME.fullmatch(name) else []
