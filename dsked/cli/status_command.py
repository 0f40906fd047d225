"""`dskectl status`: what the nodes of a topology, or one node, say about themselves."""

from __future__ import annotations

import sys
from typing import Any

import click

from dsked.cli import status_nodes, surroundings
from dsked.cli.one_node import connect_to_one
from dsked.cli.output import json_option, one_node_options, show
from dsked.cli.status_nodes import NodeState
from dsked.cli.target import Target, select
from dsked.config import paths
from dsked.errors import DskedError, ExitStatus


@click.command()
@one_node_options("the topology's nodes; without one, the only client here")
@json_option
@click.option("--table", is_flag=True, help="Print tables, also where the output is no terminal.")
@click.pass_obj
def status(target: Target, socket: str | None, node: str | None, as_json: bool, table: bool) -> int:
    """Report the status of all nodes, or of the chosen ones.

    The nodes are those of the topology file; with --socket or --node, or where there is no topology
    file, one node on this host. On a terminal tables are shown; elsewhere, a heading and JSON for each node,
    or one JSON document with --json.
    """
    if as_json and table:
        raise click.UsageError("--json and --table exclude each other.")
    table = table or (not as_json and sys.stdout.isatty())
    if is_for_one(target, socket, node):
        return _one(target, socket, node, as_json, table)
    from concurrent.futures import ThreadPoolExecutor  # only here, as it is slow to load

    network = target.topology()
    directory = paths.runtime_dir(network.path, target.runtime_dir)
    nodes = select(network, target, directory)
    with ThreadPoolExecutor(status_nodes.PARALLEL) as pool:
        states = list(pool.map(status_nodes.ask, nodes))
    if as_json:
        show({"nodes": list(map(_summary, states))}, as_json)
    elif table:
        _table(str(network.path), states)
    else:
        _print(states)
    for orphan in surroundings.orphans(network, directory):
        click.echo(f"dskectl: warning: {orphan}", err=True)
    down = sum(not state.running for state in states)
    if down and not as_json:
        them = "them" if down > 1 else "it"
        click.echo(f"dskectl: start {them} with: {target.how_to_start(network)}", err=True)
    return status_nodes.exit_status(states)


def is_for_one(target: Target, socket: str | None, node: str | None) -> bool:
    """Whether one node is meant, and not a topology. Raises click.UsageError for --client and --hub then."""
    if socket or node or (target.config is None and paths.default_config() is None):
        target.no_filter("one node")
        return True
    return False


def _one(target: Target, socket: str | None, node: str | None, as_json: bool, table: bool) -> int:
    with connect_to_one(target, socket, node) as connection:
        answer = connection.whole_status()
    if table:
        _table("", [status_nodes.of_one(answer)])
        return ExitStatus.OK
    if not as_json:
        click.echo(f"Status for {answer['role']} {answer['name']}")
    show(status_nodes.document(answer), as_json)
    return ExitStatus.OK


def _table(title: str, states: list[NodeState]) -> None:
    from dsked.cli import cells, status_table  # rich: 0.1 s that only those pay who see it

    console = cells.console()
    console.print(status_table.page(title, states, cells.signs(console)))


def _summary(state: NodeState) -> dict[str, Any]:
    place = {"role": state.role, "name": state.name, "port": state.port}
    if isinstance(state.answer, DskedError):
        return {**place, "running": state.running, "error": str(state.answer)}
    return {**place, "running": True, "status": status_nodes.document(state.answer)}


def _print(states: list[NodeState]) -> None:
    for state in states:
        if isinstance(state.answer, DskedError):
            click.echo(f"dskectl: {state.answer}", err=True)
        else:
            place = f" on port {state.port}" if state.port is not None else ""
            click.echo(f"Status for {state.role} {state.name}{place}")
            show(status_nodes.document(state.answer), as_json=False)
