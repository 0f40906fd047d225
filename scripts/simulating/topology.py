"""Who is there in a world: drawn from its seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dsked.client.engine import ClientEngine
from dsked.client.stored_place import StoredPair
from dsked.hub.engine import HubEngine
from dsked.wire.additions import Wrapping


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
    stored: dict[str, tuple[StoredPair, ...]] = field(default_factory=dict)  # by client; one size for a pair
    wrapping: dict[str, Wrapping] = field(default_factory=dict)  # by node, where it is not off
    some_hubs: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of clients that have not all

    @property
    def hubs(self) -> list[str]:
        """Their names, in the order of their places."""
        return [f"hub{number}" for number in range(1, self.n + 1)]

    @property
    def xs(self) -> dict[str, int]:
        """x-coordinates by hub."""
        return {hub: x for x, hub in enumerate(self.hubs, 1)}

    def hubs_of(self, client: str) -> list[str]:
        """The hubs that a client shares PSRD with, in the order of their places."""
        own = self.some_hubs.get(client, self.hubs)
        return [hub for hub in self.hubs if hub in own]

    def clients_at(self, hub: str) -> dict[str, tuple[str, ...]]:
        """The clients that share PSRD with a hub, and their encryptors."""
        return {name: served for name, served in self.clients.items() if hub in self.hubs_of(name)}

    def common(self, clients: Iterable[str]) -> set[str]:
        """The hubs that all of these clients have."""
        return set(self.hubs).intersection(*map(self.hubs_of, clients))

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
            f"{self.victims or 'all'}{self._describe_stored()}{self._describe_wrapping()}"
            f"{f', hubs {self.some_hubs}' if self.some_hubs else ''}"
        )

    def wrapped(self, client: str, hub: str) -> bool:
        """Whether what these two say in a session is wrapped."""
        return client in self.wrapping and hub in self.wrapping

    def _describe_wrapping(self) -> str:
        texts = [f"{name} {wrapping.value}" for name, wrapping in self.wrapping.items()]
        return f", wrapping {', '.join(texts)}" if texts else ""

    def _describe_stored(self) -> str:
        pairs = [pair for wanted in self.stored.values() for pair in wanted]
        texts = [f"{p.count} of {p.key_bytes} bytes of {p.initiator} for {p.responder}" for p in pairs]
        return f", keys stored {texts}" if texts else ""


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
    _draw_stored(random.Random(f"{seed} stored"), topology)  # noqa: S311  as above
    _draw_wrapping(random.Random(f"{seed} wrapping"), topology)  # noqa: S311  as above
    _draw_hubs(random.Random(f"{seed} hubs"), topology)  # noqa: S311  as above
    return topology


def _draw_hubs(dice: random.Random, topology: Topology) -> None:
    """In some worlds honest clients have some of the hubs only: at least k, and not always k in common."""
    if topology.n == topology.k or dice.random() < 0.6:
        return
    for client in topology.clients:
        if client not in topology.hostile and dice.random() < 0.7:
            number = dice.choice([topology.k, topology.n - 1, topology.n - 1])
            topology.some_hubs[client] = tuple(dice.sample(topology.hubs, number))
    for hub in topology.hubs:  # each has a client
        if topology.some_hubs and not topology.clients_at(hub):
            client = dice.choice(list(topology.some_hubs))
            topology.some_hubs[client] += (hub,)


def _draw_wrapping(dice: random.Random, topology: Topology) -> None:
    """In half of the worlds some of the nodes wrap what they say, or all do and some insist."""
    if dice.random() < 0.5:
        return
    names = [*topology.hubs, *topology.clients]
    if dice.random() < 0.5:
        drawn = {name: dice.choice([Wrapping.ON, Wrapping.REQUIRED]) for name in names}
    else:
        drawn = {name: Wrapping.ON for name in names if dice.random() < 0.7}
    topology.wrapping = drawn


def _draw_stored(dice: random.Random, topology: Topology) -> None:
    """In some worlds some of the honest clients hold keys ahead."""
    if dice.random() < 0.5:
        return
    for client, encryptors in topology.clients.items():
        if client in topology.hostile or dice.random() < 0.3:
            continue
        initiator = dice.choice(encryptors)
        others = [name for name in topology.client_of if name != initiator]
        pairs = []
        for responder in dice.sample(others, min(dice.choice([1, 1, 2, 3]), len(others))):
            key_bytes = dice.choice([16, 32, 32, 32, 1025])
            count = dice.randint(1, 2 if key_bytes > 1000 else 6)
            pairs.append(StoredPair(initiator, responder, count, key_bytes))
        topology.stored[client] = tuple(pairs)
