"""The PUT_SHARES that brings one share to the hub at x = 1."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.poly1305 import Poly1305
from msgspec.msgpack import encode

from worked.common import first_handshake, hexadecimal, lines
from worked.dealing import INITIATOR, KEY, KEY_ID, RESPONDER, XS, K, code_share, key_share

POOL = bytes(range(0xC0, 0x100))  # of the frame: its mask, then its pads
POSITION, REQUEST_ID, ACK = 16948, 2, 25884
PUT_SHARES, TTL_MS = 0x10, 60_000


def body_parts(shares: bytes, codes: bytes, words: str) -> list[tuple[bytes, str]]:
    """A PUT_SHARES body for the hub at x = 1."""
    return [
        (b"\x91\x91\x9a", "[groups], one group, its ten fields"),
        (encode(INITIATOR[1]), "initiator: sam"),
        (b"\x91" + encode(list(RESPONDER)), "responders: [[connie, sofia]]"),
        (encode(len(XS)), "n"), (encode(K), "k"), (encode(TTL_MS), "ttl_ms: 60000"),
        (encode(len(KEY)), "key_bytes"), (encode(KEY_ID), "key_ids"), (encode(0), "offset"),
        (encode(shares), f"shares{words}"), (encode(codes), f"codes{words}"),
    ]  # fmt: skip


def xored(data: bytes, pad: bytes) -> bytes:
    """Both of one length."""
    return bytes([a ^ b for a, b in zip(data, pad, strict=True)])


def sent_parts() -> list[tuple[bytes, str]]:
    """The body as it leaves: its secret bins under the pads."""
    pads = POOL[16:]
    shares, codes = key_share(1), code_share(1)
    return body_parts(xored(shares, pads[:16]), xored(codes, pads[16:]), ", under pads")


def frame_parts() -> list[tuple[bytes, str]]:
    """The whole frame."""
    sent = b"".join(data for data, _ in sent_parts())
    header = [
        ((53 + len(sent)).to_bytes(4, "big"), f"length: 53 + {len(sent)}"),
        (b"\x97", "array of 7"), (bytes([PUT_SHARES]), "type: PUT_SHARES"),
        (b"\xce" + REQUEST_ID.to_bytes(4, "big"), f"request id: {REQUEST_ID}"),
        (b"\xcf" + POSITION.to_bytes(8, "big"), f"position: {POSITION}"),
        (b"\xce" + (len(POOL) - 16).to_bytes(4, "big"), f"pads: {len(POOL) - 16}"),
        (b"\xcf" + ACK.to_bytes(8, "big"), f"ack: {ACK}"),
        (b"\xc6" + len(sent).to_bytes(4, "big"), f"bin32, {len(sent)} bytes: the body"),
    ]  # fmt: skip
    untagged = [*header, *sent_parts(), (b"\xc4\x10", "bin8 of 16: the tag")]
    covered = b"".join(data for data, _ in untagged)
    return [*untagged, (Poly1305.generate_tag(hash_key() + POOL[:16], tag_prefix() + covered), "tag")]


def tag_prefix() -> bytes:
    """The receiver's nonce and the direction."""
    nonce: str = first_handshake()["messages"][0]["fields"][2]["hex"]
    return bytes.fromhex(nonce) + b"C"


def hash_key() -> bytes:
    """r of the client's frames."""
    return bytes.fromhex(first_handshake()["hash_keys"]["client"])


def plain_body() -> Iterator[str]:
    """Before it is encrypted."""
    return lines(body_parts(key_share(1), code_share(1), ""))


def pool() -> Iterator[str]:
    """What the frame takes."""
    return lines([(POOL[:16], "mask s"), (POOL[16:32], "pad of shares"), (POOL[32:], "pad of codes")])


def frame() -> Iterator[str]:
    """By its fields."""
    return lines(frame_parts())


def frame_tag() -> Iterator[str]:
    """What stands under it."""
    yield f"r        {hexadecimal(hash_key())}   client pool [16884 + 32, +16)"
    yield f"s        {hexadecimal(POOL[:16])}   client pool [{POSITION}, +16)"
    yield f"N        {hexadecimal(tag_prefix()[:16])}   Nh: the hub is the receiver"
    yield f"d        {hexadecimal(b'C')}"
    covered = len(b"".join(data for data, _ in frame_parts())) - 16
    yield f"message  N | d | the first {covered} bytes of the frame: {17 + covered} bytes"
    yield f"tag      {hexadecimal(frame_parts()[-1][0])}"
