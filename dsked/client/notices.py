"""What the log says of hubs: none fills it by coming and going as fast as it is dialled."""

from __future__ import annotations

from dsked.limits import HUB_LOG_BURST, OUTSIDER_LOG_INTERVAL_S
from dsked.notice import Notice
from dsked.seldom import Seldom, more


class HubNotices:
    """Lines about hubs, each of a kind: few and fixed ones. `notice` takes a level and the line."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._seldom = Seldom(OUTSIDER_LOG_INTERVAL_S, HUB_LOG_BURST)

    def tell(self, level: int, kind: str, hub: str, text: str, now: float) -> None:
        """A line; HUB_LOG_BURST of a kind and hub in OUTSIDER_LOG_INTERVAL_S."""
        left_out = self._seldom.may_tell((hub, kind), now)
        if left_out is not None:
            self._notice(level, f"{text}{more(left_out)}", peer=hub)
