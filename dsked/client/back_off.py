"""How long to wait before a hub is dialled again."""

from __future__ import annotations

from dsked.limits import (
    RECONNECT_FIRST_S,
    RECONNECT_HANDSHAKE_MAX_S,
    RECONNECT_JITTER,
    RECONNECT_UNREACHABLE_MAX_S,
)


class BackOff:
    """Of one hub.

    A hub that cannot be reached costs nothing to try. One that was reached may have cost pads: its back-off
    grows long, and starts again only after a session that carried verified frames. The two are apart, or an
    attacker would shorten the long one by refusing TCP in between. A session that began with an alarm does
    not count: each costs windows, and two clones that take turns would burn their pools in minutes.
    """

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """The next attempt may cost nothing, or is worth it."""
        self.unreachable_delay_s = self.handshake_delay_s = RECONNECT_FIRST_S

    def next_delay(self, *, reached: bool, carried_frames: bool, alarmed: bool, jitter: float) -> float:
        """Seconds until the next attempt, after one that ended so; `jitter` is uniform in [0, 1)."""
        carried_frames = carried_frames and not alarmed
        if carried_frames:
            self.begin_anew()
        if reached and not carried_frames:
            delay = self.handshake_delay_s
            self.handshake_delay_s = min(2 * delay, RECONNECT_HANDSHAKE_MAX_S)
        else:
            delay = self.unreachable_delay_s
            self.unreachable_delay_s = min(2 * delay, RECONNECT_UNREACHABLE_MAX_S)
        return delay * (1 + RECONNECT_JITTER * (2 * jitter - 1))
