"""One-time authentication codes: Poly1305 under keys that come from a pool.

A frame's tag is Poly1305(r, s) in the way of Wegman and Carter: the hash key r lives for one
session and direction, the mask s is fresh for every frame (RFC 8439, section 2.5 defines the
function; proto/sharing.md, section 7, states the bound). Verification raises; nobody can forget to look
at a result.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from dsked.auth.poly1305 import Buffer, holds, holds_for_parts, poly1305, tag_of_parts
from dsked.errors import TagError
from dsked.limits import ONE_TIME_KEY_BYTES

GATE_MAC_BYTES = 32


def one_time_tag(key: bytes, data: bytes) -> bytes:
    """The 16-byte Poly1305 tag of `data` under `key` = r || s (32 bytes), used for one message only."""
    assert len(key) == ONE_TIME_KEY_BYTES
    return poly1305(key, data)


def verify_one_time_tag(key: bytes, data: bytes, tag: bytes) -> None:
    """Raise TagError unless `tag` (16 bytes) is the tag of `data` under `key` (32 bytes)."""
    assert len(key) == ONE_TIME_KEY_BYTES
    if not holds(key, data, tag):
        raise TagError("the tag does not verify")


def long_one_time_tag(key: bytes, *parts: Buffer) -> bytes:
    """`one_time_tag` of the parts, joined, without a copy of them."""
    assert len(key) == ONE_TIME_KEY_BYTES
    return tag_of_parts(key, parts)


def verify_long_one_time_tag(key: bytes, parts: Iterable[Buffer], tag: bytes) -> None:
    """`verify_one_time_tag` of the parts, joined, without a copy of them."""
    assert len(key) == ONE_TIME_KEY_BYTES
    if not holds_for_parts(key, parts, tag):
        raise TagError("the tag of a long frame does not verify")


def gate_mac(gate_key: bytes, label: bytes, transcript: bytes) -> bytes:
    """HMAC-SHA256 under the pair's gate key (32 bytes). It guards availability, never keys."""
    return hmac.digest(gate_key, label + transcript, hashlib.sha256)


def verify_gate_mac(gate_key: bytes, label: bytes, transcript: bytes, mac: bytes) -> None:
    """Raise TagError unless `mac` is right; in constant time."""
    if not hmac.compare_digest(gate_mac(gate_key, label, transcript), mac):
        raise TagError("the gate MAC does not verify")
