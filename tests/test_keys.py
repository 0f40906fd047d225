from __future__ import annotations

import copy
import pickle

import pytest

from dsked.keys import Key

SECRET = b"\xde\xad\xbe\xef-secret"


@pytest.mark.parametrize("show", [repr, str, "{}".format, lambda key: f"{[key]}"])
def test_no_text_of_a_key_shows_it(show):
    text = show(Key(b"\x01" * 16, SECRET))
    assert "01010101" in text
    assert "88 bits" in text
    assert "secret" not in text
    assert "dead" not in text


@pytest.mark.parametrize("take_away", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_key_cannot_be_pickled_or_copied(take_away):
    with pytest.raises(TypeError, match="pickled"):
        take_away(Key(b"\x01" * 16, SECRET))


def test_keys_are_equal_when_both_parts_are():
    key = Key(b"a" * 16, SECRET)
    same = Key(b"a" * 16, bytes(bytearray(SECRET)))
    assert key == same
    assert hash(key) == hash(same)
    assert key != Key(b"b" * 16, SECRET)
    assert key != Key(b"a" * 16, SECRET + b"x")
    assert key != (b"a" * 16, SECRET)


def test_keys_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the one function that is made for it: how long it takes does not tell where they differ."""
    compared: list[tuple[bytes, bytes]] = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or False)
    assert Key(b"i" * 16, b"one") != Key(b"i" * 16, b"two")
    assert compared == [(b"one", b"two")]
