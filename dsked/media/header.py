"""The clear header of a bundle: for whom, from whom, how long, and how it is sealed (proto/bundles.md).

Whoever carries or splits bundles reads headers only. A header's own checksum tells damage before
anybody types a passphrase; the manifest's digest, or the seal, binds the header to what follows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Annotated

import msgspec

from dsked import limits
from dsked.config import rules
from dsked.errors import RequestError
from dsked.storage.files import Files, OpenFile

MAGIC = b"DSKEPSRD"
VERSION = 1
#: Magic, version (4), length of the fields (4), length of the body (8).
FIXED_BYTES = len(MAGIC) + 4 + 4 + 8
CHECK_BYTES = 16
CIPHER = "ChaCha20-Poly1305"
KEY_DERIVATION = "scrypt"
SEAL_TAG_BYTES = 16


class BundleError(RequestError):
    """A bundle is damaged, truncated, of a newer version, sealed otherwise, or not meant for this node."""


class WrongPassphraseError(BundleError):
    """The passphrase does not open the seal; damage at the beginning of the bundle looks the same."""


@dataclass(frozen=True, slots=True)
class Seal:
    """How a passphrase becomes the key (scrypt, RFC 7914: N = 2^log2_n), and the size of sealed chunks."""

    salt: bytes
    log2_n: int = limits.SCRYPT_LOG2_N
    r: int = limits.SCRYPT_R
    p: int = limits.SCRYPT_P
    chunk_bytes: int = limits.SEAL_CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class Header:
    """What anybody may read of a bundle. `body_bytes` is the length of all that follows the header."""

    bundle: bytes  # UUID
    hub: str
    client: str
    seal: Seal | None
    body_bytes: int

    @property
    def total_bytes(self) -> int:
        """Length of the whole bundle."""
        return len(encode(self)) + self.body_bytes

    def for_plain(self, plain_bytes: int) -> Header:
        """The same for a body of `plain_bytes`, counted before sealing."""
        body = plain_bytes if self.seal is None else sealed_bytes(plain_bytes, self.seal.chunk_bytes)
        return replace(self, body_bytes=body)


class _SealFields(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    cipher: str
    key_derivation: str
    salt: bytes
    log2_n: int
    r: int
    p: int
    chunk_bytes: int


class _Fields(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    bundle: Annotated[bytes, msgspec.Meta(min_length=limits.UUID_BYTES, max_length=limits.UUID_BYTES)]
    hub: str
    client: str
    seal: _SealFields | None


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(_Fields)


def sealed_bytes(plain_bytes: int, chunk_bytes: int) -> int:
    """Length of `plain_bytes` (at least 1) after sealing: every chunk gets a tag."""
    return plain_bytes + -(-plain_bytes // chunk_bytes) * SEAL_TAG_BYTES


def encode(header: Header) -> bytes:
    """The header's bytes, its checksum included."""
    fields = _ENCODER.encode(_Fields(header.bundle, header.hub, header.client, _seal_fields(header.seal)))
    head = MAGIC + VERSION.to_bytes(4, "big") + len(fields).to_bytes(4, "big")
    head += header.body_bytes.to_bytes(8, "big") + fields
    return head + hashlib.sha256(head).digest()[:CHECK_BYTES]


def read(files: Files, file: OpenFile, at: int = 0, *, whole: bool = True) -> Header:
    """The header at an offset of a file. Raises BundleError; `whole`: also where the body is cut off."""
    left = files.size(file) - at
    fixed = files.read_at(file, min(FIXED_BYTES, left), at)
    if fixed[: len(MAGIC)] != MAGIC[: len(fixed)] or not fixed:
        raise BundleError(f"{file.path}: {_no_bundle(at)}")
    if left < FIXED_BYTES:
        raise BundleError(f"{file.path}: truncated: it ends within the header of a bundle")
    length = _fields_bytes(file, fixed)
    head_bytes = FIXED_BYTES + length + CHECK_BYTES
    if left < head_bytes:
        raise BundleError(f"{file.path}: truncated: it ends within the header of a bundle")
    header = _parse(file, files.read_at(file, head_bytes, at))
    if whole and left < header.total_bytes:
        raise BundleError(
            f"{file.path}: truncated: the bundle of hub {header.hub} for client {header.client} has "
            f"{header.total_bytes} bytes, {left} are there"
        )
    return header


def check_seal(header: Header) -> None:
    """Raises BundleError unless the seal is of this version and within the limits: before any derivation."""
    seal = header.seal
    if seal is None:
        return
    if not (
        limits.SCRYPT_LOG2_N <= seal.log2_n <= limits.MAX_SCRYPT_LOG2_N
        and seal.r == limits.SCRYPT_R
        and limits.SCRYPT_P <= seal.p <= limits.MAX_SCRYPT_P
        and len(seal.salt) == limits.SEAL_SALT_BYTES
    ):
        raise BundleError(
            f"its seal asks for scrypt with N = 2^{seal.log2_n}, r = {seal.r}, p = {seal.p}; this version "
            f"takes N = 2^{limits.SCRYPT_LOG2_N} to 2^{limits.MAX_SCRYPT_LOG2_N}, r = {limits.SCRYPT_R}, "
            f"p = {limits.SCRYPT_P} to {limits.MAX_SCRYPT_P}, and a salt of {limits.SEAL_SALT_BYTES} bytes"
        )
    if not limits.MIN_SEAL_CHUNK_BYTES <= seal.chunk_bytes <= limits.SEAL_CHUNK_BYTES:
        raise BundleError(
            f"it is sealed in chunks of {seal.chunk_bytes} bytes; this version takes "
            f"{limits.MIN_SEAL_CHUNK_BYTES} to {limits.SEAL_CHUNK_BYTES}"
        )


def _no_bundle(at: int) -> str:
    return f"what follows the bundle at byte {at} is no bundle" if at else "no bundle of PSRD"


def _fields_bytes(file: OpenFile, fixed: bytes) -> int:
    version = int.from_bytes(fixed[8:12], "big")
    if version != VERSION:
        raise BundleError(
            f"{file.path}: a bundle of version {version}, and this program reads version {VERSION}: use a "
            "newer one"
        )
    length = int.from_bytes(fixed[12:16], "big")
    if length > limits.MAX_BUNDLE_FIELDS_BYTES:
        raise BundleError(f"{file.path}: the header is damaged")
    return length


def _parse(file: OpenFile, raw: bytes) -> Header:
    """Raises BundleError if damaged, not encoded as `encode` does, or with names that no node can have."""
    damaged = BundleError(f"{file.path}: the header is damaged")
    if hashlib.sha256(raw[:-CHECK_BYTES]).digest()[:CHECK_BYTES] != raw[-CHECK_BYTES:]:
        raise damaged
    try:
        fields = _DECODER.decode(raw[FIXED_BYTES:-CHECK_BYTES])
        header = Header(
            fields.bundle,
            fields.hub,
            fields.client,
            _seal(file, fields.seal),
            int.from_bytes(raw[16:24], "big"),
        )
        whole = encode(header) == raw and not any(map(rules.node_name_fault, (header.hub, header.client)))
    except (msgspec.MsgspecError, UnicodeError, OverflowError, RecursionError):
        raise damaged from None
    if not whole:
        raise damaged
    return header


def _seal_fields(seal: Seal | None) -> _SealFields | None:
    if seal is None:
        return None
    return _SealFields(CIPHER, KEY_DERIVATION, seal.salt, seal.log2_n, seal.r, seal.p, seal.chunk_bytes)


def _seal(file: OpenFile, fields: _SealFields | None) -> Seal | None:
    if fields is None:
        return None
    if (fields.cipher, fields.key_derivation) != (CIPHER, KEY_DERIVATION):
        raise BundleError(
            f"{file.path}: sealed with {fields.cipher[:40]!r} and {fields.key_derivation[:40]!r}, which "
            "this version does not know"
        )
    return Seal(fields.salt, fields.log2_n, fields.r, fields.p, fields.chunk_bytes)
