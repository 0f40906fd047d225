"""The one node on this host that a command is for, found by its control socket.

Light to import: a key request comes this way, and reads a topology only to say what is wrong.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

import click

from dsked.cli.errors import NodeNotRunningError
from dsked.cli.target import Target
from dsked.config import paths
from dsked.delivery.control_client import ControlClient, NotRunningError
from dsked.encryptor import finding
from dsked.encryptor.finding import Found
from dsked.errors import ConfigurationError, NotAllowedError


def connect_to_one(
    target: Target,
    socket: str | None,
    node: str | None,
    roles: tuple[str, ...] = paths.ROLES,
    encryptor: str | None = None,
) -> ControlClient:
    """A connection to one node: at `socket`, of the name `node`, or the only client on this host.

    Of several clients, the one that serves `encryptor`. Raises NodeNotRunningError, NotAllowedError,
    ConfigurationError for a name that the topology does not have, or click.UsageError where several nodes
    fit or the node has the wrong role.
    """
    if socket is not None and node is not None:
        raise click.UsageError("--socket and --node exclude each other.")
    if socket is not None:
        return _connect(Path(socket))
    found, refusal = finding.listening(_candidates(target, node, roles), runtime_dir=target.runtime_dir)
    fitting = finding.serving(found, encryptor) if encryptor is not None else found
    if len(fitting) == 1:
        finding.close(one for one in found if one not in fitting)
        return fitting[0].connection
    if found:
        raise _not_one(found, fitting, node, encryptor)
    raise refusal or _nothing(target, node, roles)


def _candidates(target: Target, node: str | None, roles: Sequence[str]) -> list[Path]:
    """Control sockets that may be the node's: of the named topology, else of all on this host."""
    return finding.sockets(finding.Place(node or None, target.config, target.runtime_dir), roles)


def _connect(path: Path) -> ControlClient:
    try:
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise ConfigurationError(f"{path} is no socket")
    except OSError:  # the connection says what is wrong
        pass
    try:
        return ControlClient(path)
    except NotRunningError as error:
        raise NodeNotRunningError(str(error)) from None


def _not_one(
    found: list[Found], fitting: list[Found], node: str | None, encryptor: str | None
) -> click.UsageError:
    """How to choose one of them; closes their connections."""
    try:
        if not fitting:
            return click.UsageError(f"No client here serves {encryptor}: {finding.who_serves_whom(found)}.")
        what = f"nodes {node}" if node else "clients"
        if finding.names_differ(fitting):
            how, listed = "--node", ", ".join(one.name for one in fitting)
        else:
            how, listed = "--socket", ", ".join(str(one.path) for one in fitting)
        return click.UsageError(f"Several {what} run here; choose one with {how}: {listed}.")
    finally:
        finding.close(found)


def _nothing(target: Target, node: str | None, roles: tuple[str, ...]) -> Exception:
    """Why no node was found, and what to do about it, as far as that is known."""
    network = target.known_topology()
    known: dict[str, list[str]] = {"hub": [], "client": []}
    if network:
        known = {"hub": [one.name for one in network.hubs], "client": [one.name for one in network.clients]}
    if node and "hub" not in roles and (node in known["hub"] or _candidates(target, node, ("hub",))):
        running = [finding.node_name(path) for path in _candidates(target, None, ("client",))]
        clients = ", ".join(known["client"] or running) or "none is known here"
        return click.UsageError(f"{node} is a hub; keys come from clients: {clients}.")
    if node and network:
        try:
            network.demand(node, roles)
        except ConfigurationError as error:
            return error
    what = f"no {' or '.join(roles)} {node} runs here" if node else "no client runs here"
    closed = paths.closed_directories(target.config, target.runtime_dir)
    if closed:
        return NotAllowedError(
            f"{what}, as far as you may see: only its user, its group and root may look into {closed[0]}"
        )
    role = next((role for role in roles if node in known[role]), None)
    if node and role:
        return NodeNotRunningError(
            f"{what}; start it with: {target.only({role: [node]}).how_to_start(network)}"
        )
    if target.config is not None and network is None:
        target.topology()  # raises: what is wrong with that file
    if network and not node:
        return NodeNotRunningError(f"{what}; start the topology with: {target.how_to_start(network)}")
    return NodeNotRunningError(what)
