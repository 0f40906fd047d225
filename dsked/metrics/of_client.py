"""What a client's metrics are gathered from."""

from __future__ import annotations

from collections.abc import Iterator

from dsked.client.figures import HubFigures
from dsked.errors import HTTP_STATUS, ErrorCode
from dsked.metrics import families as f
from dsked.metrics.families import Scrape
from dsked.metrics.metered import MeteredKeys
from dsked.metrics.outsiders import add_failures
from dsked.metrics.peers import Peers
from dsked.net.client_node import ClientNode

#: What key requests may fail for: told from the start, or the first failure would not be seen as one more.
_REASONS = {*HTTP_STATUS, ErrorCode.STORAGE, ErrorCode.INTERNAL}


def gather(client: ClientNode, keys: MeteredKeys, scrape: Scrape) -> Iterator[None]:
    """Stops after each slice of work."""
    scrape.add(f.CONNECTIONS, client.nr_connections(), "dske")
    scrape.add(f.REQUESTS, client.nr_requests_in_flight())
    add_failures(client.session_failures(), scrape)
    initiated, responded = client.tallies()
    scrape.add(f.KEYS_ESTABLISHED, initiated.nr_keys)
    scrape.add(f.KEYS_DELIVERED, responded.nr_keys)
    scrape.add_histogram(f.REQUEST_SECONDS, keys.initiated, "initiator")
    scrape.add_histogram(f.REQUEST_SECONDS, keys.responded, "responder")
    for half, tally in (("initiator", initiated), ("responder", responded)):
        for code in sorted(_REASONS | tally.failures.keys()):
            scrape.add(f.REQUEST_FAILURES, tally.failures[code], half, code.name.lower())
    for pair, stored in client.stored_keys():
        labels = (pair.initiator, pair.responder, str(8 * pair.key_bytes))
        scrape.add(f.STORED_KEYS, stored, *labels)
        scrape.add(f.STORED_KEYS_WANTED, pair.count, *labels)
    yield
    hubs = list(client.hub_figures())
    scrape.add(f.HUBS_NEEDED, client.nr_hubs_needed)
    scrape.add(f.HUBS_USABLE, sum(hub.usable for hub in hubs))
    _add_hubs(hubs, scrape)


def _add_hubs(hubs: list[HubFigures], scrape: Scrape) -> None:
    peers = Peers(scrape, len(hubs))
    for hub in hubs:
        name = hub.common.name
        peers.add(hub.common)
        if peers.listed:
            scrape.add(f.PEER_USABLE, hub.usable, name)
            scrape.add(f.PEER_LATE, hub.late, name)
            scrape.add(f.PEER_DRAINING, hub.draining, name)
            scrape.add(f.PEER_WRAPPED, hub.wrapped, name)
            scrape.add(f.PEER_SET_ASIDE, hub.set_aside, name)
            scrape.add(f.PEER_SET_ASIDE_FOR, hub.nr_set_aside_for, name)
            scrape.add(f.PEER_MISMATCHES, hub.nr_mismatches, name)
            scrape.add(f.PEER_SESSIONS, hub.nr_sessions, name)
    peers.finish()
