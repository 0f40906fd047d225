"""A certificate authority in memory: certificates of EC P-256 keys, and lists of revoked ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: A common name has this many characters at most (RFC 5280, appendix A.1: ub-common-name).
MAX_COMMON_NAME_CHARACTERS = 64
_COMMON_NAME = "DSKE laboratory CA, not for keys that matter"
_EARLIER = timedelta(hours=1)  # clocks of other computers may be behind


class Authority:
    """A certificate of its own, and the private key to it. What it issues is valid as long as itself."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self.key = key

    @classmethod
    def new(cls, until: datetime) -> Authority:
        """One with a fresh key."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(_COMMON_NAME)
        builder = _builder(name, name, key.public_key(), until)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def issue(
        self, name: str, purpose: x509.ObjectIdentifier, names: Sequence[x509.GeneralName]
    ) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
        """A certificate with a fresh key. `names` are its alternative ones."""
        key = ec.generate_private_key(ec.SECP256R1())
        until = self.certificate.not_valid_after_utc
        builder = _builder(_name(name), self.certificate.subject, key.public_key(), until)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(self._identifier(), critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256()), key

    def crl(self, revoked: Iterable[x509.RevokedCertificate], number: int) -> bytes:
        """The list of revoked certificates, PEM."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(datetime.now(UTC) - _EARLIER)
        builder = builder.next_update(self.certificate.not_valid_after_utc)
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
        builder = builder.add_extension(self._identifier(), critical=False)
        for one in revoked:
            builder = builder.add_revoked_certificate(one)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _identifier(self) -> x509.AuthorityKeyIdentifier:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())


def revoked_now(serial_number: int) -> x509.RevokedCertificate:
    """The entry of a list."""
    builder = x509.RevokedCertificateBuilder().serial_number(serial_number)
    return builder.revocation_date(datetime.now(UTC)).build()


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, until: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
    builder = builder.not_valid_before(datetime.now(UTC) - _EARLIER).not_valid_after(until)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
