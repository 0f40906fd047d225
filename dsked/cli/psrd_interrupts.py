"""Ctrl-C in a command that brings PSRD: what became of the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def told_if_interrupted(outcome: Callable[[], str]) -> Iterator[None]:
    """Says `outcome` on standard error where the block of code is interrupted, and lets that go on."""
    try:
        yield
    except (KeyboardInterrupt, click.Abort):
        click.echo(f"dskectl: {outcome()}", err=True)
        raise
