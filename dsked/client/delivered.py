"""What was handed out, remembered as long as hubs may still hold shares of it: each key once."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from dsked.client.fetch import FetchId
from dsked.limits import MAX_REMEMBERED_DELIVERIES

Delivery = tuple[FetchId, str]  # and the encryptor

#: Deliveries are forgotten together with others of about the same time: one deadline serves many.
_BATCH_S = 5.0


@dataclass(slots=True, eq=False)
class _Batch:
    """Key IDs by (initiator client, encryptor), all to be forgotten at `until`."""

    first_until: float
    until: float
    key_ids: dict[tuple[str, str], set[bytes]] = field(default_factory=dict)
    size: int = 0


class Delivered:
    """A set of deliveries that forgets in time, and refuses new ones rather than forget early.

    About 100 bytes a delivery: at thousands of keys a second this is most of what a client holds.
    """

    def __init__(self) -> None:
        self._batches: deque[_Batch] = deque()

    def __len__(self) -> int:
        return sum(batch.size for batch in self._batches)

    def __contains__(self, delivery: Delivery) -> bool:
        (initiator, key_id), encryptor = delivery
        of_whom = (initiator, encryptor)
        return any(key_id in batch.key_ids.get(of_whom, ()) for batch in self._batches)

    def full(self, more: int) -> bool:
        """True when `more` deliveries could not be remembered."""
        return len(self) + more > MAX_REMEMBERED_DELIVERIES

    def add(self, delivery: Delivery, until: float, now: float) -> None:
        """Remember a delivery until then, and forget those whose time is out."""
        self.forget_expired(now)
        if not self._batches or until > self._batches[-1].first_until + _BATCH_S:
            self._batches.append(_Batch(until, until))
        batch = self._batches[-1]
        batch.until = max(batch.until, until)
        (initiator, key_id), encryptor = delivery
        batch.key_ids.setdefault((initiator, encryptor), set()).add(key_id)
        batch.size += 1

    def forget_expired(self, now: float) -> None:
        """Forget those whose time is out."""
        while self._batches and self._batches[0].until <= now:
            self._batches.popleft()
