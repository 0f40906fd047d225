"""Small worlds for the tests of the simulator itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulating.enemies.hostile import HOSTILE
from simulating.enemies.liars import LIARS
from simulating.running import Outcome, judged
from simulating.topology import Topology
from simulating.world import World

__all__ = ["HOSTILE", "LIARS", "failure_of", "small"]

_SMALL = Topology(
    3, 2, {"carol": ("sam", "sue"), "curtis": ("sunny", "susan")}, simulated=True, provisioned=True,
    share_timeout_s=60.0, storm_s=3.0,
)  # fmt: skip


def small(seed: int, **changes: Any) -> World:
    """Two of three hubs, two clients with two encryptors each, simulated PSRD; or what `changes` says."""
    return World(f"small {seed}", replace(_SMALL, **{"liars": {}, "hostile": {}, "stored": {}, **changes}))


def failure_of(seed: int, **changes: Any) -> str:
    """What does not hold in such a world, without its last events; empty where all does."""
    failure = judged(small(seed, **changes), Outcome(str(seed))).failure
    return failure if "undeclared" in failure else failure.partition("\n")[0]
