"""`dskectl psrd import`: a client takes in a bundle."""

from __future__ import annotations

import time
from pathlib import Path

import click

from dsked.cli.output import json_option, show
from dsked.cli.progress import progress
from dsked.cli.psrd_documents import delivery_document
from dsked.cli.psrd_interrupts import told_if_interrupted
from dsked.cli.psrd_node import ChosenNode, check_delivered_on_media, check_own_host, choose, topology
from dsked.cli.psrd_options import Passphrases, passphrase_options
from dsked.cli.target import Target
from dsked.config.topology import Topology
from dsked.errors import DskedError, RequestError, ServiceError
from dsked.media import importing, manifest, medium, node
from dsked.media.header import Header
from dsked.media.sizes import show_size
from dsked.storage import block_file
from dsked.storage.files import Files, OpenFile
from dsked.storage.records import Delivery

_NOT_ERASED = "the bundle was imported, but not erased"


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--client", metavar="NAME", help="The client.  [default: the one that the bundle is for]")
@click.option("--replace", is_flag=True, help="Erase the pools that the bundle's new streams replace.")
@click.option("--erase", is_flag=True, help="Then overwrite and remove FILE.")
@passphrase_options
@json_option
@click.pass_obj
def import_(
    target: Target,
    file: Path,
    client: str | None,
    replace: bool,
    erase: bool,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Take the blocks of the bundle FILE into the pools of the client that it is for.

    A running client uses them at once. Nothing is taken in before all of the bundle was found good;
    interrupted, it is simply run again.
    """
    files = Files()
    started = time.monotonic()
    with medium.opened(files, file) as opened:
        header = importing.only_bundle(files, opened)
        passphrases = Passphrases(passphrase_file, passphrase_fd)
        chosen = _chosen(target, header, client)
        with told_if_interrupted(lambda: _outcome(chosen, header)):
            delivery = _import(files, opened, header, chosen, passphrases, replace)
    seconds = time.monotonic() - started
    if erase:
        _erase(files, file, header)
    if as_json:
        show({**delivery_document(header, delivery), "file": str(file), "erased": erase}, as_json)
        return
    size = show_size(manifest.pool_bytes(delivery, manifest.OWNERS[0]))
    click.echo(
        f"client {header.client} has {size} more for each direction, shared with hub {header.hub} "
        f"({seconds:.1f} s)"
    )
    if erase:
        click.echo(f"{file} was overwritten and removed")
    else:
        click.echo(f"dskectl: {file} holds the same pads; erase it: dskectl psrd erase {file}", err=True)


def _chosen(target: Target, header: Header, client: str | None) -> ChosenNode:
    network = topology(target)
    check_delivered_on_media(network)
    if network and client is None:
        _check_known(network, header)
    chosen = choose(target, network, "client", client or header.client)
    if client is None:
        check_own_host(network, chosen)
    return chosen


def _check_known(network: Topology, header: Header) -> None:
    """Whose bundle it is stands in its header: that client may be another machine's."""
    clients = network.names("client")
    if header.client not in clients:
        here = f"has client {', '.join(clients)}" if clients else "has no client"
        raise RequestError(
            f"this bundle is for client {header.client}, from hub {header.hub}; {network.path} {here}"
        )


def _import(
    files: Files,
    file: OpenFile,
    header: Header,
    chosen: ChosenNode,
    passphrases: Passphrases,
    replace: bool,
) -> Delivery:
    state = chosen.state
    with node.deliveries(state):
        importing.check_header(state, header, chosen.peers)
        reader = importing.open_bundle(
            files, file, 0, header, lambda header: passphrases.existing(str(file.path))
        )
        delivery = importing.check(state, reader.delivery, chosen.peers, replace=replace)
        blocks = [info.size for _, info in manifest.blocks_in_order(delivery)]
        medium.check_space([(state.staging, sum(map(block_file.file_bytes, blocks)))])
        with progress("Importing", sum(blocks)) as advance:
            importing.import_bundle(state, reader, delivery, chosen.adopt, advance)
    return delivery


def _outcome(chosen: ChosenNode, header: Header) -> str:
    """How things stand where the import was interrupted."""
    state = chosen.state
    if state.exists and node.adopted(state, header.bundle):
        return "the bundle was imported; its file was not erased"
    if state.exists and state.files.exists(state.staged(header.bundle)):
        return "it is not certain that the bundle was imported; the same command finishes it, or says so"
    return "nothing was imported"


def _erase(files: Files, file: Path, header: Header) -> None:
    try:
        with told_if_interrupted(lambda: _NOT_ERASED), progress("Erasing", header.total_bytes) as advance:
            medium.erase(files, file, advance)
    except DskedError as error:
        raise ServiceError(f"{_NOT_ERASED}: {error}") from None
