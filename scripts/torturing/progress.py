"""Progress on standard error: a bar with the time left on a terminal, a line per round elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """What a run tells on its way."""

    def update(self, kills: int) -> None:
        """So many kills so far."""

    def tell(self, line: str) -> None:
        """Something that stays on the screen."""


class _Lines:
    def update(self, kills: int) -> None:
        pass

    def tell(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)


@contextmanager
def progress(kills: int) -> Iterator[Progress]:
    """Progress of a run of so many kills."""
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich import progress as bars  # 0.1 s that a run without a terminal need not pay
    from rich.console import Console

    columns = (
        bars.TextColumn("{task.completed:.0f} of {task.total:.0f} kills"),
        bars.BarColumn(),
        bars.TimeElapsedColumn(),
        bars.TextColumn("left"),
        bars.TimeRemainingColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("kills", total=kills)

        class Bar:
            def update(self, kills: int) -> None:
                bar.update(task, completed=kills)

            def tell(self, line: str) -> None:
                bar.console.print(line, highlight=False)

        yield Bar()
