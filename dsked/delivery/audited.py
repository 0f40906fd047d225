"""Requests for keys that are refused, written down in the audit log.

What is answered with keys the engine writes down itself: it knows through which hubs they came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dsked.audit.chain import Append
from dsked.delivery.service import KeyService
from dsked.delivery.wrapped import WrappedKeys
from dsked.errors import DskedError
from dsked.identifiers import key_id_text
from dsked.keys import Done, Outcome
from dsked.limits import (
    AUDIT_KEYS_PER_LINE,
    AUDIT_REFUSAL_BURST,
    KEY_ID_BYTES,
    MAX_ENCRYPTOR_NAME_BYTES,
    MAX_RESPONDERS,
    OUTSIDER_LOG_INTERVAL_S,
)
from dsked.seldom import Seldom


class AuditedKeys(WrappedKeys):
    """A KeyService whose refusals are told to `append`: of one kind and encryptor so many in a while.

    The next one that is written down says how many were not. `now`: a clock that only goes on, in seconds.
    """

    def __init__(self, service: KeyService, append: Append, now: Callable[[], float]) -> None:
        super().__init__(service)
        self._append = append
        self._now = now
        self._seldom = Seldom(OUTSIDER_LOG_INTERVAL_S, AUDIT_REFUSAL_BURST)

    def get_keys(
        self, caller: str, responders: Sequence[str], number: int, size_bits: int | None, done: Done
    ) -> None:
        """As in KeyService."""

        def answered(outcome: Outcome) -> None:
            if isinstance(outcome, DskedError):
                about = {"responders": [_shortened(name) for name in responders[:MAX_RESPONDERS]]}
                self._refused(caller, outcome, {"request": "get keys", **about, "nr_keys": number})
            done(outcome)

        self._service.get_keys(caller, responders, number, size_bits, answered)

    def get_keys_by_id(self, caller: str, initiator: str, key_ids: Sequence[bytes], done: Done) -> None:
        """As in KeyService."""

        def answered(outcome: Outcome) -> None:
            if isinstance(outcome, DskedError):
                names = [_key_id(key_id) for key_id in key_ids[:AUDIT_KEYS_PER_LINE]]
                about = {"initiator": _shortened(initiator), "key_ids": names, "nr_keys": len(key_ids)}
                self._refused(caller, outcome, {"request": "get keys with key IDs", **about})
            done(outcome)

        self._service.get_keys_by_id(caller, initiator, key_ids, answered)

    def _refused(self, caller: str, error: DskedError, about: dict[str, object]) -> None:
        known = caller if caller in self.encryptors else ""  # or names without end would be remembered
        left_out = self._seldom.may_tell((known, error.code), self._now())
        if left_out is None:
            return
        fields = {"encryptor": _shortened(caller), "reason": error.code.name.lower(), **about}
        self._append("refused", {**fields, "left_out": left_out} if left_out else fields)


def _shortened(name: str) -> str:
    """A name that nobody has checked yet, as what it is: a lone surrogate has no UTF-8."""
    return name[:MAX_ENCRYPTOR_NAME_BYTES].encode(errors="backslashreplace").decode()


def _key_id(key_id: bytes) -> str:
    """What was asked for: a UUID, if it is one."""
    return key_id_text(key_id) if len(key_id) == KEY_ID_BYTES else key_id[:KEY_ID_BYTES].hex()
