"""The node whose PSRD a command is about: its state directory, its control socket, what its file says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dsked.cli import surroundings
from dsked.cli.target import Target
from dsked.config import paths, rules
from dsked.delivery.control_client import ControlClient, NotRunningError
from dsked.errors import ConfigurationError
from dsked.media import node, ownership
from dsked.storage.state_dir import StateDirectory

if TYPE_CHECKING:
    from dsked.config.topology import Topology

Function = TypeVar("Function", bound=Callable[..., Any])

#: A daemon adopts in milliseconds, but for a disk that is very slow.
_ADOPT_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class ChosenNode:
    """`peers`: the nodes that it knows with the hub's x-coordinate of each pair; None without a topology."""

    state: StateDirectory
    socket: Path
    peers: Mapping[str, int] | None

    def adopt(self, bundle: bytes) -> None:
        """Lets the running daemon adopt a staged delivery, or does it where none runs. Raises DskedError."""
        try:
            connection = ControlClient(self.socket, _ADOPT_TIMEOUT_S)
        except NotRunningError:
            try:
                node.adopt_here(self.state, self.peers, bundle)
            except ConfigurationError as error:
                raise ConfigurationError(
                    f"{error}; it does not answer at {self.socket}: is its --runtime-dir another one?"
                ) from None
            return
        with connection:
            connection.adopt(bundle)


def topology(target: Target) -> Topology | None:
    """The topology that the command is for; None where none is named and there is no default."""
    if target.config is None and paths.default_config() is None:
        return None
    return target.topology()


def choose(target: Target, network: Topology | None, role: str, name: str) -> ChosenNode:
    """The node of this role and name. Raises ConfigurationError."""
    fault = rules.node_name_fault(name)
    if fault:
        raise ConfigurationError(fault)
    peers: dict[str, int] | None = None
    if network and role == "hub":
        x = network.hub(name).x
        peers = {client.name: x for client in network.clients_of(name)}
    elif network:
        peers = {hub.name: hub.x for hub in network.client(name).hubs}
    config = network.path if network else None
    base = paths.state_dir(config, target.state_dir, network.state_dir if network else None)
    directory = paths.node_state_dir(base, role, name)
    state = StateDirectory(ownership.files_for(directory), directory, role, name)
    socket = paths.socket_path(paths.runtime_dir(config, target.runtime_dir), role, name)
    return ChosenNode(state, socket, peers)


def check_delivered_on_media(network: Topology | None) -> None:
    """Raises ConfigurationError where the topology's nodes would not take blocks from media."""
    if network and network.psrd != rules.MEDIA:
        raise ConfigurationError(
            f"{network.path}: psrd is {network.psrd!r}: its nodes take no blocks from media; expected "
            f"{rules.MEDIA!r}"
        )


def check_own_host(network: Topology | None, chosen: ChosenNode) -> None:
    """Raises ConfigurationError where state would be made for a node that is another machine's."""
    if network is None or chosen.state.exists:
        return
    role, name = chosen.state.role, chosen.state.name
    host = network.hub(name).host if role == "hub" else network.client(name).host
    if not surroundings.is_own_host(host):
        raise ConfigurationError(
            f"{role} {name} is on {host}, which is no address of this machine: run this there"
        )


def node_options(function: Function) -> Function:
    """--hub and --client, as `hub` and `client`: whose pools a command is about."""
    hub = click.option("--hub", metavar="NAME", help="The pools of this hub.")
    client = click.option("--client", metavar="NAME", help="The pools of this client.")
    return hub(client(function))


def one_node(target: Target, hub: str | None, client: str | None, file: object) -> ChosenNode | None:
    """The node that was named, or None where a file was. Raises click.UsageError unless it is one of them."""
    if sum(one is not None for one in (hub, client, file)) != 1:
        raise click.UsageError("Say FILE, or --hub NAME, or --client NAME.")
    if file is not None:
        return None
    role, name = ("hub", hub) if hub is not None else ("client", client)
    assert name is not None
    return choose(target, topology(target), role, name)
