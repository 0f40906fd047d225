"""The daemons: real processes, started, killed without warning, and started again.

A process is ended by the handle of the one who started it, never by a name or a number.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

#: How long a node may take to say that it is ready, or to end, on a machine that is very busy.
LIMIT_S = 30.0
_MAX_DATAGRAM_BYTES = 4096


class TortureError(Exception):
    """Something did not hold that must hold. `str(error)` says what."""


@dataclass(frozen=True)
class Place:
    """Where a node finds its things. `root`: of its socket and log; `state_base`: what --state-dir names."""

    root: Path
    state_base: Path
    config: Path
    role: str
    name: str

    @property
    def state(self) -> Path:
        """The node's state directory."""
        return self.state_base / f"{self.role}-{self.name}"

    @property
    def runtime(self) -> Path:
        """What --runtime-dir names."""
        return self.root / "run"

    @property
    def log(self) -> Path:
        """All that the node and its predecessors have logged."""
        return self.root / f"{self.name}.log"

    @property
    def options(self) -> list[str]:
        """The options that dsked and dskectl share."""
        places = ["--state-dir", str(self.state_base), "--runtime-dir", str(self.runtime)]
        return ["--config", str(self.config), *places]


class Node:
    """One node, through all its lives. `port`: a hub's, where it is not that of its topology file."""

    def __init__(self, place: Place, port: int | None = None) -> None:
        self.place = place
        self.role, self.name = place.role, place.name
        self._arguments = [] if port is None else ["--port", str(port)]
        self.wrapper: list[str] = []  # a program that starts the daemon as itself, with its arguments
        self._process: asyncio.subprocess.Process | None = None
        self._notify: socket.socket | None = None
        place.runtime.mkdir(parents=True, exist_ok=True)
        place.state_base.mkdir(parents=True, exist_ok=True)

    @property
    def running(self) -> bool:
        """True from the start of a process to its end, expected or not."""
        return self._process is not None and self._process.returncode is None

    @property
    def has_ended(self) -> bool:
        """True where a process has ended by itself."""
        return self._process is not None and self._process.returncode is not None

    @property
    def socket(self) -> Path | None:
        """The control socket, where there is one; that of a former life may still lie there."""
        return next(self.place.runtime.glob(f"*/{self.role}-{self.name}.sock"), None)

    async def start(self) -> None:
        """Start a process; it is not ready yet."""
        assert not self.running
        self._forget()
        path = self.place.runtime / f"{self.name}.notify"
        path.unlink(missing_ok=True)
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.setblocking(False)
        self._notify.bind(str(path))
        with self.place.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.wrapper, sys.executable, "-P", "-m", "dsked", "--role", self.role, self.name,
                *self.place.options, *self._arguments,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(path)},
            )  # fmt: skip

    async def opened(self) -> bool:
        """Wait until it has opened its state, and a hub its port: True. False where it ends instead."""
        assert self._process is not None
        ended = asyncio.create_task(self._process.wait())
        told = asyncio.create_task(self._told_something())
        try:
            async with asyncio.timeout(LIMIT_S):
                await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
            return told.done()
        except TimeoutError:
            raise TortureError(f"{self.name} has not started in {LIMIT_S:g} s") from None
        finally:
            ended.cancel()
            told.cancel()

    async def _told_something(self) -> None:
        """Until READY=1, or the STATUS of a client that still lacks hubs (sd_notify(3))."""
        assert self._notify is not None
        loop = asyncio.get_running_loop()
        while b"STATUS=" not in await loop.sock_recv(self._notify, _MAX_DATAGRAM_BYTES):
            pass

    async def kill(self) -> None:
        """End the process without warning, and wait until it is gone."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            async with asyncio.timeout(LIMIT_S):
                await self._process.wait()
        self._forget()

    async def exit_status(self) -> int:
        """Wait until the process ends by itself. Raises TortureError where it goes on."""
        assert self._process is not None
        try:
            async with asyncio.timeout(LIMIT_S):
                return await self._process.wait()
        except TimeoutError:
            raise TortureError(f"{self.name} runs on, and should have refused to start") from None

    def log_lines(self) -> list[str]:
        """All that it and its predecessors have logged."""
        return self.place.log.read_text(errors="replace").splitlines()

    def log_tail(self, lines: int = 8) -> str:
        """The last lines of its log."""
        return "\n".join(self.log_lines()[-lines:])

    def copy_state(self, to: Path) -> None:
        """A copy of the state directory, of a running process's too: files may go before it is their turn."""
        copy_tree(self.place.state, to)

    def restore_state(self, copy: Path) -> None:
        """Put a copy in the place of the state directory."""
        assert not self.running
        shutil.rmtree(self.place.state, ignore_errors=True)
        copy_tree(copy, self.place.state)

    def _forget(self) -> None:
        self._process = None
        if self._notify is not None:
            self._notify.close()
            self._notify = None


def copy_tree(source: Path, to: Path) -> None:
    """Copy a directory whose files come and go meanwhile."""
    to.mkdir(parents=True, mode=0o700)
    for path in sorted(source.iterdir()):
        with suppress(FileNotFoundError):
            if path.is_dir():
                copy_tree(path, to / path.name)
            else:
                shutil.copy2(path, to / path.name)
