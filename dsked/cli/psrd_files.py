"""`dskectl psrd split` and `erase`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from dsked.cli.output import json_option, show
from dsked.cli.progress import progress
from dsked.cli.psrd_node import ChosenNode, node_options, one_node
from dsked.cli.target import Target
from dsked.errors import ConfigurationError, RequestError
from dsked.media import header as headers
from dsked.media import medium, node, pools, splitting
from dsked.media.sizes import show_size
from dsked.storage.files import Files


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    metavar="DIR",
    help="Where a file for each bundle is written, HUB-CLIENT-BUNDLE.psrd.",
)
@click.option("--erase", "erases", is_flag=True, help="Then overwrite and remove FILE.")
@json_option
def split(file: Path, out: Path, erases: bool, as_json: bool) -> None:
    """Cut FILE, which holds bundles for several clients, into a file for each.

    For a local distributor: no passphrase is needed, and sealed bundles stay sealed. Interrupted, it is
    simply run again.
    """
    files = Files()
    size = file.stat().st_size
    with progress("Splitting", size) as advance:
        made = splitting.split(files, file, out, advance)
    if erases:
        with progress("Erasing", size) as advance:
            medium.erase(files, file, advance)
    if as_json:
        there = [str(cut.path) for cut in made if cut.was_there]
        show(
            {"files": [str(cut.path) for cut in made], "were_there": there, "erased": erases},
            as_json,
        )
        return
    for cut in made:
        click.echo(str(cut.path))
        if cut.was_there:
            click.echo(f"dskectl: {cut.path} was there already, and holds the same", err=True)
    if not erases:
        click.echo(f"dskectl: {file} holds the same pads: erase it when it is no longer needed", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False), required=False)
@node_options
@click.option("--peer", metavar="NAME", help="With --hub or --client: the pools with this node.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@click.pass_obj
def erase(
    target: Target,
    file: Path | None,
    hub: str | None,
    client: str | None,
    peer: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Overwrite and remove the bundle FILE, or the pools of a node that does not run with one of its peers.

    On flash memory and on file systems that copy on write, overwriting does not reach old copies:
    destroy such media.
    """
    chosen = one_node(target, hub, client, file)
    if chosen is None:
        assert file is not None
        if peer is not None:
            raise click.UsageError("--peer is for --hub NAME or --client NAME.")
        nr_bytes = _erase_file(file, yes)
        what = str(file)
    else:
        if peer is None:
            raise click.UsageError("Say which pools with --peer NAME.")
        nr_bytes = _erase_pools(chosen, peer, yes)
        what = f"the pools of {chosen.state.role} {chosen.state.name} with {peer}"
    if as_json:
        show({"erased": what, "bytes": nr_bytes}, as_json)
    else:
        click.echo(f"Erased {what}: {show_size(nr_bytes)}")


def _erase_file(path: Path, yes: bool) -> int:
    """Only what begins like a bundle, whole or not, is erased."""
    files = Files()
    with medium.opened(files, path) as file:
        size = files.size(file)
        if files.read_at(file, min(size, len(headers.MAGIC)), 0) != headers.MAGIC:
            raise RequestError(f"{path}: no bundle of PSRD; it is left as it is")
    _confirm(f"Overwrite and remove {path} ({show_size(size)})?", yes)
    with progress("Erasing", size) as advance:
        medium.erase(files, path, advance)
    return size


def _erase_pools(chosen: ChosenNode, peer: str, yes: bool) -> int:
    state = chosen.state
    with node.deliveries(state):
        record = node.record(state, peer)
        if record is None:
            raise RequestError(f"{state.role} {state.name} keeps no pools with {peer}")
        _check_stopped(chosen)
        left = sum(pool.unread_bytes for pool in pools.of_record(state, record))
        _confirm(
            f"Give up {show_size(left)} of unread pads of {state.role} {state.name} with {peer}? "
            "The two need new streams then",
            yes,
        )
        blocks = record.client_stream.blocks + record.hub_stream.blocks
        with progress("Erasing", sum(info.size for info in blocks)) as advance:
            pools.erase(state, peer, advance)
    return left


def _check_stopped(chosen: ChosenNode) -> None:
    """Raises ConfigurationError where the node runs: before anybody is asked for a decision."""
    state = chosen.state
    try:
        lock = state.lock()
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; stop {state.role} {state.name} first") from None
    state.files.close(lock)


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask; say --yes.")
    click.confirm(question, abort=True, err=True)
