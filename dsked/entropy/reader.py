"""Reading a device, a FIFO or a file: exactly, and with a limit on how long nothing comes.

Drivers of generators differ in whether they know poll() and O_NONBLOCK (Linux's /dev/hwrng tells poll()
that it is ready when it is not), and opening a FIFO waits for its writer. So the calls block, in a
thread of their own, and the caller waits for the thread no longer than the limit.
"""

from __future__ import annotations

import errno
import os
import queue
import stat
import threading
from pathlib import Path

from dsked.errors import ConfigurationError, EntropyError
from dsked.limits import SOURCE_PIECE_BYTES

#: A serial device must not become the terminal that controls us.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY


class PathReader:
    """Reads a path from its beginning. After an error of `read` it must not be read again."""

    def __init__(self, path: Path, stall_s: float) -> None:
        """Raises ConfigurationError if the path cannot be opened, EntropyError if that takes `stall_s`."""
        self.nr_bytes_read = 0
        self._path = path
        self._stall_s = stall_s
        self._mode = 0
        self._requests: queue.SimpleQueue[int] = queue.SimpleQueue()  # bytes wanted; 0: close
        self._answers: queue.SimpleQueue[bytes | OSError] = queue.SimpleQueue()
        self._waiting = True
        # A daemon: a thread that a driver holds must not hold up the end of the process.
        self._thread = threading.Thread(target=self._serve, name=f"reader of {path}", daemon=True)
        self._thread.start()
        try:
            self._answer()
        except OSError as error:
            self.close()
            raise ConfigurationError(f"{path}: cannot be opened: {error.strerror}") from None
        except BaseException:
            self.close()
            raise

    @property
    def reads_the_same_again(self) -> bool:
        """True for a file or a disk: whoever opens it once more gets the same bytes."""
        return stat.S_ISREG(self._mode) or stat.S_ISBLK(self._mode)

    def read(self, nr_bytes: int) -> bytes:
        """Exactly so many bytes. Raises EntropyError: the source ended, broke or stalled."""
        pieces = []
        missing = nr_bytes
        while missing:
            piece = self._read_some(missing)
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Close the path; if a driver holds the thread, as soon as it lets go."""
        self._requests.put(0)
        if not self._waiting:
            self._thread.join()

    def _read_some(self, missing: int) -> bytes:
        self._requests.put(min(missing, SOURCE_PIECE_BYTES))
        self._waiting = True
        try:
            piece = self._answer()
        except OSError as error:
            raise self._failure(f"cannot be read: {error.strerror}") from None
        if not piece:
            raise self._failure(f"ended, {missing} bytes short of what is needed")
        self.nr_bytes_read += len(piece)
        return piece

    def _answer(self) -> bytes:
        try:
            answer = self._answers.get(timeout=self._stall_s)
        except queue.Empty:
            raise self._failure(f"gives nothing for {self._stall_s:g} s") from None
        self._waiting = False
        if isinstance(answer, OSError):
            raise answer
        return answer

    def _failure(self, what: str) -> EntropyError:
        return EntropyError(f"{self._path}: {what}; {self.nr_bytes_read} bytes had come")

    def _serve(self) -> None:
        """The thread: opens, answers requests, closes."""
        try:
            descriptor = os.open(self._path, _FLAGS)
        except OSError as error:
            self._answers.put(error)
            return
        try:
            self._answers.put(self._opened(descriptor))
            for nr_bytes in iter(self._requests.get, 0):
                self._answers.put(_read_once(descriptor, nr_bytes))
        finally:
            os.close(descriptor)

    def _opened(self, descriptor: int) -> bytes | OSError:
        self._mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(self._mode):
            return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        return b""


def _read_once(descriptor: int, nr_bytes: int) -> bytes | OSError:
    try:
        return os.read(descriptor, nr_bytes)
    except OSError as error:
        return error
