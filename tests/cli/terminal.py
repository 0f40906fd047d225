"""A command on a terminal of its own, as a person has it."""

from __future__ import annotations

import codecs
import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

_LIMIT_S = 30.0


class Terminal:
    """Runs a command in a pseudo-terminal; whatever still runs at the end of the `with` block is killed."""

    def __init__(self, command: Sequence[str], *, rows: int = 40, columns: int = 120) -> None:
        self._own, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.settings = termios.tcgetattr(theirs)
        environment = {**os.environ, "TERM": "xterm-256color"}
        environment.pop("NO_COLOR", None)
        command = ("setsid", "--ctty", *command)  # so that Ctrl-C there is its signal
        self._process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
        os.close(theirs)  # so that the last who has it open is the command
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self.shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._own)

    def wait_for(self, text: str) -> str:
        """All that was shown since the last call, up to and with `text`. Raises TimeoutError."""
        deadline = time.monotonic() + _LIMIT_S
        while text not in self.shown:
            assert self._read(deadline, text), f"it ended without {text!r}, but with {self.shown!r}"
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def press(self, keys: str) -> None:
        """Types."""
        os.write(self._own, keys.encode())

    def end(self) -> int:
        """The exit status, once it has ended; what it showed last stays in `shown`."""
        deadline = time.monotonic() + _LIMIT_S
        while self._read(deadline, "its end"):
            pass
        return self._process.wait(_LIMIT_S)

    def settings_now(self) -> list[object]:
        """The terminal's settings."""
        return termios.tcgetattr(self._own)

    def _read(self, deadline: float, text: str) -> bool:
        """Whether there was more: until the command has ended and all that it showed is read."""
        if not select.select([self._own], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise TimeoutError(f"{text!r} was not shown, but {self.shown!r}")
        try:
            self.shown += self._decode(os.read(self._own, 65536))
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return False
        return True
