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

    def __len__(self) -> int:
        return len(self._key_ids)

    def among(self, recipient: Recipient, key_ids: Collection[bytes]) -> set[bytes]:
        """Those of the initiator's keys that the encryptor has got."""
        return self._key_ids.among(recipient, key_ids)

    def full(self, more: int) -> bool:
        """True when `more` deliveries could not be remembered."""
        return len(self) + more > MAX_REMEMBERED_DELIVERIES

    def add(self, recipient: Recipient, key_ids: Collection[bytes], now: float, for_s: float) -> None:
        """Remember deliveries for at least so long, and forget those whose time is out.

        None may be remembered already, or stand there twice.
        """
        self.forget_expired(now)
        self._key_ids.add_many(recipient, key_ids, now, for_s)

    def forget_expired(self, now: float) -> None:
        """Forget those whose time is out."""
        until = self._key_ids.next_expiry()
        if until is not None and until <= now:
            for _ in self._key_ids.forget_expired(now):
                pass
