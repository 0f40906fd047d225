"""The topologies that are measured, and the loads on each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from laboratory import Laboratory, free_ports, topology, wait_until

from benching.shape import Shape

CLIENTS = {"carol": ["sam"], "curtis": ["sunny"]}
#: (hubs, k), the usual one first.
USUAL = (5, 3)
TOPOLOGIES = (USUAL, (3, 2), (9, 5))
CONCURRENCIES = (1, 8, 64, 256)
NUMBERS = (1, 32, 128)
BITS = (128, 256)
#: Sizes of one key, eight at once; one of more than 1024 bytes is hashed under its secret tag.
SIZES = (128, 1024, 8 * 1024, 64 * 1024, 256 * 1024, 1024 * 1024)
SIZES_CONCURRENCY = 8
#: Hubs remember what was confirmed for so long, a million keys of a client at most: 17,000 a second for 60 s.
SHARE_TIMEOUT_S = 15
#: Pools so large that a turn of 2,048 keys finds its pads, 128 KiB, also when they have not learnt the rate.
_POOLS = {
    "start_request_psrd_threshold": 256 * 1024,
    "stop_request_psrd_threshold": 512 * 1024,
    "get_psrd_block_size": 64 * 1024,
    "share_timeout_secs": SHARE_TIMEOUT_S,
}


def content(hubs: int, k: int, psrd: str = "simulated", **settings: Any) -> dict[str, Any]:
    """A topology of so many hubs and two clients, on free ports."""
    ports = free_ports(hubs + len(CLIENTS))
    return topology(hubs, CLIENTS, ports, **{"psrd": psrd, "min_nr_shares": k, **_POOLS, **settings})


def hub_ports(lab: Laboratory) -> set[int]:
    """The ports on which its hubs listen."""
    return {lab.port(name) for role, name in lab.nodes() if role == "hub"}


def wait_until_registered(lab: Laboratory) -> None:
    """Wait until both clients are registered with all hubs."""

    def registered() -> bool:
        return all(hub["registered"] for name in CLIENTS for hub in lab.status(name)["peer_hubs"])

    wait_until(registered, "both clients are registered with all hubs")


def shapes(hubs: int, k: int) -> Iterator[Shape]:
    """All loads on a topology."""
    for bits, number, concurrency in product(BITS, NUMBERS, CONCURRENCIES):
        yield Shape(hubs, k, concurrency, number, bits)


def quick_shapes() -> Iterator[Shape]:
    """The loads that tell most."""
    for concurrency, number, bits in ((1, 1, 256), (64, 1, 128), (4, 128, 128), (4, 128, 256)):
        yield Shape(*USUAL, concurrency, number, bits)


def sizes() -> Iterator[Shape]:
    """Keys from small to large on the usual topology."""
    for bits in SIZES:
        yield Shape(*USUAL, SIZES_CONCURRENCY, 1, bits)
