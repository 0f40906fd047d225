"""What runs of attacks have come to: for people, for machines, and for a run that goes on later."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torturing import state_file

from .attack import Attack, Figures, merged

VERSION = 1


@dataclass
class Piece:
    """A piece of one attack that is behind us. `failure` is empty where everything held."""

    number: int
    amount: int
    seconds: float = 0.0
    figures: Figures = field(default_factory=dict)
    failure: str = ""


@dataclass
class Record:
    """The run of one attack."""

    amount: int
    pieces: list[Piece] = field(default_factory=list)

    @property
    def done(self) -> int:
        """How much is behind us."""
        return sum(piece.amount for piece in self.pieces)

    @property
    def passed(self) -> bool:
        """True where all of it is behind us and held."""
        return self.done >= self.amount and not any(piece.failure for piece in self.pieces)

    def to_do(self, piece: int) -> list[Piece]:
        """The pieces that are left. One that was shorter, or that failed, is done again."""
        whole, rest = divmod(self.amount, piece)
        plan = [piece] * whole + [rest] * bool(rest)
        self.pieces = [
            one for one in self.pieces if not one.failure and plan[one.number :][:1] == [one.amount]
        ]
        done = {one.number for one in self.pieces}
        return [Piece(number, amount) for number, amount in enumerate(plan) if number not in done]

    def summary(self, attack: Attack) -> dict[str, Any]:
        """All pieces together, as JSON has it."""
        return {
            "passed": self.passed,
            "amount": self.done,
            "unit": attack.unit,
            "seconds": round(sum(piece.seconds for piece in self.pieces), 3),
            "figures": merged(piece.figures for piece in self.pieces),
            "failures": {piece.number: piece.failure for piece in self.pieces if piece.failure},
        }


@dataclass
class Records:
    """The runs of all attacks that one state file tells of; `seed` is that of all."""

    seed: str
    attacks: dict[str, Record] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Records:
        """What a run that was broken off has left. Raises ValueError where the file is none of ours."""
        return state_file.load(path, VERSION, cls._of)

    @classmethod
    def _of(cls, document: dict[str, Any]) -> Records:
        attacks = {
            name: Record(record["amount"], [Piece(**piece) for piece in record["pieces"]])
            for name, record in document["attacks"].items()
        }
        return cls(document["seed"], attacks)

    def save(self, path: Path) -> None:
        """Writes the state file, whole or not at all."""
        state_file.save(path, VERSION, asdict(self))
