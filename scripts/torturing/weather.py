"""What becomes of connections: which pieces are lost, late or changed, and when the line is cut."""

from __future__ import annotations

import enum
import random
from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

from .tap import Piece

#: Of the connections, how many lose a message of the handshake.
HANDSHAKE_FAULTS = 0.2
#: The client waits longer after each failed attempt: so many in a row are enough.
HANDSHAKE_FAULTS_IN_A_ROW = 2
MAX_SILENCE_S = 0.2
MAX_DELAY_S = 0.05


class Fate(enum.Enum):
    """What becomes of a piece, and with it of its connection."""

    PASS = "passes"  # noqa: S105  no password
    DELAY = "is late, and all behind it"
    CUT = "passes, then the line is cut"
    LOSE_AND_CUT = "is lost, and the line is cut"
    LOSE_AND_SILENCE = "is lost, and all that follows in both directions until the line is cut"
    TEAR = "passes in part, then the line is cut"
    CORRUPT = "is changed"
    REPEAT = "comes twice"
    REPLAY = "comes behind an old one"
    SWAP = "comes behind the one that follows"
    REFLECT = "comes back to its sender"


@dataclass
class Forecast:
    """The next fault of one connection: at a message of the handshake, or after so many pieces."""

    fate: Fate
    message: str = ""
    pieces: int = 0

    def of(self, piece: Piece) -> Fate:
        """What becomes of this piece."""
        self.pieces -= 1
        if self.message:
            return self.fate if piece.name == self.message else Fate.PASS
        return self.fate if self.pieces < 0 and not piece.is_handshake else Fate.PASS


class Weather:
    """Faults at random, of a generator of its own. In `calm` weather there are none.

    `in_handshake`, `in_a_session`: what may become of a piece there. `pieces_before_fault`: of a connection,
    on average; both directions count.
    """

    in_handshake: ClassVar[tuple[Fate, ...]] = (Fate.LOSE_AND_CUT, Fate.LOSE_AND_SILENCE, Fate.CUT)
    in_a_session: ClassVar[tuple[Fate, ...]] = (*in_handshake, Fate.DELAY)
    pieces_before_fault: ClassVar[int] = 500

    def __init__(self, seed: str, calm: bool = False) -> None:
        self._random = random.Random(seed)  # noqa: S311  repeatable on purpose
        self.calm = calm
        self._in_a_row: Counter[tuple[str, str]] = Counter()
        self.faults: Counter[str] = Counter()

    def forecast(self, pair: tuple[str, str]) -> Forecast | None:
        """For a new connection of a pair (client, hub), or after a fault that it has survived."""
        if self.calm:
            return None
        lose_handshake = self._random.random() < HANDSHAKE_FAULTS
        if lose_handshake and self._in_a_row[pair] < HANDSHAKE_FAULTS_IN_A_ROW:
            self._in_a_row[pair] += 1
            message = self._random.choice(("M1", "M2", "M3", "M3", "M4", "M4"))
            return Forecast(self._random.choice(self.in_handshake), message=message)
        self._in_a_row[pair] = 0
        return self.in_session()

    def in_session(self) -> Forecast:
        """For a connection that carries frames."""
        pieces = int(self._random.expovariate(1 / self.pieces_before_fault))
        return Forecast(self._random.choice(self.in_a_session), pieces=pieces)

    def saw(self, piece: Piece) -> None:
        """A piece is on its way, whatever becomes of it."""

    def instead(self, fate: Fate, piece: Piece) -> bytes:
        """What reaches the other end of a piece that passes."""
        return piece.raw

    def happened(self, fate: Fate, piece: Piece) -> None:
        """Count a fault."""
        what = piece.name if piece.is_handshake else f"frame {piece.way.value}"
        self.faults[f"{what} {fate.value}"] += 1

    def silence_s(self) -> float:
        """How long a line is silent before it is cut, in seconds."""
        return self._random.uniform(0, MAX_SILENCE_S)

    def delay_s(self) -> float:
        """How late a piece is, in seconds."""
        return self._random.uniform(0, MAX_DELAY_S)
