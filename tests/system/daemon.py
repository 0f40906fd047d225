"""One daemon as a child process: for its exit status, or with another command line than dskectl gives it."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.laboratory import LIMIT_S

_MAX_DATAGRAM_BYTES = 4096


class Daemon:
    """`dsked` with these arguments, logging to `log`. Killed at the end of the `with` block.

    Its state is in a directory of its own, unless the arguments name one.
    """

    def __init__(self, arguments: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._directory = tempfile.TemporaryDirectory(prefix="dsked-")
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = f"{self._directory.name}/notify"
        self._notify.bind(path)
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "dsked", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={
                    **os.environ,
                    "NOTIFY_SOCKET": path,
                    "DSKED_STATE_DIR": f"{self._directory.name}/state",
                    **(environment or {}),
                },
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._notify.close()
        self._directory.cleanup()

    def wait_ready(self) -> None:
        """Wait until it says READY=1. Fails with its log if it ends before."""
        self._wait_for("READY=1")

    def wait_unready(self) -> str:
        """Wait until it has said why it is not ready: that."""
        return self._wait_for("STATUS=").removeprefix("STATUS=")

    def _wait_for(self, beginning: str) -> str:
        pidfd = os.pidfd_open(self.process.pid)
        try:
            while True:
                ready, _, _ = select.select([self._notify.fileno(), pidfd], [], [], LIMIT_S)
                assert self._notify.fileno() in ready, (
                    f"it has ended, or says nothing: {self.log.read_text()}"
                )
                for line in self._notify.recv(_MAX_DATAGRAM_BYTES).decode().splitlines():
                    if line.startswith(beginning):
                        return line
        finally:
            os.close(pidfd)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal, and wait for the exit status."""
        self.process.send_signal(number)
        return self.process.wait(LIMIT_S)
