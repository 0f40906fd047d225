"""Every block and bundle that a node ever adopted: a UUID is remembered for ever, and never enters twice."""

from __future__ import annotations

from collections.abc import Iterable

from dsked.errors import StorageError
from dsked.limits import UUID_BYTES
from dsked.storage.block_file import CHECKSUM_BYTES, checksum
from dsked.storage.records import replace_file
from dsked.storage.state_dir import StateDirectory

_RECORD_BYTES = UUID_BYTES + CHECKSUM_BYTES


def known_uuids(state: StateDirectory) -> set[bytes]:
    """All of them. Raises StorageError if the file is damaged."""
    content = _content(state)
    known: set[bytes] = set()
    for at in range(0, len(content), _RECORD_BYTES):
        uuid, found = content[at : at + UUID_BYTES], content[at + UUID_BYTES : at + _RECORD_BYTES]
        if found != checksum(uuid):
            raise StorageError(f"{state.uuids}: damaged at byte {at}")
        known.add(uuid)
    return known


def remember(state: StateDirectory, uuids: Iterable[bytes]) -> None:
    """Adds those that are missing; durable on return. Raises StorageError.

    The file is written anew: one that grows in place could be torn anywhere in what was added.
    """
    known = known_uuids(state)
    missing = b"".join(uuid + checksum(uuid) for uuid in dict.fromkeys(uuids) if uuid not in known)
    if missing:
        replace_file(state.files, state.uuids, _content(state) + missing)


def _content(state: StateDirectory) -> bytes:
    file = state.files.open(state.uuids)
    try:
        return state.files.read_at(file, state.files.size(file), 0)
    finally:
        state.files.close(file)
