from __future__ import annotations

import base64
import json

from dsked.doctor import self_test
from dsked.doctor.finding import Finding, Outcome
from dsked.doctor.self_test import Pair
from dsked.errors import ServiceError
from dsked.keys import Key

PAIR = Pair("sam", "sunny")
KEY = Key(bytes(range(16)), bytes(range(100, 132)))
OTHER = Key(KEY.key_id, bytes(32))


class Client:
    """One that has this key, or none."""

    def __init__(self, key: Key | None) -> None:
        self.key = key
        self.asked: list[object] = []

    def get_keys(
        self, responders: list[str], number: int, size_bits: int | None, as_encryptor: str | None
    ) -> list[Key]:
        return self._answer(responders, number, size_bits, as_encryptor)

    def get_keys_by_id(self, initiator: str, key_ids: list[bytes], as_encryptor: str | None) -> list[Key]:
        return self._answer(initiator, key_ids, as_encryptor)

    def _answer(self, *asked: object) -> list[Key]:
        self.asked += asked
        if self.key is None:
            raise ServiceError("1 of 3 hubs is connected")
        return [self.key]


def show(*findings: Finding) -> str:
    return json.dumps([one.document() for one in findings]) + "".join(one.text for one in findings)


def test_both_halves() -> None:
    sam, sunny = Client(KEY), Client(KEY)
    made, key = self_test.made(sam, PAIR)
    assert key is KEY
    fetched = self_test.fetched(sunny, PAIR, KEY.key_id, key)
    assert sam.asked == [["sunny"], 1, 256, "sam"]
    assert sunny.asked == ["sam", [KEY.key_id], "sunny"]
    assert {made.outcome, fetched.outcome} == {Outcome.GOOD}
    assert made.values["check_value"] == fetched.values["check_value"]


def test_the_key_is_shown_to_nobody() -> None:
    made, key = self_test.made(Client(KEY), PAIR)
    shown = show(
        made,
        self_test.fetched(Client(KEY), PAIR, KEY.key_id),
        self_test.fetched(Client(OTHER), PAIR, KEY.key_id, key),
    )
    for secret in (KEY.key.hex(), base64.b64encode(KEY.key).decode(), repr(KEY.key)):
        for start in range(0, len(secret) - 8, 4):
            assert secret[start : start + 8] not in shown


def test_keys_that_differ_are_a_fault_and_so_are_their_check_values() -> None:
    assert self_test.fetched(Client(OTHER), PAIR, KEY.key_id, KEY).outcome is Outcome.FAULT
    assert self_test.check_value(OTHER) != self_test.check_value(KEY)


def test_a_half_that_fails_says_why() -> None:
    made, key = self_test.made(Client(None), PAIR)
    assert key is None
    for found in (made, self_test.fetched(Client(None), PAIR, KEY.key_id)):
        assert found.outcome is Outcome.FAULT
        assert "1 of 3 hubs is connected" in found.text
