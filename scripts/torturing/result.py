"""What rounds of torture found: for people, for machines, and for a run that goes on later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import state_file
from .round import Round

VERSION = 1


@dataclass
class Result:
    """One round. Sizes in bytes; `pool_kills`: starts of either end, over all pools that were judged."""

    number: int
    seed: str
    kills: int = 0
    seconds: float = 0.0
    key_pairs: int = 0
    connections: int = 0
    uses: int = 0
    used: int = 0
    wasted: int = 0
    pool_kills: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    failure: str = ""

    def take(self, finished: Round) -> None:
        """What a round has come to, whole or not."""
        world = finished.world
        streams = list(world.ledger.streams.values())
        self.kills = finished.kills
        self.key_pairs = world.load.pairs.total()
        self.connections = len(world.recorder.lines)
        self.uses = sum(stream.nr_uses for stream in streams)
        self.used = sum(stream.used for stream in streams)
        self.wasted = sum(stream.wasted for stream in streams)
        self.pool_kills = sum(stream.judged_kills for stream in streams)
        self.faults, self.done = dict(world.weather.faults), dict(finished.done)
        self.refused = dict(world.load.refused)


@dataclass
class Log:
    """A run: its plan, and the rounds that are behind it. A failed round is done again when it goes on."""

    seed: int
    kills: int
    psrd: str
    round_kills: int
    rounds: list[Result] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path) -> Log:
        """The log of a run that was broken off. Raises ValueError where the file is none."""
        return state_file.load(path, VERSION, cls._of)

    @classmethod
    def _of(cls, document: dict[str, Any]) -> Log:
        rounds = [Result(**entry) for entry in document.pop("rounds")]
        return cls(**document, rounds=[one for one in rounds if not one.failure])

    def save(self, path: Path) -> None:
        """Writes the state file, whole or not at all."""
        state_file.save(path, VERSION, asdict(self))

    @property
    def plan(self) -> list[int]:
        """Kills of each round, by number."""
        whole, rest = divmod(self.kills, self.round_kills)
        return [self.round_kills] * whole + [rest] * bool(rest)

    @property
    def nr_kills(self) -> int:
        """Kills so far; a round may end with one or two more than planned."""
        return sum(one.kills for one in self.rounds)

    @property
    def passed(self) -> bool:
        """True where every planned round is there and nothing failed."""
        return len(self.rounds) == len(self.plan) and not any(one.failure for one in self.rounds)

    def summary(self) -> dict[str, Any]:
        """All rounds together, as JSON has it."""
        rounds = self.rounds
        kills = sum(one.pool_kills for one in rounds)
        numbers = ("kills", "seconds", "key_pairs", "connections", "uses", "used", "wasted", "pool_kills")
        return {
            "passed": self.passed,
            "seed": self.seed,
            "psrd": self.psrd,
            "rounds": len(rounds),
            **{name: round(sum(getattr(one, name) for one in rounds), 3) for name in numbers},
            "wasted_per_pool_and_kill": round(sum(one.wasted for one in rounds) / kills) if kills else 0,
            **{name: _sum(getattr(one, name) for one in rounds) for name in ("done", "faults", "refused")},
            "failures": {one.seed: one.failure for one in rounds if one.failure},
        }


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total.most_common())
