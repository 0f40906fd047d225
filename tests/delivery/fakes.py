"""A key service and a node in memory, with the rules that the real ones keep towards their callers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from dsked.errors import (
    AlreadyDeliveredError,
    BadKeyIdError,
    BadKeySizeError,
    BadNumberError,
    DskedError,
    NotNamedError,
    NotOwnerError,
    RequestError,
    UnknownEncryptorError,
    UnknownKeyError,
)
from dsked.keys import Done, Key, KeyLimits

LIMITS = KeyLimits(
    key_size_bits=128,
    min_key_size_bits=32,
    max_key_size_bits=16_777_216,
    max_keys_per_request=128,
    max_key_count=1000,
    stored_key_count=0,
    max_additional_responders=31,
)


class FakeKeys:
    """The key service of a client. It answers at once, unless `hold` is set: then on `release()`.

    `failure`, where set, is what every request ends in; `crash` is raised instead of calling back.
    """

    def __init__(self, name: str = "carol", encryptors: tuple[str, ...] = ("sam",)) -> None:
        self.name = name
        self.encryptors = encryptors
        self.directory = {"sunny": "curtis", "a/b": "curtis", "sömmer": "curtis"}
        self.directory |= dict.fromkeys(encryptors, name)
        self.stored: dict[tuple[str, str], int] = {}
        self.failure: DskedError | None = None
        self.crash: Exception | None = None
        self.hold = False
        self.on_held: Callable[[], None] = lambda: None
        self._held: list[Callable[[], None]] = []
        self._keys: dict[bytes, tuple[str, tuple[str, ...], bytes]] = {}
        self._delivered: set[tuple[bytes, str]] = set()
        self._made = 0

    def limits(self, initiator: str = "", responder: str = "") -> KeyLimits:
        return LIMITS._replace(stored_key_count=self.stored.get((initiator, responder), 0))

    def deal(self, initiator: str, *responders: str, size_bytes: int = 16) -> Key:
        """A key that some other client's encryptor established."""
        self._made += 1
        key = Key(
            uuid.uuid5(uuid.NAMESPACE_OID, f"{self._made}").bytes, bytes([self._made % 256]) * size_bytes
        )
        self._keys[key.key_id] = (initiator, responders, key.key)
        return key

    def get_keys(
        self, caller: str, responders: Sequence[str], number: int, size_bits: int | None, done: Done
    ) -> None:
        self._answer(done, lambda: self._new_keys(caller, responders, number, size_bits))

    def get_keys_by_id(self, caller: str, initiator: str, key_ids: Sequence[bytes], done: Done) -> None:
        self._answer(done, lambda: self._known_keys(caller, initiator, key_ids))

    def locate(self, asker: str, encryptor: str, done: Callable[[str | DskedError], None]) -> None:
        self._answer(done, lambda: self._client_of(encryptor))

    def release(self) -> None:
        """Answer what is held, the youngest first."""
        while self._held:
            self._held.pop()()

    def _answer(self, done: Callable[[Any], None], result: Callable[[], object]) -> None:
        if self.crash is not None:
            raise self.crash

        def answer() -> None:
            try:
                if self.failure is not None:
                    raise self.failure
                outcome = result()
            except DskedError as error:
                outcome = error
            done(outcome)

        if self.hold:
            self._held.append(answer)
            self.on_held()
        else:
            answer()

    def _new_keys(
        self, caller: str, responders: Sequence[str], number: int, size_bits: int | None
    ) -> list[Key]:
        self._check_caller(caller)
        if caller in responders:
            raise RequestError(f"{caller} cannot be the responder of its own key")
        if not 1 <= number <= LIMITS.max_keys_per_request:
            raise BadNumberError(f"number: expected 1 to {LIMITS.max_keys_per_request}")
        size = LIMITS.key_size_bits if size_bits is None else size_bits
        if size % 8 or not LIMITS.min_key_size_bits <= size <= LIMITS.max_key_size_bits:
            raise BadKeySizeError("size: expected a multiple of 8 within 32 and 16777216")
        for responder in responders:
            self._client_of(responder)
        return [self.deal(caller, *dict.fromkeys(responders), size_bytes=size // 8) for _ in range(number)]

    def _check_caller(self, caller: str) -> None:
        if caller not in self.encryptors:
            raise NotOwnerError(f"encryptor {caller} is not served by client {self.name}")

    def _known_keys(self, caller: str, initiator: str, key_ids: Sequence[bytes]) -> list[Key]:
        self._check_caller(caller)
        if not key_ids or len(set(key_ids)) != len(key_ids) or any(len(one) != 16 for one in key_ids):
            raise BadKeyIdError("key IDs: expected one or more, of 16 bytes, none twice")
        if caller == initiator:
            raise NotNamedError(f"{caller} has its own keys already")
        keys = []
        for key_id in key_ids:
            dealt_by, responders, key = self._keys.get(key_id, (None, (), b""))
            if dealt_by != initiator:
                raise UnknownKeyError(f"no key {uuid.UUID(bytes=key_id)} of {initiator}")
            if caller not in responders:
                raise NotNamedError(f"{caller} was not named")
            if (key_id, caller) in self._delivered:
                raise AlreadyDeliveredError(f"{uuid.UUID(bytes=key_id)} was delivered before")
            keys.append(Key(key_id, key))
        self._delivered.update((key_id, caller) for key_id in key_ids)
        return keys

    def _client_of(self, encryptor: str) -> str:
        if encryptor not in self.directory:
            raise UnknownEncryptorError(f"no client serves encryptor {encryptor}")
        return self.directory[encryptor]


class FakeNode:
    """A node whose status and readiness the test sets."""

    def __init__(self, role: Any = "client", name: str = "carol") -> None:
        self.role = role
        self.name = name
        self.reason: str | None = None
        self.state: dict[str, Any] = {"name": name, "peer_hubs": []}
        self.stopped = False
        self.left = 3, 59.5  # what draining tells

    def status(self, first: int = 0) -> dict[str, Any]:
        return {**self.state, "first": first} if first else self.state

    def readiness(self) -> str | None:
        return self.reason

    def drain(self) -> tuple[int, float]:
        return self.left

    def stop(self) -> None:
        self.stopped = True
