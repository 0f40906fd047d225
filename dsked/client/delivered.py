"""What was handed out, remembered as long as hubs may still hold shares of it: each key once."""

from __future__ import annotations

from collections import deque

from dsked.client.fetch import FetchId
from dsked.limits import MAX_REMEMBERED_DELIVERIES

Delivery = tuple[FetchId, str]  # and the encryptor


class Delivered:
    """A set of deliveries that forgets in time, and refuses new ones rather than forget early."""

    def __init__(self) -> None:
        self._until: dict[Delivery, float] = {}
        self._order: deque[tuple[float, Delivery]] = deque()

    def __contains__(self, delivery: Delivery) -> bool:
        return delivery in self._until

    def full(self, more: int) -> bool:
        """True when `more` deliveries could not be remembered."""
        return len(self._until) + more > MAX_REMEMBERED_DELIVERIES

    def add(self, delivery: Delivery, until: float, now: float) -> None:
        """Remember a delivery until then, and forget those whose time is out."""
        self.forget_expired(now)
        self._until[delivery] = until
        self._order.append((until, delivery))

    def forget_expired(self, now: float) -> None:
        """Forget those whose time is out, in the order in which they were added."""
        while self._order and self._order[0][0] <= now:
            _, delivery = self._order.popleft()
            self._until.pop(delivery, None)
