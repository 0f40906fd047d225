"""Kinds of client certificates, and of CAs and lists to look at them with, for a client that serves sam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.delivery.pki import CLIENT, DAY, SERVER, Authority, Pki, name

_Extension = tuple[x509.ExtensionType, bool]


@dataclass(frozen=True)
class Shown:
    """What an encryptor shows, and what is unusual in the client's settings."""

    certificate: Path
    private_key: Path
    settings: dict[str, Any] = field(default_factory=dict)


def _shown(holder: Any, **settings: Any) -> Shown:
    return Shown(holder.certificate, holder.private_key, settings)


def _usage(**chosen: bool) -> _Extension:
    words = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{word: chosen.get(word, False) for word in words}), True


def _made(
    pki: Pki,
    *extensions: _Extension,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
) -> Shown:
    """sam's certificate with these extensions and no other."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(pki.ca.x509.subject, name("sam"), key.public_key(), 4711)
    builder = builder.not_valid_before(now - DAY).not_valid_after(now + DAY)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(pki.ca.key, hashes.SHA256())
    paths = pki.directory / "made.pem", pki.directory / "made.key"
    paths[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Shown(*paths)


def _purposes(*purposes: x509.ObjectIdentifier) -> _Extension:
    return x509.ExtendedKeyUsage(purposes), False


def _of_another_ca(pki: Pki, common_name: str) -> Shown:
    directory = pki.directory / "other"
    directory.mkdir()
    return _shown(Authority(directory, common_name).issue(name("sam"), "sam"))


def _revoked(pki: Pki) -> Shown:
    holder = pki.encryptor("sam")
    pki.revoke(holder)
    return _shown(holder)


def _with_list(pki: Pki, pem: bytes) -> Shown:
    pki.crl.write_bytes(pem)
    return _shown(pki.encryptor("sam"))


def _list_of_a_namesake(pki: Pki) -> Shown:
    directory = pki.directory / "other"
    directory.mkdir()
    return _with_list(pki, Authority(directory, "ca").crl())


def _list_from_tomorrow(pki: Pki) -> Shown:
    builder = x509.CertificateRevocationListBuilder().issuer_name(pki.ca.x509.subject)
    builder = builder.last_update(datetime.now(UTC) + DAY).next_update(datetime.now(UTC) + 2 * DAY)
    return _with_list(pki, builder.sign(pki.ca.key, hashes.SHA256()).public_bytes(Encoding.PEM))


def _between(pki: Pki, *, shown: bool = True, trusted: bool = False, **settings: Any) -> Shown:
    """A certificate of an intermediate CA, which is shown as well, or is among the client's CAs, or not."""
    between = Authority(pki.directory, "between", pki.ca)
    pem = between.path.read_bytes()
    holder = between.issue(name("sam"), "sam", chain=pem if shown else b"")
    if trusted:
        settings["client_ca"] = between.path
    return _shown(holder, **settings)


def ca_certificate(ca: Authority, begin: timedelta, end: timedelta) -> bytes:
    """The certificate of a CA made anew for other days: the same name, the same key."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(ca.x509.subject, ca.x509.subject, ca.key.public_key(), 1)
    builder = builder.not_valid_before(now + begin).not_valid_after(now + end)
    builder = builder.add_extension(x509.BasicConstraints(True, None), True)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _ca_out_of_time(pki: Pki, begin: timedelta, end: timedelta) -> Shown:
    return _written(pki, "client_ca", ca_certificate(pki.ca, begin, end))


def _written(pki: Pki, key: str, data: bytes | None) -> Shown:
    """One file of the client's is another, or is not there."""
    path = pki.directory / "written.pem"
    if data is not None:
        path.write_bytes(data)
    return _shown(pki.encryptor("sam"), **{key: path})


def _damaged(pem: bytes) -> bytes:
    """PEM of something else, in the same armour."""
    lines = pem.splitlines()
    return b"\n".join([lines[0], b"AAAA", *lines[-1:], b""])


def _many(pki: Pki, number: int, end: timedelta = DAY) -> Shown:
    """A certificate with so many others behind it."""
    chain = pki.server.certificate.read_bytes() * number
    return _shown(pki.ca.issue(name("sam"), "sam", begin=-3 * DAY, end=end, chain=chain))


def _unknown_critical(pki: Pki) -> Shown:
    return _made(pki, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True))


#: What each kind is, and the words of `dskectl certs inspect` for it (None: it is taken).
KINDS: dict[str, tuple[Callable[[Pki], Shown], str | None]] = {
    "good": (lambda pki: _shown(pki.encryptor("sam")), None),
    "good, without a list": (lambda pki: _shown(pki.encryptor("sam"), crl=None), None),
    "without any usage": (_made, None),
    "for clients and servers": (lambda pki: _made(pki, _purposes(SERVER, CLIENT)), None),
    "for signatures": (lambda pki: _made(pki, _usage(digital_signature=True), _purposes(CLIENT)), None),
    "for any use": (
        lambda pki: _made(pki, _purposes(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)),
        "the certificate is not meant for TLS clients",
    ),
    "for servers": (
        lambda pki: _made(pki, _purposes(SERVER)),
        "the certificate is not meant for TLS clients",
    ),
    "a key for CRLs": (
        lambda pki: _made(pki, _usage(crl_sign=True), _purposes(CLIENT)),
        "the certificate is not meant for TLS clients",
    ),
    "expired": (lambda pki: _shown(pki.expired("sam")), "the certificate expired at 20"),
    "early": (
        lambda pki: _shown(pki.ca.issue(name("sam"), "sam", begin=DAY)),
        "the certificate is not valid before 20",
    ),
    "another CA's": (
        lambda pki: _of_another_ca(pki, "other"),
        "the certificate comes from an unknown CA: see {ca}",
    ),
    "a namesake's": (
        lambda pki: _of_another_ca(pki, "ca"),
        "the certificate names a known CA, which has not signed it: see {ca}",
    ),
    "revoked": (_revoked, "the certificate is revoked: see {crl}"),
    "list expired": (
        lambda pki: _with_list(pki, pki.ca.crl(end=-DAY)),
        "the revocation list of the certificate's CA has expired: see {crl}",
    ),
    "list from tomorrow": (
        _list_from_tomorrow,
        "the revocation list of the certificate's CA is not valid yet: see {crl}",
    ),
    "no list of its CA": (
        lambda pki: _with_list(pki, Authority(pki.directory, "other").crl()),
        "the file of revocation lists has none of the certificate's CA: see {crl}",
    ),
    "list of a namesake": (_list_of_a_namesake, "the certificate does not verify: CRL signature failure"),
    "CA expired": (lambda pki: _ca_out_of_time(pki, -3 * DAY, -DAY), "the CA CN=ca expired at 20"),
    "CA from tomorrow": (
        lambda pki: _ca_out_of_time(pki, DAY, 3 * DAY),
        "the CA CN=ca is not valid before 20",
    ),
    "a chain": (lambda pki: _between(pki, crl=None), None),
    "a chain, its CA without a list": (
        _between,
        "the file of revocation lists has none of the certificate's CA: see {crl}",
    ),
    "a chain that ends early": (
        lambda pki: _between(pki, shown=False, crl=None),
        "the certificate comes from an unknown CA: see {ca}",
    ),
    "intermediate CA trusted": (lambda pki: _between(pki, shown=False, trusted=True, crl=None), None),
    "weak key": (
        lambda pki: _made(pki, key=rsa.generate_private_key(65537, 1024)),
        "the certificate does not verify: EE certificate key too weak",
    ),
    "unknown critical extension": (
        _unknown_critical,
        "the certificate does not verify: unhandled critical extension",
    ),
    "another encryptor's": (lambda pki: _shown(pki.encryptor("sunny")), "serves no encryptor 'sunny'"),
    "two names": (
        lambda pki: _shown(pki.ca.issue(name("sam", "sunny"), "two")),
        "expected one common name (CN) of the subject in the certificate, found 2: sam, sunny",
    ),
    "no name": (
        lambda pki: _shown(pki.ca.issue(name(), "none")),
        "expected one common name (CN) of the subject in the certificate, found none",
    ),
    "several records": (lambda pki: _many(pki, 60), None),
    "several records, expired": (lambda pki: _many(pki, 60, -DAY), "the certificate expired at 20"),
    "too many certificates": (
        lambda pki: _many(pki, 320),
        "TLS takes it for no certificate: excessive message size",
    ),
    "CAs missing": (
        lambda pki: _written(pki, "client_ca", None),
        "its configuration cannot be used: {written} cannot be read: No such file or directory",
    ),
    "CAs of junk": (
        lambda pki: _written(pki, "client_ca", b"junk"),
        "its configuration cannot be used: {written}: expected certificates in PEM, none of them damaged",
    ),
    "CAs damaged": (
        lambda pki: _written(pki, "client_ca", _damaged(pki.ca.path.read_bytes())),
        "its configuration cannot be used: {written}: expected certificates in PEM, none of them damaged",
    ),
    "list missing": (
        lambda pki: _written(pki, "crl", None),
        "its configuration cannot be used: {written} cannot be read: No such file or directory",
    ),
    "list of junk": (
        lambda pki: _written(pki, "crl", b"junk"),
        "its configuration cannot be used: {written}: expected revocation lists (X509 CRL) in PEM, "
        "and nothing else",
    ),
    "list damaged": (
        lambda pki: _written(pki, "crl", _damaged(pki.ca.crl())),
        "its configuration cannot be used: {written}: a revocation list is damaged; expected lists in PEM",
    ),
    "a map of nonsense": (
        lambda pki: _shown(pki.encryptor("sam"), sae_id_from="map", sae_ids={"x=y": "sam"}),
        "its configuration cannot be used: sae_ids: x=y: expected an RFC 4514 name, DNS:NAME, "
        "URI:URI or SHA256:HEX",
    ),
}
