"""`dskectl status`: what the nodes of a topology, or one node, say about themselves."""

from __future__ import annotations

from typing import Any

import click

from dsked.cli import surroundings
from dsked.cli.errors import NodeNotRunningError
from dsked.cli.one_node import connect_to_one
from dsked.cli.output import json_option, one_node_options, show
from dsked.cli.target import NodePlace, Target, select
from dsked.config import paths
from dsked.delivery.control_client import ControlClient, NotRunningError
from dsked.errors import DskedError, ExitStatus, NotAllowedError

_PARALLEL = 32
_TIMEOUT_S = 3.0


@click.command()
@one_node_options("the topology's nodes; without one, the only client here")
@json_option
@click.pass_obj
def status(target: Target, socket: str | None, node: str | None, as_json: bool) -> int:
    """Report the status of all nodes, or of the chosen ones.

    The nodes are those of the topology file; with --socket or --node, or where there is no topology
    file, one node on this host.
    """
    if socket or node or (target.config is None and paths.default_config() is None):
        target.no_filter("one node")
        return _one(target, socket, node, as_json)
    from concurrent.futures import ThreadPoolExecutor  # only here, as it is slow to load

    network = target.topology()
    directory = paths.runtime_dir(network.path, target.runtime_dir)
    nodes = select(network, target, directory)
    with ThreadPoolExecutor(_PARALLEL) as pool:
        answers = list(pool.map(_ask, nodes))
    if as_json:
        show({"nodes": [_summary(*pair) for pair in zip(nodes, answers, strict=True)]}, as_json)
    else:
        _print(nodes, answers)
    for orphan in surroundings.orphans(network, directory):
        click.echo(f"dskectl: warning: {orphan}", err=True)
    faults = [answer for answer in answers if isinstance(answer, DskedError)]
    down = sum(isinstance(fault, NodeNotRunningError) for fault in faults)
    if down and not as_json:
        them = "them" if down > 1 else "it"
        click.echo(f"dskectl: start {them} with: {target.command_line('start')}", err=True)
    return _exit_status(faults)


def _exit_status(faults: list[DskedError]) -> ExitStatus:
    """What all faults have in common, else FAILURE."""
    for kind, status in (
        (NodeNotRunningError, ExitStatus.NOT_RUNNING),
        (NotAllowedError, ExitStatus.REFUSED),
    ):
        if faults and all(isinstance(fault, kind) for fault in faults):
            return status
    return ExitStatus.FAILURE if faults else ExitStatus.OK


def _one(target: Target, socket: str | None, node: str | None, as_json: bool) -> int:
    with connect_to_one(target, socket, node) as connection:
        answer = connection.status()
    if not as_json:
        click.echo(f"Status for {answer['role']} {answer['name']}")
    show(_document(answer), as_json)
    return ExitStatus.OK


def _ask(node: NodePlace) -> dict[str, Any] | DskedError:
    try:
        with ControlClient(node.socket, _TIMEOUT_S) as connection:
            return connection.status()
    except NotRunningError:
        return NodeNotRunningError(f"{node.on_port} is not running")
    except DskedError as error:
        return error


def _document(answer: dict[str, Any]) -> dict[str, Any]:
    """The node's own state, and whether it is ready, in one object that begins with the name."""
    own = {key: answer[key] for key in ("name", "role", "ready", "reason", "pid", "version")}
    return {**own, **answer["status"]}


def _summary(node: NodePlace, answer: dict[str, Any] | DskedError) -> dict[str, Any]:
    place = {"role": node.role, "name": node.name, "port": node.port}
    if isinstance(answer, DskedError):
        return {**place, "running": not isinstance(answer, NodeNotRunningError), "error": str(answer)}
    return {**place, "running": True, "status": _document(answer)}


def _print(nodes: list[NodePlace], answers: list[dict[str, Any] | DskedError]) -> None:
    for node, answer in zip(nodes, answers, strict=True):
        if isinstance(answer, DskedError):
            click.echo(f"dskectl: {answer}", err=True)
        else:
            click.echo(f"Status for {node.on_port}")
            show(_document(answer), as_json=False)
