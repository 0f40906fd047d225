"""The files that clients need for their interfaces, and what to do where one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dsked.config import service

if TYPE_CHECKING:
    from dsked.config.node import TlsSettings
    from dsked.config.topology import Client

MADE_BY = "'dskectl certs create-lab' makes a laboratory's"


def is_missing(path: Path) -> bool:
    """Whether there is no such file, as far as one may see."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def fault(client: Client) -> str | None:
    """Which file of the topology is missing for this client to start, and where it comes from; or None.

    Credentials are left out, which its unit alone sees.
    """
    for key, path, remedy in _needed(client):
        if not service.is_credential(path) and is_missing(path):
            return f"{key}: {path}: there is no such file; {remedy}"
    return None


def key_of(client: Client, message: str) -> str | None:
    """The key of the file that a message begins with, or None: `etsi.certificate`."""
    return next((key for key, path, _ in _needed(client) if message.startswith(str(path))), None)


def _needed(client: Client) -> Iterator[tuple[str, Path, str]]:
    """Key of the topology file, path, and who makes it."""
    etsi_tls = client.etsi.tls if client.etsi else None
    if etsi_tls:
        yield from _of_tls("etsi", etsi_tls)
    if client.skip:
        if client.skip.tls and client.skip.tls != etsi_tls:
            yield from _of_tls("skip", client.skip.tls)
        if client.skip.psk_file:
            yield (
                "skip.psk_file",
                client.skip.psk_file,
                "expected one with a line IDENTITY:HEXKEY per encryptor",
            )


def _of_tls(section: str, tls: TlsSettings) -> Iterator[tuple[str, Path, str]]:
    for key in ("certificate", "private_key", "client_ca", "crl"):
        path = getattr(tls, key)
        if path is not None:
            yield f"{section}.{key}", path, MADE_BY
