"""What a client tells of its hubs for metrics: no secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from dsked.client.evidence import Evidence
from dsked.client.hubs import Hubs
from dsked.psrd.figures import PeerFigures, pool_figures


class HubFigures(NamedTuple):
    """One hub, as a client sees it."""

    common: PeerFigures
    usable: bool  # it takes the shares of new keys
    late: bool
    draining: bool
    wrapped: bool
    set_aside: bool  # for all initiators
    nr_set_aside_for: int  # initiators
    nr_mismatches: int
    nr_sessions: int


def hub_figures(hubs: Hubs, evidence: Evidence, now: float) -> Iterator[HubFigures]:
    """All hubs, in the order of the configuration."""
    for hub in hubs:
        of_connection = hub.connection.streams if hub.connection is not None else None
        low = hub.supply is not None and hub.supply.low
        pools = pool_figures(of_connection or hub.pair.streams)
        common = PeerFigures(hub.name, hub.registered, low, hub.pair.rewound, *pools)
        yield HubFigures(
            common,
            usable=hub.takes_shares,
            late=hub.late,
            draining=hub.drains,
            wrapped=hub.wrapped,
            set_aside=evidence.is_set_aside(None, hub.name, now),
            nr_set_aside_for=evidence.nr_set_aside_for(hub.name, now),
            nr_mismatches=evidence.number_in_all(hub.name),
            nr_sessions=hub.nr_sessions,
        )
