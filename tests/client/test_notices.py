"""What the log says of hubs is bounded, however fast they come and go."""

from __future__ import annotations

import logging

from dsked.client.notices import HubNotices
from dsked.limits import HUB_LOG_BURST, OUTSIDER_LOG_INTERVAL_S


def test_a_burst_of_a_kind_and_hub_then_how_many_were_left_out() -> None:
    lines: list[tuple[int, str]] = []
    notices = HubNotices(lambda level, text, /, **fields: lines.append((level, text)))
    for step in range(100):
        notices.tell(logging.WARNING, "lost", "hank", "hub hank: it is gone", 50.0 + step / 100)
    assert lines == [(logging.WARNING, "hub hank: it is gone")] * HUB_LOG_BURST
    notices.tell(logging.WARNING, "lost", "helen", "hub helen: it is gone", 51.0)
    notices.tell(logging.INFO, "registered", "hank", "registered with hub hank", 51.0)
    assert len(lines) == HUB_LOG_BURST + 2
    notices.tell(logging.WARNING, "lost", "hank", "hub hank: it is gone", 50.0 + OUTSIDER_LOG_INTERVAL_S)
    assert lines[-1] == (logging.WARNING, f"hub hank: it is gone ({100 - HUB_LOG_BURST} more like this)")
