from __future__ import annotations

import pytest

from dsked.client import requests
from dsked.errors import (
    BadKeyIdError,
    BadKeySizeError,
    BadNumberError,
    NotOwnerError,
    RequestError,
    UnknownEncryptorError,
)
from dsked.limits import MAX_KEY_SIZE_BITS, MAX_KEYS_PER_REQUEST, MAX_RESPONDERS
from tests.engines.world import World

LARGEST = MAX_KEY_SIZE_BITS // 8


@pytest.mark.parametrize(("bits", "size"), [(None, 16), (32, 4), (256, 32), (MAX_KEY_SIZE_BITS, LARGEST)])
def test_sizes_that_can_be_asked_for(bits: int | None, size: int) -> None:
    assert requests.key_bytes(bits) == size


@pytest.mark.parametrize("bits", [-8, 0, 1, 7, 24, 31, 33, 127, MAX_KEY_SIZE_BITS + 8, 2**70])
def test_sizes_that_cannot(bits: int) -> None:
    with pytest.raises(BadKeySizeError):
        requests.key_bytes(bits)


@pytest.mark.parametrize(
    ("number", "size"), [(1, 4), (MAX_KEYS_PER_REQUEST, 32), (1, LARGEST), (2, LARGEST // 2)]
)
def test_numbers_that_can_be_asked_for(number: int, size: int) -> None:
    requests.check_number(number, size)


@pytest.mark.parametrize(
    ("number", "size"),
    [(0, 32), (-1, 32), (MAX_KEYS_PER_REQUEST + 1, 4), (2, LARGEST), (2, LARGEST // 2 + 1), (2**70, 4)],
)
def test_numbers_that_cannot(number: int, size: int) -> None:
    with pytest.raises(BadNumberError):
        requests.check_number(number, size)


def test_responders_keep_their_order_without_repetition() -> None:
    assert requests.check_responders("sam", ["sunny", "susan", "sunny"]) == ("sunny", "susan")
    requests.check_responders("sam", [f"sae{number}" for number in range(MAX_RESPONDERS)] * 2)


@pytest.mark.parametrize(
    "responders", [[], ["sam"], ["sunny", "sam"], [f"sae{number}" for number in range(MAX_RESPONDERS + 1)]]
)
def test_responders_that_a_key_cannot_have(responders: list[str]) -> None:
    with pytest.raises(RequestError):
        requests.check_responders("sam", responders)


def test_only_encryptors_of_this_client_may_call() -> None:
    requests.check_caller("sam", ("sam",), "carol")
    for caller in ("", "sunny", "SAM"):
        with pytest.raises(NotOwnerError, match="client carol"):
            requests.check_caller(caller, ("sam",), "carol")


@pytest.mark.parametrize(
    ("key_ids", "error"),
    [
        ([], BadNumberError),
        ([number.to_bytes(16, "big") for number in range(MAX_KEYS_PER_REQUEST + 1)], BadNumberError),
        ([bytes(15)], BadKeyIdError),
        ([bytes(16), bytes(17)], BadKeyIdError),
        ([b""], BadKeyIdError),
        ([bytes(16), bytes(16)], BadKeyIdError),
    ],
)
def test_key_ids_that_cannot_be_asked_for(key_ids: list[bytes], error: type[Exception]) -> None:
    with pytest.raises(error):
        requests.check_key_ids(key_ids)


def test_key_ids_that_can() -> None:
    requests.check_key_ids([number.to_bytes(16, "big") for number in range(MAX_KEYS_PER_REQUEST)])


IMPOSSIBLE_NAMES = ["", "x" * 129, "é" * 65, "\ud800"]


@pytest.mark.parametrize("name", IMPOSSIBLE_NAMES)
def test_names_that_no_encryptor_can_have(name: str) -> None:
    with pytest.raises(UnknownEncryptorError, match="1 to 128 bytes"):
        requests.check_encryptor_name(name)


@pytest.mark.parametrize("name", ["s", "x" * 128, "é" * 64, "a\0b"])
def test_names_that_one_can_have(name: str) -> None:
    requests.check_encryptor_name(name)


def test_a_name_that_hubs_would_not_read_costs_no_session() -> None:
    """A local user asks for such an encryptor: that is refused, and everybody else is served on."""
    world = World().start()
    for name in IMPOSSIBLE_NAMES:
        with pytest.raises(UnknownEncryptorError):
            world.get_keys("carol", "sam", ["sunny", name])
        with pytest.raises(UnknownEncryptorError):
            world.get_by_id("curtis", "sunny", name, [bytes(16)])
    assert world.warnings() == []
    assert all(len(client.hubs.usable()) == 5 for client in world.clients.values())
    world.pair()
