"""A configuration file as it is opened: nobody waits for it, and none is used that a stranger has laid out.

Light to import: `dskectl get-key` needs it, and must be quick.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from dsked.errors import ConfigurationError

#: Some 100 bytes per encryptor: room for a hundred thousand of them.
MAX_FILE_BYTES = 16 * 1024 * 1024


def read(path: Path) -> bytes:
    """The file, of which no more is read than MAX_FILE_BYTES and one byte.

    Raises OSError as open does, ConfigurationError for what is no regular file: a pipe would hold us up, and
    could be read only once.
    """
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        demand_regular(path, os.fstat(fd))
        with os.fdopen(fd, "rb", closefd=False) as file:
            return file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(fd)


def demand_regular(path: Path, status: os.stat_result) -> None:
    """Raises ConfigurationError where the status is not that of a regular file."""
    if not stat.S_ISREG(status.st_mode):
        kind = "a directory" if stat.S_ISDIR(status.st_mode) else "a pipe, a device or a socket"
        raise ConfigurationError(f"{path}: is {kind}; expected a regular file")


def demand_ours(path: Path) -> None:
    """To be asked of a file in the current directory that nobody has named.

    It says which files are written, under whose name, and where keys go: in a directory that others may write
    to, anybody could lay one out. Raises ConfigurationError where it is not root's or this user's own, or
    others can write it. Who has become root by sudo(8) may use his own.
    """
    try:
        status = path.stat()
    except OSError:
        return  # who reads it says so
    demand_regular(path, status)
    ours = {0, os.geteuid()}
    if os.geteuid() == 0:
        ours.add(_sudo_user())
    if status.st_uid not in ours:
        fault = f"belongs to user {status.st_uid}, and this is user {os.geteuid()}"
    elif status.st_mode & stat.S_IWOTH:
        fault = "everybody may write it"
    else:
        return
    raise ConfigurationError(f"./{path}: {fault}; if it is meant all the same, name it: --config ./{path}")


def _sudo_user() -> int:
    text = os.environ.get("SUDO_UID", "")
    return int(text) if text.isdecimal() and len(text) <= len(str(2**32)) else 0
