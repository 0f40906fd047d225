"""The files of mutual TLS: whether a client could start with them now, and until when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from cryptography import x509

from dsked.certs import inspection, verdict
from dsked.config import service
from dsked.config.node import TlsSettings
from dsked.config.topology import Client
from dsked.delivery import tls_files
from dsked.delivery.tls_parts import Authorities, Own
from dsked.doctor.finding import Finding, fault, good, warning
from dsked.errors import ConfigurationError

_CHECK = "certificates"
#: As early as this the renewal of a certificate is asked for.
SOON_DAYS = 30


def check(client: Client) -> Iterator[Finding]:
    """Of each interface that serves mutual TLS."""
    interfaces = {"ETSI GS QKD 014": client.etsi and client.etsi.tls, "SKIP": client.skip and client.skip.tls}
    for name, tls in interfaces.items():
        if tls:
            yield from _of_interface(f"{client.name}, {name}", tls)


def _of_interface(about: str, tls: TlsSettings) -> Iterator[Finding]:
    try:
        own = _own(tls)
        authorities = Authorities.read(tls.client_ca).certificates
    except ConfigurationError as error:
        yield fault(_CHECK, about, str(error))
        return
    yield _of_time(about, str(tls.certificate), own)
    for one in authorities:
        yield _of_time(about, f"{tls.client_ca}, {one.subject.rfc4514_string()}", one)


def _own(tls: TlsSettings) -> x509.Certificate:
    """The client's certificate. Raises ConfigurationError where a client could not start with these files.

    A private key that is a credential is seen by the client's unit alone: then the rest is looked at.
    """
    if service.is_credential(tls.private_key):
        return inspection.read(tls.certificate)[0]
    tls_files.Loaded(tls)
    return Own.read(tls.certificate, tls.private_key).certificate


def _of_time(about: str, what: str, certificate: x509.Certificate) -> Finding:
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    values = {"not_after": certificate.not_valid_after_utc.isoformat(), "days_left": left.days}
    if faults := list(verdict.faults_of_time(certificate)):
        return fault(_CHECK, about, f"{what} {faults[0]}", **values)
    if left.days < SOON_DAYS:
        return warning(
            _CHECK, about, f"{what} expires in {left.days} days: renew it, then reload the client", **values
        )
    return good(_CHECK, about, f"{what} is valid for {left.days} days", **values)
