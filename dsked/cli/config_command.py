"""`dskectl config`: check a configuration file, or show an example of one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsked.cli.lazy_group import Lazy, LazyGroup
from dsked.cli.target import Target
from dsked.config import paths
from dsked.errors import ConfigurationError

if TYPE_CHECKING:  # loads YAML
    from dsked.config.topology import Client, Topology

_COMMANDS = {
    "check": Lazy("dsked.cli.config_command", "check", "Check a configuration file."),
    "example": Lazy(
        "dsked.cli.config_command", "example", "Show an example of a hub's, client's or topology's."
    ),
}


@click.group("config", cls=LazyGroup, lazy=_COMMANDS)
def config() -> None:
    """Check configuration files, and show examples of them."""


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.pass_obj
def check(target: Target, file: Path | None) -> None:
    """Check FILE, else the one that other commands would use: a topology's, or one node's own.

    The first thing that is wrong is told with its line and with what is expected there, with exit status 2.
    Nothing is made or changed, and no address is used.
    """
    from dsked.config import topology

    target.no_filter("config check")
    network = topology.load(paths.find_config(file or target.config))
    for warning in network.warnings:
        click.echo(f"dskectl: warning: {warning}", err=True)
    for name in network.names("client"):
        _check_files(network, network.client(name))
    own = network.own
    what = f"the file of {own.role} {own.name}" if own else "a topology file"
    click.echo(f"{network.path} is in order: {what}")


def _check_files(network: Topology, client: Client) -> None:
    """Raises ConfigurationError where the client could not start with the files of its interfaces."""
    from dsked.cli import interface_files
    from dsked.delivery import served_files

    fault = interface_files.fault(client)
    tls = client.etsi.tls if client.etsi else None
    try:
        if fault is None:
            for warning in served_files.check(tls, client.skip, [one.name for one in client.encryptors]):
                click.echo(f"dskectl: warning: client {client.name}: {warning}", err=True)
    except ConfigurationError as error:
        key = interface_files.key_of(client, str(error))
        fault = f"{key}: {error}" if key else str(error)
    if fault:
        raise ConfigurationError(f"{_line_of(network, client, fault)}: client {client.name}: {fault}")


def _line_of(network: Topology, client: Client, fault: str) -> str:
    """FILE:LINE of the key that a fault begins with: the client's own, else that of all."""
    from dsked.config import document

    of_all: document.Place = tuple(fault.partition(": ")[0].split("."))
    own: document.Place = ("clients", network.clients.index(client), *of_all)
    lines = document.load(network.path).lines
    line = next((lines[place] for place in (own, of_all) if place in lines), None)
    return f"{network.path}:{line}" if line else str(network.path)


@click.command()
@click.argument("what", type=click.Choice(["hub", "client", "topology"]), metavar="hub|client|topology")
def example(what: str) -> None:
    """Show an example of a configuration file, with a word on every key."""
    from importlib import resources

    text = resources.files("dsked.config").joinpath("examples", f"{what}.yaml").read_text("utf-8")
    click.echo(text, nl=False)
