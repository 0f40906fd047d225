"""`dskectl psrd verify` and `list`: what bundles and pools hold, without using any of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
from dsked.cli.psrd_options import Passphrases, passphrase_options
from dsked.cli.target import Target
from dsked.errors import ExitStatus, RequestError, StorageError
from dsked.media import medium, node, pools, verifying
from dsked.media.header import Header, WrongPassphraseError
from dsked.media.medium import Placed
from dsked.media.pools import StoredPool
from dsked.media.sizes import show_size
from dsked.storage.files import Files
from dsked.storage.records import PairRecord
from dsked.storage.state_dir import StateDirectory


@click.command()
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
) -> int:
    """Read all of the bundle FILE, or all unread blocks of a node, and check every byte. Nothing is used.

    A sealed bundle needs its passphrase. A node may go on running meanwhile.
    """
    chosen = one_node(target, hub, client, file)
    passphrases = Passphrases(passphrase_file, passphrase_fd)
    if chosen is not None:
        return _verify_pools(chosen, as_json)
    assert file is not None
    _verify_bundles(file, passphrases, as_json)
    return ExitStatus.OK


def _verify_bundles(file: Path, passphrases: Passphrases, as_json: bool) -> None:
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
        placed = medium.scan(files, file)
        for one in placed:
            try:
                with progress("Verifying", one.header.body_bytes) as advance:
                    delivery = verifying.verify(files, file, one, passphrase, advance)
            except WrongPassphraseError as error:
                raise WrongPassphraseError(f"{error}{_advice(path, placed, passphrases)}") from None
            found.append(delivery_document(one.header, delivery))
    return found


def _advice(path: Path, placed: Sequence[Placed], passphrases: Passphrases) -> str:
    """Where one passphrase was given for several bundles."""
    if len(placed) == 1 or not passphrases.given:
        return ""
    return (
        "; each bundle of this file may have its own passphrase: cut it first with: "
        f"dskectl psrd split {path} --out DIR"
    )


def _verify_pools(chosen: ChosenNode, as_json: bool) -> int:
    state = chosen.state
    kept, damaged = _kept(chosen)
    if not kept and not damaged:
        raise RequestError(f"{state.role} {state.name} has no PSRD: nothing was verified{_looked(state)}")
    good: list[_Kept] = []
    with progress("Verifying", sum(one.unread_bytes for one in kept)) as advance:
        for one in kept:
            try:
                pools.verify(state, one.record, advance)
                good.append(one)
            except StorageError as error:
                damaged[one.peer] = str(error)
    if as_json:
        total = sum(one.unread_bytes for one in good)
        show({"role": state.role, "name": state.name, "verified_bytes": total, "damaged": damaged}, as_json)
    else:
        for one in good:
            left = show_size(one.unread_bytes)
            click.echo(f"{state.role} {state.name}: pools with {one.peer}: {left} unread: good")
    return _tell_damaged(chosen, damaged)


@click.command("list")
@click.argument("files", type=click.Path(path_type=Path, exists=True, dir_okay=False), nargs=-1)
@node_options
@json_option
@click.pass_obj
def list_(target: Target, files: tuple[Path, ...], hub: str | None, client: str | None, as_json: bool) -> int:
    """Show the bundles in FILES by their headers, which are in clear, or the pools and blocks of a node."""
    chosen = one_node(target, hub, client, files or None)
    if chosen is not None:
        return _list_pools(chosen, as_json)
    _list_files(files, as_json)
    return ExitStatus.OK


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


class _Kept(NamedTuple):
    """What a node keeps of the pair with a peer."""

    peer: str
    record: PairRecord
    pools: list[StoredPool]

    @property
    def unread_bytes(self) -> int:
        return sum(pool.unread_bytes for pool in self.pools)


def _kept(chosen: ChosenNode) -> tuple[list[_Kept], dict[str, str]]:
    """The pairs of a node that can be read, and what is wrong with the others, by peer."""
    state = chosen.state
    kept: list[_Kept] = []
    damaged: dict[str, str] = {}
    if not state.exists:
        return kept, damaged
    state.check_version()
    for peer in node.peer_names(state):
        try:
            record = node.record(state, peer)
            if record is not None:  # else it was erased meanwhile
                kept.append(_Kept(peer, record, pools.of_record(state, record)))
        except StorageError as error:
            damaged[peer] = str(error)
    return kept, damaged


def _tell_damaged(chosen: ChosenNode, damaged: Mapping[str, str]) -> int:
    """What is wrong, and what to do; the exit status."""
    state = chosen.state
    for peer, problem in damaged.items():
        hub, client = (state.name, peer) if state.role == "hub" else (peer, state.name)
        click.echo(
            f"dskectl: {state.role} {state.name}: pools with {peer}: {problem}; if they are damaged, begin "
            f"anew: dskectl psrd generate --hub {hub} --client {client} --new-streams ... at the hub, then "
            "dskectl psrd import FILE --replace at the client",
            err=True,
        )
    return ExitStatus.FAILURE if damaged else ExitStatus.OK


def _list_pools(chosen: ChosenNode, as_json: bool) -> int:
    kept, damaged = _kept(chosen)
    state = chosen.state
    if as_json:
        pairs = [pools_document(*one) for one in kept]
        show({"role": state.role, "name": state.name, "pairs": pairs, "damaged": damaged}, as_json)
    elif kept:
        _show_blocks(kept)
    elif not damaged:
        remedy = "bring it with: dskectl psrd generate and import"
        click.echo(f"{state.role} {state.name} has no PSRD: {remedy}{_looked(state)}")
    return _tell_damaged(chosen, damaged)


def _looked(state: StateDirectory) -> str:
    return f" (looked into {state.path})"


def _show_blocks(kept: Sequence[_Kept]) -> None:
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
