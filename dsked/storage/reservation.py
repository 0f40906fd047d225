"""How far ahead of use a mark is made durable: about as many bytes as a second takes. Pure."""

from __future__ import annotations

from dsked.limits import MIN_RESERVATION_BYTES, RESERVATION_S

_SHORTEST_S = 0.05  # a rate over less than this is no rate


class Reservation:
    """The policy of one stream. Whoever asks more often gets more at a time, and fewer syncs."""

    __slots__ = ("_asked_at", "_known", "_used")

    def __init__(self) -> None:
        self._asked_at = 0.0
        self._used = 0
        self._known = False

    def ahead(self, used: int, now: float) -> int:
        """Bytes to reserve beyond `used` (the position up to which the stream is used), at `now` seconds."""
        elapsed = max(now - self._asked_at, _SHORTEST_S)
        rate = (used - self._used) / elapsed if self._known else 0.0
        self._asked_at, self._used, self._known = now, used, True
        return max(MIN_RESERVATION_BYTES, int(rate * RESERVATION_S))
