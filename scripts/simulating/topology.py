"""Who is there in a world: drawn from its seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from dsked.client.engine import ClientEngine
from dsked.hub.engine import HubEngine


@dataclass
class Topology:
    """n hubs, k, clients with their encryptors; which of them lie; what PSRD is; how long shares live."""

    n: int
    k: int
    clients: dict[str, tuple[str, ...]]
    simulated: bool
    provisioned: bool  # owners of encryptors stand in the hubs' configuration
    share_timeout_s: float
    liars: dict[str, type[HubEngine]] = field(default_factory=dict)
    hostile: dict[str, type[ClientEngine]] = field(default_factory=dict)
    restores: str = ""  # the side of which copies are restored: "hub", "client" or neither
    storm_s: float = 8.0
    victims: tuple[str, ...] = ()  # hubs that alone are struck: no more than may fail without a hitch

    @property
    def hubs(self) -> list[str]:
        """Their names, in the order of their places."""
        return [f"hub{number}" for number in range(1, self.n + 1)]

    @property
    def xs(self) -> dict[str, int]:
        """x-coordinates by hub."""
        return {hub: x for x, hub in enumerate(self.hubs, 1)}

    @property
    def client_of(self) -> dict[str, str]:
        """The client that serves each encryptor."""
        return {name: client for client, names in self.clients.items() for name in names}

    @property
    def spare(self) -> int:
        """Hubs that may be down while the others lie or answer."""
        return self.n - self.k - len(self.liars)

    def describe(self) -> str:
        """For the trace."""
        psrd = "simulated" if self.simulated else "media"
        enemies = {name: kind.__name__ for name, kind in [*self.liars.items(), *self.hostile.items()]}
        return (
            f"{self.k} of {self.n} hubs, clients {self.clients}, PSRD {psrd}, shares live "
            f"{self.share_timeout_s:.1f} s, enemies {enemies}, restores {self.restores or 'nothing'}, struck "
            f"{self.victims or 'all'}"
        )


def draw(
    seed: str, liars: Mapping[str, type[HubEngine]], hostile: Mapping[str, type[ClientEngine]]
) -> Topology:
    """The topology of a seed. `liars` and `hostile`: the kinds of enemies that there are."""
    dice = random.Random(f"{seed} topology")  # noqa: S311  repeatable on purpose
    simulated = dice.random() < 0.4
    n = dice.choice([3, 3, 4, 5, 5, 6, 7] if simulated else [3, 3, 4, 5, 5])
    k = dice.randint(2, n - 1)
    nr_clients = dice.choice([2, 2, 3, 3, 4, 5] if simulated else [2, 3])
    names = [f"client{number}" for number in range(1, nr_clients + 1)]
    clients = {
        client: tuple(f"{client}-{letter}" for letter in "abc"[: dice.randint(1, 3)]) for client in names
    }
    topology = Topology(
        n, k, clients, simulated, provisioned=True,
        share_timeout_s=dice.uniform(3.0, 9.0) if dice.random() < 0.35 else 60.0,
        storm_s=dice.choice([3.0, 6.0, 6.0, 10.0]),
    )  # fmt: skip
    if liars and dice.random() < 0.6:
        number = dice.randint(1, min(k - 1, n - k))
        for hub in dice.sample(topology.hubs, number):
            topology.liars[hub] = liars[dice.choice(sorted(liars))]
    if hostile and dice.random() < 0.5:
        topology.clients["mallory"] = ("mallory-a", "mallory-b")
        topology.hostile["mallory"] = hostile[dice.choice(sorted(hostile))]
    if simulated and not topology.hostile:
        topology.provisioned = dice.random() < 0.7
    if not simulated:
        topology.restores = dice.choice(["", "hub", "client"])
    if topology.spare > 0 and dice.random() < 0.35:
        honest = [hub for hub in topology.hubs if hub not in topology.liars]
        topology.victims = tuple(dice.sample(honest, dice.randint(1, topology.spare)))
    return topology
