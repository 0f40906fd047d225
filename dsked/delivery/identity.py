"""Which SAE a client certificate stands for, by the rule that the operator chose; who is calling over TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from dsked.errors import ConfigurationError, NotAllowedError
from dsked.limits import MAX_SHOWN_SUBJECT

if TYPE_CHECKING:  # `dskectl certs inspect` uses the rules, and needs no aiohttp
    from aiohttp import web

    from dsked.delivery.service import KeyService

_DNS, _URI, _SHA256 = "DNS:", "URI:", "SHA256:"
#: What `cryptography` raises for certificates, and parts of them, that are none.
UNREADABLE = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    UnsupportedAlgorithm,
)


class Caller(Protocol):
    """What identity asks of a TLS connection (dsked/delivery/tls.py)."""

    def caller(self) -> str:
        """The SAE ID of its certificate. Raises NotAllowedError."""
        ...

    def refused(self, error: NotAllowedError) -> None:
        """Tell the log of it."""
        ...


class SaeIdRule:
    """How a certificate gives an SAE ID: `sae_id_from` of the configuration, and `sae_ids` for `map`."""

    def __init__(self, sae_id_from: str, sae_ids: Mapping[str, str]) -> None:
        """Raises ConfigurationError for an unknown rule, and for what is no identity in `sae_ids`."""
        if sae_id_from not in RULES:
            raise ConfigurationError(f"sae_id_from: expected one of {', '.join(RULES)}, not {sae_id_from}")
        self._values, self._what = RULES[sae_id_from]
        self._map = _normal_map(sae_ids) if sae_id_from == "map" else None

    def sae_id(self, certificate: x509.Certificate) -> str:
        """The one SAE ID. Raises NotAllowedError where the rule gives none, or more than one."""
        try:
            values = list(dict.fromkeys(self._values(certificate)))
        except UNREADABLE as error:
            raise NotAllowedError(f"the certificate's names cannot be read: {error}") from None
        if self._map is not None:
            return self._mapped(values, self._map)
        if len(values) != 1:
            found = f"{len(values)}: {', '.join(values)}" if values else "none"
            raise NotAllowedError(f"expected one {self._what} in the certificate, found {found}")
        return values[0]

    def _mapped(self, values: Sequence[str], sae_ids: Mapping[str, str]) -> str:
        found = sorted({sae_ids[value] for value in values if value in sae_ids})
        if len(found) != 1:
            what = f"to several SAE IDs: {', '.join(found)}" if found else "to no SAE ID"
            raise NotAllowedError(f"the certificate's names map {what} ({', '.join(values)})")
        return found[0]


def _common_names(certificate: x509.Certificate) -> Iterator[str]:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        value = attribute.value
        yield value if isinstance(value, str) else value.decode("utf-8")


def _distinguished_name(certificate: x509.Certificate) -> Iterator[str]:
    if certificate.subject.rdns:
        yield certificate.subject.rfc4514_string()


def _alternative_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _dns_names(certificate: x509.Certificate) -> Iterator[str]:
    names = _alternative_names(certificate)
    yield from names.get_values_for_type(x509.DNSName) if names is not None else ()


def _uris(certificate: x509.Certificate) -> Iterator[str]:
    names = _alternative_names(certificate)
    yield from names.get_values_for_type(x509.UniformResourceIdentifier) if names is not None else ()


def _all_names(certificate: x509.Certificate) -> Iterator[str]:
    """Every identity that a map may name."""
    yield from _distinguished_name(certificate)
    yield from (_DNS + name for name in _dns_names(certificate))
    yield from (_URI + uri for uri in _uris(certificate))
    yield _SHA256 + certificate.fingerprint(hashes.SHA256()).hex()


#: Values of `sae_id_from`: what each looks at, and what that is called.
RULES: Mapping[str, tuple[Callable[[x509.Certificate], Iterator[str]], str]] = {
    "subject-cn": (_common_names, "common name (CN) of the subject"),
    "subject-dn": (_distinguished_name, "subject"),
    "san-dns": (_dns_names, "DNS name (SAN)"),
    "san-uri": (_uris, "URI (SAN)"),
    "map": (_all_names, "identity"),
}


def _normal_map(sae_ids: Mapping[str, str]) -> dict[str, str]:
    normal: dict[str, str] = {}
    for identity, sae_id in sae_ids.items():
        key = _normal_identity(identity)
        if normal.setdefault(key, sae_id) != sae_id:
            raise ConfigurationError(f"sae_ids: {identity} is mapped to {normal[key]} and to {sae_id}")
    return normal


def _normal_identity(identity: str) -> str:
    """As `_all_names` writes it. Raises ConfigurationError."""
    if identity.startswith((_DNS, _URI)):
        return identity
    expected = "expected an RFC 4514 name, DNS:NAME, URI:URI or SHA256:HEX"
    if identity.startswith(_SHA256):
        digits = identity[len(_SHA256) :].replace(":", "").lower()
        if len(digits) != 2 * hashes.SHA256.digest_size or not set(digits) <= set("0123456789abcdef"):
            raise ConfigurationError(f"sae_ids: {identity}: expected 64 hexadecimal digits after SHA256:")
        return _SHA256 + digits
    try:
        name = x509.Name.from_rfc4514_string(identity)
    except ValueError:
        raise ConfigurationError(f"sae_ids: {identity}: {expected}") from None
    if not name.rdns:
        raise ConfigurationError(f"sae_ids: an empty identity: {expected}")
    return name.rfc4514_string()


def subject(certificate: x509.Certificate) -> str:
    """The subject for the log: one line, not too long, whatever the certificate says."""
    try:
        text = certificate.subject.rfc4514_string() or "an empty subject"
    except UNREADABLE:
        return "a subject that cannot be read"
    return one_line(text)


def is_in_time(certificate: x509.Certificate) -> bool:
    """Whether its own time is not over; False where that cannot be read."""
    try:
        return datetime.now(UTC) < certificate.not_valid_after_utc
    except UNREADABLE:
        return False


def one_line(text: str) -> str:
    """For the log, what a stranger may have written: one line, and not too long."""
    shown = text if len(text) <= MAX_SHOWN_SUBJECT else text[:MAX_SHOWN_SUBJECT] + "..."
    return "".join(one if one.isprintable() else "?" for one in shown)


def caller_of_certificate(service: KeyService) -> Callable[[web.BaseRequest], str]:
    """Identity over mutual TLS: the certificate's SAE ID, where it is an encryptor of this client."""

    def identify(request: web.BaseRequest) -> str:
        connection = _connection(request)
        try:
            sae_id = connection.caller()
            if sae_id not in service.encryptors:
                raise NotAllowedError(
                    f"the certificate gives SAE ID {sae_id}, which KME {service.name} does not serve"
                )
        except NotAllowedError as error:
            connection.refused(error)
            raise
        return sae_id

    return identify


def _connection(request: web.BaseRequest) -> Caller:
    transport = request.transport
    connection = None if transport is None else transport.get_extra_info("ssl_object")
    if connection is None:
        raise NotAllowedError("the connection is gone, or without TLS: expected a client certificate")
    return cast(Caller, connection)
