"""The listening Unix socket: made so that nobody else gets in, and never in another daemon's place."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from dsked.delivery.access import group_id
from dsked.errors import ConfigurationError
from dsked.limits import LISTEN_BACKLOG, MAX_SOCKET_PATH_BYTES

_DIRECTORY_MODE = 0o750
_SOCKET_MODE = 0o660


class ControlGroupError(ConfigurationError):
    """There is no such group, or socket and directory cannot be given to it."""


class Listener:
    """A Unix stream socket that listens at `path`; it is removed on `close` if it is still there."""

    def __init__(self, path: Path, group: str | None = None) -> None:
        """Listen at `path`, mode 0660, in a directory that is made with mode 0750 where it is missing.

        `group` is the local group of both; None leaves the process's own. What a daemon that died left
        behind is removed. A directory of our own that exists gets a named group, and the mode, too: the
        group may have been named since the first start. Raises ConfigurationError where a node listens
        there already, and for a path that cannot be used; ControlGroupError for such a group.
        """
        self.path = path
        length = len(os.fsencode(path))
        if length > MAX_SOCKET_PATH_BYTES:
            raise ConfigurationError(
                f"the socket path {path} has {length} bytes; Unix allows {MAX_SOCKET_PATH_BYTES}"
            )
        gid = None if group is None else _group_id(group)
        try:
            _make_directory(path.parent, gid)
            with _locked(path.parent):
                _remove_stale(path)
                self.socket = _listen(path, gid)
            self._file = _identity(path.lstat())
        except OSError as error:
            raise ConfigurationError(f"cannot listen on {path}: {error.strerror or error}") from None

    def close(self) -> None:
        """Stop listening and remove the socket, unless another has taken its place."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if _identity(self.path.lstat()) == self._file:
                self.path.unlink()


def _group_id(group: str) -> int:
    try:
        return group_id(group)
    except ConfigurationError as error:
        raise ControlGroupError(str(error)) from None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _make_directory(directory: Path, gid: int | None) -> None:
    try:
        directory.mkdir(_DIRECTORY_MODE, parents=True)
    except FileExistsError:
        if gid is None or directory.lstat().st_uid != os.geteuid():
            return
    _give_to_group(directory, gid)
    directory.chmod(_DIRECTORY_MODE)  # whatever the umask took


def _give_to_group(path: Path, gid: int | None) -> None:
    if gid is None or gid == path.lstat().st_gid:  # no call at all: a service's filter of calls forbids it
        return
    try:
        os.chown(path, -1, gid)
    except OSError as error:
        raise ControlGroupError(
            f"{path}: cannot be given to group {gid}: {error.strerror}; expected a group that user "
            f"{os.geteuid()} is in, and in a unit of systemd the unit's own"
        ) from None


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Two daemons that start at once look, remove and listen one after the other."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _remove_stale(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise ConfigurationError(f"{path} exists and is not a socket: move it away")
    if _answers(path):
        raise ConfigurationError(f"a node is already listening on {path}")
    if status.st_uid != os.geteuid():
        raise ConfigurationError(f"{path} belongs to another user (ID {status.st_uid}): remove it")
    path.unlink()


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(os.fspath(path))
        except ConnectionRefusedError:
            return False
        except OSError:  # a full backlog, or no permission: somebody is there
            return True
    return True


def _listen(path: Path, gid: int | None) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        umask = os.umask(0o777)  # nobody connects before group and mode are right
        try:
            listening.bind(os.fspath(path))
        finally:
            os.umask(umask)
        _give_to_group(path, gid)
        path.chmod(_SOCKET_MODE)
        listening.listen(LISTEN_BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
