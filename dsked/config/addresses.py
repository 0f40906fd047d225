"""Hosts, ports and x-coordinates of a topology file: written ones, and those that go by order."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from dsked import limits
from dsked.config import rules, schema
from dsked.config.document import Document, Place
from dsked.errors import ConfigurationError

LOOPBACK = "127.0.0.1"


def host(source: Document, place: Place, written: str, listens: bool = False) -> str:
    """A node's host; one that only `listens` there may have all addresses.

    Raises ConfigurationError with the place, which ends with the key.
    """
    fault = rules.listening_host_fault(written) if listens else rules.host_fault(written)
    if fault:
        raise source.error(place, fault)
    return written


def port(source: Document, place: Place, written: int | None, by_order: int) -> int:
    """A node's port: the one written, else the one by its order. Raises ConfigurationError with its place."""
    if written is None and by_order > 65535:
        raise source.error(
            ("base_port",),
            f"{source.text(place)} would get port {by_order}, and ports end at 65535; "
            "choose a lower base_port",
        )
    chosen = by_order if written is None else written
    fault = rules.port_fault(chosen)
    if fault:
        raise source.error((*place, "port"), fault)
    return chosen


def x_coordinates(source: Document, entry: schema.FileEntry) -> list[int]:
    """For every hub its own x-coordinate, else its number in the list, counted from 1."""
    places: dict[int, str] = {}
    for index, hub in enumerate(entry.hubs):
        place: Place = ("hubs", index, "x_coordinate")
        x = index + 1 if hub.x_coordinate is None else hub.x_coordinate
        if not 1 <= x <= limits.MAX_HUBS:
            raise source.error(place, f"{x} is no x-coordinate; expected 1 to {limits.MAX_HUBS}")
        if x in places:
            raise source.error(
                place, f"{places[x]} has the x-coordinate {x} already; every hub needs its own"
            )
        places[x] = source.text(("hubs", index))
    return list(places)


class Listening(NamedTuple):
    """An address on which some node listens."""

    place: Place
    node: str
    what: str  # the node, or an interface of it
    host: str
    port: int


def check_ports(source: Document, listening: Sequence[Listening]) -> None:
    """Raises ConfigurationError where a port is taken."""
    by_port: dict[int, dict[str, Listening]] = {}
    for one in listening:
        taken = by_port.setdefault(one.port, {})
        found = taken.setdefault(rules.canonical_host(one.host), one)
        if found is not one:
            raise _taken(source, one, found)
    for others in by_port.values():
        for found in [other for other in others.values() if rules.is_wildcard(other.host)]:
            for one in others.values():
                if one is not found and _shares_an_address(found, one):
                    raise _taken(source, one, found)


def _taken(source: Document, one: Listening, by: Listening) -> ConfigurationError:
    where = "" if one.host == by.host else f", which listens on {by.host}"
    text = f"port {one.port} on {one.host} is taken by {by.what}{where}; ports must differ"
    return source.error(one.place, text)


def _shares_an_address(wildcard: Listening, other: Listening) -> bool:
    """Whether both are of one machine, as far as the file tells, and not one IPv4 and the other IPv6."""
    here = wildcard.node == other.node or rules.is_loopback(other.host)
    return here and not _families(wildcard.host).isdisjoint(_families(other.host))


def _families(host: str) -> set[int]:
    """The versions of IP that a host may have: a name, or `*`, both."""
    try:
        return {ipaddress.ip_address(host).version}
    except ValueError:
        return {4, 6}
