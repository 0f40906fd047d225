"""What a file of certificates says, and which encryptor each rule takes its holder for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from dsked.certs import verdict
from dsked.config import rules
from dsked.config.node import TlsSettings
from dsked.config.topology import Client
from dsked.delivery.identity import UNREADABLE, SaeIdRule
from dsked.errors import ConfigurationError, NotAllowedError
from dsked.limits import MAX_CERTIFICATE_FILE_BYTES

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----")
#: By the files of CAs and of lists: most clients have the same.
_Verifiers = dict[tuple[Path, Path | None], verdict.Verifier]


def read(path: Path) -> list[x509.Certificate]:
    """The certificates of a file, PEM (any number) or DER (one); the first is its holder's own.

    Raises ConfigurationError that says what the file holds instead.
    """
    data = _bytes(path)
    try:
        if _BLOCK.search(data):
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except UNREADABLE:
        kinds = list(dict.fromkeys(_BLOCK.findall(data)))
        if b"CERTIFICATE" in kinds:
            raise ConfigurationError(f"{path}: a certificate in it is damaged or cut off") from None
        blocks = ", ".join(kind.decode().lower() for kind in kinds)
        found = f"it holds: {blocks}" if blocks else "it holds neither"
        raise ConfigurationError(f"{path}: expected certificates, in PEM or DER; {found}") from None


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CERTIFICATE_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_CERTIFICATE_FILE_BYTES:
        raise ConfigurationError(
            f"{path}: larger than {MAX_CERTIFICATE_FILE_BYTES} bytes; is it certificates?"
        )
    return data


def facts(certificate: x509.Certificate) -> dict[str, Any]:
    """What one certificate says about itself.

    Raises ConfigurationError where a part of it is none that X.509 knows.
    """
    try:
        return _facts(certificate)
    except UNREADABLE:
        raise ConfigurationError(
            "a certificate whose names, times or extensions cannot be read; expected one as RFC 5280 has it"
        ) from None


def _facts(certificate: x509.Certificate) -> dict[str, Any]:
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "serial_number": f"{certificate.serial_number:x}",
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
        "alternative_names": list(_alternative_names(certificate)),
        "sha256": certificate.fingerprint(hashes.SHA256()).hex(),
        "faults": list(verdict.faults_of_time(certificate)),
    }


def _alternative_names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    for name in names:
        if isinstance(name, x509.DNSName):
            yield f"DNS:{name.value}"
        elif isinstance(name, x509.UniformResourceIdentifier):
            yield f"URI:{name.value}"
        elif isinstance(name, x509.IPAddress):
            yield f"IP:{name.value}"
        else:
            yield f"{type(name).__name__}:{name.value}"


def sae_ids(holder: x509.Certificate) -> dict[str, dict[str, str]]:
    """By rule: `sae_id`, or the `fault` that there is none. A map needs to be written first."""
    wanted = [rule for rule in rules.SAE_ID_SOURCES if rule != rules.SAE_ID_FROM_MAP]
    return {rule: _sae_id(SaeIdRule(rule, {}), holder) for rule in wanted}


def _sae_id(rule: SaeIdRule, holder: x509.Certificate) -> dict[str, str]:
    try:
        return {"sae_id": rule.sae_id(holder)}
    except NotAllowedError as error:
        return {"fault": str(error)}


def at_clients(chain: Sequence[x509.Certificate], clients: Iterable[Client]) -> list[dict[str, Any]]:
    """What the clients take the holder for, who shows `chain`; plain HTTP is left out.

    `faults`: why it is refused; `unchecked`: why CAs and lists could not be asked, or None.
    """
    verifiers: _Verifiers = {}
    return [
        {"client": client.name, "interfaces": interfaces, **_at_client(chain, client, tls, verifiers)}
        for client in clients
        for interfaces, tls in _interfaces(client)
    ]


def _interfaces(client: Client) -> list[tuple[list[str], TlsSettings]]:
    """Which interfaces have which TLS: mostly all the same."""
    found: list[tuple[list[str], TlsSettings]] = []
    for name, interface in (("etsi", client.etsi), ("skip", client.skip)):
        tls = interface.tls if interface else None
        same = next((names for names, other in found if other == tls), None)
        if same is not None:
            same.append(name)
        elif tls is not None:
            found.append(([name], tls))
    return found


def _at_client(
    chain: Sequence[x509.Certificate], client: Client, tls: TlsSettings, verifiers: _Verifiers
) -> dict[str, Any]:
    found: dict[str, Any] = {"sae_id_from": tls.sae_id_from}
    faults: list[str] = []
    unchecked = _unchecked(tls)
    try:
        found |= _sae_id(SaeIdRule(tls.sae_id_from, tls.sae_ids), chain[0])
        if unchecked is None:
            faults += _faults_of_issue(chain, tls, verifiers)
    except ConfigurationError as error:
        faults.append(f"its configuration cannot be used: {error}")
    if "fault" in found:
        faults.append(found.pop("fault"))
    if "sae_id" in found and all(one.name != found["sae_id"] for one in client.encryptors):
        faults.append(f"serves no encryptor {found['sae_id']!r}")
    return {**found, "faults": faults, "unchecked": unchecked}


def _unchecked(tls: TlsSettings) -> str | None:
    """Why this computer cannot tell what the client's CAs and lists say, or None."""
    trusted = [path for path in (tls.client_ca, tls.crl) if path is not None]
    if not any(_is_there(path) for path in (tls.certificate, tls.private_key, *trusted)):
        return "its files are not on this computer, or closed to this user"
    closed = [path for path in trusted if _is_there(path) and not os.access(path, os.R_OK)]
    return f"{closed[0]} is closed to this user" if closed else None


def _is_there(path: Path) -> bool:
    return os.access(path, os.F_OK)


def _faults_of_issue(
    chain: Sequence[x509.Certificate], tls: TlsSettings, verifiers: _Verifiers
) -> Iterator[str]:
    """What the client's CAs and lists have against a certificate. Raises ConfigurationError."""
    files = tls.client_ca, tls.crl
    if files not in verifiers:
        verifiers[files] = verdict.Verifier(tls)
    fault = verifiers[files].fault(chain)
    if fault:
        yield fault
