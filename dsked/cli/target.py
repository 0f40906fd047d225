"""Which nodes a command is for: nodes of a topology, or the one node behind a control socket.

Light to import: nothing here loads YAML or an event loop before it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dsked.cli.errors import NodeNotRunningError
from dsked.config import paths
from dsked.delivery.control_client import ControlClient, NoAnswerError, NotRunningError
from dsked.errors import DskedError, NotAllowedError

if TYPE_CHECKING:
    from dsked.config.topology import Topology


@dataclass(frozen=True, slots=True)
class Target:
    """The options in front of the command."""

    config: str | None
    clients: tuple[str, ...]
    hubs: tuple[str, ...]
    state_dir: str | None
    runtime_dir: str | None

    def filtered(self) -> bool:
        """Whether --client or --hub names some nodes."""
        return bool(self.clients or self.hubs)

    def topology(self) -> Topology:
        """The topology of the named file or of the default one. Raises ConfigurationError."""
        from dsked.config import topology

        return topology.load(paths.find_config(self.config))

    def no_filter(self, command: str) -> None:
        """Refuses --client and --hub where they have no meaning."""
        if self.filtered():
            raise click.UsageError(
                f"--client and --hub choose nodes to start, stop or show, not for {command}."
            )


@dataclass(frozen=True, slots=True)
class NodePlace:
    """One node of a topology, and where its control socket is."""

    role: str
    name: str
    port: int
    socket: Path

    def __str__(self) -> str:
        return f"{self.role} {self.name}"

    @property
    def on_port(self) -> str:
        """`hub hank on port 8100`."""
        return f"{self} on port {self.port}"


def select(network: Topology, target: Target, directory: Path) -> list[NodePlace]:
    """The nodes that the options choose, all of them by default; hubs first, in the file's order.

    Raises ConfigurationError for a name that the topology does not have.
    """
    hubs = {network.hub(name).name for name in target.hubs}
    clients = {network.client(name).name for name in target.clients}
    everything = not target.filtered()
    return [
        NodePlace(role, node.name, node.port, paths.socket_path(directory, role, node.name))
        for role, nodes, chosen in (("hub", network.hubs, hubs), ("client", network.clients, clients))
        for node in nodes
        if everything or node.name in chosen
    ]


def label(nodes: list[NodePlace], target: Target) -> str:
    """`all nodes`, or the chosen ones, clients first."""
    if not target.filtered():
        return "all nodes"
    return ", ".join(str(node) for node in sorted(nodes, key=lambda node: node.role))


def connect_to_one(
    target: Target, socket: str | None, node: str | None, roles: tuple[str, ...] = paths.ROLES
) -> ControlClient:
    """A connection to one node: at `socket`, of the name `node`, or the only client on this host.

    Raises NodeNotRunningError, NotAllowedError, or click.UsageError where several nodes fit.
    """
    if socket is not None:
        return _connect(Path(socket))
    found, refusal = _listening(_candidates(target, node, roles))
    if len(found) == 1:
        return found[0][1]
    for _, connection in found:
        connection.close()
    if found:
        raise _several([path for path, _ in found], node)
    if refusal:
        raise refusal
    what = f"no {' or '.join(roles)} {node} runs" if node else "no client runs"
    raise NodeNotRunningError(f"{what} on this host, as far as you may see; start it with 'dskectl start'")


def _candidates(target: Target, node: str | None, roles: tuple[str, ...]) -> list[Path]:
    """Control sockets that may be the node's: of the named topology, else of all on this host."""
    names = [f"{role}-{paths.socket_name(node)}.sock" for role in roles] if node else []
    if target.config is not None:
        directory = paths.runtime_dir(paths.find_config(target.config), target.runtime_dir)
        found = sorted(directory.glob("*.sock"))
    else:
        found = paths.sockets_on_host(target.runtime_dir)
    return [path for path in found if path.name in names or (not node and path.name.startswith("client-"))]


def _connect(path: Path) -> ControlClient:
    try:
        return ControlClient(path)
    except NotRunningError as error:
        raise NodeNotRunningError(f"{error}; start it with 'dskectl start'") from None


def _listening(
    candidates: list[Path],
) -> tuple[list[tuple[Path, ControlClient]], DskedError | None]:
    """Connections to all nodes that listen, and the last refusal of one that does not let us."""
    found = []
    refusal: DskedError | None = None
    for path in candidates:
        try:
            found.append((path, ControlClient(path)))
        except NotRunningError:
            continue
        except (NotAllowedError, NoAnswerError) as error:
            refusal = error
    return found, refusal


def _several(found: list[Path], node: str | None) -> click.UsageError:
    if node:
        listed = ", ".join(str(path) for path in found)
        return click.UsageError(f"Several nodes {node} run here; choose one with --socket: {listed}.")
    names = ", ".join(dict.fromkeys(path.stem.partition("-")[2] for path in found))
    return click.UsageError(f"Several clients run here; choose one with --node: {names}.")
