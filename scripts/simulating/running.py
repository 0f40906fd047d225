"""One seed from its first event to its last, and what it came to."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

from simulating.calm import Calm
from simulating.enemies.hostile import HOSTILE
from simulating.enemies.liars import LIARS
from simulating.events import Broken
from simulating.load import Load
from simulating.storm import Storm
from simulating.topology import draw
from simulating.world import World

_WARM_UP_S = 1.0
#: Where disks are slow, the first sessions take longer.
_MOST_WARM_UPS = 10
_TAIL = 40


@dataclass
class Outcome:
    """One seed. `seconds` of CPU; `failure`: what did not hold, and the last events; empty if all held."""

    seed: str
    digest: str = ""
    seconds: float = 0.0
    simulated_s: float = 0.0
    events: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    failure: str = ""


def run_seed(seed: str, told: Callable[[str], None] | None = None) -> Outcome:
    """Run the world of a seed. `told` gets every line of its trace."""
    begin = time.process_time()
    outcome = judged(World(seed, draw(seed, LIARS, HOSTILE), told), Outcome(seed))
    outcome.seconds = time.process_time() - begin
    return outcome


def judged(world: World, outcome: Outcome) -> Outcome:
    """What the life of a world comes to."""
    try:
        live(world)
    except Broken as broken:
        outcome.failure = f"{broken}\n{tail(world)}"
    except Exception:
        outcome.failure = f"an undeclared error\n{traceback.format_exc()}{tail(world)}"
    outcome.digest, outcome.events = world.events.digest, world.events.nr_done
    outcome.simulated_s = world.events.now
    world.events.counts.update({f"lies: {hub}": n for hub, n in world.cabal.lies.items()})
    outcome.counts = {**world.events.counts, **_enemies(world), **_kind(world)}
    return outcome


def live(world: World) -> None:
    """Keys flow, the storm comes and goes, and in the calm all is well. Raises Broken."""
    _warm_up(world)
    load, storm = Load(world), Storm(world)
    world.events.run_for(world.topology.storm_s)
    storm.end()
    load.stop()
    Calm(world).run()


def _warm_up(world: World) -> None:
    """Until honest clients have had the time for their first sessions: k of them with hubs that are well."""
    topology = world.topology
    enough = topology.k + len(topology.liars) + len(topology.victims)
    for _ in range(_MOST_WARM_UPS):
        world.events.run_for(_WARM_UP_S)
        hubs = [client.engine.hubs for client in world.honest_clients()]
        if all(len(some.usable()) >= min(enough, some.n) for some in hubs):
            return


def _enemies(world: World) -> dict[str, int]:
    found = {"lies told": world.cabal.lies.total(), "misdeeds": world.cabal.misdeeds.total()}
    return {name: number for name, number in found.items() if number}


def _kind(world: World) -> dict[str, int]:
    topology = world.topology
    kinds = {
        "world: simulated PSRD": topology.simulated, "world: media": not topology.simulated,
        "world: liars": bool(topology.liars), "world: hostile client": bool(topology.hostile),
        "world: short share time-out": topology.share_timeout_s < 10,
        "world: stored keys": bool(topology.stored),
        "world: wrapping": bool(topology.wrapping),
        "world: clients with some hubs only": bool(topology.some_hubs),
    }  # fmt: skip
    return {name: 1 for name, is_so in kinds.items() if is_so}


def tail(world: World) -> str:
    """The last events, for people."""
    return "\n".join(list(world.events.lines)[-_TAIL:])
