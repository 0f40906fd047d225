"""What is kept of a pair beside blocks and marks, and what a delivery brings: small files, whole or absent.

Each is a magic with its version, msgpack, and a SHA-256 over both. Both hold the pair's gate key, and are
written with mode 0600.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from dsked.errors import StorageError
from dsked.limits import GATE_KEY_BYTES, STREAM_ID_BYTES, UUID_BYTES
from dsked.psrd.pair import Side
from dsked.psrd.store import BlockInfo
from dsked.secrecy import no_pickle
from dsked.storage.files import Files

PAIR_MAGIC = b"DSKEPAR1"
DELIVERY_MAGIC = b"DSKEDLV1"
DELIVERY_NAME = "delivery"
_DIGEST_BYTES = 32
Uuid = Annotated[bytes, Meta(min_length=UUID_BYTES, max_length=UUID_BYTES)]
StreamId = Annotated[bytes, Meta(min_length=STREAM_ID_BYTES, max_length=STREAM_ID_BYTES)]
GateKey = Annotated[bytes, Meta(min_length=GATE_KEY_BYTES, max_length=GATE_KEY_BYTES)]
Natural = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class PairTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the first bundle of a pair's streams fixes. `window` in bytes; `x`: the hub's x-coordinate."""

    client: str
    hub: str
    gate_key: GateKey
    x: Annotated[int, Meta(ge=1, le=255)]
    window: Natural
    client_stream: StreamId
    hub_stream: StreamId

    def __repr__(self) -> str:
        return f"PairTerms({self.client}/{self.hub})"

    __reduce__ = no_pickle

    def stream(self, owner: Side) -> bytes:
        """The identity of the pool that `owner` allocates from."""
        return self.client_stream if owner is Side.CLIENT else self.hub_stream


class StreamRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One stream of a pair: its slot in the file of marks, its end in bytes, its blocks in order.

    Blocks that were used up may still stand here; their files are gone.
    """

    slot: Natural
    end: Natural = 0
    next_sequence: Natural = 0
    blocks: tuple[BlockInfo, ...] = ()


class PairRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that is kept of a pair. `bundles`: UUIDs of those that were adopted."""

    terms: PairTerms
    client_stream: StreamRecord
    hub_stream: StreamRecord
    bundles: tuple[Uuid, ...] = ()

    def stream(self, owner: Side) -> StreamRecord:
        """The stream that `owner` allocates from."""
        return self.client_stream if owner is Side.CLIENT else self.hub_stream


class Delivery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one bundle brings to a node. `replace`: new streams, and the end of those that are there."""

    bundle: Uuid
    terms: PairTerms
    client_blocks: tuple[BlockInfo, ...]
    hub_blocks: tuple[BlockInfo, ...]
    replace: bool = False

    def blocks(self, owner: Side) -> tuple[BlockInfo, ...]:
        """The blocks of the pool that `owner` allocates from, in order."""
        return self.client_blocks if owner is Side.CLIENT else self.hub_blocks

    def peer(self, side: Side) -> str:
        """The node at the other end."""
        return self.terms.client if side is Side.HUB else self.terms.hub


RecordT = TypeVar("RecordT", PairRecord, Delivery)


def read_pair(files: Files, path: Path) -> PairRecord:
    """Raises StorageError if it is damaged or of another version."""
    return _read(files, path, PAIR_MAGIC, PairRecord)


def write_pair(files: Files, path: Path, record: PairRecord) -> None:
    """Puts the record in the place of the one before; durable on return. Raises StorageError."""
    _write(files, path, PAIR_MAGIC, record)


def read_delivery(files: Files, directory: Path) -> Delivery:
    """The delivery that is staged in a directory. Raises StorageError, also when it is not complete."""
    return _read(files, directory / DELIVERY_NAME, DELIVERY_MAGIC, Delivery)


def write_delivery(files: Files, directory: Path, delivery: Delivery) -> None:
    """Completes the staging of a delivery: its blocks are there already. Raises StorageError."""
    _write(files, directory / DELIVERY_NAME, DELIVERY_MAGIC, delivery)


def _read(files: Files, path: Path, magic: bytes, kind: type[RecordT]) -> RecordT:
    file = files.open(path)
    try:
        raw = files.read_at(file, files.size(file), 0)
    finally:
        files.close(file)
    if raw[: len(magic) - 1] == magic[:-1] and raw[: len(magic)] != magic:
        raise StorageError(
            f"{path}: of version {raw[len(magic) - 1 : len(magic)]!r}; expected {magic[-1:]!r}"
        )
    body, digest = raw[:-_DIGEST_BYTES], raw[-_DIGEST_BYTES:]
    if raw[: len(magic)] != magic or hashlib.sha256(body).digest() != digest:
        raise StorageError(f"{path}: damaged")
    try:
        return msgspec.msgpack.decode(body[len(magic) :], type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise StorageError(f"{path}: damaged") from None


def _write(files: Files, path: Path, magic: bytes, record: PairRecord | Delivery) -> None:
    body = magic + msgspec.msgpack.encode(record)
    replace_file(files, path, body + hashlib.sha256(body).digest())


def replace_file(files: Files, path: Path, content: bytes) -> None:
    """A small file in the place of `path`, whole or not at all; durable on return. Raises StorageError."""
    fresh = path.with_name(path.name + ".new")
    files.remove(fresh)
    file = files.create(fresh)
    try:
        files.write_at(file, content, 0)
        files.sync(file)
    finally:
        files.close(file)
    files.rename(fresh, path)
    files.sync_directory(path.parent)
