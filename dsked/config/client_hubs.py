"""Clients that share PSRD with some hubs of a topology file only: `hubs` of a client, by name."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, islice

from dsked.config import rules, schema
from dsked.config.document import Document, Place

#: So many different lists of hubs are compared, some 5,000 pairs; and so many of those are told of.
_MAX_COMPARED = 100
_MAX_TOLD = 20


def check(source: Document, entry: schema.FileEntry) -> None:
    """Raises ConfigurationError with the place: no such hub, one named twice, fewer than min_nr_shares."""
    known = [hub.name for hub in entry.hubs]
    for index, client in enumerate(entry.clients):
        for number, name in enumerate(client.hubs or ()):
            place: Place = ("clients", index, "hubs", number)
            if name not in known:
                raise source.error(place, f"there is no hub {name!r}; it has {', '.join(known[:20])}")
            if name in (client.hubs or ())[:number]:
                raise source.error(place, f"{name} is named twice; remove one")
        if client.hubs is not None:
            fault = rules.min_nr_shares_fault(entry.min_nr_shares, len(client.hubs))
            if fault:
                raise source.error(("clients", index, "hubs"), f"min_nr_shares: {fault}")


def warnings(source: Document, entry: schema.FileEntry) -> Iterator[str]:
    """Clients whose secrecy hangs on few hubs, and those between which there can be no key."""
    first: dict[frozenset[str], int] = {}  # clients with the same hubs are spoken of once
    for index, client in enumerate(entry.clients):
        if client.hubs is None:
            continue
        text = rules.min_nr_shares_warning(entry.min_nr_shares, len(client.hubs))
        if text and frozenset(client.hubs) not in first:
            yield str(source.error(("clients", index, "hubs"), f"min_nr_shares: {text}"))
        first.setdefault(frozenset(client.hubs), index)
    yield from islice(_apart(source, entry, first), _MAX_TOLD)


def _apart(source: Document, entry: schema.FileEntry, first: dict[frozenset[str], int]) -> Iterator[str]:
    """Clients with too few hubs in common."""
    for (hubs, one), (others, other) in combinations(islice(first.items(), _MAX_COMPARED), 2):
        common = [hub.name for hub in entry.hubs if hub.name in hubs & others]
        if len(common) < entry.min_nr_shares:
            listed = f" ({', '.join(common)})" if common else ""
            text = (
                f"{entry.clients[other].name} and {entry.clients[one].name} have {len(common)} hubs in "
                f"common{listed}; keys between them need min_nr_shares: {entry.min_nr_shares}"
            )
            yield str(source.error(("clients", other, "hubs"), text))
