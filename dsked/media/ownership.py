"""Files of a daemon that root makes for it: made as the daemon's user, so that they are its own.

As the daemon's user, not given to it afterwards: a link that somebody put there cannot make root
write, or give away, what is not the daemon's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsked.storage.files import Files, OpenFile


def files_for(directory: Path) -> Files:
    """Files in a node's state directory: for root, as the owner of it, or of the nearest one that exists."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    status = existing.stat()
    if os.geteuid() != 0 or status.st_uid == 0:
        return Files()
    return OwnersFiles(status.st_uid, status.st_gid)


class OwnersFiles(Files):
    """All that takes a path is done as another user; root alone may have it."""

    def __init__(self, user: int, group: int) -> None:
        self._user = user
        self._group = group

    @contextmanager
    def _as_owner(self) -> Iterator[None]:
        group = os.getegid()
        os.setegid(self._group)
        os.seteuid(self._user)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(group)

    def create(self, path: Path) -> OpenFile:
        with self._as_owner():
            return super().create(path)

    def open(self, path: Path, *, write: bool = False) -> OpenFile:
        with self._as_owner():
            return super().open(path, write=write)

    def sync_directory(self, path: Path) -> None:
        with self._as_owner():
            super().sync_directory(path)

    def rename(self, old: Path, new: Path) -> None:
        with self._as_owner():
            super().rename(old, new)

    def remove(self, path: Path) -> None:
        with self._as_owner():
            super().remove(path)

    def make_directory(self, path: Path) -> None:
        with self._as_owner():
            super().make_directory(path)

    def remove_directory(self, path: Path) -> None:
        with self._as_owner():
            super().remove_directory(path)

    def names(self, path: Path) -> list[str]:
        with self._as_owner():
            return super().names(path)

    def exists(self, path: Path) -> bool:
        with self._as_owner():
            return super().exists(path)
