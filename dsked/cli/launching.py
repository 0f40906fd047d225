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


def _program(module: str, name: str) -> tuple[str, ...]:
    """A module of ours as a program; in a build without Python (packaging/binary) by its name beside us."""
    if getattr(sys, "frozen", False):
        return (str(Path(sys.executable).with_name(name)),)
    return (sys.executable, "-P", "-m", module)  # -P: modules of the current directory are not its own


DAEMON = _program("dsked", "dsked")
NURSERY = _program("dsked.cli.nursery", "dsked-nursery")
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
        self.further_parts: dict[str, list[str]] = {}  # by role: what its nodes run on besides
        self._arguments = arguments
        self._log_dir = log_dir
        self._loaded: set[str] = set()
        self._loading = 0  # of these, how many are not answered
        self._forking = False
        self._descriptors = [os.memfd_create("faults")]  # closed in the end
        self._faults = self._descriptors[0]
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.settimeout(_ANSWER_S)
        with theirs:
            self._nursery = subprocess.Popen(  # noqa: S603  our own program
                [*NURSERY, *arguments, _ROOM],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=self._faults,
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
        while self._descriptors:
            os.close(self._descriptors.pop())

    def close(self) -> None:
        """Ends the nursery, whose nodes become our children. Closing twice does nothing."""
        self._socket.close()
        if not self._forking:  # else it ends by itself, with the node that it could not tell us of
            self._nursery.kill()  # it may import what nobody needs any more
            self._nursery.wait()

    def load(self, part: str) -> None:
        """Has the nursery import what nodes run on (dsked.daemon.loading.load); returns at once."""
        if part not in self._loaded:
            self._loaded.add(part)
            self._loading += 1
            self._send({"load": part})

    def prepare(self, node: NodePlace) -> None:
        """Waits until the nursery has imported what this node runs on. Raises ServiceError if it cannot."""
        self.load(node.role)
        for part in self.further_parts.get(node.role, ()):
            self.load(part)
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
                notify, place = _notify_socket()
                undo.enter_context(notify)
                self._descriptors.append(place)
                pid = self._fork(node, f"/proc/{os.getpid()}/fd/{place}", output)
                undo.pop_all()
            return Starting(node, pid, os.pidfd_open(pid), notify, log, log_start)
        finally:
            os.close(output)

    def _fork(self, node: NodePlace, notify: str, output: int) -> int:
        arguments = ["--role", node.role, node.name, *self._arguments]
        request = {"program": DAEMON, "arguments": arguments, "notify": notify}
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
        written = os.pread(self._faults, os.fstat(self._faults).st_size, 0)
        lines = written.decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "their program ends at once")


def _open_log(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ServiceError(f"{path}: cannot be written: {error.strerror}; choose a --log-dir") from None


def _notify_socket() -> tuple[socket.socket, int]:
    """A socket for one node, and a descriptor of its place in the file system, where it has no name any more.

    It is reached over that descriptor in /proc, by our own user alone, and nothing stays behind, however we
    end. (Nor would a name in the abstract namespace, but to that anybody could send.)
    """
    with tempfile.TemporaryDirectory(prefix="dskectl-") as directory, contextlib.ExitStack() as undo:
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        undo.enter_context(notify)
        path = Path(directory) / "notify"
        notify.bind(str(path))
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        undo.pop_all()
    return notify, place


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
