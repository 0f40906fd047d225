"""What is around a topology's own nodes: its machine's addresses, and nodes that its file has no more."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

from dsked.config import paths, rules
from dsked.delivery.control_client import ControlClient
from dsked.errors import DskedError

if TYPE_CHECKING:
    from dsked.config.topology import Topology

_ANSWER_S = 1.0


def orphans(network: Topology, directory: Path) -> list[str]:
    """A warning for each node that listens in the topology's runtime directory and is not in its file."""
    names = [("hub", hub.name) for hub in network.hubs]
    names += [("client", client.name) for client in network.clients]
    known = {f"{role}-{paths.socket_name(name)}.sock" for role, name in names}
    others = [path for path in sorted(directory.glob("*.sock")) if path.name not in known]
    return [warning for path in others if (warning := _orphan(network, path))]


def _orphan(network: Topology, path: Path) -> str | None:
    try:
        with ControlClient(path, _ANSWER_S) as connection:
            pid = connection.peer_pid
    except DskedError:  # nobody listens any more, or somebody whom we cannot know
        return None
    node = path.stem.replace("-", " ", 1)
    return f"{node} runs and is not in {network.path}; stop it with: kill {pid}"


def is_own_host(host: str) -> bool:
    """Whether a host name or IP address is this machine's: whether a socket can be bound to it."""
    if rules.is_loopback(host):
        return True
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError):  # a name that nobody knows, or that cannot be one
        return False
    return any(_binds(family, address) for family, _, _, _, address in found)


def _binds(family: int, address: tuple[object, ...]) -> bool:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return False
    return True
