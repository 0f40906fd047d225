"""Manifests that break a rule of proto/bundles.md, section 3, are refused."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsked.media import manifest

from .bundles import MIB, delivery, header_of

GATE_KEY, CLIENT_STREAM, HUB_STREAM = b"g" * 32, b"c" * 16, b"h" * 16


def block(owner: str, sequence: int, start: int, size: int, uuid: bytes | None = None) -> list[Any]:
    return [owner, sequence, uuid or f"{owner}{sequence:015}".encode(), start, size]


def fields(*blocks: list[Any], **other: Any) -> list[Any]:
    values = {
        "gate_key": GATE_KEY, "x": 1, "window": MIB, "client_stream": CLIENT_STREAM,
        "hub_stream": HUB_STREAM, "replace": False, "blocks": list(blocks),
    }  # fmt: skip
    return list({**values, **other}.values())


NEXT = (block("C", 3, 900, 10), block("H", 4, 800, 10))
FIRST = (block("C", 0, 0, MIB), block("H", 0, 0, MIB))


def decode(values: list[Any]) -> Any:
    return manifest.decode(msgspec.msgpack.encode(values), header_of(delivery()))


def test_these_are_good() -> None:
    assert decode(fields(*NEXT)).client_blocks[0].end == 910
    assert decode(fields(*FIRST, window=16384)).replace is False
    assert decode(fields(*FIRST, window=16384, replace=True)).replace is True


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (fields(), "a pool without blocks"),
        (fields(NEXT[0]), "a pool without blocks"),
        (fields(NEXT[1]), "a pool without blocks"),
        (fields(*reversed(NEXT)), "not in canonical form"),
        (fields(*NEXT, block("X", 1, 1, 1)), "not in canonical form"),
        (fields(NEXT[0], block("C", 5, 910, 1), NEXT[1]), "do not follow each other"),
        (fields(NEXT[0], block("C", 4, 911, 1), NEXT[1]), "do not follow each other"),
        (fields(NEXT[0], block("C", 4, 900, 1), NEXT[1]), "do not follow each other"),
        (fields(NEXT[0], block("H", 4, 800, 10, NEXT[0][2])), "two blocks of one UUID"),
        (fields(block("C", 0, 5, 1), NEXT[1]), "begins with block 0 at position 0"),
        (fields(block("C", 1, 0, 1), NEXT[1]), "begins with block 0 at position 0"),
        (fields(FIRST[0], NEXT[1]), "one stream begins and the other goes on"),
        (fields(*FIRST), "a window that is not the first bundle's"),
        (fields(FIRST[0], block("H", 0, 0, MIB - 1), window=16384), "at least 1048576 bytes to each"),
        (fields(*NEXT, replace=True), "new streams that do not begin with block 0"),
        (fields(*NEXT, hub_stream=CLIENT_STREAM), "two streams of one identity"),
        (fields(block("C", 3, 2**63 - 1, 10), NEXT[1]), "positions beyond the largest"),
        (fields(block("C", 3, 2**63, 10), NEXT[1]), "<= 9223372036854775807"),
        (fields(block("C", 3, 900, 0), NEXT[1]), ">= 1"),
        (fields(block("C", 3, 900, 2**32 + 1), NEXT[1]), "<= 4294967296"),
        (fields(block("C", -1, 900, 1), NEXT[1]), ">= 0"),
        (fields(block("C", 3, 900, 1, b"short"), NEXT[1]), "length >= 16"),
        (fields(*NEXT, x=0), ">= 1"),
        (fields(*NEXT, x=256), "<= 255"),
        (fields(*NEXT, window=16383), ">= 16384"),
        (fields(*NEXT, window=MIB + 1), "<= 1048576"),
        (fields(*NEXT, gate_key=b"g" * 31), "length >= 32"),
        (fields(*NEXT, replace=0), "Expected `bool`"),
        (fields(*NEXT)[:-1], "length 7"),
        ([*fields(*NEXT), None], "length 7"),
    ],
)
def test_refused(values: list[Any], told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        decode(values)


def test_too_many_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [block("C", number, number, 1) for number in range(1, 8192)]
    assert len(decode(fields(*many, NEXT[1])).client_blocks) == 8191
    with pytest.raises(ValueError, match="<= 8192"):
        decode(fields(*many, block("C", 8192, 8192, 1), NEXT[1]))


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    with pytest.raises(ValueError):
        manifest.decode(raw, header_of(delivery()))
