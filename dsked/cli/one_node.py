"""The one node on this host that a command is for, found by its control socket.

Light to import: a key request comes this way, and reads a topology only to say what is wrong.
"""

from __future__ import annotations

import stat
from pathlib import Path

import click

from dsked.cli.errors import NodeNotRunningError
from dsked.cli.target import Target
from dsked.config import paths
from dsked.delivery.control_client import ControlClient, NoAnswerError, NotRunningError
from dsked.errors import ConfigurationError, DskedError, NotAllowedError

_Found = list[tuple[Path, ControlClient]]


def connect_to_one(
    target: Target,
    socket: str | None,
    node: str | None,
    roles: tuple[str, ...] = paths.ROLES,
    encryptor: str | None = None,
) -> ControlClient:
    """A connection to one node: at `socket`, of the name `node`, or the only client on this host.

    Of several clients, the one that serves `encryptor`. Raises NodeNotRunningError, NotAllowedError,
    or click.UsageError where several nodes fit or the node has the wrong role.
    """
    if socket is not None:
        return _connect(Path(socket))
    found, refusal = _listening(_candidates(target, node, roles))
    if len(found) > 1 and encryptor is not None:
        found = _serving(found, encryptor)
    if len(found) == 1:
        return found[0][1]
    for _, connection in found:
        connection.close()
    if found:
        raise _several([path for path, _ in found], node)
    raise refusal or _nothing(target, node, roles)


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
        if not stat.S_ISSOCK(path.stat().st_mode):
            raise ConfigurationError(f"{path} is no socket")
    except OSError:  # the connection says what is wrong
        pass
    try:
        return ControlClient(path)
    except NotRunningError as error:
        raise NodeNotRunningError(str(error)) from None


def _listening(candidates: list[Path]) -> tuple[_Found, DskedError | None]:
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


def _serving(found: _Found, encryptor: str) -> _Found:
    """Those that serve the encryptor, the others closed; all of them where none does."""
    serving = [(path, connection) for path, connection in found if _serves(connection, encryptor)]
    if not serving:
        return found
    for one in found:
        if one not in serving:
            one[1].close()
    return serving


def _serves(connection: ControlClient, encryptor: str) -> bool:
    try:
        names = connection.status()["status"].get("encryptor_names")
    except DskedError:
        return False
    return isinstance(names, list) and encryptor in names


def _several(found: list[Path], node: str | None) -> click.UsageError:
    if node:
        listed = ", ".join(str(path) for path in found)
        return click.UsageError(f"Several nodes {node} run here; choose one with --socket: {listed}.")
    names = ", ".join(dict.fromkeys(_name(path) for path in found))
    return click.UsageError(f"Several clients run here; choose one with --node: {names}.")


def _name(path: Path) -> str:
    return path.stem.partition("-")[2]


def _nothing(target: Target, node: str | None, roles: tuple[str, ...]) -> Exception:
    """Why no node was found, and what to do about it, as far as that is known."""
    network = target.known_topology()
    known: dict[str, list[str]] = {"hub": [], "client": []}
    if network:
        known = {"hub": [one.name for one in network.hubs], "client": [one.name for one in network.clients]}
    if node and "hub" not in roles and (node in known["hub"] or _candidates(target, node, ("hub",))):
        running = [_name(path) for path in _candidates(target, None, ("client",))]
        clients = ", ".join(known["client"] or running) or "none is known here"
        return click.UsageError(f"{node} is a hub; keys come from clients: {clients}.")
    what = f"no {' or '.join(roles)} {node} runs here" if node else "no client runs here"
    closed = paths.closed_directories(target.config, target.runtime_dir)
    if closed:
        return NotAllowedError(
            f"{what}, as far as you may see: only its user, its group and root may look into {closed[0]}"
        )
    role = next((role for role in roles if node in known[role]), None)
    if node and role:
        return NodeNotRunningError(f"{what}; start it with: {_start(target.only({role: [node]}))}")
    if network and not node:
        return NodeNotRunningError(f"{what}; start the topology with: {_start(target)}")
    return NodeNotRunningError(what)


def _start(target: Target) -> str:
    return target.command_line("start")
