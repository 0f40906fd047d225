"""Options of `dsked --role client`: how it serves its encryptors."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dsked.config import rules
from dsked.config.node import StoredKeys
from dsked.limits import DEFAULT_KEY_SIZE_BITS

_CommandT = TypeVar("_CommandT", bound=Callable[..., Any])
_FILE = click.Path(path_type=Path)
_STORED_KEYS = re.compile(r"([^:]+):([^:]+):(\d{1,9})(?::(\d{1,9}))?", re.ASCII)


def etsi_mode(plain: str | None, insecure: bool) -> str | None:
    """How ETSI GS QKD 014 is to be served as plain HTTP; None where neither option says so."""
    if plain and insecure:
        raise click.UsageError(f"{_INSECURE} stands beside --etsi {plain}; expected one of them.")
    return rules.ETSI_PLAIN_HTTP_INSECURE if insecure else plain


def _sae_ids(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Behind the last `=` stands the SAE ID: a DN has `=` in it."""
    return dict(_split(option, value, "IDENTITY=SAE") for value in values)


def _system_ids(ctx: click.Context, option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    return dict(_split(option, value, "ID=ENCRYPTOR") for value in values)


def _split(option: click.Parameter, value: str, form: str) -> tuple[str, str]:
    left, _, right = value.rpartition("=")
    if not left or not right:
        raise click.BadParameter(f"{value!r}: {form} is expected.", param_hint=option.opts[0])
    return left, right


def _stored_keys(
    ctx: click.Context, option: click.Parameter, values: tuple[str, ...]
) -> tuple[StoredKeys, ...]:
    return tuple(_pair(option, value) for value in values)


def _pair(option: click.Parameter, value: str) -> StoredKeys:
    match = _STORED_KEYS.fullmatch(value)
    if not match:
        raise click.BadParameter(
            f"{value!r}: INITIATOR:RESPONDER:COUNT[:BITS] is expected.", param_hint=option.opts[0]
        )
    bits = int(match[4] or DEFAULT_KEY_SIZE_BITS)
    return StoredKeys(initiator=match[1], responder=match[2], count=int(match[3]), size_bits=bits)


_INSECURE = "--etsi-plain-http-insecure-over-the-network"
_OPTIONS = (
    click.option(
        "--etsi",
        type=click.Choice([rules.ETSI_PLAIN_HTTP]),
        help="Client: serve ETSI GS QKD 014 without TLS, on loopback.",
    ),
    click.option(
        _INSECURE, "insecure", is_flag=True, help="Client: ... without TLS on any address: all can read keys."
    ),
    click.option(
        "--etsi-certificate",
        type=_FILE,
        metavar="FILE",
        help="Client: serve it over mutual TLS; PEM, own chain.",
    ),
    click.option(
        "--etsi-private-key", type=_FILE, metavar="FILE", help="Client: PEM, not encrypted, mode 0600."
    ),
    click.option(
        "--etsi-client-ca", type=_FILE, metavar="FILE", help="Client: PEM, authorities of the encryptors."
    ),
    click.option("--etsi-crl", type=_FILE, metavar="FILE", help="Client: PEM, revoked certificates."),
    click.option(
        "--etsi-sae-id-from",
        type=click.Choice(rules.SAE_ID_SOURCES),
        help=f"Client: where a certificate has the SAE ID.  [default: {rules.SAE_ID_FROM_CN}]",
    ),
    click.option(
        "--etsi-sae-id",
        "etsi_sae_ids",
        multiple=True,
        callback=_sae_ids,
        metavar="IDENTITY=SAE ...",
        help="Client: with map; a DN, DNS:name, URI:... or SHA256:hex, and the SAE ID that it stands for.",
    ),
    click.option(
        "--etsi-minimum-tls",
        type=click.Choice(rules.TLS_VERSIONS),
        help=f"Client: the oldest TLS that is served.  [default: {rules.DEFAULT_MINIMUM_TLS}]",
    ),
    click.option(
        "--skip-port",
        type=int,
        metavar="PORT",
        help="Client: serve SKIP on this port, with the TLS of ETSI GS QKD 014.",
    ),
    click.option(
        "--skip-psk-file",
        type=_FILE,
        metavar="FILE",
        help="Client: keys of TLS-PSK for SKIP, lines IDENTITY:HEXKEY, mode 0600; Python 3.13 or later.",
    ),
    click.option(
        "--skip-system-id",
        "skip_system_ids",
        multiple=True,
        callback=_system_ids,
        metavar="ID=ENCRYPTOR ...",
        help="Client: system IDs of SKIP, here and elsewhere.  [default: the encryptor's name]",
    ),
    click.option(
        "--stored-keys",
        multiple=True,
        callback=_stored_keys,
        metavar="INITIATOR:RESPONDER:COUNT[:BITS] ...",
        help="Client: keys to hold ready.  [default: none]",
    ),
)
#: parameter -> option
INTERFACE_OPTIONS = {
    "etsi": "--etsi",
    "insecure": _INSECURE,
    "etsi_certificate": "--etsi-certificate",
    "etsi_private_key": "--etsi-private-key",
    "etsi_client_ca": "--etsi-client-ca",
    "etsi_crl": "--etsi-crl",
    "etsi_sae_id_from": "--etsi-sae-id-from",
    "etsi_sae_ids": "--etsi-sae-id",
    "etsi_minimum_tls": "--etsi-minimum-tls",
    "skip_port": "--skip-port",
    "skip_psk_file": "--skip-psk-file",
    "skip_system_ids": "--skip-system-id",
    "stored_keys": "--stored-keys",
}


def interface_options(command: _CommandT) -> _CommandT:
    """Adds the options to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
