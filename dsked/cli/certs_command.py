"""`dskectl certs`: what certificates say, and a laboratory's own ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dsked.cli.output import json_option, show
from dsked.cli.target import Target
from dsked.config import paths
from dsked.errors import ConfigurationError, NotAllowedError

if TYPE_CHECKING:
    from dsked.certs.lab import Lab
    from dsked.config.topology import Topology

_DIRECTORY = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the certificates are.  [default: certs, beside the topology file]",
)
_TLS_LINES = """\
Clients serve ETSI GS QKD 014 with them, and dskectl etsi-qkd uses them, where the topology file says:

etsi:
  certificate: {0}/{{name}}.pem
  private_key: {0}/{{name}}.key
  client_ca: {0}/ca.pem
  crl: {0}/crl.pem
  encryptor_certificates: {0}/{{name}}.pem
  encryptor_private_keys: {0}/{{name}}.key
"""
_RESTART = "Clients that run read the topology file when they are started anew: {stop} && {start}"
_HANG_UP = (
    "Clients that run go by the old files until they get SIGHUP (kill -HUP PID; {status} has the PIDs), "
    "or are started anew: {stop} && {start}"
)
_ENCRYPTORS_TOO = "Encryptors need their new certificates and private keys, and the new ca.pem."


@click.group()
def certs() -> None:
    """Look into certificates, and make those of a laboratory."""


@certs.command("inspect", short_help="Show what certificates say, and whose they are.")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@click.pass_obj
def inspect(target: Target, file: Path, as_json: bool) -> None:
    """Show what the certificates in FILE say, and which encryptor (SAE) the first one's holder is.

    By each rule of sae_id_from; and for each client of the topology file, if there is one: who the holder
    is there, or why it is refused, by the CAs and revocation lists that the client's files hold now. More
    certificates in FILE are those that its holder shows as well. Exit status 4 if no client takes it.
    """
    from dsked.certs import inspection

    target.no_filter("certs")
    chain = inspection.read(file)
    named = target.config is not None or paths.default_config() is not None
    network = target.topology() if named else None
    document: dict[str, Any] = {
        "certificates": [inspection.facts(certificate) for certificate in chain],
        "sae_ids": inspection.sae_ids(chain[0]),
    }
    if network is not None:
        document["clients"] = inspection.at_clients(chain, network.clients)
    if as_json:
        show(document, as_json)
    else:
        for line in _lines(document, network):
            click.echo("".join(one if one.isprintable() else "?" for one in line))
    if network is not None and document["clients"] and all(one["faults"] for one in document["clients"]):
        raise NotAllowedError(f"{file}: no client of {network.path} takes this certificate")


def _lines(document: dict[str, Any], network: Topology | None) -> Iterator[str]:
    for one in document["certificates"]:
        yield from _facts(one)
        yield ""
    yield "SAE ID by sae_id_from:"
    for rule, found in document["sae_ids"].items():
        yield f"  {rule:<12}{found['sae_id'] if 'sae_id' in found else 'none: ' + found['fault']}"
    if network is None:
        return
    yield ""
    clients = document["clients"]
    yield f"At the clients of {network.path}" + (":" if clients else ", none of which serves mutual TLS")
    for one in clients:
        yield f"  {_interface(one, clients)}: {_verdict(one)}"


def _interface(one: dict[str, Any], clients: list[dict[str, Any]]) -> str:
    """The client, and which interface of it where they differ."""
    several = sum(one["client"] == other["client"] for other in clients) > 1
    return f"{one['client']} ({', '.join(one['interfaces'])})" if several else str(one["client"])


def _verdict(one: dict[str, Any]) -> str:
    if one["faults"]:
        return f"refused: {'; '.join(one['faults'])}"
    unchecked = f", if its CAs and lists take it ({one['unchecked']})" if one["unchecked"] else ""
    return f"encryptor {one['sae_id']}{unchecked}"


def _facts(one: dict[str, Any]) -> Iterator[str]:
    labels = {
        "Subject": one["subject"] or "(empty)",
        "Issuer": one["issuer"],
        "Serial number": one["serial_number"],
        "Valid": f"{_time(one['not_before'])} to {_time(one['not_after'])}",
        "Other names": ", ".join(one["alternative_names"]) or "none",
        "SHA-256": one["sha256"],
    }
    for label, value in labels.items():
        yield f"{label + ':':<15}{value}"
    for fault in one["faults"]:
        yield f"{'':<15}This certificate {fault}."


def _time(text: str) -> str:
    return text.replace("T", " ").replace("+00:00", " UTC")


@certs.command("create-lab", short_help="Make all certificates of a laboratory.")
@_DIRECTORY
@click.option(
    "--days", type=click.IntRange(1, 3650), default=365, show_default=True, help="How long they are valid."
)
@click.option("--force", is_flag=True, help="Make all anew where there are some already.")
@click.pass_obj
def create_lab(target: Target, directory: Path | None, days: int, force: bool) -> None:
    """Make certificates for all clients and encryptors of the topology: for a laboratory only.

    An authority (CA), an empty list of revoked certificates, a certificate and a private key for each
    client and each encryptor; EC P-256. Never use them for keys that matter.
    """
    target.no_filter("certs")
    network = target.topology()
    lab = _lab(network, directory)
    anew = lab.exists()
    if anew and not force:
        raise ConfigurationError(
            f"{lab.directory}: a laboratory's certificates are there already; --force makes all anew"
        )
    encryptors = [one.name for client in network.clients for one in client.encryptors]
    lab.create({client.name: client.host for client in network.clients}, encryptors, days)
    click.echo(
        f"{lab.directory}: certificates for {len(network.clients)} clients and {len(encryptors)} encryptors, "
        "for a laboratory only"
    )
    for line in _what_to_do(target, lab, network, anew):
        click.echo(line)


def _what_to_do(target: Target, lab: Lab, network: Topology, anew: bool) -> Iterator[str]:
    """So that clients that run and encryptors take up what was made."""
    if anew:
        yield _ENCRYPTORS_TOO
    serving = [
        client.etsi for client in network.clients if client.etsi
    ]  # others may have taken themselves out
    if not serving or not all(etsi.tls for etsi in serving):
        yield _filled(_RESTART, target)
    elif anew:
        yield _filled(_HANG_UP, target)
    if not serving or not all(etsi.encryptor_certificates for etsi in serving):
        yield _TLS_LINES.format(_relative(lab, network))


def _filled(text: str, target: Target) -> str:
    return text.format(**{command: target.command_line(command) for command in ("start", "stop", "status")})


@certs.command("revoke-lab", short_help="Revoke a certificate of the laboratory.")
@click.argument("name")
@_DIRECTORY
@click.option("--undo", is_flag=True, help="Take it off the list again.")
@click.pass_obj
def revoke_lab(target: Target, name: str, directory: Path | None, undo: bool) -> None:
    """Put the certificate of NAME on the laboratory's list of revoked ones, crl.pem.

    Clients that run need SIGHUP to read the list again. A PKI's revocations are for good; a laboratory's
    can be taken back with --undo.
    """
    target.no_filter("certs")
    lab = _lab(target.topology(), directory)
    changed = lab.restore(name) if undo else lab.revoke(name)
    now, before = ("is revoked no more", "was not revoked") if undo else ("is revoked", "was revoked before")
    click.echo(f"{lab.directory / name}.pem {now if changed else before}")
    if changed:
        click.echo(_filled(_HANG_UP, target))


def _lab(network: Topology, directory: Path | None) -> Lab:
    from dsked.certs.lab import Lab

    return Lab(directory or network.path.absolute().parent / "certs")


def _relative(lab: Lab, network: Topology) -> Path:
    """The directory as the topology file may name it."""
    directory, home = lab.directory.absolute(), network.path.absolute().parent
    return directory.relative_to(home) if directory.is_relative_to(home) else directory
