"""TLS of `dskectl etsi-qkd`, with the encryptors' certificates that the topology file names."""

from __future__ import annotations

import ssl
from pathlib import Path

from dsked.cli import interface_files
from dsked.config.interfaces import Etsi
from dsked.config.node import TlsSettings
from dsked.delivery.tls_parts import Own
from dsked.errors import ConfigurationError, DskedError, RequestError, ServiceError

#: OpenSSL's reasons where the other side's first bytes are no TLS record; the last one is 3.2's and later.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


def context(etsi: Etsi, tls: TlsSettings, encryptor: str) -> ssl.SSLContext:
    """What `encryptor` connects with to a client that serves as `etsi` says.

    The client must show its own certificate of the topology, or one that comes from an authority that
    encryptors' certificates come from. Raises ConfigurationError for what is missing or cannot be used.
    """
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    found.minimum_version = ssl.TLSVersion.TLSv1_2
    found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    trusted = [path for path in (tls.certificate, tls.client_ca) if not interface_files.is_missing(path)]
    if not trusted:
        raise ConfigurationError(
            f"neither {tls.certificate} nor {tls.client_ca} exists, and one is needed here; "
            f"{interface_files.MADE_BY}"
        )
    for path in trusted:
        _trust(found, path)
    certificate = _file(etsi.encryptor_certificates, "encryptor_certificates", encryptor)
    private_key = _file(etsi.encryptor_private_keys, "encryptor_private_keys", encryptor)
    Own.read(certificate, private_key).load_into(found)
    return found


def _trust(found: ssl.SSLContext, path: Path) -> None:
    try:
        found.load_verify_locations(path)
    except ssl.SSLError:
        raise ConfigurationError(f"{path}: expected certificates in PEM") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def _file(template: str | None, key: str, encryptor: str) -> Path:
    if template is None:
        raise ConfigurationError(
            f"the topology file does not say which certificates encryptors show; write {key} below 'etsi', "
            "say certs/{name}" + (".pem" if key.endswith("certificates") else ".key")
        )
    path = Path(template.replace("{name}", encryptor))
    if interface_files.is_missing(path):
        raise ConfigurationError(f"etsi.{key}: {path}: there is no such file; {interface_files.MADE_BY}")
    return path


def failure(where: str, error: ssl.SSLError) -> DskedError:
    """Why TLS with the client at `where` failed: RequestError where one side refuses the other."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return RequestError(f"{where}: its certificate is refused: {error.verify_message.rstrip('.')}")
    if error.reason in _NOT_TLS:
        return ServiceError(
            f"{where} does not speak TLS (but plain HTTP?), and the topology file says HTTPS: was it started "
            "with another file?"
        )
    words = (error.reason or "the connection ended").lower().replace("_", " ")
    _, alert, told = words.partition(" alert ")
    if not alert:
        return ServiceError(f"{where}: TLS fails: {words}")
    refused = ServiceError if told == "internal error" else RequestError
    return refused(f"{where}: it refuses us: {told}")
