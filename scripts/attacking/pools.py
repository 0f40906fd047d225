"""Where pools stand, as the nodes' own status tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Of every pool, by node, peer and whose it is: bytes used of its blocks, by their UUIDs.
Positions = dict[str, dict[str, int]]


def positions(states: Mapping[str, Mapping[str, Any]]) -> Positions:
    """Of all pools of these nodes; blocks that are used up stand in none."""
    return {
        f"{name} with {peer.get('client_name') or peer['hub_name']}, {which}": {
            block["uuid"]: block["nr_used_bytes"] for block in peer[which]["blocks"]
        }
        for name, state in states.items()
        for peer in state.get("peer_clients") or state["peer_hubs"]
        for which in ("local_pool", "peer_pool")
    }


def moved(before: Positions, after: Positions) -> str:
    """Which pools have moved, or empty."""
    found = [f"{name}: {now} to {after.get(name)}" for name, now in before.items() if now != after.get(name)]
    return f"{len(found)} pools have moved, the first {found[0]}" if found else ""
