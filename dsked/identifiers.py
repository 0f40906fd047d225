"""Random identifiers, and UUIDs as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from dsked.errors import BadKeyIdError

UUID_BYTES = 16
# Version 4 in the high half of byte 6, variant 10 in the two high bits of byte 8 (RFC 9562, section 5.4).
_KEPT = bytes.fromhex("ffffffffffff0fff3fffffffffffffff")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
_VERSION_4 = bytes.fromhex("00000000000040008000000000000000")


def as_uuid4(random_bytes: bytes) -> bytes:
    """Random bytes, 16 for each, as version 4 UUIDs one behind the other: 122 bits of each stay random."""
    kept, fixed = _masks(len(random_bytes) // UUID_BYTES)
    return (int.from_bytes(random_bytes, "big") & kept | fixed).to_bytes(len(random_bytes), "big")


@lru_cache(maxsize=256)
def _masks(number: int) -> tuple[int, int]:
    """The bits of so many UUIDs that stay random, and those that are set."""
    return int.from_bytes(_KEPT * number, "big"), int.from_bytes(_VERSION_4 * number, "big")


def uuid4(random: Callable[[int], bytes]) -> bytes:
    """A new version 4 UUID, 16 bytes."""
    return as_uuid4(random(UUID_BYTES))


def key_id_text(key_id: bytes) -> str:
    """A key ID of 16 bytes as the text of a UUID (RFC 9562, section 4)."""
    digits = key_id.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def key_id_bytes(text: str) -> bytes:
    """The 16 bytes of a key ID. Raises BadKeyIdError if it is no UUID."""
    if not _UUID.fullmatch(text):
        raise BadKeyIdError(f"{text!r} is no key ID; a UUID such as {key_id_text(bytes(16))} is expected")
    return bytes.fromhex(text.replace("-", ""))
