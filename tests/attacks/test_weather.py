"""Everything breaks at random times, connections, hubs, clients, beside k - 1 liars: never a wrong key,
each key once, one answer per request, honest hubs never named, and it goes on afterwards.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from simulating.enemies.liars import LIARS

from dsked.keys import Key
from tests.engines.world import World

_SIZES = [(1, 128), (3, 256), (40, 256), (1, 20_000), (1, 3_000_000)]


class Weather:
    """One world, its asking encryptors and its faults."""

    def __init__(self, seed: int, nr_liars: int) -> None:
        self.dice = random.Random(seed)
        names = self.dice.sample([f"hub{number}" for number in range(1, 6)], nr_liars)
        self.liars = {name: self.dice.choice(list(LIARS.values())) for name in names}
        self.world = World(seed=seed, hub_classes=self.liars).start()
        self.dealt: dict[bytes, bytes] = {}
        self.asked: list[list[Any]] = []  # of initiators
        self.fetched: list[tuple[str, list[Any]]] = []

    def ask(self) -> None:
        responders = self.dice.choice([["sunny"], ["susan"], ["sunny", "susan"], ["sunny", "serena"]])
        outcome = self.world.ask_keys("carol", "sam", responders, *self.dice.choice(_SIZES))
        self.asked.append(outcome)

    def fetch(self) -> None:
        done = [outcome[0] for outcome in self.asked if outcome and isinstance(outcome[0], list)]
        if done:
            client, caller = self.dice.choice([("curtis", "sunny"), ("curtis", "susan"), ("celia", "serena")])
            keys = self.dice.choice(done)
            self.fetched.append((caller, self.world.ask_by_id(client, caller, "sam", keys)))

    def fault(self) -> None:
        world, dice = self.world, self.dice
        hub, client = dice.choice(world.hub_names), dice.choice(list(world.clients))
        match dice.randrange(6):
            case 0:
                world.cut(hub=hub)
            case 1:
                world.cut(client=client, hub=hub)
            case 2 if not world.down and not world.frozen:
                world.stop_hub(hub)
                world.after(dice.random(), lambda: world.start_hub(hub))
            case 3 if not world.frozen and not world.down:
                world.freeze(hub)
                world.after(dice.random(), lambda: world.thaw(hub))
            case 4 if client != "carol" and not dice.randrange(4):
                world.restart_client(client)
            case _:
                world.cut(client=client)

    def check(self) -> None:
        dealt = {
            key.key_id: key
            for outcome in self.asked
            if outcome and isinstance(outcome[0], list)
            for key in outcome[0]
        }
        given: set[tuple[str, bytes]] = set()
        for caller, outcome in self.fetched:
            assert len(outcome) <= 1, "done is called once"
            for key in outcome[0] if outcome and isinstance(outcome[0], list) else ():
                assert isinstance(key, Key) and key == dealt[key.key_id], "never a wrong key"
                assert (caller, key.key_id) not in given, "each key once"
                given.add((caller, key.key_id))
        named = {text.split()[1] for text in self.world.warnings() if "differs" in text}
        assert named <= set(self.liars), "honest hubs are never named"


@pytest.mark.parametrize(
    "seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.full) for seed in range(3, 200))]
)
def test_whatever_breaks(seed: int) -> None:
    weather = Weather(seed, nr_liars=seed % 3)
    for _ in range(40):
        weather.dice.choices([weather.ask, weather.fetch, weather.fault], [3, 5, 2])[0]()
        weather.world.run_for(weather.dice.choice([0.0, 0.001, 0.002, 0.01, 0.1]))
    weather.check()
    weather.world.run_for(3.0)
    weather.check()
    assert all(len(outcome) == 1 for outcome in weather.asked)
    assert any(isinstance(outcome[0], list) for outcome in weather.asked) or seed % 3
    weather.world.cut()
    weather.world.start()
    weather.world.pair()
