"""One state directory, one owner: its layout, its version, its lock.

lock        the number of the process that owns the directory; what is locked is the directory itself
psrd.lock   held by a command that prepares or brings deliveries
version     the layout's version, and whose state it is
marks       the durable marks of all pools
uuids       every block and bundle that was ever adopted
pairs/      a record of each pair
blocks/     unread blocks
staging/    blocks of deliveries that are not adopted yet
trash/      what is to be overwritten
"""

from __future__ import annotations

import os
from pathlib import Path

from dsked.errors import ConfigurationError, StorageError
from dsked.storage.files import Files, OpenFile
from dsked.storage.marks import MarkFile
from dsked.storage.records import replace_file

VERSION = "1"
_MAX_SMALL_FILE_BYTES = 4096


class StateDirectory:
    """The places of one node's state. `role` and `name`: whose it is."""

    def __init__(self, files: Files, path: Path, role: str, name: str) -> None:
        self.files = files
        self.path = path
        self.role = role
        self.name = name
        self.marks = path / "marks"
        self.uuids = path / "uuids"
        self.pairs = path / "pairs"
        self.blocks = path / "blocks"
        self.staging = path / "staging"
        self.trash = path / "trash"
        self._version = path / "version"

    def staged(self, bundle: bytes) -> Path:
        """Where the delivery of a bundle (its UUID, 16 bytes) is staged."""
        return self.staging / bundle.hex()

    def pair(self, peer: str) -> Path:
        """The record of the pair with this peer."""
        return self.pairs / f"{peer}.pair"

    def lock(self, wait_s: float = 0.0) -> OpenFile:
        """Owns the directory, which is made if missing, until what is returned is closed.

        `wait_s`: so long for another process to give it back. The directory itself is locked: a file of its
        own could be removed, and made and locked once more. Raises ConfigurationError if another owns it.
        """
        self._make()
        lock = self.files.open(self.path)
        try:
            if not self.files.lock(lock, wait_s):
                raise ConfigurationError(
                    f"{self.path}: is in use by {self._owner()}; two nodes on one state would use pads twice"
                )
            self._sign()
        except BaseException:
            self.files.close(lock)
            raise
        return lock

    def _make(self) -> None:
        if self.files.exists(self.path):
            return
        self.files.make_directory(self.path)
        try:
            self.files.sync_directory(self.path.parent)
        except StorageError:  # its name may be lost for good, whatever is synced later
            self.files.remove_directory(self.path)
            raise

    def _sign(self) -> None:
        file = self._lock_file("lock")
        try:
            self.files.write_at(file, f"process {os.getpid()}".ljust(32).encode(), 0)
        finally:
            self.files.close(file)

    def _owner(self) -> str:
        if not self.files.exists(self.path / "lock"):
            return "another process"
        file = self.files.open(self.path / "lock")
        try:
            return self._read(file) or "another process"
        finally:
            self.files.close(file)

    def lock_for_deliveries(self) -> OpenFile | None:
        """Until it is closed, nobody else prepares or brings deliveries; None if somebody does already."""
        self.files.make_directory(self.path)
        lock = self._lock_file("psrd.lock")
        if self.files.lock(lock):
            return lock
        self.files.close(lock)
        return None

    def _lock_file(self, name: str) -> OpenFile:
        path = self.path / name
        if not self.files.exists(path):
            try:
                return self.files.create(path)
            except StorageError:
                if not self.files.exists(path):
                    raise
                # else somebody else was quicker
        return self.files.open(path, write=True)

    def prepare(self) -> None:
        """Makes what is missing; durable on return. Raises ConfigurationError if it is not this node's."""
        if self.files.exists(self._version):
            self.check_version()
            return
        for directory in (self.pairs, self.blocks, self.staging, self.trash):
            self.files.make_directory(directory)
        if not self.files.exists(self.marks):
            MarkFile.create(self.files, self.marks)
        if not self.files.exists(self.uuids):
            replace_file(self.files, self.uuids, b"")
        self.files.sync_directory(self.path.parent)
        replace_file(
            self.files, self._version, self._version_text().encode()
        )  # last: it says that all is there

    def check_version(self) -> None:
        """Raises ConfigurationError if the state is of another version, or another node's."""
        file = self.files.open(self._version)
        try:
            text = self._read(file)
        finally:
            self.files.close(file)
        version, _, owner = text.partition("\n")
        if version != f"dsked state {VERSION}":
            raise ConfigurationError(
                f"{self.path}: holds {version[:40] or 'nothing'!r}; expected 'dsked state {VERSION}': "
                "use the release of dsked that wrote it, or begin with an empty directory and new PSRD"
            )
        if owner.strip() != f"{self.role} {self.name}":
            raise ConfigurationError(f"{self.path}: holds the state of {owner.strip()[:80]}, not of "
                                     f"{self.role} {self.name}")  # fmt: skip

    @property
    def exists(self) -> bool:
        """Whether a node's state was ever made here."""
        return self.files.exists(self._version)

    def _version_text(self) -> str:
        return f"dsked state {VERSION}\n{self.role} {self.name}\n"

    def _read(self, file: OpenFile) -> str:
        size = min(self.files.size(file), _MAX_SMALL_FILE_BYTES)
        return self.files.read_at(file, size, 0).decode(errors="replace").strip(" \0")
