from __future__ import annotations

import random

import pytest

from .canaries import FORMS, Canaries, Hit

RANDOM = random.Random(3)
SECRET = RANDOM.randbytes(32)
TEXT = b"2026-11-22 04:00:00,123 INFO dsked.hub: client carol connected from 127.0.0.1 \\ 'x' [1, 2, 3] "


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("piece", [slice(None), slice(0, 8), slice(5, 17), slice(-9, None)])
def test_every_form_of_every_piece_is_found(form: str, piece: slice) -> None:
    canaries = Canaries()
    canaries.add("key", SECRET)
    assert canaries.found("log", TEXT + FORMS[form](SECRET[piece]) + b" " + TEXT) == [Hit("key", "log")]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_secret_is_not_found(form: str) -> None:
    canaries = Canaries()
    canaries.add("key", SECRET)
    assert not canaries.found("log", TEXT + FORMS[form](RANDOM.randbytes(200)) + TEXT)
    canaries.clean("log", TEXT)


def test_a_long_secret_is_looked_for_at_a_stride() -> None:
    canaries = Canaries()
    pool = RANDOM.randbytes(4096)
    canaries.add("pool", pool, stride=8)
    assert canaries.found("log", TEXT + pool[1001:1016].hex().encode()) == [Hit("pool", "log")]


def test_zeros_and_short_secrets_are_not_looked_for() -> None:
    canaries = Canaries()
    canaries.add("wiped", bytes(64))
    canaries.add("short", b"7bytes!")
    assert not canaries.names
    assert not canaries.found("log", bytes(100) + b"7bytes!")
