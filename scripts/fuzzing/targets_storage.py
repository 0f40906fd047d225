"""What a node reads of its own state directory: records, marks, headers of blocks, known UUIDs, version."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec

from dsked.cli.psrd_documents import pools_document
from dsked.errors import ConfigurationError, StorageError
from dsked.media.pools import StoredPool
from dsked.psrd.pair import Side
from dsked.psrd.store import BlockInfo
from dsked.storage import block_file, known_uuids, records
from dsked.storage.block_file import CHECKSUM_BYTES, checksum
from dsked.storage.files import Files
from dsked.storage.marks import HEADER_BYTES, MAGIC, SLOT_BYTES, MarkFile
from dsked.storage.records import PairRecord, StreamRecord
from dsked.storage.state_dir import StateDirectory

from . import scratch, words
from .target import Target
from .targets_config import shown
from .targets_media import delivery

_FILES = Files()
_UUID_BYTES = 16


def _state() -> StateDirectory:
    return StateDirectory(_FILES, scratch.directory(), "client", "carol")


def _with_digest(magic: bytes, body: bytes) -> bytes:
    return magic + body + hashlib.sha256(magic + body).digest()


def _pair(body: bytes) -> PairRecord:
    record = records.read_pair(_FILES, scratch.file("hank.pair", _with_digest(records.PAIR_MAGIC, body)))
    pools = [
        StoredPool(side, record.terms.stream(side), record.stream(side).slot, 0, record.stream(side).blocks)
        for side in Side
    ]
    json.dumps(pools_document("hank", record, pools))
    return record


def _delivery(body: bytes) -> object:
    scratch.file(records.DELIVERY_NAME, _with_digest(records.DELIVERY_MAGIC, body))
    return records.read_delivery(_FILES, scratch.directory())


def _packed(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def _record() -> PairRecord:
    brought = delivery()
    client, hub = (
        StreamRecord(slot, blocks[-1].end, blocks[-1].sequence + 1, blocks)
        for slot, blocks in enumerate((brought.client_blocks, brought.hub_blocks))
    )
    return PairRecord(brought.terms, client, hub, (brought.bundle,))


def _raw_record(raw: bytes) -> object:
    return records.read_pair(_FILES, scratch.file("raw.pair", raw))


def _marks(data: bytes) -> object:
    """Slots; where the first byte is odd, each gets its true checksum."""
    mended, slots = bool(data[:1] and data[0] & 1), data[1:]
    if mended:
        fields = SLOT_BYTES - CHECKSUM_BYTES
        cut = [slots[at : at + fields].ljust(fields, b"\0") for at in range(0, len(slots), SLOT_BYTES)]
        slots = b"".join(one + checksum(one) for one in cut)
    return _read_marks((MAGIC + checksum(MAGIC)).ljust(HEADER_BYTES, b"\0") + slots)


def _read_marks(raw: bytes) -> object:
    marks = MarkFile.open(_FILES, scratch.file("marks", raw))
    try:
        return [marks.read(slot) for slot in range(marks.nr_slots)]
    finally:
        marks.close()


def _slots() -> list[bytes]:
    fields = [bytes([7]) * 16 + b"".join(n.to_bytes(8, "big") for n in (4096 * slot, slot, slot)) + bytes(8)
              for slot in range(3)]  # fmt: skip
    return [b"\x00" + b"".join(one + checksum(one) for one in fields), b"\x01" + bytes(2 * SLOT_BYTES)]


def _block_header(fields: bytes) -> object:
    """The fields of the header of a block, under a true checksum."""
    head = block_file.MAGIC + len(fields).to_bytes(4, "big") + fields
    return _read_block((head + checksum(head)).ljust(block_file.HEADER_BYTES, b"\0"))


def _read_block(raw: bytes) -> object:
    file = _FILES.open(scratch.file("block", raw))
    try:
        return block_file.read_header(_FILES, file)
    finally:
        _FILES.close(file)


def _block_fields(value: Any) -> bytes:
    stream_id, info = value
    raw = block_file.encode_header(stream_id, info)
    return raw[12 : 12 + int.from_bytes(raw[8:12], "big")]


_BLOCK = (b"s" * 16, BlockInfo(3, b"u" * 16, 1 << 20, 4096))


def _known(data: bytes) -> object:
    """UUIDs that were taken; where the first byte is odd, each gets its true checksum."""
    scratch.file("uuids", _summed(data[1:]) if data[:1] and data[0] & 1 else data[1:])
    return known_uuids.known_uuids(_state())


def _summed(uuids: bytes) -> bytes:
    cut = [uuids[at : at + _UUID_BYTES] for at in range(0, len(uuids), _UUID_BYTES)]
    return b"".join(one + checksum(one) for one in cut)


def _version(data: bytes) -> object:
    path: Path = scratch.file("version", data)
    assert path.parent == _state().path
    _state().check_version()
    return path.name


TARGETS = (
    Target(
        name="pair-record",
        what="the record of a pair under a true digest",
        declared=(StorageError,),
        seeds=lambda: [_packed(_record())],
        decode=_pair,
        regressions=(b"\x81\xa1\xff\xc0", b"\x81\xa1a" + b"\x91" * 2000 + b"\xc0"),
        encode=_packed,
        exact=False,
        msgpack_at=0,
    ),
    Target(
        name="pair-record-file",
        what="the record of a pair as it lies on the disk",
        declared=(StorageError,),
        seeds=lambda: [_with_digest(records.PAIR_MAGIC, _packed(_record()))],
        decode=_raw_record,
        msgpack_at=len(records.PAIR_MAGIC),
    ),
    Target(
        name="delivery-record",
        what="a staged delivery under a true digest",
        declared=(StorageError,),
        seeds=lambda: [_packed(delivery())],
        decode=_delivery,
        regressions=(b"\x81\xa1\xff\xc0",),
        encode=_packed,
        exact=False,
        msgpack_at=0,
    ),
    Target(
        name="marks",
        what="the slots of durable marks",
        declared=(StorageError,),
        seeds=_slots,
        decode=_marks,
    ),
    Target(
        name="marks-file",
        what="the file of durable marks",
        declared=(StorageError,),
        seeds=lambda: [(MAGIC + checksum(MAGIC)).ljust(64, b"\0")],
        decode=_read_marks,
    ),
    Target(
        name="block-header",
        what="the fields of a block's header under a true checksum",
        declared=(StorageError,),
        seeds=lambda: [_block_fields(_BLOCK)],
        decode=_block_header,
        encode=_block_fields,
        exact=False,
        msgpack_at=0,
    ),
    Target(
        name="block-file",
        what="the header of a block's file",
        declared=(StorageError,),
        seeds=lambda: [block_file.encode_header(*_BLOCK)],
        decode=_read_block,
        msgpack_at=12,
        max_bytes=8192,
    ),
    Target(
        name="known-uuids",
        what="the UUIDs that were ever taken",
        declared=(StorageError,),
        seeds=lambda: [b"\x01" + bytes(range(48)), b"\x00" + _summed(bytes(range(32)))],
        decode=_known,
    ),
    Target(
        name="state-version",
        what="the layout's version, and whose state it is",
        declared=(StorageError, ConfigurationError),
        shown=shown,
        seeds=lambda: [b"dsked state 1\nclient carol\n", b"dsked state 2\nhub hank\n"],
        decode=_version,
        words=words.VERSION,
    ),
)
