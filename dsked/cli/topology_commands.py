"""`dskectl start` and `stop`: all nodes of a topology, or the chosen ones."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsked.cli.target import NodePlace, Target, label, select
from dsked.config import paths
from dsked.errors import ConfigurationError, ExitStatus, NotAllowedError

if TYPE_CHECKING:
    from dsked.cli.launching import Launcher
    from dsked.cli.starting import NotStartedError
    from dsked.config.topology import Topology


@click.command()
@click.option(
    "--log-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=".",
    metavar="DIR",
    help="Where hub-NAME.out and client-NAME.out are written.  [default: current directory]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What the nodes log.  [default: info]",
)
@click.pass_obj
def start(target: Target, log_dir: Path, log_level: str | None) -> None:
    """Start all hubs and clients, or the chosen ones, and wait until they are ready.

    Each node is a background process that appends to its own log. Nodes that run already are left
    alone.
    """
    from dsked.cli.launching import Launcher  # before all else: the nursery imports while we read the file
    from dsked.daemon.loading import metrics_parts

    arguments = _arguments(paths.find_config(target.config), target, log_level)
    with Launcher(arguments, log_dir.absolute()) as launcher:
        if target.hubs or not target.filtered():
            launcher.load("hub")
        network = target.topology()
        for warning in network.warnings:
            _warn(warning)
        if not target.filtered():
            _check_hosts(network, target)
        measured = network.metrics_base_port is not None
        launcher.further_parts = {
            "hub": metrics_parts("hub", measured),
            "client": [*network.interface_parts(), *metrics_parts("client", measured)],
        }
        directory = paths.prepare_runtime_dir(network.path, target.runtime_dir)
        nodes = select(network, target, directory)
        with _alone(directory, f"Waiting for {label(nodes, target)} to be stopped"):
            _check_files(network, nodes)
            _ensure_gate_keys(network, target)
            _start(nodes, launcher, label(nodes, target))


def _start(nodes: list[NodePlace], launcher: Launcher, label: str) -> None:
    from dsked.cli import starting

    try:
        starting.start(nodes, launcher, label, click.echo)
    except starting.NotStartedError as error:
        _show_logs(error)
        raise


@click.command()
@click.pass_obj
def stop(target: Target) -> int:
    """Stop all hubs and clients, or the chosen ones, and wait until they are gone.

    A node that does not stop when it is asked is sent SIGTERM, and at last SIGKILL. Nodes that run
    and are no more in the file are told of, with exit status 1, unless nodes were chosen.
    """
    from dsked.cli import stopping, surroundings

    network = target.topology()
    directory = paths.runtime_dir(network.path, target.runtime_dir)
    nodes = select(network, target, directory)
    with _alone(directory):
        try:
            stopping.stop(nodes, label(nodes, target), click.echo)
        finally:
            orphans = [] if target.filtered() else surroundings.orphans(network, directory)
            for orphan in orphans:
                _warn(orphan)
    return ExitStatus.FAILURE if orphans else ExitStatus.OK


def _warn(text: str) -> None:
    click.echo(f"dskectl: warning: {text}", err=True)


def _check_hosts(network: Topology, target: Target) -> None:
    """Raises ConfigurationError where a node is another machine's: a client would start here unnoticed."""
    from dsked.cli import surroundings

    own: dict[str, list[str]] = {"hub": [], "client": []}
    others = []
    for role, nodes in (("hub", network.hubs), ("client", network.clients)):
        for node in nodes:
            if surroundings.is_own_host(node.host):
                own[role].append(node.name)
            else:
                others.append(f"{node.host} of {role} {node.name}")
    if others:
        start = target.only(own).command_line("start")
        hint = f"start only its own nodes, such as with: {start}"
        if not any(own.values()):
            hint = "none of the nodes is its own"
        raise ConfigurationError(
            f"{network.path}: {', '.join(others[:3])}{', ...' * (len(others) > 3)}: "
            f"no address of this machine; {hint}"
        )


def _check_files(network: Topology, nodes: list[NodePlace]) -> None:
    """Raises ConfigurationError where a client that is to be started lacks a file of its interfaces."""
    from dsked.cli import interface_files, starting

    for node in nodes:
        fault = interface_files.fault(network.client(node.name)) if node.role == "client" else None
        if fault and not starting.is_running(node):
            raise ConfigurationError(f"{network.path}: {node}: {fault}")


def _show_logs(error: NotStartedError) -> None:
    for log, lines in error.logs:
        click.echo(f"The log {log} ends with:" if lines else f"The log {log} says nothing.", err=True)
        for line in lines:
            click.echo(f"  {line}", err=True)


def _arguments(config: Path, target: Target, log_level: str | None) -> list[str]:
    arguments = ["--config", str(config.absolute())]
    if target.state_dir:
        arguments += ["--state-dir", str(Path(target.state_dir).absolute())]
    if target.runtime_dir:
        arguments += ["--runtime-dir", str(Path(target.runtime_dir).absolute())]
    return arguments + (["--log-level", log_level] if log_level else [])


def _ensure_gate_keys(network: Topology, target: Target) -> None:
    from dsked.config import merge, rules

    if network.psrd == rules.MEDIA:  # they come with the PSRD
        return
    path = merge.gate_key_file(network, None, target.state_dir)
    if merge.ensure_gate_keys(network, path) and not network.on_loopback():
        click.echo(f"dskectl: gate keys were made in {path}; copy it to every host of the topology", err=True)


@contextmanager
def _alone(directory: Path, waiting: str | None = None) -> Iterator[None]:
    """Keeps a second `start` or `stop` of the same topology waiting until this one is done."""
    if waiting:
        click.echo(waiting)
    try:
        handle = os.open(paths.lock_file(directory), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:  # no node was ever started here
        yield
        return
    except PermissionError:
        raise NotAllowedError(
            f"{directory}: only root and the nodes' own user may start or stop them"
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
