"""`dskectl psrd verify` and `list`: what bundles and pools hold, without using any of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dsked.cli.output import json_option, show
from dsked.cli.progress import progress
from dsked.cli.psrd_documents import (
    OWNER_NAMES,
    delivery_document,
    header_document,
    pools_document,
    table,
    uuid_text,
)
from dsked.cli.psrd_node import ChosenNode, node_options, one_node
from dsked.cli.psrd_options import Passphrases, passphrase_options, show_size
from dsked.cli.target import Target
from dsked.media import medium, node, pools, verifying
from dsked.media.header import Header
from dsked.media.medium import Placed
from dsked.media.pools import StoredPool
from dsked.storage.files import Files
from dsked.storage.records import PairRecord


@click.command(short_help="Check bundles or pools against their checksums.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@node_options
@passphrase_options
@json_option
@click.pass_obj
def verify(
    target: Target,
    file: Path | None,
    hub: str | None,
    client: str | None,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    as_json: bool,
) -> None:
    """Read all of the bundle FILE, or all unread blocks of a node, and check every byte. Nothing is used.

    A sealed bundle needs its passphrase. A node may go on running meanwhile.
    """
    chosen = one_node(target, hub, client, file)
    if chosen is not None:
        _verify_pools(chosen, as_json)
        return
    assert file is not None
    passphrases = Passphrases(passphrase_file, passphrase_fd)
    documents = _verify_file(file, passphrases)
    if as_json:
        show({"file": str(file), "bundles": documents}, as_json)
        return
    for one in documents:
        sizes = " and ".join(show_size(pool["bytes"]) for pool in one["pools"].values())
        click.echo(f"{file}: hub {one['hub']} for client {one['client']}: {sizes}: good")


def _verify_file(path: Path, passphrases: Passphrases) -> list[dict[str, Any]]:
    files = Files()

    def passphrase(header: Header) -> str:
        return passphrases.existing(f"{path} for client {header.client}")

    with medium.opened(files, path) as file:
        found = []
        for one in medium.scan(files, file):
            with progress("Verifying", one.header.body_bytes) as advance:
                delivery = verifying.verify(files, file, one, passphrase, advance)
            found.append(delivery_document(one.header, delivery))
    return found


def _verify_pools(chosen: ChosenNode, as_json: bool) -> None:
    state = chosen.state
    kept = _kept(chosen)
    total = sum(pool.unread_bytes for _, _, both in kept for pool in both)
    with progress("Verifying", total) as advance:
        for _, record, _ in kept:
            pools.verify(state, record, advance)
    if as_json:
        show({"role": state.role, "name": state.name, "verified_bytes": total}, as_json)
    else:
        for peer, _, both in kept:
            left = show_size(sum(pool.unread_bytes for pool in both))
            click.echo(f"{state.role} {state.name}: pools with {peer}: {left} unread: good")


@click.command("list", short_help="Show what bundles or pools hold.")
@click.argument("files", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1)
@node_options
@json_option
@click.pass_obj
def list_(
    target: Target, files: tuple[Path, ...], hub: str | None, client: str | None, as_json: bool
) -> None:
    """Show the bundles in FILES by their headers, which are in clear, or the pools and blocks of a node."""
    chosen = one_node(target, hub, client, files or None)
    if chosen is not None:
        _list_pools(chosen, as_json)
    else:
        _list_files(files, as_json)


def _list_files(paths: tuple[Path, ...], as_json: bool) -> None:
    files = Files()
    found: list[tuple[Path, Placed]] = []
    for path in paths:
        with medium.opened(files, path) as file:
            found += [(path, one) for one in medium.scan(files, file)]
    if as_json:
        show(
            {"bundles": [{"file": str(path), **header_document(one.header)} for path, one in found]}, as_json
        )
        return
    rows = [
        (
            one.header.hub,
            one.header.client,
            show_size(one.header.total_bytes),
            "yes" if one.header.seal else "no",
            uuid_text(one.header.bundle)[:8],
            str(path),
        )
        for path, one in found
    ]
    for line in table(("HUB", "CLIENT", "SIZE", "SEALED", "BUNDLE", "FILE"), rows, right=(2,)):
        click.echo(line)


_Kept = list[tuple[str, PairRecord, list[StoredPool]]]


def _kept(chosen: ChosenNode) -> _Kept:
    state = chosen.state
    if not state.exists:
        return []
    return [(peer, record, pools.of_record(state, record)) for peer, record in node.records(state).items()]


def _list_pools(chosen: ChosenNode, as_json: bool) -> None:
    kept = _kept(chosen)
    state = chosen.state
    if as_json:
        pairs = [pools_document(peer, record, both) for peer, record, both in kept]
        show({"role": state.role, "name": state.name, "pairs": pairs}, as_json)
        return
    if not kept:
        click.echo(
            f"{state.role} {state.name} has no PSRD: bring it with: dskectl psrd generate and import "
            f"(looked into {state.path})"
        )
        return
    rows = [
        (
            peer,
            OWNER_NAMES[pool.owner],
            str(info.sequence),
            show_size(info.size),
            show_size(pool.unread_of(info)),
            uuid_text(info.uuid)[:8],
        )
        for peer, _, both in kept
        for pool in both
        for info in pool.blocks
    ]
    for line in table(("PEER", "POOL", "BLOCK", "SIZE", "UNREAD", "UUID"), rows, right=(2, 3, 4)):
        click.echo(line)
