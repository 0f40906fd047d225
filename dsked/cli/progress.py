"""A progress bar for long work, with rate and time left; nothing where standard error is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def _nobody_looks(length: int) -> None:
    """Takes progress that is not shown."""


@contextmanager
def progress(label: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """Gives what is to be called with the number of bytes done since the last call."""
    if not sys.stderr.isatty():
        yield _nobody_looks
        return
    from rich.console import Console  # 0.1 s that only those pay who see it
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(TextColumn):
        """In the units of the sizes beside it, which rich's own column does not know."""

        def render(self, task: Task) -> Text:
            rate = task.finished_speed or task.speed
            return Text(f"{rate / 2**20:.1f} MiB/s" if rate else "", style="progress.data.speed")

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(binary_units=True),
        Rate(""),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(label, total=max(total_bytes, 1))
        yield lambda length: bar.advance(task, length)
