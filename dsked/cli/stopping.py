"""Stopping nodes of a topology: over their control sockets, clients before hubs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from dsked.cli import process
from dsked.cli.process import Ending
from dsked.cli.target import NodePlace
from dsked.delivery.control_client import ControlClient, NoAnswerError, NotRunningError
from dsked.errors import DskedError, NotAllowedError, ServiceError, ShuttingDownError

_ANSWER_S = 3.0
_PARALLEL = 32
#: Clients unregister at the hubs when they stop: hubs wait this long for them, and no longer.
_CLIENTS_FIRST_S = 2.0


def stop(nodes: list[NodePlace], label: str, say: Callable[[str], None]) -> None:
    """Stops nodes, in the reverse order of starting, and returns when all are gone.

    Raises ServiceError, after the others were stopped, for what listens on a node's control socket
    and is not that node; NotAllowedError where this user may not stop them.
    """
    faults: list[DskedError] = []
    last_first = list(reversed(nodes))
    clients = _ask([node for node in last_first if node.role == "client"], say, faults)
    still = process.wait_until_gone(clients, say, _CLIENTS_FIRST_S)
    hubs = _ask([node for node in last_first if node.role == "hub"], say, faults)
    say(f"Waiting for {label} to be stopped")
    process.wait_until_gone(still + hubs, say)
    if faults:
        refused = all(isinstance(fault, NotAllowedError) for fault in faults)
        raise (NotAllowedError if refused else ServiceError)("; ".join(map(str, faults)))


def _ask(nodes: list[NodePlace], say: Callable[[str], None], faults: list[DskedError]) -> list[Ending]:
    """Asks all nodes at once to stop. Returns the processes that now shall end."""
    with ThreadPoolExecutor(_PARALLEL) as pool:
        found = list(pool.map(_find, nodes))
        for node, one in zip(nodes, found, strict=True):
            say(f"{_capital(node.on_port)} is not running" if one is None else f"Stopping {node.on_port}")
        asked = list(pool.map(_ask_one, (one for one in found if isinstance(one, _Found))))
    faults += [answer for answer in (*found, *asked) if isinstance(answer, DskedError)]
    return [answer for answer in asked if isinstance(answer, Ending)]


@dataclass(frozen=True, slots=True)
class _Found:
    """A running node: a connection to it, and its process."""

    node: NodePlace
    connection: ControlClient
    pid: int
    pidfd: int


def _find(node: NodePlace) -> _Found | DskedError | None:
    """The running node, or why it cannot be stopped, or None where none runs."""
    try:
        connection = ControlClient(node.socket, _ANSWER_S)
    except NotRunningError:
        return None
    except DskedError as error:
        return error
    pid = connection.peer_pid
    try:
        return _Found(
            node, connection, pid, process.open_node(node, pid, lambda: _says_it_is(connection, node))
        )
    except ProcessLookupError:
        connection.close()
        return None
    except DskedError as error:
        connection.close()
        return error


def _says_it_is(connection: ControlClient, node: NodePlace) -> bool:
    """Whether who listens there says that it is this node; one that does not answer says nothing."""
    try:
        answer = connection.status()
    except DskedError:
        return False
    return (answer["role"], answer["name"]) == (node.role, node.name)


def _ask_one(found: _Found) -> Ending | DskedError:
    """The process that will end now, or why it will not."""
    grace_s = process.STOP_GRACE_S
    with found.connection:
        try:
            found.connection.stop()
        except ShuttingDownError:
            pass
        except NoAnswerError:
            grace_s = 0.0
        except DskedError as error:
            os.close(found.pidfd)
            kind = NotAllowedError if isinstance(error, NotAllowedError) else ServiceError
            return kind(f"{found.node}: {error}")
    return Ending(found.node, found.pid, found.pidfd, time.monotonic() + grace_s)


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
