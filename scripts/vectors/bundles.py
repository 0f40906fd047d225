"""Vectors of bundles: put together by hand, as proto/bundles.md says."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from dsked.identifiers import as_uuid4
from vectors.common import fixed, plain

CLIENT, HUB, X = "carol", "hank", 3
#: Its normal form C is shorter; that is what the key is made of.
PASSPHRASE = "cafe\u0301 au lait, s'il vous plai\u0302t"  # noqa: S105
GROUP_BYTES, CHUNK_BYTES = 1 << 20, 4096
FIRST_BYTES = (1 << 20) + 5000
SEAL_CHUNK_BYTES = 4096


class Block(NamedTuple):
    """One block as the manifest lists it."""

    owner: str
    sequence: int
    uuid: bytes
    start: int
    size: int

    @property
    def data(self) -> bytes:
        """Its bytes: SHAKE-256 of the UUID, so that a million of them need not be written out."""
        return hashlib.shake_256(self.uuid).digest(self.size)


class Bundle(NamedTuple):
    """One bundle, and what it is made of."""

    name: str
    uuid: bytes
    seal: list[Any] | None
    blocks: list[Block]

    @property
    def manifest(self) -> list[Any]:
        """The fields of the manifest."""
        window = max(FIRST_BYTES // 64, 16384)
        streams = [fixed("bundle client stream", 16), fixed("bundle hub stream", 16)]
        return [fixed("bundle gate key", 32), X, window, *streams, False, [list(one) for one in self.blocks]]

    @property
    def raw(self) -> bytes:
        """The whole bundle."""
        manifest = msgspec.msgpack.encode(self.manifest)
        front = len(manifest).to_bytes(4, "big") + manifest
        body = b"".join(_groups(block.data) for block in self.blocks)
        plain_length = len(front) + 32 + len(body) + 32
        head = self._header(plain_length)
        first = hashlib.sha256(head + front).digest()
        sums = b"".join(_checksums(block.data) for block in self.blocks)
        content = front + first + body + hashlib.sha256(first + sums).digest()
        return head + (content if self.seal is None else _sealed(self.seal, head, content))

    def _header(self, plain_length: int) -> bytes:
        fields = msgspec.msgpack.encode([self.uuid, HUB, CLIENT, self.seal])
        nr_chunks = 0 if self.seal is None else -(-plain_length // SEAL_CHUNK_BYTES)
        head = b"DSKEPSRD" + (1).to_bytes(4, "big") + len(fields).to_bytes(4, "big")
        head += (plain_length + 16 * nr_chunks).to_bytes(8, "big") + fields
        return head + hashlib.sha256(head).digest()[:16]


def bundle_vectors() -> dict[str, Any]:
    """The file bundles.json."""
    first, following = _blocks(0, 0, [FIRST_BYTES]), _blocks(1, FIRST_BYTES, [4100, 10])
    seal = ["ChaCha20-Poly1305", "scrypt", fixed("bundle salt", 16), 15, 8, 3, SEAL_CHUNK_BYTES]
    made = [
        Bundle("first", _uuid("first"), None, first),
        Bundle("going on", _uuid("going on"), None, following),
        Bundle("sealed", _uuid("sealed"), seal, following),
    ]
    return {
        "passphrase": PASSPHRASE,
        "bundles": [_vector(bundle) for bundle in made],
        "refused": [*_refused(made[1]), *_refused_manifests(made[1]), *_refused_sealed(made[2])],
    }


def _vector(bundle: Bundle) -> dict[str, Any]:
    raw = bundle.raw
    return {
        "name": bundle.name,
        "bundle": bundle.uuid.hex(),
        "hub": HUB,
        "client": CLIENT,
        "seal": plain(bundle.seal),
        "manifest": plain(bundle.manifest),
        "length": len(raw),
        "sha256": hashlib.sha256(raw).hexdigest(),
        "file": raw.hex() if len(raw) < 65536 else None,
    }


def _refused(bundle: Bundle) -> list[dict[str, Any]]:
    """Alterations of a bundle that is not sealed."""
    raw = bundle.raw
    head = 24 + int.from_bytes(raw[12:16], "big") + 16
    blocks = head + 4 + len(msgspec.msgpack.encode(bundle.manifest)) + 32
    last = len(raw) - 32
    return [
        _altered(bundle, "another magic", 7, b"X"),
        _altered(bundle, "version 2", 8, (2).to_bytes(4, "big")),
        _altered(bundle, "fields too long", 12, (1025).to_bytes(4, "big")),
        _altered(bundle, "a name in the header", raw.index(b"carol"), b"darol"),
        _altered(bundle, "a bit of the header check", head - 1, bytes([raw[head - 1] ^ 1])),
        _altered(bundle, "a bit of the gate key", head + 8, bytes([raw[head + 8] ^ 1])),
        _altered(bundle, "a bit of the first digest", blocks - 1, bytes([raw[blocks - 1] ^ 1])),
        _altered(bundle, "a bit of a block", blocks, bytes([raw[blocks] ^ 1])),
        _altered(bundle, "a bit of a checksum", blocks + 4100, bytes([raw[blocks + 4100] ^ 1])),
        _altered(bundle, "a bit of the last digest", last, bytes([raw[last] ^ 0x80])),
        {**_altered(bundle, "a byte short", 0, b""), "length": len(raw) - 1},
        {**_altered(bundle, "half of it", 0, b""), "length": len(raw) // 2},
        {**_altered(bundle, "a byte more", len(raw), b"\0"), "length": len(raw) + 1},
        _other_hub(bundle, "a name with a slash", b"h/nk"),
        _other_hub(bundle, "a name that begins with a dot", b".ank"),
        _other_hub(bundle, "a name beyond ASCII", "hän".encode()),
    ]


def _refused_sealed(bundle: Bundle) -> list[dict[str, Any]]:
    raw = bundle.raw
    head = 24 + int.from_bytes(raw[12:16], "big") + 16
    one, two = raw[head : head + 4112], raw[head + 4112 : head + 8224]
    return [
        _altered(bundle, "a bit of a sealed chunk", head, bytes([raw[head] ^ 1])),
        _altered(bundle, "sealed chunks swapped", head, two + one),
        _altered(bundle, "a sealed chunk repeated", head + 4112, one),
        _with_header(bundle, "scrypt beyond the limits", log2_n=17),
        _with_header(bundle, "scrypt below the limits", log2_n=14),
        _with_header(bundle, "another header", log2_n=16),
    ]


def _altered(bundle: Bundle, name: str, at: int, data: bytes) -> dict[str, Any]:
    """`data` in the place of what stands at byte `at`."""
    return {"name": name, "of": bundle.name, "patches": [[at, data.hex()]], "length": len(bundle.raw)}


def _other_manifest(
    bundle: Bundle, name: str, field: int, value: Any, block: int | None = None
) -> dict[str, Any]:
    """Another value of the same length in the manifest, or in one of its blocks, under right digests."""
    fields = bundle.manifest
    (fields if block is None else fields[6][block])[field] = value
    manifest = msgspec.msgpack.encode(fields)
    head = 24 + int.from_bytes(bundle.raw[12:16], "big") + 16
    old = msgspec.msgpack.encode(bundle.manifest)
    assert len(manifest) == len(old) and manifest != old
    first = hashlib.sha256(bundle.raw[:head] + len(old).to_bytes(4, "big") + manifest).digest()
    sums = b"".join(_checksums(one.data) for one in bundle.blocks)
    last = hashlib.sha256(first + sums).digest()
    patches = [[head + 4, (manifest + first).hex()], [len(bundle.raw) - 32, last.hex()]]
    return {"name": f"manifest: {name}", "of": bundle.name, "patches": patches, "length": len(bundle.raw)}


def _other_hub(bundle: Bundle, name: str, hub: bytes) -> dict[str, Any]:
    """A hub's name of as many bytes in the header, under a right check and right digests."""
    end = 24 + int.from_bytes(bundle.raw[12:16], "big")
    start = bundle.raw[:end].replace(HUB.encode(), hub)
    head = start + hashlib.sha256(start).digest()[:16]
    told = 4 + len(msgspec.msgpack.encode(bundle.manifest))
    assert len(start) == end and start != bundle.raw[:end]
    first = hashlib.sha256(head + bundle.raw[len(head) :][:told]).digest()
    last = hashlib.sha256(first + b"".join(_checksums(one.data) for one in bundle.blocks)).digest()
    patches = [[0, head.hex()], [len(head) + told, first.hex()], [len(bundle.raw) - 32, last.hex()]]
    return {"name": name, "of": bundle.name, "patches": patches, "length": len(bundle.raw)}


def _refused_manifests(bundle: Bundle) -> list[dict[str, Any]]:
    """One rule of section 3 broken in each; `bundle` goes on, with two blocks for each pool."""
    first, second = bundle.blocks[0], bundle.blocks[1]
    return [
        _other_manifest(bundle, "x is 0", 1, 0),
        _other_manifest(bundle, "a window below 16384", 2, 16383),
        _other_manifest(bundle, "one identity for both streams", 4, fixed("bundle client stream", 16)),
        _other_manifest(bundle, "streams that go on are to be replaced", 5, True),
        _other_manifest(bundle, "a pool whose blocks belong to the other one", 0, "H", 0),
        _other_manifest(bundle, "an owner that is neither C nor H", 0, "X", 0),
        _other_manifest(bundle, "a gap in the sequence numbers", 1, second.sequence + 1, 1),
        _other_manifest(bundle, "number 0 at another position", 1, 0, 0),
        _other_manifest(bundle, "a gap in the positions", 3, second.start + 1, 1),
        _other_manifest(bundle, "blocks that overlap", 3, second.start - 1, 1),
        _other_manifest(bundle, "one UUID for two blocks", 2, first.uuid, 1),
        _other_manifest(bundle, "a block without bytes", 4, 0, 1),
        _other_manifest(bundle, "true for x", 1, True),
    ]


def _with_header(bundle: Bundle, name: str, log2_n: int) -> dict[str, Any]:
    """The same body under a header whose check is right."""
    assert bundle.seal is not None
    other = bundle._replace(seal=[*bundle.seal[:3], log2_n, *bundle.seal[4:]])
    body = int.from_bytes(bundle.raw[16:24], "big")
    nr_chunks = -(-body // (SEAL_CHUNK_BYTES + 16))
    return _altered(bundle, name, 0, other._header(body - 16 * nr_chunks))


def _blocks(sequence: int, start: int, sizes: list[int]) -> list[Block]:
    """The same places in both pools."""
    return [
        Block(
            owner, sequence + number, _uuid(f"{owner} {sequence + number}"), start + sum(sizes[:number]), size
        )
        for owner in ("C", "H")
        for number, size in enumerate(sizes)
    ]


def _uuid(label: str) -> bytes:
    return as_uuid4(fixed(f"bundle uuid {label}", 16))


def _groups(data: bytes) -> bytes:
    groups = [data[at : at + GROUP_BYTES] for at in range(0, len(data), GROUP_BYTES)]
    return b"".join(group + _checksums(group) for group in groups)


def _checksums(data: bytes) -> bytes:
    chunks = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)]
    return b"".join(hashlib.sha256(chunk).digest()[:16] for chunk in chunks)


def _sealed(seal: list[Any], head: bytes, content: bytes) -> bytes:
    salt, log2_n, r, p, chunk_bytes = seal[2:]
    aead = ChaCha20Poly1305(Scrypt(salt, 32, 1 << log2_n, r, p).derive(_normal(PASSPHRASE)))
    chunks = [content[at : at + chunk_bytes] for at in range(0, len(content), chunk_bytes)]
    return b"".join(
        aead.encrypt(number.to_bytes(11, "big") + bytes([number == len(chunks) - 1]), chunk, head)
        for number, chunk in enumerate(chunks)
    )


def _normal(passphrase: str) -> bytes:
    """Normal form C of the one passphrase here."""
    return passphrase.replace("e\u0301", "\u00e9").replace("i\u0302", "\u00ee").encode()
