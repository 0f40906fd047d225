"""What a run of fuzzing has come to, target by target: for people, for machines, and to go on later."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torturing import state_file

VERSION = 1
#: libFuzzer's seeds have 32 bits, and 0 stands for a random one.
SEEDS = 2**31


@dataclass
class Result:
    """One target. `coverage`: places of dsked's code that were reached, as libFuzzer counts them.

    `pieces`: how many pieces of the run are behind us; each has a seed of its own (`Record.seed_of`).
    """

    runs: int = 0
    pieces: int = 0
    seconds: float = 0.0
    coverage: int = 0
    corpus: int = 0
    peak_mib: int = 0
    failure: str = ""

    def add(self, other: Result) -> None:
        """One more piece is behind us."""
        self.runs += other.runs
        self.pieces += 1
        self.seconds = round(self.seconds + other.seconds, 3)
        self.coverage, self.corpus = max(self.coverage, other.coverage), max(self.corpus, other.corpus)
        self.peak_mib = max(self.peak_mib, other.peak_mib)
        self.failure = other.failure

    @property
    def runs_per_second(self) -> int:
        """Over the whole run."""
        return round(self.runs / self.seconds) if self.seconds else 0

    def line(self, name: str) -> str:
        """A target for people."""
        end = "FAILED" if self.failure else "held"
        return (
            f"{name:<26} {self.runs:>9,} runs {self.runs_per_second:>7,}/s  coverage {self.coverage:>4}  "
            f"corpus {self.corpus:>4}  {self.peak_mib:>4} MiB  {end}"
        )


@dataclass
class Record:
    """A run: its seed, and what the targets have come to."""

    seed: int
    results: dict[str, Result] = field(default_factory=dict)

    def of(self, name: str) -> Result:
        """A target's result so far. What failed is done again from its beginning."""
        result = self.results.get(name)
        if result is None or result.failure:
            result = self.results[name] = Result()
        return result

    def seed_of(self, piece: int) -> int:
        """What libFuzzer gets for a piece."""
        return (self.seed + piece) % (SEEDS - 1) + 1

    def passed(self, names: list[str], runs: int) -> bool:
        """True where each of these has its runs behind it and nothing fell over."""
        done = [self.results.get(name, Result()) for name in names]
        return all(one.runs >= runs and not one.failure for one in done)

    def summary(self, names: list[str], runs: int) -> dict[str, Any]:
        """The run as JSON has it."""
        targets = {
            name: {**asdict(result), "runs_per_second": result.runs_per_second}
            for name, result in self.results.items()
            if name in names
        }
        return {"passed": self.passed(names, runs), "seed": self.seed, "targets": targets}

    def save(self, path: Path) -> None:
        """Writes the state file, whole or not at all."""
        state_file.save(path, VERSION, asdict(self))

    @classmethod
    def load(cls, path: Path) -> Record:
        """Raises ValueError where it is no state file, OSError where it cannot be read."""
        return state_file.load(path, VERSION, cls._of)

    @classmethod
    def _of(cls, data: dict[str, Any]) -> Record:
        return cls(int(data["seed"]), {name: Result(**one) for name, one in data["results"].items()})
