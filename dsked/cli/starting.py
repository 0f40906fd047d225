"""Starting nodes of a topology as background processes, and waiting until each is ready.

A node tells that it is ready over a socket of its own, as services tell systemd (sd_notify(3)):
READY=1, or STATUS= with the reason why it is not ready yet. Its death is seen through a pidfd.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator

from dsked.cli import process
from dsked.cli.launching import Launcher, Starting
from dsked.cli.process import Ending
from dsked.cli.target import NodePlace
from dsked.delivery.control_client import ControlClient, NoAnswerError, NotRunningError
from dsked.errors import DskedError, ServiceError

LIMIT_S = 15.0
_REPORT_INTERVAL_S = 5.0
#: Nodes that ran before cannot notify us: they are asked, this often.
_ASK_INTERVAL_S = 0.1
_ASK_TIMEOUT_S = 1.0
_LOG_LINES = 10
_LOG_BYTES = 8192
_MAX_DATAGRAM_BYTES = 4096


def is_running(node: NodePlace) -> bool:
    """Whether something listens on the node's control socket."""
    try:
        ControlClient(node.socket, _ASK_TIMEOUT_S).close()
    except NotRunningError:
        return False
    except NoAnswerError:
        return True
    return True


def start(nodes: list[NodePlace], launcher: Launcher, label: str, say: Callable[[str], None]) -> None:
    """Starts those nodes that do not run, and returns when all nodes are ready.

    Raises NotStartedError with the reason if one dies, or is not ready within LIMIT_S; then the
    nodes that were started here are stopped again.
    """
    started: list[Starting] = []
    before: list[NodePlace] = []
    try:
        for node in nodes:
            if is_running(node):
                before.append(node)
                say(f"{node.on_port[0].upper()}{node.on_port[1:]} is running already")
            else:
                launcher.prepare(node)
                say(f"Starting {node.on_port}")
                with _uninterrupted():
                    started.append(launcher.launch(node))
        launcher.close()
        say(f"Waiting for {label} to be started")
        _Wait(started, before, say).run()
    except BaseException:
        launcher.close()
        _stop_again(started, say)
        raise
    finally:
        for one in started:
            one.notify.close()
    for one in started:
        os.close(one.pidfd)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Puts off Ctrl-C: a process that was made and not yet noted would be left behind."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # ignored, or somebody else's business
        return
    interrupts: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: interrupts.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupts:
        raise KeyboardInterrupt


class _Wait:
    """Waits until nodes are ready."""

    def __init__(self, started: list[Starting], before: list[NodePlace], say: Callable[[str], None]) -> None:
        self._say = say
        self._unready = list(started)
        self._unready_before = dict.fromkeys(before, "it has not answered")
        self._said: dict[NodePlace, str] = {}
        self._poll = select.poll()
        for one in started:
            self._poll.register(one.notify, select.POLLIN)
            self._poll.register(one.pidfd, select.POLLIN)

    def run(self) -> None:
        now = time.monotonic()
        limit_at_s, report_at_s = now + LIMIT_S, now + _REPORT_INTERVAL_S
        while True:
            self._ask_those_before()
            if not self._unready and not self._unready_before:
                return
            now = time.monotonic()
            if now >= limit_at_s:
                raise self._late()
            if now >= report_at_s:
                report_at_s = now + _REPORT_INTERVAL_S
                self._report()
            wait_s = min(limit_at_s, report_at_s) - now
            if self._unready_before:
                wait_s = min(wait_s, _ASK_INTERVAL_S)
            self._take({fd for fd, _ in self._poll.poll(1000 * wait_s)})

    def _take(self, events: set[int]) -> None:
        """Takes what nodes have told; raises NotStartedError if one has died."""
        for one in list(self._unready):
            if one.notify.fileno() in events and self._read(one):
                self._unready.remove(one)
                self._poll.unregister(one.notify)
                self._poll.unregister(one.pidfd)
            elif one.pidfd in events:
                raise _died(one)

    def _read(self, one: Starting) -> bool:
        """Whether the node says that it is ready."""
        while True:
            try:
                lines = one.notify.recv(_MAX_DATAGRAM_BYTES).decode(errors="replace").splitlines()
            except BlockingIOError:
                return False
            for line in lines:
                if line.startswith("STATUS="):
                    one.reason = line.removeprefix("STATUS=")
            if "READY=1" in lines:
                return True

    def _ask_those_before(self) -> None:
        for node in list(self._unready_before):
            try:
                with ControlClient(node.socket, _ASK_TIMEOUT_S) as connection:
                    answer = connection.status()
            except DskedError as error:
                self._unready_before[node] = str(error)
                continue
            if answer["ready"]:
                del self._unready_before[node]
            else:
                self._unready_before[node] = str(answer["reason"])

    def _reasons(self) -> list[tuple[NodePlace, str]]:
        return [(one.node, one.reason) for one in self._unready] + list(self._unready_before.items())

    def _report(self) -> None:
        """Says for whom is waited and why, in short, where that was not said before."""
        for node, reason in self._reasons():
            short = reason.partition(" (")[0]  # the brackets hold one reason per hub
            if self._said.get(node) != short:
                self._said[node] = short
                self._say(f"Still waiting for {node} to be started: {short}")

    def _late(self) -> NotStartedError:
        alike: dict[str, list[str]] = {}
        for node, reason in self._reasons():
            alike.setdefault(reason, []).append(str(node))
        listed = "; ".join(f"{', '.join(nodes)}: {reason}" for reason, nodes in alike.items())
        return NotStartedError(f"not ready within {LIMIT_S:g} s: {listed}", self._unready)


def _died(one: Starting) -> NotStartedError:
    status = one.wait()
    how = f"exit status {status}" if status >= 0 else f"signal {signal.Signals(-status).name}"
    return NotStartedError(f"{one.node.on_port} ended while it was starting ({how})", [one])


class NotStartedError(ServiceError):
    """Nodes have died or are not ready; `str` tells it in one line, `logs` how their logs end."""

    def __init__(self, message: str, nodes: list[Starting]) -> None:
        super().__init__(message)
        self.logs = [(one.log, _log_lines(one)) for one in nodes]


def _log_lines(one: Starting) -> list[str]:
    """The last lines that this process has logged."""
    with one.log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(one.log_start, end - _LOG_BYTES))
        text = file.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()][-_LOG_LINES:]


def _stop_again(started: list[Starting], say: Callable[[str], None]) -> None:
    if started:
        say("Stopping the nodes that were started")
    now = time.monotonic()
    process.wait_until_gone([Ending(one.node, one.pid, one.pidfd, now) for one in started], say)
    for one in started:
        with contextlib.suppress(ChildProcessError):  # a nursery that hangs has them still
            one.wait()
