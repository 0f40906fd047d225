"""What a client tells of itself: whether it can serve key requests, and the user guide's status."""

from __future__ import annotations

from typing import Any

from dsked.client.evidence import Evidence
from dsked.client.hub_peer import HubPeer
from dsked.client.hubs import Hubs
from dsked.psrd.report import blocks_each, pools_report


def readiness(hubs: Hubs, least_simulated: int) -> str | None:
    """None when key requests can be served, else why not.

    Pools on media have been looked at already; simulated ones hold `least_simulated` bytes, or more of them
    is on its way.
    """
    usable = hubs.taking()
    if len(usable) < hubs.k:
        return str(hubs.too_few(len(usable)))
    filled = [hub for hub in usable if _holds(hub, least_simulated if hub.pair.simulated else 0)]
    if len(filled) < hubs.k:
        return f"PSRD pools with {len(filled)} of {hubs.n} hubs are above the start threshold"
    return None


def _holds(hub: HubPeer, least: int) -> bool:
    streams = hub.pair.streams
    return streams is not None and min(streams.local.unused, streams.peer.unused) >= least


def hubs_status(hubs: Hubs, evidence: Evidence, now: float) -> list[dict[str, Any]]:
    """Status of each hub, without any secret."""
    most_blocks = blocks_each(hubs.n)
    return [_hub_status(hub, evidence, now, most_blocks) for hub in hubs]


def _hub_status(hub: HubPeer, evidence: Evidence, now: float, most_blocks: int) -> dict[str, Any]:
    of_connection = hub.connection.streams if hub.connection is not None else None
    return {
        "hub_name": hub.name,
        "x_coordinate": hub.x,
        "registered": hub.registered,
        "problem": hub.trouble or None,
        "late": hub.late,
        "draining": hub.drains,
        "wrapped": hub.wrapped,
        "psrd_low": hub.supply is not None and hub.supply.low,
        "restored_state_seen": hub.pair.rewound,
        **evidence.report(hub.name, now),
        # A hub that has not greeted leaves those of the pair.
        **pools_report(of_connection or hub.pair.streams, most_blocks),
    }
