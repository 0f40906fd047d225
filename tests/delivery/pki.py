"""Certificates for tests: CAs, servers, encryptors and revocation lists, made anew for each run (EC P-256).

pki = Pki(directory)                   # carol.pem, carol.key, ca.pem, crl.pem (empty) in it
sam = pki.encryptor("sam")             # sam.certificate, sam.private_key: paths of PEM files
pki.revoke(sam)                        # writes crl.pem anew
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dsked.config.node import TlsSettings

DAY = timedelta(days=1)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


def name(*common_names: str, organization: str | None = None) -> x509.Name:
    """A subject of these common names."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, one) for one in common_names]
    if organization is not None:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


@dataclass(frozen=True)
class Holder:
    """One certificate with its private key, and the files that they are in."""

    x509: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    certificate: Path
    private_key: Path


class Authority:
    """A CA; `path` is its certificate's file. With `parent` it is an intermediate one."""

    def __init__(
        self,
        directory: Path,
        common_name: str = "CA",
        parent: Authority | None = None,
        end: timedelta = 10 * DAY,
    ) -> None:
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.path = directory / f"{common_name}.pem"
        self._revoked: list[x509.RevokedCertificate] = []
        subject = name(common_name)
        issuer, key = (subject, self.key) if parent is None else (parent.x509.subject, parent.key)
        builder = _builder(subject, issuer, self.key, -DAY, end)
        identifier = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(True, None), True)
        builder = builder.add_extension(identifier, False)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        self.x509 = builder.add_extension(usage, True).sign(key, hashes.SHA256())
        self.path.write_bytes(self.x509.public_bytes(serialization.Encoding.PEM))

    def issue(
        self,
        subject: x509.Name,
        file: str,
        *,
        usage: x509.ObjectIdentifier = CLIENT,
        names: Sequence[x509.GeneralName] = (),
        begin: timedelta = -DAY,
        end: timedelta = 2 * DAY,
        chain: bytes = b"",
    ) -> Holder:
        """A certificate, valid from `begin` to `end` from now. `chain`: PEM that follows it in its file."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self.x509.subject, key, begin, end)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
        if usage == SERVER:  # programs that use Python 3.13 and later take none without it
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = builder.add_extension(identifier, False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), False)
        certificate = builder.sign(self.key, hashes.SHA256())
        paths = self.directory / f"{file}.pem", self.directory / f"{file}.key"
        paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + chain)
        paths[1].touch(0o600)
        paths[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Holder(certificate, key, *paths)

    def revoke(self, holder: Holder) -> None:
        """It stands in the next list."""
        builder = x509.RevokedCertificateBuilder().serial_number(holder.x509.serial_number)
        self._revoked.append(builder.revocation_date(datetime.now(UTC) - DAY).build())

    def crl(self, end: timedelta = DAY, issuer: x509.Name | None = None) -> bytes:
        """The list in PEM, valid until `end` from now."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(issuer or self.x509.subject)
        builder = builder.last_update(now - 2 * DAY).next_update(now + end)
        for one in self._revoked:
            builder = builder.add_revoked_certificate(one)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Pki:
    """One CA for servers and encryptors, the server certificate of client `carol`, and an empty CRL."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ca = Authority(directory, "ca")
        self.server = self.server_of("carol")
        self.crl = directory / "crl.pem"
        self.crl.write_bytes(self.ca.crl())

    def server_of(self, client: str) -> Holder:
        """A certificate of a client (KME), for 127.0.0.1, ::1 and localhost."""
        addresses = [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", "::1")]
        names = [x509.DNSName("localhost"), *addresses]
        return self.ca.issue(name(client), client, usage=SERVER, names=names)

    def encryptor(self, common_name: str) -> Holder:
        """A certificate of an encryptor, valid now."""
        return self.ca.issue(name(common_name), common_name)

    def expired(self, common_name: str) -> Holder:
        """One that was valid until yesterday."""
        return self.ca.issue(name(common_name), f"{common_name}-expired", begin=-3 * DAY, end=-DAY)

    def revoke(self, holder: Holder) -> None:
        """Write crl.pem anew, with this certificate in it as well."""
        self.ca.revoke(holder)
        self.crl.write_bytes(self.ca.crl())

    def settings(self, **changes: Any) -> TlsSettings:
        """Of client carol, with the CRL."""
        usual: dict[str, Any] = {
            "certificate": self.server.certificate,
            "private_key": self.server.private_key,
            "client_ca": self.ca.path,
            "crl": self.crl,
        }
        return TlsSettings(**usual | changes)

    def client_context(self, holder: Holder | None = None) -> ssl.SSLContext:
        """An OpenSSL client that checks the server, with or without a certificate of its own."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.ca.path)
        if holder is not None:
            context.load_cert_chain(holder.certificate, holder.private_key)
        return context


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, begin: timedelta, end: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    return builder.not_valid_before(now + begin).not_valid_after(now + end)
