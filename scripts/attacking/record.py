"""What runs of attacks have come to: for people, for machines, and for a run that goes on later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

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
        document = json.loads(path.read_text())
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise ValueError(f"{path} is no record of this version")
        attacks = {
            name: Record(record["amount"], [Piece(**piece) for piece in record["pieces"]])
            for name, record in document["attacks"].items()
        }
        return cls(document["seed"], attacks)

    def save(self, path: Path) -> None:
        """Written beside it first, so that no interruption leaves half of it."""
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(json.dumps({"version": VERSION, **asdict(self)}, indent=1) + "\n")
        partial.replace(path)
