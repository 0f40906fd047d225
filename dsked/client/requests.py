"""The checks that a key request passes before anything is spent on it; each says what is expected."""

from __future__ import annotations

from collections.abc import Sequence

from dsked.errors import (
    BadKeyIdError,
    BadKeySizeError,
    BadNumberError,
    NotOwnerError,
    RequestError,
    UnknownEncryptorError,
)
from dsked.keys import KeyLimits
from dsked.limits import (
    DEFAULT_KEY_SIZE_BITS,
    KEY_ID_BYTES,
    MAX_ENCRYPTOR_NAME_BYTES,
    MAX_KEY_SIZE_BITS,
    MAX_KEYS_PER_REQUEST,
    MAX_REQUEST_KEY_BYTES,
    MAX_RESPONDERS,
    MIN_KEY_SIZE_BITS,
)

LIMITS = KeyLimits(
    key_size_bits=DEFAULT_KEY_SIZE_BITS,
    min_key_size_bits=MIN_KEY_SIZE_BITS,
    max_key_size_bits=MAX_KEY_SIZE_BITS,
    max_keys_per_request=MAX_KEYS_PER_REQUEST,
    max_key_count=0,  # no keys are stored ahead
    stored_key_count=0,
)


def check_caller(caller: str, encryptors: Sequence[str], client: str) -> None:
    """Raise NotOwnerError unless `client` serves `caller`."""
    if caller not in encryptors:
        raise NotOwnerError(f"{caller!r} is not an encryptor of client {client}")


def check_encryptor_name(name: str) -> None:
    """Raise UnknownEncryptorError where no encryptor can have this name: a hub would not even read it."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:  # a lone surrogate
        length = 0
    if not 1 <= length <= MAX_ENCRYPTOR_NAME_BYTES:
        raise UnknownEncryptorError(
            f"an encryptor's name has 1 to {MAX_ENCRYPTOR_NAME_BYTES} bytes of UTF-8; this one has not"
        )


def check_responders(caller: str, responders: Sequence[str]) -> tuple[str, ...]:
    """The responders without repetition. Raises RequestError."""
    unique = tuple(dict.fromkeys(responders))
    if not 1 <= len(unique) <= MAX_RESPONDERS:
        raise RequestError(f"a key names 1 to {MAX_RESPONDERS} responders, not {len(unique)}")
    if caller in unique:
        raise RequestError(f"{caller!r} cannot be the responder of its own key")
    return unique


def key_bytes(size_bits: int | None) -> int:
    """The key's length in bytes. Raises BadKeySizeError."""
    size = DEFAULT_KEY_SIZE_BITS if size_bits is None else size_bits
    if size % 8:
        raise BadKeySizeError("size shall be a multiple of 8")
    if not MIN_KEY_SIZE_BITS <= size <= MAX_KEY_SIZE_BITS:
        raise BadKeySizeError(f"size is {size} bits; {MIN_KEY_SIZE_BITS} to {MAX_KEY_SIZE_BITS} are possible")
    return size // 8


def check_number(number: int, size_bytes: int) -> None:
    """Raise BadNumberError unless `number` keys of `size_bytes` bytes may be asked for at once."""
    if not 1 <= number <= MAX_KEYS_PER_REQUEST:
        raise BadNumberError(f"number is {number}; 1 to {MAX_KEYS_PER_REQUEST} keys are possible")
    if number * size_bytes > MAX_REQUEST_KEY_BYTES:
        raise BadNumberError(
            f"{number} keys of {8 * size_bytes} bits are too much for one request; "
            f"{8 * MAX_REQUEST_KEY_BYTES} bits in all are possible"
        )


def check_key_ids(key_ids: Sequence[bytes]) -> None:
    """Raise BadNumberError or BadKeyIdError unless the IDs are distinct UUIDs of 16 bytes."""
    if not 1 <= len(key_ids) <= MAX_KEYS_PER_REQUEST:
        raise BadNumberError(f"{len(key_ids)} key IDs; 1 to {MAX_KEYS_PER_REQUEST} are possible")
    if any(len(key_id) != KEY_ID_BYTES for key_id in key_ids):
        raise BadKeyIdError("a key ID is a UUID: 16 bytes")
    if len(set(key_ids)) != len(key_ids):
        raise BadKeyIdError("a key ID is asked for twice in one request")
