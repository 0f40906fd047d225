"""What was handed out, remembered as long as hubs may still hold shares of it: each key once."""

from __future__ import annotations

from collections.abc import Collection

from dsked.expiring import ExpiringKeyIds
from dsked.limits import MAX_REMEMBERED_DELIVERIES

Recipient = tuple[str, str]  # (initiator client, encryptor)


class Delivered:
    """A set of deliveries that forgets in time, and refuses new ones rather than forget early."""

    def __init__(self) -> None:
        self._key_ids = ExpiringKeyIds()
        self.among = self._key_ids.among  # of (recipient, key IDs): those that the encryptor has got

    def __len__(self) -> int:
        return len(self._key_ids)

    def full(self, more: int, now: float) -> bool:
        """True when `more` deliveries could not be remembered, beside those whose time is not out."""
        if len(self._key_ids) + more <= MAX_REMEMBERED_DELIVERIES:
            return False
        self.forget_expired(now)
        return len(self) + more > MAX_REMEMBERED_DELIVERIES

    def add(self, recipient: Recipient, key_ids: Collection[bytes], now: float, for_s: float) -> None:
        """Remember deliveries for at least so long; none may be remembered already, or stand there twice."""
        self._key_ids.add(recipient, key_ids, now, for_s)

    def forget_expired(self, now: float) -> None:
        """Forget those whose time is out."""
        until = self._key_ids.next_expiry()
        if until is not None and until <= now:
            for _ in self._key_ids.forget_expired(now):
                pass
