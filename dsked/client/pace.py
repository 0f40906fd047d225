"""How soon a hub acknowledges what is sent to it over media: a window of pads in a round trip.

What is queued behind more than the window lets through in time would be given up in the end, and would have
taken the window from what comes after it. So it is not let in, or new requests would keep each other from
being served at all.
"""

from __future__ import annotations

from dsked.limits import KEPT_WINDOW_FRACTION, PACE_LIMIT_S
from dsked.wire.session import Session

_WEIGHT = 0.25  # of what was measured last


class Room:
    """What may still be queued for one hub in this turn, in bytes of pads.

    `free`: what the window has left; below 0 so much waits for it. `behind`: so much may wait.
    """

    __slots__ = ("_behind", "_window", "free")

    def __init__(self, free: int, behind: float, window: int) -> None:
        self.free = free
        self._behind = behind
        self._window = window

    def fits(self, pads: int) -> bool:
        """True where so many more are acknowledged in time. Who finds nobody waiting is always let in."""
        return self.free >= 0 or pads - self.free <= self._behind

    def spares(self, pads: int) -> bool:
        """True where nobody who comes soon would wait because of so many."""
        return self.free - pads >= self._window // KEPT_WINDOW_FRACTION

    def take(self, pads: int) -> None:
        """They are queued."""
        self.free -= pads


class Pace:
    """One hub's. Only what is acknowledged tells it, so it is not known at first."""

    __slots__ = ("_round_trip_s",)

    def __init__(self) -> None:
        self._round_trip_s = 0.0

    def room(self, session: Session) -> Room:
        """The room that there is now; without end as long as no acknowledgement has come."""
        window = session.streams.local.window
        if window is None or not self._round_trip_s:
            return Room(free_pads(session), float("inf"), window or 0)
        return Room(free_pads(session), window * (PACE_LIMIT_S / self._round_trip_s - 1), window)

    def acknowledged(self, seconds: float, windows: float) -> None:
        """It took so long for what was queued behind so many windows: a round trip for each, and its own."""
        round_trip_s = seconds / (1 + windows)
        weight = _WEIGHT if self._round_trip_s else 1.0
        self._round_trip_s += weight * (round_trip_s - self._round_trip_s)


def free_pads(session: Session) -> int:
    """Bytes of pads that could leave now beside what is queued; below 0 so many wait."""
    return session.streams.local.available() - session.pads_wanted


def windows_waiting(session: Session) -> float:
    """What waits for the window, in windows; 0 for a pool that has none."""
    window = session.streams.local.window
    return max(-free_pads(session), 0) / window if window is not None else 0.0
