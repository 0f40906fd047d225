"""The audit log's file: only ever appended to, by one node.

A line is with the operating system before the keys that it is about leave the process, and on the disk within
AUDIT_SYNC_S. A file that cannot be written (the disk is full) stops no keys: else whoever may ask for keys
could fill the disk by asking, and so cut off all others. The node says so in its log and its status, and the
chain says how many lines are missing (GAP).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import io
import logging
import os
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dsked.audit.chain import GAP, OPENED, START, Chain, append, parse
from dsked.errors import ConfigurationError
from dsked.limits import AUDIT_SYNC_S, MAX_AUDIT_LINE_BYTES

_log = logging.getLogger("dsked.audit")
_MODE = 0o640
_BEGINNING = b'{"number":1,'
#: So much at the end of a file holds a whole line, and some that were begun.
_TAIL_BYTES = 4 * MAX_AUDIT_LINE_BYTES
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must not hold us up


class AuditLog:
    """An open audit log. Made in a running event loop. `about`: what the first line says of the node."""

    def __init__(self, path: Path, about: Mapping[str, str], clock: Callable[[], float] = time.time) -> None:
        """Goes on with the chain of the file, or of the one that logrotate(8) has put aside as PATH.1.

        Raises ConfigurationError for a file that cannot be had.
        """
        self._path = path
        self._about = dict(about)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._sync_timer: asyncio.TimerHandle | None = None
        self._problem = ""
        self._lost = self._lost_in_all = 0
        self._fd, self._end = _open(path, None)
        self._opened()

    def append(self, event: str, fields: Mapping[str, object]) -> None:
        """One line more. Never raises: what cannot be written is counted."""
        gap = self._lost or self._end.torn
        if (gap and not self._write_gap()) or not self._write(event, fields):
            self._lost += 1
        if self._sync_timer is None:
            self._sync_timer = self._loop.call_later(AUDIT_SYNC_S, self._sync)

    def reopen(self) -> None:
        """After a rotation: goes on in a new file of the same name; where there can be none, in the old."""
        with contextlib.suppress(OSError):
            if os.path.samestat(self._path.stat(), os.fstat(self._fd)):
                self._tell_head()
                return
        try:
            new, end = _open(self._path, self._end)
        except ConfigurationError as error:
            _log.error("%s: the former file is written to", error)
            return
        self._close_file()
        self._fd, self._end = new, end
        self._opened()

    async def close(self) -> None:
        """Nothing more is written."""
        if self._lost:
            self._write_gap()
        self._tell_head()
        self._close_file()

    def status(self) -> dict[str, Any]:
        """For the operator."""
        return {
            "path": str(self._path),
            "number": self._end.chain.number,
            "hash": self._end.chain.head.hex(),
            "nr_lost": self._lost_in_all + self._lost,
            "problem": self._problem or None,
        }

    # --- lines ---

    def _opened(self) -> None:
        """The first line of this process, or of a new file."""
        self.append(OPENED, self._about)
        self._tell_head()

    def _tell_head(self) -> None:
        """Into the log, which is kept elsewhere: it shows later whether the chain was written anew."""
        _log.info("audit log %s: its last line is %s", self._path, self._end.chain)

    def _write_gap(self) -> bool:
        if not self._write(GAP, {"lost": self._lost, "torn": self._end.torn}):
            return False
        if self._lost:
            _log.warning("audit log %s: written again; %d lines are lost", self._path, self._lost)
        self._lost_in_all, self._lost, self._end.torn = self._lost_in_all + self._lost, 0, 0
        return True

    def _write(self, event: str, fields: Mapping[str, object]) -> bool:
        """Whether the line is there, be it without its end."""
        end = self._end
        if event in (OPENED, GAP):
            fields = {"previous": end.chain.head.hex(), **fields}
        chain, line = append(end.chain, _now(self._clock()), event, fields)
        data = end.rest + line  # what was begun is ended first
        written = 0
        try:
            while written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError as error:
            self._failed(error)
        in_line = written - len(end.rest)
        if in_line >= len(line) - 1:
            end.chain, end.rest = chain, data[written:]
            self._problem = "" if not end.rest else self._problem
            return True
        if in_line >= 0:
            end.rest = b"\n" if in_line else b""
            end.torn += bool(in_line)
        return False

    def _failed(self, error: OSError) -> None:
        problem = error.strerror or str(error)
        if problem != self._problem:
            self._problem = problem
            _log.error(
                "audit log %s: %s; keys are given all the same, and the lines that are lost are counted",
                self._path,
                problem,
            )

    # --- the disk ---

    def _sync(self) -> None:
        """In a thread: a disk may take its time."""
        self._sync_timer = None
        self._loop.run_in_executor(None, _sync_and_close, os.dup(self._fd)).add_done_callback(self._synced)

    def _synced(self, done: asyncio.Future[None]) -> None:
        error = None if done.cancelled() else done.exception()
        if isinstance(error, OSError):
            self._failed(error)

    def _close_file(self) -> None:
        if self._sync_timer is not None:
            self._sync_timer.cancel()
            self._sync_timer = None
        with contextlib.suppress(OSError):
            os.fdatasync(self._fd)
        os.close(self._fd)


@dataclass(slots=True)
class _End:
    """Where a file ends: `rest` ends its last line; `torn` lines after the last whole one were begun."""

    chain: Chain
    rest: bytes = b""
    torn: int = 0


@functools.lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _now(seconds: float) -> str:
    """RFC 3339, UTC, to the millisecond."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03}Z"


def _sync_and_close(fd: int) -> None:
    try:
        os.fdatasync(fd)
    finally:
        os.close(fd)


def _open(path: Path, former: _End | None) -> tuple[int, _End]:
    """The file, and where it ends. With `former` it must be an empty one, which goes on after that."""
    try:
        fd = _create_or_open(path)
    except OSError as error:
        what = f"expected a file that user {os.geteuid()} may make and write, in a directory that is there"
        raise ConfigurationError(f"audit log {path}: {error.strerror}; {what}") from None
    try:
        return fd, _end_of(fd, path, former)
    except ConfigurationError:
        os.close(fd)
        raise


def _create_or_open(path: Path) -> int:
    with contextlib.suppress(FileExistsError):
        fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, _MODE)
        os.fchmod(fd, _MODE)  # whatever the umask: a group of auditors may read it
        return fd
    return os.open(path, _FLAGS)


def _end_of(fd: int, path: Path, former: _End | None) -> _End:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"audit log {path}: it is no regular file")
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        text = "another process writes to it, and each node needs a file of its own"
        raise ConfigurationError(f"audit log {path}: {text}") from None
    if status.st_size and former is not None:
        raise ConfigurationError(f"audit log {path}: it is not empty, and not the file that was written to")
    if status.st_size:
        return _last(fd, path)
    return _End(former.chain, b"", former.torn) if former is not None else _End(_put_aside(path))


def _last(fd: int, path: Path) -> _End:
    """Where a file ends. A machine that crashed, or a full disk, leaves lines that were only begun."""
    size = os.fstat(fd).st_size
    lines = io.BytesIO(os.pread(fd, _TAIL_BYTES, max(size - _TAIL_BYTES, 0))).readlines()
    rest = b"" if lines[-1].endswith(b"\n") else b"\n"
    for torn, line in enumerate(reversed(lines)):
        entry = parse(line)
        if entry is not None:
            return _End(entry.chain, rest, torn)
    if len(lines) == 1 and lines[0][: len(_BEGINNING)] == _BEGINNING[: len(lines[0])]:  # its very first line
        return _End(START, rest, 1)
    raise ConfigurationError(
        f"audit log {path}: it is another file: expected one that dsked has written, or none"
    )


def _put_aside(path: Path) -> Chain:
    """The end of the chain in the file before, where that was rotated while no node ran."""
    before = path.with_name(f"{path.name}.1")
    try:
        fd = os.open(before, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return START
    try:
        status = os.fstat(fd)
        regular = stat.S_ISREG(status.st_mode) and status.st_size
        return _last(fd, before).chain if regular else START
    except ConfigurationError:
        return START
    finally:
        os.close(fd)
