"""Every block and bundle that a node ever adopted: a UUID is remembered for ever, and never enters twice."""

from __future__ import annotations

from collections.abc import Iterable

from dsked.errors import StorageError
from dsked.limits import UUID_BYTES
from dsked.storage.block_file import CHECKSUM_BYTES, checksum
from dsked.storage.files import Files
from dsked.storage.state_dir import StateDirectory

_RECORD_BYTES = UUID_BYTES + CHECKSUM_BYTES


def known_uuids(state: StateDirectory) -> set[bytes]:
    """All of them. Raises StorageError if the file is damaged; a torn last record is none."""
    return _parse(state, _content(state.files, state))


def remember(state: StateDirectory, uuids: Iterable[bytes]) -> None:
    """Adds those that are missing; durable on return. Raises StorageError."""
    content = _content(state.files, state)
    known = _parse(state, content)
    missing = b"".join(uuid + checksum(uuid) for uuid in dict.fromkeys(uuids) if uuid not in known)
    if not missing:
        return
    file = state.files.open(state.uuids, write=True)
    try:
        state.files.write_at(file, missing, len(known) * _RECORD_BYTES)
        state.files.sync(file)
    finally:
        state.files.close(file)


def _content(files: Files, state: StateDirectory) -> bytes:
    file = files.open(state.uuids)
    try:
        return files.read_at(file, files.size(file), 0)
    finally:
        files.close(file)


def _parse(state: StateDirectory, content: bytes) -> set[bytes]:
    known: set[bytes] = set()
    for at in range(0, len(content), _RECORD_BYTES):
        uuid, found = content[at : at + UUID_BYTES], content[at + UUID_BYTES : at + _RECORD_BYTES]
        if found == checksum(uuid):
            known.add(uuid)
        elif any(content[at + _RECORD_BYTES :]):
            raise StorageError(f"{state.uuids}: damaged at byte {at}")
        else:
            break  # the end of a write that a crash cut short: its delivery is adopted anew at the next start
    return known
