from __future__ import annotations

import os

import pytest

from dsked.entropy.randomness import draw


@pytest.mark.parametrize("size", [0, 1, 16, 4096, 4097, 131_072])
def test_as_many_bytes_as_are_wanted_and_others_each_time(size: int) -> None:
    drawn = [draw(size) for _ in range(3)]
    assert list(map(len, drawn)) == [size] * 3
    assert size < 16 or len(set(drawn)) == 3


def test_no_part_of_a_long_string_is_there_twice() -> None:
    drawn = draw(1024 * 1024)
    assert len({drawn[at : at + 16] for at in range(0, len(drawn), 16)}) == len(drawn) // 16
    counts = [drawn.count(byte) for byte in range(256)]
    assert min(counts) > 3500, "4,096 of each on average, give or take 64"
    assert max(counts) < 4700


def test_a_long_string_is_chacha20_over_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 8439, appendix A.1, test vectors 1 and 2: the first two blocks under a key of zeros."""
    asked: list[int] = []

    def zeros(nr_bytes: int) -> bytes:
        asked.append(nr_bytes)
        return bytes(nr_bytes)

    monkeypatch.setattr(os, "urandom", zeros)
    drawn = [draw(5000) for _ in range(2)]
    assert asked == [32, 32]
    assert drawn[0] == drawn[1]
    assert drawn[0][:32].hex() == "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
    assert drawn[0][64:96].hex() == "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"


def test_short_strings_are_the_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda nr_bytes: b"s" * nr_bytes)
    assert draw(4096) == b"s" * 4096
