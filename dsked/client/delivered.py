"""What was handed out, remembered as long as hubs may still hold shares of it: each key once."""

from __future__ import annotations

from dsked.client.fetch import FetchId
from dsked.expiring import ExpiringKeyIds
from dsked.limits import MAX_REMEMBERED_DELIVERIES

Delivery = tuple[FetchId, str]  # and the encryptor


class Delivered:
    """A set of deliveries that forgets in time, and refuses new ones rather than forget early."""

    def __init__(self) -> None:
        self._key_ids = ExpiringKeyIds()

    def __len__(self) -> int:
        return len(self._key_ids)

    def __contains__(self, delivery: Delivery) -> bool:
        (initiator, key_id), encryptor = delivery
        return self._key_ids.contains((initiator, encryptor), key_id)

    def full(self, more: int) -> bool:
        """True when `more` deliveries could not be remembered."""
        return len(self) + more > MAX_REMEMBERED_DELIVERIES

    def add(self, delivery: Delivery, now: float, for_s: float) -> None:
        """Remember a delivery for at least so long, and forget those whose time is out."""
        self.forget_expired(now)
        (initiator, key_id), encryptor = delivery
        self._key_ids.add((initiator, encryptor), key_id, now, for_s)

    def forget_expired(self, now: float) -> None:
        """Forget those whose time is out."""
        for _ in self._key_ids.forget_expired(now):
            pass
