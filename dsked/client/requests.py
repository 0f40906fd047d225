"""The checks that a key request passes before anything is spent on it; each says what is expected."""

from __future__ import annotations

from collections.abc import Sequence

from dsked.chosen_limits import DEFAULT_LIMITS, Limits
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
    MAX_REQUEST_KEY_BYTES,
    MAX_RESPONDERS,
    MIN_KEY_SIZE_BITS,
)


def key_limits(chosen: Limits) -> KeyLimits:
    """What key requests may ask for, as ETSI GS QKD 014 reports it."""
    return KeyLimits(
        key_size_bits=DEFAULT_KEY_SIZE_BITS,
        min_key_size_bits=MIN_KEY_SIZE_BITS,
        max_key_size_bits=chosen.max_key_size_bits,
        max_keys_per_request=chosen.max_keys_per_request,
        max_key_count=0,  # these two are a pair's (stored_keys.py)
        stored_key_count=0,
        max_additional_responders=MAX_RESPONDERS - 1,
    )


LIMITS = key_limits(DEFAULT_LIMITS)


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


def key_bytes(size_bits: int | None, limits: KeyLimits = LIMITS) -> int:
    """The key's length in bytes. Raises BadKeySizeError."""
    size = limits.key_size_bits if size_bits is None else size_bits
    if size % 8:
        raise BadKeySizeError("size shall be a multiple of 8")
    least, most = limits.min_key_size_bits, limits.max_key_size_bits
    if not least <= size <= most:
        raise BadKeySizeError(f"size is {size} bits; {least} to {most} are possible")
    return size // 8


def check_number(number: int, size_bytes: int, limits: KeyLimits = LIMITS) -> None:
    """Raise BadNumberError unless `number` keys of `size_bytes` bytes may be asked for at once."""
    if not 1 <= number <= limits.max_keys_per_request:
        raise BadNumberError(f"number is {number}; 1 to {limits.max_keys_per_request} keys are possible")
    if number * size_bytes > MAX_REQUEST_KEY_BYTES:
        raise BadNumberError(
            f"{number} keys of {8 * size_bytes} bits are too much for one request; "
            f"{8 * MAX_REQUEST_KEY_BYTES} bits in all are possible"
        )


def check_key_ids(key_ids: Sequence[bytes], limits: KeyLimits = LIMITS) -> None:
    """Raise BadNumberError or BadKeyIdError unless the IDs are distinct UUIDs of 16 bytes."""
    if not 1 <= len(key_ids) <= limits.max_keys_per_request:
        raise BadNumberError(f"{len(key_ids)} key IDs; 1 to {limits.max_keys_per_request} are possible")
    if any(len(key_id) != KEY_ID_BYTES for key_id in key_ids):
        raise BadKeyIdError("a key ID is a UUID: 16 bytes")
    if len(set(key_ids)) != len(key_ids):
        raise BadKeyIdError("a key ID is asked for twice in one request")
