"""What a hub's metrics are gathered from."""

from __future__ import annotations

from collections.abc import Iterator

from dsked.limits import PEERS_PER_SCRAPE_SLICE
from dsked.metrics import families as f
from dsked.metrics.families import Scrape
from dsked.metrics.outsiders import add_failures
from dsked.metrics.peers import Peers
from dsked.net.hub_node import HubNode


def gather(hub: HubNode, scrape: Scrape) -> Iterator[None]:
    """Stops after each slice of work, so that the hub's other work goes on in between."""
    figures = hub.figures()
    connections, strangers = hub.connections()
    scrape.add(f.CONNECTIONS, connections, "dske")
    scrape.add(f.STRANGERS, strangers)
    scrape.add(f.SESSIONS, figures.nr_sessions)
    scrape.add(f.PEERS_CONNECTED, figures.nr_sessions_open)
    scrape.add(f.SHARES, figures.nr_shares_held)
    scrape.add(f.SHARE_BYTES, figures.nr_share_bytes_held)
    scrape.add(f.SHARES_STORED, figures.nr_shares_stored)
    scrape.add(f.SHARES_REFUSED, figures.nr_shares_refused)
    scrape.add(f.SHARES_EXPIRED, figures.nr_shares_expired)
    scrape.add(f.TOMBSTONES, figures.nr_tombstones)
    scrape.add(f.DRAINING, figures.draining)
    scrape.add(f.DROPPED, add_failures(hub.outsiders(), scrape))
    yield
    peers = Peers(scrape, figures.nr_clients)
    for number, one in enumerate(hub.client_figures(), start=1):
        peers.add(one.common)
        if peers.listed:
            name = one.common.name
            scrape.add(f.PEER_CONNECTED, one.connected, name)
            scrape.add(f.PEER_WRAPPED, one.wrapped, name)
            scrape.add(f.PEER_SHARES, one.nr_shares, name)
            scrape.add(f.PEER_SHARE_BYTES, one.nr_share_bytes, name)
        if number % PEERS_PER_SCRAPE_SLICE == 0:
            yield
    peers.finish()
