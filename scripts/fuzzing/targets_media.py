"""Bundles: header, manifest, seal, whole files; damage is put under true digests, so that it is looked at."""

from __future__ import annotations

import hashlib
import json
from functools import cache, partial

from vectors.common import fixed

from dsked.cli.psrd_documents import delivery_document, header_document
from dsked.limits import MIN_FIRST_BUNDLE_BYTES, WINDOW_MIN_BYTES
from dsked.media import header as headers
from dsked.media import manifest, medium, seal
from dsked.media.bundle import BundleReader
from dsked.media.header import BundleError, Header, Seal
from dsked.psrd.store import BlockInfo
from dsked.storage import block_file
from dsked.storage.files import Files
from dsked.storage.records import Delivery, PairTerms

from . import ends, examples, scratch
from .target import Target

_FILES = Files()
_KEY = fixed("fuzzing, key of a seal", 32)
_SEAL = Seal(fixed("fuzzing, salt", 16), chunk_bytes=4096)
_HEADER = Header(fixed("fuzzing, bundle", 16), "hank", "carol", None, 0)
_TERMS = PairTerms(
    "carol",
    "hank",
    ends.GATE_KEY,
    3,
    WINDOW_MIN_BYTES,
    fixed("fuzzing, one", 16),
    fixed("fuzzing, other", 16),
)
#: Blocks are filled up to so many bytes; what promises more is left as it is.
_MOST_FILLED = 64 * 1024


def delivery(sizes: tuple[int, ...] = (100, 5000)) -> Delivery:
    """A small one, which goes on behind a first of the least size; the same sizes in both pools."""
    client, hub = (_blocks(owner, 1, MIN_FIRST_BUNDLE_BYTES, sizes) for owner in ("client", "hub"))
    return Delivery(_HEADER.bundle, _TERMS, client, hub)


def _blocks(owner: str, first: int, start: int, sizes: tuple[int, ...]) -> tuple[BlockInfo, ...]:
    """Blocks that follow each other, the first one of this number and place."""
    blocks = []
    for number, size in enumerate(sizes, first):
        blocks.append(BlockInfo(number, fixed(f"fuzzing, {owner} {number}", 16), start, size))
        start += size
    return tuple(blocks)


def _read_header(raw: bytes) -> tuple[Header, bytes]:
    with medium.opened(_FILES, scratch.file("bundle.psrd", raw)) as file:
        header = headers.read(_FILES, file, whole=False)
    json.dumps(header_document(header))
    headers.check_seal(header)
    return header, raw[len(headers.encode(header)) :]


def _header_bytes(value: object) -> bytes:
    assert isinstance(value, tuple)
    header, rest = value
    return headers.encode(header) + bytes(rest)


def _with_check(fields: bytes) -> bytes:
    """A header of which the first 8 bytes are the length of the body, and the rest its fields."""
    body_bytes, fields = fields[:8].ljust(8, b"\0"), fields[8:]
    head = (
        headers.MAGIC
        + headers.VERSION.to_bytes(4, "big")
        + len(fields).to_bytes(4, "big")
        + body_bytes
        + fields
    )
    return head + hashlib.sha256(head).digest()[: headers.CHECK_BYTES]


def _read_fields(fields: bytes) -> Header:
    return _read_header(_with_check(fields))[0]


def _field_bytes(value: object) -> bytes:
    assert isinstance(value, Header)
    raw = headers.encode(value)
    return raw[16:24] + raw[headers.FIXED_BYTES : -headers.CHECK_BYTES]


def _headers() -> list[Header]:
    return [_HEADER, Header(_HEADER.bundle, "hank", "carol", _SEAL, 123_456)]


def _decode_manifest(raw: bytes) -> Delivery:
    found = manifest.decode(raw, _HEADER)
    assert manifest.plain_bytes(found) > len(raw)
    json.dumps(delivery_document(_HEADER, found))
    return found


def _encode_manifest(value: object) -> bytes:
    assert isinstance(value, Delivery)
    return manifest.encode(value)


def _first() -> Delivery:
    client, hub = (_blocks(owner, 0, 0, (MIN_FIRST_BUNDLE_BYTES,)) for owner in ("client", "hub"))
    return Delivery(_HEADER.bundle, _TERMS, client, hub)


# --- whole bundles ---


def _groups(raw: bytes, content: bytes) -> bytes:
    """The blocks that a manifest lists, filled with `content`, under true checksums and digest."""
    try:
        found = manifest.decode(raw, _HEADER)
    except ValueError:
        return content
    if manifest.plain_bytes(found) > _MOST_FILLED:
        return content
    pieces, at = [], 0
    for _, info in manifest.blocks_in_order(found):
        data = content[at : at + info.size].ljust(info.size, b"p")
        pieces += [data, block_file.chunk_checksums(data)]
        at += info.size
    return b"".join(pieces)


def _bundle(data: bytes, seal_of_it: Seal | None) -> bytes:
    """A bundle of an input: two bytes of the manifest's length, manifest, content of the blocks.

    Digests are true, the last one where the content has as many bytes as the manifest says.
    """
    length = int.from_bytes(data[:2], "big")
    raw, content = data[2 : 2 + length], data[2 + length :]
    front = len(raw).to_bytes(4, "big") + raw
    body = _groups(raw, content)
    header = Header(_HEADER.bundle, "hank", "carol", seal_of_it, 0)
    header = header.for_plain(len(front) + len(body) + 2 * manifest.DIGEST_BYTES)
    digest = hashlib.sha256(headers.encode(header) + front).digest()
    path = scratch.file("made.psrd", headers.encode(header))
    file = _FILES.open(path, write=True)
    try:
        writer = seal.body_writer(_FILES, file, 0, header, _KEY)
        for part in (front, digest, body, _last_digest(raw, body, digest)):
            writer.write(part)
        writer.finish()
    finally:
        _FILES.close(file)
    return path.read_bytes()


def _last_digest(raw: bytes, body: bytes, digest: bytes) -> bytes:
    try:
        blocks = list(manifest.blocks_in_order(manifest.decode(raw, _HEADER)))
    except ValueError:
        return digest
    sums, at = b"", 0
    for _, info in blocks:
        length = block_file.nr_chunks(info.size) * block_file.CHECKSUM_BYTES
        sums += body[at + info.size : at + info.size + length]
        at += info.size + length
    return hashlib.sha256(digest + sums).digest()


def _read_bundle(raw: bytes) -> object:
    """All that a file of bundles holds, as `psrd import` reads it; the key is known."""
    found = []
    with medium.opened(_FILES, scratch.file("bundle.psrd", raw)) as file:
        for placed in medium.scan(_FILES, file):
            headers.check_seal(placed.header)
            reader = BundleReader(_FILES, file, placed.at, placed.header, _KEY)
            blocks = [
                hashlib.sha256(piece).digest()
                for _, info in manifest.blocks_in_order(reader.delivery)
                for piece, _sums in reader.groups(info)
            ]
            reader.finish()
            found.append((medium.file_name(placed.header), reader.delivery, blocks))
    return found


def _inputs() -> list[bytes]:
    made = []
    for one in (delivery(), delivery((1,)), delivery((4096, 4097))):
        raw = manifest.encode(one)
        made.append(len(raw).to_bytes(2, "big") + raw + b"content of the blocks")
    return made


@cache
def _files() -> list[bytes]:
    known = [bytes.fromhex(one["file"]) for one in examples.document("bundles")["bundles"] if one["file"]]
    own = [_bundle(data, one) for data in _inputs()[1:2] for one in (None, _SEAL)]
    return [*known, *own, own[0] + own[1]]


TARGETS = (
    Target(
        name="bundle-header",
        what="the clear header of a bundle",
        declared=(BundleError,),
        seeds=lambda: [headers.encode(one) + b"body" for one in _headers()],
        decode=_read_header,
        encode=_header_bytes,
        msgpack_at=headers.FIXED_BYTES,
    ),
    Target(
        name="bundle-header-fields",
        what="the fields of the header under a true checksum",
        declared=(BundleError,),
        seeds=lambda: [_field_bytes(one) for one in _headers()],
        decode=_read_fields,
        encode=_field_bytes,
        msgpack_at=8,
    ),
    Target(
        name="bundle-manifest",
        what="the manifest of a bundle",
        declared=(ValueError,),
        seeds=lambda: [manifest.encode(one) for one in (delivery(), _first())],
        decode=_decode_manifest,
        encode=_encode_manifest,
        msgpack_at=0,
    ),
    *(
        Target(
            name=f"bundle-{name}",
            what=f"the body of a {name} bundle under true digests",
            declared=(BundleError,),
            seeds=_inputs,
            decode=partial(lambda one, data: _read_bundle(_bundle(data, one)), one),
            msgpack_at=2,
        )
        for name, one in (("plain", None), ("sealed", _SEAL))
    ),
    Target(
        name="bundle-file",
        what="a file of bundles as it comes from a medium",
        declared=(BundleError,),
        seeds=_files,
        decode=_read_bundle,
        msgpack_at=headers.FIXED_BYTES,
        max_bytes=32 * 1024,
    ),
)
