"""Node processes are made here: forked from one process that has the daemon imported (dsked.cli.nursery)."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import dsked
from dsked.errors import ServiceError

if TYPE_CHECKING:
    from dsked.cli.target import NodePlace

#: The daemon, by the interpreter that runs us. -P: modules of the current directory are not its own.
DAEMON = (sys.executable, "-P", "-m", "dsked")
NURSERY = (sys.executable, "-P", "-m", "dsked.cli.nursery")
#: Room on the nursery's command line, behind `arguments`, for the role and the name of a node.
_ROOM = "." * 128
#: Importing takes a second where both cores are busy.
_ANSWER_S = 15.0
_MAX_ANSWER_BYTES = 4096
_PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass(slots=True)
class Starting:
    """A node process of ours, until it is ready."""

    node: NodePlace
    pid: int
    pidfd: int
    notify: socket.socket
    log: Path
    log_start: int  # the log's size before this process wrote to it
    reason: str = "it has not said why"

    def wait(self) -> int:
        """Waits for its end; the exit status, or the negative number of the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Launcher:
    """Makes node processes. `arguments` stand behind role and name on each one's command line.

    A context manager: behind it the nursery is gone, and the nodes are our own children.
    """

    def __init__(self, arguments: list[str], log_dir: Path) -> None:
        self.etsi = False  # whether clients serve ETSI GS QKD 014
        self._arguments = arguments
        self._log_dir = log_dir
        self._loaded: set[str] = set()
        self._loading = 0  # of these, how many are not answered
        self._forking = False
        self._directory = tempfile.TemporaryDirectory(  # 0700, and short as socket paths must be
            prefix="dskectl-", ignore_cleanup_errors=True
        )
        self._faults = Path(self._directory.name) / "faults"
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_ANSWER_S)
        with theirs, self._faults.open("wb") as faults:
            self._nursery = subprocess.Popen(  # noqa: S603  our own program
                [*NURSERY, *arguments, _ROOM],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=faults,
                start_new_session=True,
                env=_environment(),
            )

    def __enter__(self) -> Self:
        _adopt_orphans(True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        _adopt_orphans(False)
        self._directory.cleanup()

    def close(self) -> None:
        """Ends the nursery, whose nodes become our children. Closing twice does nothing."""
        self._socket.close()
        if not self._forking:  # else it ends by itself, with the node that it could not tell us of
            self._nursery.kill()  # it may import what nobody needs any more
            self._nursery.wait()

    def load(self, part: str) -> None:
        """Has the nursery import what nodes run on (dsked.daemon.load); returns at once."""
        if part not in self._loaded:
            self._loaded.add(part)
            self._loading += 1
            self._send({"load": part})

    def prepare(self, node: NodePlace) -> None:
        """Waits until the nursery has imported what this node runs on. Raises ServiceError if it cannot."""
        self.load(node.role)
        if self.etsi and node.role == "client":
            self.load("etsi")
        while self._loading:
            self._receive()
            self._loading -= 1

    def launch(self, node: NodePlace) -> Starting:
        """Starts one node. Raises ServiceError if its log cannot be written, OSError if it cannot be made."""
        log = self._log_dir / f"{node.role}-{node.name}.out"
        output = _open_log(log)
        try:
            log_start = os.fstat(output).st_size
            with contextlib.ExitStack() as undo:
                notify = undo.enter_context(_notify_socket(Path(self._directory.name) / node.socket.stem))
                pid = self._fork(node, notify, output)
                undo.pop_all()
            return Starting(node, pid, os.pidfd_open(pid), notify, log, log_start)
        finally:
            os.close(output)

    def _fork(self, node: NodePlace, notify: socket.socket, output: int) -> int:
        arguments = ["--role", node.role, node.name, *self._arguments]
        request = {"program": DAEMON, "arguments": arguments, "notify": notify.getsockname()}
        self._forking = True
        self._send(request, output)
        answer = self._receive()
        self._forking = False
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        return answer["pid"]

    def _send(self, request: dict[str, Any], *descriptors: int) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # what is received tells it
            socket.send_fds(self._socket, [json.dumps(request).encode()], descriptors)

    def _receive(self) -> dict[str, int]:
        try:
            answer = self._socket.recv(_MAX_ANSWER_BYTES)
        except TimeoutError:
            raise ServiceError(f"no node could be started within {_ANSWER_S:g} s") from None
        except ConnectionResetError:  # it ended with requests unread
            answer = b""
        if not answer:
            raise ServiceError(f"nodes cannot be started: {self._fault()}")
        decoded: dict[str, int] = json.loads(answer)
        return decoded

    def _fault(self) -> str:
        """The last line that the nursery wrote: what Python says of an import that fails."""
        lines = self._faults.read_text(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "their program ends at once")


def _open_log(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ServiceError(f"{path}: cannot be written: {error.strerror}; choose a --log-dir") from None


def _notify_socket(path: Path) -> socket.socket:
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        notify.bind(str(path))
    except BaseException:
        notify.close()
        raise
    return notify


def _environment() -> dict[str, str]:
    """Our environment; a checkout that is not installed must find its own package too."""
    environment = dict(os.environ)
    home = Path(dsked.__file__).absolute().parents[1]
    if home.name not in ("site-packages", "dist-packages"):
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{home}{os.pathsep}{known}" if known else str(home)
    return environment


def _adopt_orphans(ours: bool) -> None:
    """Whether processes whose parent ends become our children: only a parent is told an exit status."""
    import ctypes

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(ours), 0, 0, 0)
