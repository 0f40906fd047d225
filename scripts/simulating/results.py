"""What a run of many seeds found: for people, for machines, and for a run that goes on later."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torturing import state_file

from simulating.running import Outcome

VERSION = 1


@dataclass
class Results:
    """Seeds `first` to `first + done`, all held but the last one if `failure` says so. Times in seconds."""

    first: int
    seeds: int
    done: int = 0
    events: int = 0
    simulated_s: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)  # how often, over all seeds
    seeds_with: dict[str, int] = field(default_factory=dict)  # in how many seeds
    failed_seed: str = ""
    failure: str = ""

    @classmethod
    def load(cls, path: Path) -> Results:
        """The results of a run that was broken off. Raises ValueError where the file holds none."""
        found = state_file.load(path, VERSION, lambda document: cls(**document))
        found.failed_seed = found.failure = ""  # that seed is the next one
        return found

    def save(self, path: Path) -> None:
        """Writes the state file, whole or not at all."""
        state_file.save(path, VERSION, asdict(self))

    def take(self, outcome: Outcome) -> None:
        """The next seed is done."""
        if outcome.failure:
            self.failed_seed, self.failure = outcome.seed, outcome.failure
            return
        self.done += 1
        self.events += outcome.events
        self.simulated_s += outcome.simulated_s
        self.cpu_s += outcome.seconds
        self.counts = dict(Counter(self.counts) + Counter(outcome.counts))
        self.seeds_with = dict(Counter(self.seeds_with) + Counter(dict.fromkeys(outcome.counts, 1)))

    @property
    def next_seed(self) -> int:
        """The first one that is not done."""
        return self.first + self.done

    @property
    def passed(self) -> bool:
        """True where every seed is done and held."""
        return self.done >= self.seeds and not self.failure

    @property
    def seeds_per_minute(self) -> float:
        """Of the clock on the wall, over all parts of the run."""
        return 60 * self.done / self.wall_s if self.wall_s else 0.0

    def summary(self) -> dict[str, Any]:
        """As JSON has it."""
        numbers = {**asdict(self), "counts": _sorted(self.counts), "seeds_with": _sorted(self.seeds_with)}
        speeds = {"seeds_per_minute": round(self.seeds_per_minute, 1), "passed": self.passed}
        return {**speeds, **{name: _rounded(value) for name, value in numbers.items()}}


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _rounded(value: Any) -> Any:
    return round(value, 3) if isinstance(value, float) else value
