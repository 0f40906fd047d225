"""Random identifiers."""

from __future__ import annotations

from collections.abc import Callable

UUID_BYTES = 16


def as_uuid4(random_bytes: bytes) -> bytes:
    """16 random bytes as a version 4 UUID (RFC 9562, section 5.4): 122 of the bits stay random."""
    value = bytearray(random_bytes)
    value[6] = value[6] & 0x0F | 0x40
    value[8] = value[8] & 0x3F | 0x80
    return bytes(value)


def uuid4(random: Callable[[int], bytes]) -> bytes:
    """A new version 4 UUID, 16 bytes."""
    return as_uuid4(random(UUID_BYTES))
