"""Random identifiers: version 4 UUIDs, alone and in columns."""

from __future__ import annotations

import uuid

import pytest

from dsked.identifiers import as_uuid4, uuid4


@pytest.mark.parametrize("number", [1, 2, 7, 128])
@pytest.mark.parametrize("fill", [0x00, 0xFF])
def test_each_is_a_uuid_of_version_4_and_all_other_bits_stay(number: int, fill: int) -> None:
    made = as_uuid4(bytes([fill]) * 16 * number)
    ids = [uuid.UUID(bytes=made[at : at + 16]) for at in range(0, len(made), 16)]
    assert len(ids) == number
    assert {(key_id.version, key_id.variant) for key_id in ids} == {(4, uuid.RFC_4122)}
    kept = (1 << 128) - 1 ^ (0xF << 76) ^ (0b11 << 62)
    assert {key_id.int & kept for key_id in ids} == {kept if fill else 0}


def test_nothing_asked_for_is_nothing() -> None:
    assert as_uuid4(b"") == b""


def test_a_new_one_takes_16_random_bytes() -> None:
    asked: list[int] = []

    def random(length: int) -> bytes:
        asked.append(length)
        return b"\x11" * length

    assert uuid.UUID(bytes=uuid4(random)).version == 4
    assert asked == [16]
