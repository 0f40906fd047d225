"""Every kind of lying hub, k - 1 of them together: the right key at once, and no honest hub is ever named.

The scenario asks for what lies of every kind need: keys short and long, one and many, several responders, a
hostile client that asks, a responder that starts again, an ID that nobody dealt.
"""

from __future__ import annotations

import random

import pytest
from simulating.enemies.hostile import HOSTILE
from simulating.enemies.liars import LIARS
from simulating.enemies.lies.hub import LyingHub

from dsked.errors import DskedError
from tests.engines.world import CLIENTS, World

#: (n, k): that many lie as n and k allow, and the honest ones still are k.
_TOPOLOGIES = [(5, 3), (7, 4), (3, 2), (5, 2), (9, 5), (8, 3)]
#: Kinds that may find nothing to lie about.
_MAY_BE_IDLE = ("one-victim", "knows-others-encryptors")
_SIZES = [(1, 256), (20, 128), (1, 8 * 1025), (2, 256), (1, 8 * 5_000)]


class Scenario:
    """One world with k - 1 liars, and a thief who works with them."""

    def __init__(self, seed: int, kinds: list[type[LyingHub]]) -> None:
        self.dice = random.Random(seed)
        n, k = _TOPOLOGIES[seed % len(_TOPOLOGIES)]
        hubs = [f"hub{number}" for number in range(1, n + 1)]
        self.liars = dict(zip(self.dice.sample(hubs, min(k - 1, n - k)), self._dealt(kinds), strict=False))
        self.world = World(
            n=n, k=k, seed=seed, hub_classes=self.liars, clients={**CLIENTS, "mallory": ("mal",)},
            client_classes={"mallory": HOSTILE["asks-for-others-keys"]},
        ).start()  # fmt: skip
        self.mallory = self.world.clients["mallory"]

    def _dealt(self, kinds: list[type[LyingHub]]) -> list[type[LyingHub]]:
        return [kinds[number % len(kinds)] for number in range(len(kinds) + 8)]

    def run(self) -> None:
        """Keys of every size, with everything in between that a liar could wait for."""
        for size in _SIZES:
            self.pair(*size)
        self.ask_again_in_another_life()
        self.ask_for_nothing()
        self.world.run_for(1.5)
        self.check()

    def pair(self, number: int, bits: int) -> None:
        """A key from one initiator to one responder or two, and both get it at once."""
        world = self.world
        client, caller = self.dice.choice([("carol", "sam"), ("celia", "serena")])
        responders = self.dice.choice([["sunny"], ["sunny", "susan"]])
        self.keys, self.caller = world.get_keys(client, caller, responders, number, bits), caller
        self.mallory.misbehave(world.now)
        for responder in responders:
            asked_at = world.now
            assert world.get_by_id("curtis", responder, caller, self.keys) == self.keys
            assert world.now - asked_at < 1.0
        world.run_for(self.dice.choice([0.0, 0.01, 0.3]))

    def ask_for_nothing(self) -> None:
        """A key ID that nobody dealt."""
        with pytest.raises(DskedError):
            self.world.get_by_id("curtis", "sunny", "sam", [self.dice.randbytes(16)])

    def ask_again_in_another_life(self) -> None:
        """All hubs were reached the first time: the honest ones give nothing more, confirmed or not."""
        self.world.restart_client("curtis")
        honest = {name for name in self.world.hub_names if name not in self.liars}
        self.world.run_until(lambda: {h.name for h in self.world.clients["curtis"].hubs.usable()} >= honest)
        with pytest.raises(DskedError):
            self.world.get_by_id("curtis", "sunny", self.caller, self.keys)

    def check(self) -> None:
        """Nothing was stolen, and no honest hub was named."""
        assert not self.mallory.stolen
        named = {text.split()[1] for text in self.world.warnings() if "differs from the key" in text}
        assert named <= set(self.liars)


@pytest.mark.parametrize("name", LIARS)
@pytest.mark.parametrize("turn", [0, *(pytest.param(turn, marks=pytest.mark.full) for turn in range(1, 6))])
def test_every_kind_of_liar(name: str, turn: int) -> None:
    """The topologies take turns."""
    scenario = Scenario(list(LIARS).index(name) + turn, [LIARS[name]])
    scenario.run()
    if name not in _MAY_BE_IDLE:
        assert sum(scenario.world.cabal.lies.values()), "the liars did their work"


def test_a_liar_with_one_victim_finds_it() -> None:
    scenarios = [Scenario(seed, [LIARS["one-victim"]]) for seed in range(6)]
    for scenario in scenarios:
        scenario.run()
    assert sum(sum(scenario.world.cabal.lies.values()) for scenario in scenarios) > 0


@pytest.mark.parametrize(
    "seed", [*range(6), *(pytest.param(s, marks=pytest.mark.full) for s in range(6, 150))]
)
def test_liars_of_many_kinds_together(seed: int) -> None:
    kinds = random.Random(f"{seed} kinds").sample(sorted(LIARS), 4)
    kinds.sort(key=_MAY_BE_IDLE.__contains__)  # there may be no more than one liar
    scenario = Scenario(seed, [LIARS[name] for name in kinds])
    scenario.run()
    assert sum(scenario.world.cabal.lies.values()), "the liars did their work"
