"""Protocol version 1 once more, from proto/ alone: no dsked, no cryptography but what is written here.

Slow and small. Fields come from tests/sharing/naive.py, which shares nothing with dsked either.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgpack

from tests.sharing import naive

PING, PUT_SHARES, SHARES = 0x04, 0x10, 0x13
#: Fields of each known type's body.
FIELDS = {0x01: 1, 0x02: 3, 0x03: 0, 0x04: 4, 0x05: 2, 0x10: 1, 0x11: 1, 0x12: 3, 0x13: 2, 0x18: 1, 0x19: 1}


class Refused(Exception):
    """`str` is FRAME, TAG, REPLAY or WINDOW."""


class Opened(NamedTuple):
    type: int
    request_id: int
    ack: int
    end: int
    fields: Any
    plain_body: bytes


def poly1305(key: bytes, message: bytes) -> bytes:
    """RFC 8439, section 2.5.1."""
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC_0FFFFFFC_0FFFFFFC_0FFFFFFF
    total = 0
    for start in range(0, len(message), 16):
        total = (total + int.from_bytes(message[start : start + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def open_frame(frame: bytes, state: dict[str, Any], *, mark: int, end: int, window_end: int) -> Opened:
    """What the receiver of a frame does, in the order of the specification."""
    header = parse_header(frame)
    kind, request_id, position, pads, ack = header
    if pads > min(state.get("window_bytes", 2**20) // 4, 2**18):
        raise Refused("FRAME")
    frame_end = position + 16 + pads
    if position < mark:
        raise Refused("REPLAY")
    if frame_end > min(window_end, end):
        raise Refused("WINDOW")
    pool = pool_bytes(state)[position - state["pool_position"] :][: 16 + pads]
    key = bytes.fromhex(state["hash_key"]) + pool[:16]
    covered = bytes.fromhex(state["receiver_nonce"]) + state["direction"].encode() + frame[:-16]
    if poly1305(key, covered) != frame[-16:]:
        raise Refused("TAG")
    body = frame[39:-18]
    fields = canonical(kind, body)
    if kind not in FIELDS:
        return Opened(kind, request_id, ack, frame_end, fields, body)
    bins = list(secret_bins(kind, fields))
    if sum(len(holder[index]) for holder, index in bins) != pads:
        raise Refused("FRAME after the tag")
    offset = 16
    for holder, index in bins:
        pad = pool[offset : offset + len(holder[index])]
        offset += len(pad)
        holder[index] = bytes(a ^ b for a, b in zip(holder[index], pad, strict=True))
    return Opened(kind, request_id, ack, frame_end, fields, msgpack.packb(fields))


def pool_bytes(state: dict[str, Any]) -> bytes:
    return bytes.fromhex(state["pool_bytes"])


def parse_header(frame: bytes) -> tuple[int, int, int, int, int]:
    """type, request id, position, pads, ack."""
    if len(frame) < 57:
        raise Refused("FRAME")
    length, head, kind, m1, request_id, m2, position, m3, pads, m4, ack, m5, size = struct.unpack_from(
        ">IBBBIBQBIBQBI", frame
    )
    heads = bytes((head, m1, m2, m3, m4, m5))
    right = heads == bytes.fromhex("97cecfcecfc6") and kind < 0x80 and frame[-18:-16] == b"\xc4\x10"
    if not right or length + 4 != len(frame) or size + 57 != len(frame):
        raise Refused("FRAME")
    return kind, request_id, position, pads, ack


def canonical(kind: int, body: bytes) -> Any:
    """The fields of a body that is written in the one way that counts."""
    try:
        fields = msgpack.unpackb(body)
    except ValueError:
        raise Refused("FRAME after the tag") from None
    known = FIELDS.get(kind)
    wrong = known is not None and (not isinstance(fields, list) or len(fields) != known)
    wrong = wrong or (kind == PING and any(len(key_ids) % 16 for _, key_ids in fields[3]))
    if wrong or msgpack.packb(fields) != body or (kind == 0x18 and not isinstance(fields[0], list)):
        raise Refused("FRAME after the tag")
    return fields


def secret_bins(kind: int, fields: Any) -> Iterator[tuple[list[Any], int]]:
    """Where the secret bins stand, in the order of the body's bytes."""
    if kind not in (PUT_SHARES, SHARES):
        return
    for group in fields[0]:
        yield group, len(group) - 2
        yield group, len(group) - 1


# --- the handshake and simulated PSRD -----------------------------------------------------------------------


def gate_mac(gate_key: bytes, data: bytes) -> bytes:
    return hmac.digest(gate_key, data, hashlib.sha256)


def hkdf(key: bytes, salt: bytes, info: bytes) -> bytes:
    """RFC 5869, 32 bytes."""
    return gate_mac(gate_mac(salt, key), info + b"\1")


def chacha20(key: bytes, counter: int, nonce: bytes, length: int) -> bytes:
    """RFC 8439, section 2.4: `length` bytes of key stream."""
    blocks = (_chacha20_block(key, counter + i, nonce) for i in range(-(-length // 64)))
    return b"".join(blocks)[:length]


def _chacha20_block(key: bytes, counter: int, nonce: bytes) -> bytes:
    start = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    state = start[:]
    rows = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
            (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))  # fmt: skip
    for _ in range(10):
        for a, b, c, d in rows:
            for to, by, other, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[to] = (state[to] + state[by]) & 0xFFFFFFFF
                mixed = state[other] ^ state[to]
                state[other] = (mixed << turn | mixed >> (32 - turn)) & 0xFFFFFFFF
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(start, state, strict=True)))


def open_aead(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    """RFC 8439, section 2.8."""
    data, tag = sealed[:-16], sealed[-16:]
    padded = b"".join(part + bytes(-len(part) % 16) for part in (associated, data))
    covered = padded + struct.pack("<QQ", len(associated), len(data))
    if poly1305(chacha20(key, 0, nonce, 32), covered) != tag:
        raise Refused("TAG")
    return bytes(a ^ b for a, b in zip(data, chacha20(key, 1, nonce, len(data)), strict=True))


# --- the secret tag -----------------------------------------------------------------------------------------


def tag_message(terms: dict[str, Any], key_id: bytes, key: bytes, r: bytes) -> bytes:
    def party(pair: list[str]) -> bytes:
        return b"".join(bytes([len(name.encode())]) + name.encode() for name in pair)

    responders = sorted(terms["responders"], key=lambda pair: [name.encode() for name in pair])
    return b"".join((
        b"DSKE", bytes((terms["version"], terms["n"], terms["k"])), key_id, party(terms["initiator"]),
        struct.pack(">H", len(responders)), *map(party, responders), struct.pack(">Q", len(key)),
        poly1305(r + bytes(16), key) + r if len(key) > 1024 else key,
    ))  # fmt: skip


def rebuild(terms: dict[str, Any], key_id: bytes, shares: list[tuple[int, bytes, bytes]]) -> bytes | None:
    """The key of k shares (x, share, code), or None where the secret tag fails."""

    def byte_strings(strings: list[bytes]) -> bytes:
        columns = zip(*strings, strict=True)
        return bytes(naive.gf256_interpolate(list(zip(xs, column, strict=True)), 0) for column in columns)

    xs = [x for x, _, _ in shares]
    key, r = byte_strings([s for _, s, _ in shares]), byte_strings([c[32:] for _, _, c in shares])
    elements = [naive.elements(code[:32]) for _, _, code in shares]
    x, f = (
        naive.gfp_interpolate([(at, pair[i]) for at, pair in zip(xs, elements, strict=True)], 0)
        for i in range(2)
    )
    message = tag_message(terms, key_id, key, r)
    return key if naive.amd_tag(x, naive.message_blocks(message)) == f else None
