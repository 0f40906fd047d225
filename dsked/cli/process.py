"""Node processes: recognising one, waiting for its end, and making it end.

A process is only ever held by a pidfd, so that no signal can reach a later process that was given
the same number.
"""

from __future__ import annotations

import itertools
import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from dsked.cli.target import NodePlace
from dsked.errors import ServiceError

REPORT_INTERVAL_S = 5.0
#: A node that was asked to stop gets this long before SIGTERM, and after SIGTERM before SIGKILL.
STOP_GRACE_S = 5.0
TERMINATE_GRACE_S = 10.0


@dataclass(slots=True)
class Ending:
    """A process that shall end, and when it will be pressed (monotonic seconds)."""

    node: NodePlace
    pid: int
    pidfd: int
    terminate_at_s: float
    kill_at_s: float | None = None  # set by SIGTERM
    killed: bool = False


def open_node(node: NodePlace, pid: int, says_so: Callable[[], bool]) -> int:
    """A pidfd of the process that listens on a node's control socket.

    A daemon's command line may leave its name to the environment, which others do not see: then it counts
    whether it `says_so`, that it is this node. Raises ServiceError if it is no dsked of this node's role and
    name, ProcessLookupError if it has ended.
    """
    pidfd = os.pidfd_open(pid)
    try:
        # Read after the pidfd was opened: if the process still runs then, this was its command line.
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        if has_ended(pidfd):
            raise ProcessLookupError
        if not is_node(arguments, node) and not (is_daemon(arguments, node.role) and says_so()):
            raise ServiceError(
                f"process {pid} listens on {node.socket}, and is no dsked of {node}; it is left alone: "
                f"if it is meant, stop it with: kill {pid}"
            )
    except FileNotFoundError:
        os.close(pidfd)
        raise ProcessLookupError from None
    except BaseException:
        os.close(pidfd)
        raise
    return pidfd


def is_node(arguments: list[str], node: NodePlace) -> bool:
    """Whether a command line is that of the daemon of a node, on whose control socket the process listens.

    One without a role has role and name from its own file or from the environment.
    """
    if not is_daemon(arguments, node.role):
        return False
    return not _says_role(arguments) or node.name in arguments


def is_daemon(arguments: list[str], role: str) -> bool:
    """Whether a command line is that of a daemon, and of no other role than this one."""
    if not any(Path(one).name == "dsked" for one in arguments[:4]):
        return False
    of_role = f"--role={role}" in arguments or ("--role", role) in itertools.pairwise(arguments)
    return of_role or not _says_role(arguments)


def _says_role(arguments: list[str]) -> bool:
    return any(one == "--role" or one.startswith("--role=") for one in arguments)


def has_ended(pidfd: int) -> bool:
    """Whether the process has ended; does not wait."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))


def wait_until_gone(
    endings: Iterable[Ending], say: Callable[[str], None], limit_s: float | None = None
) -> list[Ending]:
    """Waits for processes to end, and presses those that do not: SIGTERM, then SIGKILL.

    Says every 5 s for whom it still waits. Returns those that have not ended within `limit_s`;
    the pidfds of the others are closed.
    """
    waiting = {ending.pidfd: ending for ending in endings}
    poll = select.poll()
    for pidfd in waiting:
        poll.register(pidfd, select.POLLIN)
    now = time.monotonic()
    limit_at_s = now + limit_s if limit_s is not None else None
    report_at_s = now + REPORT_INTERVAL_S
    while waiting:
        now = time.monotonic()
        if limit_at_s is not None and now >= limit_at_s:
            break
        if now >= report_at_s:
            report_at_s = now + REPORT_INTERVAL_S
            for ending in waiting.values():
                say(f"Still waiting for {ending.node} to be stopped")
        _press(waiting.values(), now, say)
        for pidfd, _ in poll.poll(1000 * max(_next(waiting.values(), report_at_s, limit_at_s) - now, 0)):
            poll.unregister(pidfd)
            os.close(pidfd)
            del waiting[pidfd]
    return list(waiting.values())


def _next(endings: Iterable[Ending], report_at_s: float, limit_at_s: float | None) -> float:
    """When something is to be done although no process has ended."""
    times = [report_at_s] + ([limit_at_s] if limit_at_s is not None else [])
    for ending in endings:
        if ending.kill_at_s is None:
            times.append(ending.terminate_at_s)
        elif not ending.killed:
            times.append(ending.kill_at_s)
    return min(times)


def _press(endings: Iterable[Ending], now: float, say: Callable[[str], None]) -> None:
    for ending in endings:
        if ending.kill_at_s is None:
            if now >= ending.terminate_at_s:
                ending.kill_at_s = now + TERMINATE_GRACE_S
                _send(ending, signal.SIGTERM)
        elif not ending.killed and now >= ending.kill_at_s:
            ending.killed = True
            say(f"Killing {ending.node} (process {ending.pid}), which does not stop")
            _send(ending, signal.SIGKILL)


def _send(ending: Ending, number: signal.Signals) -> None:
    try:
        signal.pidfd_send_signal(ending.pidfd, number)
    except ProcessLookupError:
        return  # it has ended, and the poll will say so
    except PermissionError:
        raise ServiceError(
            f"{ending.node} (process {ending.pid}) runs as another user, and does not answer; "
            "stop it as that user or as root"
        ) from None
