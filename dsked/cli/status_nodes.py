"""What nodes say of themselves, asked over their control sockets: for `dskectl status` and `dskectl top`."""

from __future__ import annotations

from typing import Any, NamedTuple

from dsked.cli.errors import NodeNotRunningError
from dsked.cli.target import NodePlace
from dsked.delivery.control_client import ControlClient, NotRunningError
from dsked.errors import DskedError, ExitStatus, NotAllowedError

#: Nodes that are asked at the same time, and how long each may take for its answer.
PARALLEL = 32
TIMEOUT_S = 3.0


class NodeState(NamedTuple):
    """A node's reply to STATUS, or why there is none."""

    role: str
    name: str
    port: int | None  # None where no topology tells it
    answer: dict[str, Any] | DskedError

    @property
    def running(self) -> bool:
        """Whether somebody listens on its control socket."""
        return not isinstance(self.answer, NodeNotRunningError)


def ask(node: NodePlace, timeout_s: float = TIMEOUT_S, *, whole: bool = True) -> NodeState:
    """The node's state. Of a hub with many clients the first ones only where not the whole is asked for."""
    return NodeState(node.role, node.name, node.port, _answer(node, timeout_s, whole))


def _answer(node: NodePlace, timeout_s: float, whole: bool) -> dict[str, Any] | DskedError:
    try:
        with ControlClient(node.socket, timeout_s) as connection:
            return connection.whole_status() if whole else connection.status()
    except NotRunningError:
        return NodeNotRunningError(f"{node.on_port} is not running")
    except DskedError as error:
        return error


def of_one(answer: dict[str, Any]) -> NodeState:
    """The state of a node that was found by its socket."""
    return NodeState(answer["role"], answer["name"], None, answer)


def document(answer: dict[str, Any]) -> dict[str, Any]:
    """The node's own state, and whether it is ready, in one object that begins with the name."""
    own = {key: answer[key] for key in ("name", "role", "ready", "reason", "pid", "version")}
    return {**own, **answer["status"]}


def exit_status(states: list[NodeState]) -> ExitStatus:
    """What all faults have in common, such as that no node runs; else FAILURE."""
    faults = [state.answer for state in states if isinstance(state.answer, DskedError)]
    for kind, status in (
        (NodeNotRunningError, ExitStatus.NOT_RUNNING),
        (NotAllowedError, ExitStatus.REFUSED),
    ):
        if faults and all(isinstance(fault, kind) for fault in faults):
            return status
    return ExitStatus.FAILURE if faults else ExitStatus.OK
