"""What `dskectl top` shows: the tables of status with rates, and how many keys came lately. Loads rich."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from dsked.cli import status_table
from dsked.cli.cells import ASCII, Signs
from dsked.cli.status_nodes import NodeState
from dsked.cli.status_table import Rates
from dsked.errors import NONSENSE, DskedError

#: Looks that the curve of rates has.
_HISTORY = 60
_ENDLESS = 1 << 63
_HEIGHTS = " ▁▂▃▄▅▆▇█"
_ASCII_HEIGHTS = " .:-=+*#%"


class History:
    """Rates out of the counts of one look after the other."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[float, tuple[int, int, int]]] = {}
        self.rates: dict[str, Rates] = {}
        self.made: deque[float] = deque(maxlen=_HISTORY)
        self.sums = (0.0, 0.0, 0.0)  # keys made, keys given, errors; of all clients, per second

    def take(self, states: Sequence[NodeState], now: float) -> None:
        """What nodes said at `now`, in seconds of any clock. A node that was started anew begins at 0."""
        sums = [0.0, 0.0, 0.0]
        self.rates = {}
        for state in states:
            name = f"{state.role} {state.name}"
            counts = _plausible_counts(state)
            if counts is None:
                self._before.pop(name, None)
                continue
            since, before = self._before.get(name, (now, counts))
            self._before[name] = now, counts
            if now <= since:
                continue
            made, given, errors = (
                max(count - earlier, 0) / (now - since) for count, earlier in zip(counts, before, strict=True)
            )
            self.rates[name] = Rates(made, given)
            if state.role == "client":
                sums = [total + part for total, part in zip(sums, (made, given, errors), strict=True)]
        self.sums = sums[0], sums[1], sums[2]
        self.made.append(self.sums[0])


def _plausible_counts(state: NodeState) -> tuple[int, int, int] | None:
    """As `_counts`; None where no node could have counted that."""
    try:
        counts = _counts(state)
    except NONSENSE:
        return None
    return counts if counts is None or all(0 <= count < _ENDLESS for count in counts) else None


def _counts(state: NodeState) -> tuple[int, int, int] | None:
    """Keys made, keys given, errors; of a hub, shares stored."""
    if isinstance(state.answer, DskedError):
        return None
    own = state.answer["status"]
    if state.role == "hub":
        return int(own.get("shares", {}).get("nr_stored", 0)), 0, 0
    halves = [own.get("keys", {}).get(half, {}) for half in ("initiator", "responder")]
    made, given = (int(half.get("nr_keys", 0)) for half in halves)
    return made, given, sum(sum(half.get("failures", {}).values()) for half in halves)


def view(
    title: str, states: Sequence[NodeState], history: History, signs: Signs, when: str
) -> RenderableType:
    """The whole page. `when`: the time of day."""
    made, given, errors = history.sums
    line = Text(f"{when}   keys made {made:,.1f}/s   keys given {given:,.1f}/s   ")
    line.append(f"errors {errors:,.1f}/s", style="red" if errors else "")
    if any(state.role == "client" for state in states):
        line.append("   ").append(_curve(history.made, signs), style="cyan")
    return Group(line, status_table.page(title, states, signs, history.rates))


def _curve(values: Sequence[float], signs: Signs) -> str:
    heights = _ASCII_HEIGHTS if signs == ASCII else _HEIGHTS
    highest = max(values, default=0.0) or 1.0
    return "".join(heights[round(value / highest * (len(heights) - 1))] for value in values)


class Window:
    """As much of a page as the screen has lines for, from line `first` on, and below it what keys do."""

    def __init__(self, page: RenderableType, first: int) -> None:
        self._page = page
        self._first = first
        self._last = 0  # the last line that may come first, known once it has been shown

    def moved(self, lines: int) -> int:
        """The line that comes first when it is moved by so many."""
        return min(max(self._first + lines, 0), self._last)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self._page, options.update(height=None), pad=False)
        most = max(options.max_height - 1, 1)
        self._last = max(len(lines) - most, 0)
        first = min(self._first, self._last)
        for line in lines[first : first + most]:
            yield from line
            yield Segment.line()
        below = len(lines) - first - most
        yield Text(
            "q ends" + (f"; {below} more lines below: arrows, PgUp, PgDn" if below > 0 else ""), style="dim"
        )
