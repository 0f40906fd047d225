"""Bundles: PSRD on media (bundles.md)."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any, NamedTuple

from decoding.ciphers import NotAuthenticError, open_aead
from decoding.packed import MalformedError, unpacked
from decoding.shapes import BUNDLE, MANIFEST, Shape


class RefusedError(Exception):
    """Says why."""


class Read(NamedTuple):
    """A bundle that was taken."""

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
    """Raise RefusedError unless it is so."""
    if not condition:
        raise RefusedError(why)


def header(raw: bytes) -> tuple[bytes, list[Any]]:
    """The header's bytes and fields."""
    need(raw[:8] == b"DSKEPSRD", "magic")
    need(raw[8:12] == b"\0\0\0\1", "version")
    length = int.from_bytes(raw[12:16], "big")
    need(length <= 1024, "length of the fields")
    head = raw[: 24 + length + 16]
    need(len(head) == 24 + length + 16, "truncated")
    need(hashlib.sha256(head[:-16]).digest()[:16] == head[-16:], "header check")
    fields: list[Any] = canonical(head[24:-16], BUNDLE)
    for name in fields[1:3]:
        need(bool(re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name)), "name")
    return head, fields


def canonical(raw: bytes, shape: Shape) -> Any:
    """The fields of canonical msgpack of this shape."""
    try:
        value = unpacked(raw)
        shape(value)
        return value
    except MalformedError as error:
        raise RefusedError(str(error)) from None


def unsealed(head: bytes, body: bytes, seal: list[Any], passphrase: str) -> bytes:
    """The plain body of a sealed one."""
    _, _, salt, log2_n, r, p, chunk_bytes = seal
    secret = unicodedata.normalize("NFC", passphrase).encode()
    key = hashlib.scrypt(secret, salt=salt, n=1 << log2_n, r=r, p=p, maxmem=1 << 27, dklen=32)
    step = chunk_bytes + 16
    chunks = [body[at : at + step] for at in range(0, len(body), step)]
    need(bool(chunks) and len(chunks[-1]) > 16, "last chunk")
    plain = b""
    for number, chunk in enumerate(chunks):
        nonce = number.to_bytes(11, "big") + (b"\1" if number == len(chunks) - 1 else b"\0")
        try:
            plain += open_aead(key, nonce, chunk, head)
        except NotAuthenticError as error:
            raise RefusedError(str(error)) from None
    return plain


def front(head: bytes, body: bytes) -> tuple[list[Any], bytes, bytes]:
    """Manifest, what follows it, and the first digest."""
    length = int.from_bytes(body[:4], "big")
    need(length <= 524288 and len(body) >= 4 + length + 32, "manifest's length")
    digest = body[4 + length :][:32]
    need(hashlib.sha256(head + body[: 4 + length]).digest() == digest, "first digest")
    return canonical(body[4 : 4 + length], MANIFEST), body[4 + length + 32 :], digest


def check(manifest: list[Any]) -> None:
    """The rules of a manifest."""
    _, _, window, client_stream, hub_stream, replace, blocks = manifest
    need(client_stream != hub_stream, "one identity for both streams")
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
    """Sequence numbers and positions of a pool's blocks follow each other."""
    _, sequence, _, start, _ = pool[0]
    need((sequence == 0) == (start == 0), "position")
    for _, number, _, at, size in pool:
        need((number, at) == (sequence, start), "a gap between blocks")
        sequence, start = sequence + 1, start + size
    need(start < 1 << 63, "position")


def block(rest: bytes, size: int) -> tuple[bytes, bytes, bytes]:
    """A block, its checksums, and what follows it."""
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


def summary(raw: bytes) -> dict[str, Any]:
    """What a bundle's header says, and its manifest where it is not sealed. Raises RefusedError."""
    head, fields = header(raw)
    told: dict[str, Any] = BUNDLE(fields)
    body_bytes = int.from_bytes(head[16:24], "big")
    need(len(raw) - len(head) == body_bytes, "truncated, or more than one bundle")
    if fields[3] is None:
        told["manifest"] = MANIFEST(read(raw, "").manifest)
    return told | {"body_bytes": body_bytes}
