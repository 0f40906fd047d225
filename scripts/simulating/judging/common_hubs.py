"""Keys go over the hubs that all their clients have: over none too few, and over no others."""

from __future__ import annotations

from dsked.client.deal import Deal
from dsked.sharing.terms import Terms
from simulating.events import Broken
from simulating.topology import Topology


def clients_of(terms: Terms) -> list[str]:
    """All that take part in a key."""
    return [terms.initiator.client, *(party.client for party in terms.responders)]


def common(topology: Topology, terms: Terms) -> set[str]:
    """The hubs that all of them have."""
    return topology.common(clients_of(terms))


def check_dealt(topology: Topology, deal: Deal) -> None:
    """To all honest hubs that are common, where these know their clients by configuration. Raises Broken."""
    terms, own = deal.terms, topology.hubs_of(deal.terms.initiator.client)
    dealt = {own[index] for index in deal.unanswered}
    if (terms.n, terms.k) != (len(dealt), topology.k) or terms.n < terms.k:
        raise Broken(f"{terms.initiator.client} deals {terms.k} of {terms.n} to {sorted(dealt)}")
    left_out = common(topology, terms) - dealt - topology.liars.keys()
    if left_out and topology.provisioned:
        raise Broken(f"{terms.initiator.client} leaves out {sorted(left_out)}, which all of {terms} have")


def check_established(topology: Topology, terms: Terms) -> None:
    """Its responders were found: k hubs of the initiator know each, or say so. Raises Broken."""
    initiator = terms.initiator.client
    for party in terms.responders:
        know = topology.common([initiator, party.client]) | (
            topology.liars.keys() & set(topology.hubs_of(initiator))
        )
        if party.client != initiator and len(know) < topology.k:
            raise Broken(f"{initiator} establishes a key for {party.client} over {sorted(know)} alone")
