"""`dskectl psrd generate`: a hub prepares blocks for clients, and keeps its own copy of them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from dsked import limits
from dsked.cli.output import json_option, show
from dsked.cli.progress import progress
from dsked.cli.psrd_documents import delivery_document
from dsked.cli.psrd_interrupts import told_if_interrupted
from dsked.cli.psrd_node import ChosenNode, check_delivered_on_media, check_own_host, choose, topology
from dsked.cli.psrd_options import Passphrases, passphrase_options, size
from dsked.cli.target import Target
from dsked.entropy.sources import open_source
from dsked.errors import ConfigurationError
from dsked.media import generating, manifest, medium, node, pools
from dsked.media.generating import Planned, Source
from dsked.media.planning import Order
from dsked.media.sizes import show_size
from dsked.storage.files import Files


class _Entropy(NamedTuple):
    path: Path | None
    raw: bool
    bits: float


@click.command()
@click.option("--hub", required=True, metavar="NAME", help="The hub that shares them.")
@click.option(
    "--client",
    "clients",
    multiple=True,
    required=True,
    metavar="NAME",
    help="For this client; repeatable: one bundle for each, all in one file.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="The new file, or an existing directory, where it is named by itself.",
)
@click.option(
    "--size",
    type=size,
    default="64M",
    show_default=True,
    metavar="SIZE",
    help="Bytes for each of the two pools, such as 64M or 4G.",
)
@click.option(
    "--block-size",
    type=size,
    default="4G",
    show_default=True,
    metavar="SIZE",
    help="Cut them into blocks of this size, at most 4G.",
)
@click.option("--new-streams", is_flag=True, help="Begin both pools anew, and give up what is left in them.")
@click.option("--seal", is_flag=True, help="Seal with a passphrase.")
@click.option("--passphrase-per-client", is_flag=True, help="One for each client, in the file a line each.")
@passphrase_options
@click.option(
    "--entropy",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Device or file of a hardware generator, XORed with the system's.",
)
@click.option("--entropy-raw", is_flag=True, help="Without the system's: the device alone.")
@click.option(
    "--min-entropy",
    type=float,
    metavar="BITS",
    help=f"Entropy of a byte that the device is tested for.  [default: {limits.DEFAULT_MIN_ENTROPY_BITS:g}]",
)
@click.option(
    "--x-coordinate",
    "x",
    type=click.IntRange(1, 255),
    metavar="X",
    help="Without a topology file: the hub's.",
)
@json_option
@click.pass_obj
def generate(
    target: Target,
    /,
    hub: str,
    clients: tuple[str, ...],
    out: Path,
    x: int | None,
    as_json: bool,
    passphrase_file: Path | None,
    passphrase_fd: int | None,
    **values: Any,
) -> None:
    """Prepare blocks of PSRD at a hub, and write them to a bundle that is carried to the client.

    The hub takes its own copy into its pools, at once if it is running. Run again after an interruption it
    finishes or removes what was left.
    """
    clients = tuple(dict.fromkeys(clients))
    if hub in clients:
        raise click.UsageError(f"--hub and --client are both {hub}: a hub and a client have different names.")
    entropy = _entropy(values["entropy"], values["entropy_raw"], values["min_entropy"])
    given = Passphrases(passphrase_file, passphrase_fd)
    chosen, x = _chosen(target, hub, clients, x)
    run = _Run(chosen, x, out, as_json)
    orders = [
        Order(
            client=client,
            size_bytes=values["size"],
            block_bytes=values["block_size"],
            new_streams=values["new_streams"],
        )
        for client in clients
    ]
    with told_if_interrupted(run.outcome):
        passphrases = _passphrases(given, clients, values["seal"], values["passphrase_per_client"])
        run.go(orders, passphrases, entropy)


def _entropy(path: Path | None, raw: bool, bits: float | None) -> _Entropy:
    if path is None and (raw or bits is not None):
        option = "--entropy-raw" if raw else "--min-entropy"
        raise click.UsageError(f"{option} is about a device; name its path with --entropy PATH.")
    return _Entropy(path, raw, limits.DEFAULT_MIN_ENTROPY_BITS if bits is None else bits)


def _chosen(target: Target, hub: str, clients: Sequence[str], x: int | None) -> tuple[ChosenNode, int]:
    """The hub and its x-coordinate. Raises ConfigurationError for names that are not in the topology."""
    network = topology(target)
    check_delivered_on_media(network)
    chosen = choose(target, network, "hub", hub)
    check_own_host(network, chosen)
    for client in clients:
        if network:
            network.client(client)
    if network:
        own = network.hub(hub).x
        if x not in (None, own):
            raise ConfigurationError(f"{network.path}: hub {hub} has x-coordinate {own} there, not {x}")
        return chosen, own
    if x is None:
        raise ConfigurationError(
            "--x-coordinate: missing; all clients must agree on it, so say it, or name a topology file "
            "with --config"
        )
    return chosen, x


def _passphrases(given: Passphrases, clients: Sequence[str], seal: bool, per_client: bool) -> dict[str, str]:
    if not (seal or given.given or per_client):
        return {}
    if per_client:
        return dict(zip(clients, given.new([f"client {client}" for client in clients]), strict=True))
    return dict.fromkeys(clients, given.new(["the bundle"])[0])


class _Run:
    """One run of the command: `out` as it was given, a file's name or a directory."""

    def __init__(self, chosen: ChosenNode, x: int, out: Path, as_json: bool) -> None:
        self._files = Files()
        self._chosen = chosen
        self._state = chosen.state
        self._x = x
        self._out = out
        self._made: Path | None = None  # the file, once its making has begun
        self._as_json = as_json

    def go(self, orders: Sequence[Order], passphrases: dict[str, str], entropy: _Entropy) -> None:
        if not self._out.absolute().parent.is_dir():
            raise ConfigurationError(f"{self._out.parent}: there is no such directory")
        with node.deliveries(self._state):
            if self._finished({order.client for order in orders}):
                return
            planned = generating.plan_bundles(self._state, self._x, orders, passphrases, secrets.token_bytes)
            out = self._out / _name(planned) if self._out.is_dir() else self._out
            self._warn_of_losses(planned)
            started = time.monotonic()
            with open_source(entropy.path, raw=entropy.raw, min_entropy_bits=entropy.bits) as source:
                _note(source.caution)
                self._generate(planned, out, source)
        self._tell(out, planned, time.monotonic() - started)

    def outcome(self) -> str:
        """How things stand where the run was interrupted."""
        if self._made is not None and self._made.exists():
            return f"{self._made} was made; hub {self._state.name} has its copy"
        if self._made is not None and medium.partial_of(self._made).exists():
            return "it was not finished; the same command finishes it, or begins anew"
        return "nothing new was made"

    def _warn_of_losses(self, planned: Sequence[Planned]) -> None:
        for one in planned:
            client = one.header.client
            record = node.record(self._state, client)
            if one.delivery.replace and record is not None:
                left = sum(pool.unread_bytes for pool in pools.of_record(self._state, record))
                _note(f"{show_size(left)} of unread pads of hub {one.header.hub} with {client} are given up")

    def _generate(self, planned: Sequence[Planned], out: Path, source: Source) -> None:
        self._made = out
        total = sum(manifest.pool_bytes(one.delivery, owner) for one in planned for owner in manifest.OWNERS)
        with progress("Generating", total) as advance:
            generating.generate(self._files, self._state, planned, out, source, self._chosen.adopt, advance)

    def _finished(self, clients: set[str]) -> bool:
        """Settles what an earlier run left; True if that was what is asked for now."""
        names = (
            [self._out] if not self._out.is_dir() else generating.begun(self._files, self._state, self._out)
        )
        good = [path for name in names for path in generating.settle(self._files, self._state, name)]
        for path in good:
            with medium.opened(self._files, path) as file:
                found = [one.header for one in medium.scan(self._files, file)]
            _note(f"completed {path}, which an earlier run had made; hub {self._state.name} has its copy")
            if clients.intersection(header.client for header in found):
                self._show({"file": str(path), "completed": True})
                return True
        return False

    def _tell(self, out: Path, planned: Sequence[Planned], seconds: float) -> None:
        bundles = [delivery_document(one.header, one.delivery) for one in planned]
        self._show({"file": str(out), "completed": False, "bundles": bundles})
        if self._as_json:
            return
        total = sum(one.header.total_bytes for one in planned)
        click.echo(f"{out}: {show_size(total)} in {seconds:.1f} s; hub {self._state.name} has its copy")
        for one in planned:
            client, sealed = one.delivery.terms.client, "sealed" if one.key else "not sealed"
            size = show_size(manifest.pool_bytes(one.delivery, manifest.OWNERS[0]))
            first = one.delivery.client_blocks[0].sequence
            text = f"  for client {client}: {size} for each pool, from block {first} on, {sealed}"
            click.echo(text + ("; import with --replace" if one.delivery.replace else ""))

    def _show(self, document: dict[str, object]) -> None:
        if self._as_json:
            show(document, self._as_json)


def _name(planned: Sequence[Planned]) -> str:
    first = planned[0].header
    if len(planned) == 1:
        return medium.file_name(first)
    return f"{first.hub}-{len(planned)}-clients-{first.bundle.hex()[:8]}{medium.SUFFIX}"


def _note(text: str) -> None:
    if text:
        click.echo(f"dskectl: {text}", err=True)
