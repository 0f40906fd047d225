"""Which nodes of a topology a command is for.

Light to import: nothing here loads YAML or an event loop before it is needed.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from dsked.config import paths
from dsked.errors import ConfigurationError

if TYPE_CHECKING:
    from dsked.config.topology import Topology


class Target(NamedTuple):
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

    def known_topology(self) -> Topology | None:
        """The topology, if there is one that can be read: for hints, not for work."""
        if self.config is None and paths.default_config() is None:
            return None
        try:
            return self.topology()
        except ConfigurationError:
            return None

    def only(self, nodes: dict[str, list[str]]) -> Target:
        """The same with other nodes chosen: names by role."""
        return self._replace(clients=tuple(nodes.get("client", ())), hubs=tuple(nodes.get("hub", ())))

    def command_line(self, command: str) -> str:
        """`dskectl`, the options that stood in front of the command, and `command`: a line to repeat."""
        options = [
            ("--config", self.config),
            ("--state-dir", self.state_dir),
            ("--runtime-dir", self.runtime_dir),
            *(("--client", name) for name in self.clients),
            *(("--hub", name) for name in self.hubs),
        ]
        given = [word for option, value in options if value for word in (option, value)]
        return shlex.join(["dskectl", *given, command])

    def how_to_start(self, network: Topology | None) -> str:
        """The line that starts what was chosen: of a node whose file is where its unit wants it, the unit."""
        own = network.own if network else None
        if network and own and network.path == Path(f"/etc/dsked/{own.name}.yaml"):
            return f"systemctl start dsked-{own.role}@{own.name}"
        return self.command_line("start")

    def no_filter(self, command: str) -> None:
        """Refuses --client and --hub where they have no meaning."""
        if self.filtered():
            raise click.UsageError(
                f"--client and --hub choose nodes to start, stop or show, not for {command}."
            )


class NodePlace(NamedTuple):
    """One node of a topology, and where its control socket is."""

    role: str
    name: str
    port: int | None  # of an interface; None where the node has none
    socket: Path

    def __str__(self) -> str:
        return f"{self.role} {self.name}"

    @property
    def on_port(self) -> str:
        """`hub hank on port 8100`."""
        return str(self) if self.port is None else f"{self} on port {self.port}"


def select(network: Topology, target: Target, directory: Path) -> list[NodePlace]:
    """The nodes that the options choose, all that the file is for by default; hubs first, in its order.

    Raises ConfigurationError for a name that the topology does not have.
    """
    hubs, clients = set(target.hubs), set(target.clients)
    for role, names in (("hub", target.hubs), ("client", target.clients)):
        for name in names:
            network.demand(name, (role,))
    if not target.filtered():
        hubs, clients = set(network.names("hub")), set(network.names("client"))
    return [
        NodePlace(role, node.name, node.port, paths.socket_path(directory, role, node.name))
        for role, nodes, chosen in (("hub", network.hubs, hubs), ("client", network.clients, clients))
        for node in nodes
        if node.name in chosen
    ]


def label(nodes: list[NodePlace], target: Target) -> str:
    """`all nodes`, or the chosen ones, clients first."""
    if not target.filtered():
        return "all nodes"
    return ", ".join(str(node) for node in sorted(nodes, key=lambda node: node.role))
