"""Bundles once more, from proto/bundles.md alone: no dsked, no cryptography but hashlib's and what is here.

Slow and small.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
import unicodedata
from typing import Any, NamedTuple

import msgpack

from tests.proto.independent import poly1305

MAX_UUIDS = 8192


class Refused(Exception):
    """Says why."""


class Read(NamedTuple):
    bundle: bytes
    hub: str
    client: str
    seal: list[Any] | None
    manifest: list[Any]
    blocks: list[bytes]


def read(raw: bytes, passphrase: str) -> Read:
    """The one bundle of a file."""
    head, (bundle, hub, client, seal) = header(raw)
    body = raw[len(head) :]
    length = int.from_bytes(head[16:24], "big")
    need(len(body) >= length, "truncated")
    need(len(body) == length, "more than one bundle, or none")
    if seal is not None:
        body = unsealed(head, body, seal, passphrase)
    manifest, rest, first = front(head, body)
    check(manifest)
    blocks, sums = [], b""
    for _, _, _, _, size in manifest[6]:
        data, own, rest = block(rest, size)
        blocks.append(data)
        sums += own
    need(rest == hashlib.sha256(first + sums).digest(), "last digest")
    return Read(bundle, hub, client, seal, manifest, blocks)


def need(condition: bool, why: str) -> None:
    if not condition:
        raise Refused(why)


def header(raw: bytes) -> tuple[bytes, list[Any]]:
    need(raw[:8] == b"DSKEPSRD", "magic")
    need(raw[8:12] == b"\0\0\0\1", "version")
    length = int.from_bytes(raw[12:16], "big")
    need(length <= 1024, "length of the fields")
    head = raw[: 24 + length + 16]
    need(len(head) == 24 + length + 16, "truncated")
    need(hashlib.sha256(head[:-16]).digest()[:16] == head[-16:], "header check")
    fields = canonical(head[24:-16])
    need(isinstance(fields, list) and len(fields) == 4 and is_bin(fields[0], 16), "fields")
    for name in fields[1:3]:
        good = isinstance(name, str) and re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name)
        need(bool(good), "name")
    return head, fields


def canonical(raw: bytes) -> Any:
    try:
        value = msgpack.unpackb(raw)
    except (ValueError, msgpack.UnpackException):
        raise Refused("msgpack") from None
    need(msgpack.packb(value) == raw, "encoding")
    return value


def is_bin(value: Any, length: int) -> bool:
    return isinstance(value, bytes) and len(value) == length


def unsealed(head: bytes, body: bytes, seal: list[Any], passphrase: str) -> bytes:
    need(len(seal) == 7, "seal")
    cipher, derivation, salt, log2_n, r, p, chunk_bytes = seal
    need((cipher, derivation) == ("ChaCha20-Poly1305", "scrypt"), "seal")
    need(is_bin(salt, 16) and 15 <= log2_n <= 16 and r == 8 and 3 <= p <= 16, "scrypt")
    need(4096 <= chunk_bytes <= 1048576, "chunk size")
    secret = unicodedata.normalize("NFC", passphrase).encode()
    key = hashlib.scrypt(secret, salt=salt, n=1 << log2_n, r=r, p=p, maxmem=1 << 27, dklen=32)
    step = chunk_bytes + 16
    chunks = [body[at : at + step] for at in range(0, len(body), step)]
    need(bool(chunks) and len(chunks[-1]) > 16, "last chunk")
    plain = b""
    for number, chunk in enumerate(chunks):
        nonce = number.to_bytes(11, "big") + (b"\1" if number == len(chunks) - 1 else b"\0")
        plain += opened(key, nonce, head, chunk)
    return plain


def front(head: bytes, body: bytes) -> tuple[list[Any], bytes, bytes]:
    length = int.from_bytes(body[:4], "big")
    need(length <= 524288 and len(body) >= 4 + length + 32, "manifest's length")
    digest = body[4 + length :][:32]
    need(hashlib.sha256(head + body[: 4 + length]).digest() == digest, "first digest")
    return canonical(body[4 : 4 + length]), body[4 + length + 32 :], digest


def check(manifest: Any) -> None:
    need(isinstance(manifest, list) and len(manifest) == 7, "manifest")
    gate_key, x, window, client_stream, hub_stream, replace, blocks = manifest
    need(is_bin(gate_key, 32) and is_bin(client_stream, 16) and is_bin(hub_stream, 16), "manifest")
    need(1 <= x <= 255 and 16384 <= window <= 1048576 and isinstance(replace, bool), "manifest")
    need(0 < len(blocks) <= MAX_UUIDS and client_stream != hub_stream, "manifest")
    need([one[0] for one in blocks] == sorted(one[0] for one in blocks), "order")
    need(len({one[2] for one in blocks}) == len(blocks), "UUIDs")
    pools = [[one for one in blocks if one[0] == owner] for owner in "CH"]
    need(all(pools) and sum(map(len, pools)) == len(blocks), "a pool without blocks")
    for pool in pools:
        follows(pool)
    begins = {pool[0][1] == 0 for pool in pools}
    need(len(begins) == 1 and (begins == {True} or not replace), "streams")
    if begins == {True}:
        smaller = min(sum(one[4] for one in pool) for pool in pools)
        need(smaller >= 1048576 and window == min(max(smaller // 64, 16384), 1048576), "window")


def follows(pool: list[list[Any]]) -> None:
    _, sequence, _, start, _ = pool[0]
    need((sequence == 0) == (start == 0), "position")
    for _, number, uuid, at, size in pool:
        need(is_bin(uuid, 16) and (number, at) == (sequence, start) and 1 <= size <= 1 << 32, "blocks")
        sequence, start = sequence + 1, start + size
    need(start < 1 << 63, "position")


def block(rest: bytes, size: int) -> tuple[bytes, bytes, bytes]:
    data = sums = b""
    for at in range(0, size, 1048576):
        length = min(1048576, size - at)
        group = rest[:length]
        own = b"".join(hashlib.sha256(group[i : i + 4096]).digest()[:16] for i in range(0, len(group), 4096))
        rest = rest[length:]
        need(len(group) == length and rest[: len(own)] == own, "checksum")
        rest = rest[len(own) :]
        data, sums = data + group, sums + own
    return data, sums, rest


def opened(key: bytes, nonce: bytes, associated: bytes, sealed: bytes) -> bytes:
    """RFC 8439, section 2.8."""
    text, tag = sealed[:-16], sealed[-16:]
    padded = [part + bytes(-len(part) % 16) for part in (associated, text)]
    lengths = struct.pack("<QQ", len(associated), len(text))
    expected = poly1305(chacha_block(key, 0, nonce)[:32], b"".join(padded) + lengths)
    need(hmac.compare_digest(tag, expected), "tag")
    stream = b"".join(chacha_block(key, 1 + at // 64, nonce) for at in range(0, len(text), 64))
    return bytes(a ^ b for a, b in zip(text, stream, strict=False))


def chacha_block(key: bytes, counter: int, nonce: bytes) -> bytes:
    """RFC 8439, section 2.3."""
    start = struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce)
    state = list(start)
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):  # fmt: skip
            quarter(state, a, b, c, d)
    return struct.pack("<16I", *((one + two) & 0xFFFFFFFF for one, two in zip(start, state, strict=True)))


def quarter(state: list[int], a: int, b: int, c: int, d: int) -> None:
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[x] = (state[x] + state[y]) & 0xFFFFFFFF
        turned = state[z] ^ state[x]
        state[z] = (turned << bits | turned >> (32 - bits)) & 0xFFFFFFFF
