"""A key for nobody, from one encryptor to another: the whole way that keys go.

The key itself is shown to nobody. What both ends may show and compare is its check value, 32 bits of a digest
of 256 bits that are used for nothing.
"""

from __future__ import annotations

import hashlib
import time
from typing import NamedTuple, Protocol

from dsked.doctor.finding import Finding, fault, good
from dsked.errors import DskedError
from dsked.identifiers import key_id_text
from dsked.keys import Key

_CHECK = "self-test"
_SIZE_BITS = 256


class Client(Protocol):
    """The control socket of a client."""

    def get_keys(
        self, responders: list[str], number: int, size_bits: int | None, as_encryptor: str | None
    ) -> list[Key]:
        """New keys."""

    def get_keys_by_id(self, initiator: str, key_ids: list[bytes], as_encryptor: str | None) -> list[Key]:
        """The same at the other end."""


class Pair(NamedTuple):
    """Two encryptors."""

    initiator: str
    responder: str

    def __str__(self) -> str:
        return f"{self.initiator} to {self.responder}"


def made(client: Client, pair: Pair) -> tuple[Finding, Key | None]:
    """The first half: a key at the initiator's client."""
    begun = time.perf_counter()
    try:
        (key,) = client.get_keys([pair.responder], 1, _SIZE_BITS, pair.initiator)
    except DskedError as error:
        return fault(_CHECK, str(pair), f"no key was established: {error}"), None
    return _good(pair, "established", key, begun), key


def fetched(client: Client, pair: Pair, key_id: bytes, expected: Key | None = None) -> Finding:
    """The second half: the same key at the responder's client; compared with what is `expected`."""
    begun = time.perf_counter()
    try:
        (key,) = client.get_keys_by_id(pair.initiator, [key_id], pair.responder)
    except DskedError as error:
        return fault(_CHECK, str(pair), f"the key was not rebuilt: {error}")
    if expected is not None and key.key != expected.key:
        return fault(_CHECK, str(pair), "both ends have different keys under the same ID")
    return _good(pair, "rebuilt, and the same" if expected else "rebuilt", key, begun)


def check_value(key: Key) -> str:
    """8 hex digits that are the same where keys are."""
    return hashlib.sha256(b"dskectl doctor\0" + key.key).hexdigest()[:8]


def _good(pair: Pair, what: str, key: Key, begun: float) -> Finding:
    taken, key_id, value = time.perf_counter() - begun, key_id_text(key.key_id), check_value(key)
    return good(
        _CHECK,
        str(pair),
        f"key {key_id} {what} in {taken * 1000:.0f} ms, check value {value}",
        key_id=key_id,
        check_value=value,
        milliseconds=round(taken * 1000, 1),
    )
