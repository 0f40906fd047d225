"""The files of a client's interfaces, read as a start reads them, by who starts nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from dsked.config import service
from dsked.config.node import SkipSettings, TlsSettings


def check(etsi: TlsSettings | None, skip: SkipSettings | None, encryptors: Collection[str]) -> Iterator[str]:
    """Warnings that a start would log. Raises ConfigurationError as it does.

    Credentials that only a unit sees are left out, and that is told.
    """
    if etsi is not None:
        yield from _certificates(etsi)
    if skip is None:
        return
    if skip.psk_file is not None:
        yield from _pre_shared(skip, skip.psk_file, encryptors)
    elif skip.tls is not None and skip.tls != etsi:
        yield from _certificates(skip.tls)


def _certificates(settings: TlsSettings) -> Iterator[str]:
    from dsked.delivery.tls_files import Loaded  # loads cryptography's X.509
    from dsked.delivery.tls_parts import Authorities, Lists

    unseen = _unseen(settings.certificate, settings.private_key, settings.client_ca, settings.crl)
    if not unseen:
        yield from Loaded(settings).warnings()
        return
    yield from unseen.values()
    if settings.client_ca not in unseen:
        Authorities.read(settings.client_ca)
    if settings.crl is not None and settings.crl not in unseen:
        Lists.read(settings.crl)


def _pre_shared(skip: SkipSettings, path: Path, encryptors: Collection[str]) -> Iterator[str]:
    from dsked.delivery.skip_psk import Psks, demand_psk

    demand_psk(path)
    if skip.tls is not None:
        yield from _certificates(skip.tls)
    unseen = _unseen(path)
    yield from unseen.values()
    if not unseen:
        Psks(path, own_systems(skip, encryptors))


def own_systems(skip: SkipSettings, encryptors: Collection[str]) -> dict[str, str]:
    """The system IDs of a client's own encryptors: they alone have pre-shared keys."""
    return {system: name for system, name in skip.system_ids.items() if name in encryptors}


def _unseen(*paths: Path | None) -> dict[Path, str]:
    """What is to be told of those that only the unit sees."""
    return {
        path: f"{path.name}: a credential of the unit is not there outside of it, and was not checked"
        for path in paths
        if path is not None and service.is_credential(path)
    }
