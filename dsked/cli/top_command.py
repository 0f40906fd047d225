"""`dskectl top`: a live view of a topology, or of one node."""

from __future__ import annotations

import contextlib
import os
import select as poll
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from dsked.cli import status_nodes
from dsked.cli.one_node import connect_to_one
from dsked.cli.output import one_node_options
from dsked.cli.status_command import is_for_one
from dsked.cli.status_nodes import NodeState
from dsked.cli.target import NodePlace, Target, select
from dsked.cli.values import Number
from dsked.config import paths
from dsked.errors import ExitStatus

if TYPE_CHECKING:
    from concurrent.futures import Executor

#: A node that takes longer is shown as one that does not answer; the others wait for it.
_TIMEOUT_S = 1.0
_ENDS = frozenset({"q", "Q", "\x04"})
_PAGE_LINES = 20
#: Lines that keys move by: as terminals send them.
_MOVES = {
    "\x1b[A": -1, "\x1bOA": -1, "k": -1, "\x1b[B": 1, "\x1bOB": 1, "j": 1,
    "\x1b[5~": -_PAGE_LINES, "\x1b[6~": _PAGE_LINES, " ": _PAGE_LINES,
}  # fmt: skip


class _Shown(NamedTuple):
    """The nodes that are looked at."""

    title: str
    nodes: list[NodePlace]


@click.command()
@one_node_options("the topology's nodes; without one, the only client here")
@click.option("--interval", type=Number(0.2, 60), default=1.0, show_default=True, metavar="SECONDS",
              help="Time from one look to the next.")  # fmt: skip
@click.pass_obj
def top(target: Target, socket: str | None, node: str | None, interval: float) -> int:
    """Watch nodes live: keys per second, hubs, pools, errors; 'q' ends it.

    The nodes are those of the topology file, or the chosen ones; with --socket or --node, or where there is
    no topology file, one node on this host.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("top needs a terminal; use status.")
    shown = _shown(target, socket, node)
    from concurrent.futures import ThreadPoolExecutor  # only here, as it is slow to load

    with ThreadPoolExecutor(status_nodes.PARALLEL) as pool:
        states = _look(pool, shown.nodes)
        if not any(state.running for state in states):
            for state in states:
                click.echo(f"dskectl: {state.answer}", err=True)
            return status_nodes.exit_status(states)
        with _keys() as pressed, contextlib.suppress(KeyboardInterrupt):
            _watch(shown, interval, lambda: _look(pool, shown.nodes), pressed)
    return ExitStatus.OK


def _shown(target: Target, socket: str | None, node: str | None) -> _Shown:
    if is_for_one(target, socket, node):
        with connect_to_one(target, socket, node) as connection:
            one = connection.status()
            return _Shown("", [NodePlace(one["role"], one["name"], 0, connection.path)])
    network = target.topology()
    directory = paths.runtime_dir(network.path, target.runtime_dir)
    return _Shown(str(network.path), select(network, target, directory))


def _look(pool: Executor, nodes: list[NodePlace]) -> list[NodeState]:
    return list(pool.map(lambda node: status_nodes.ask(node, _TIMEOUT_S, whole=False), nodes))


def _watch(
    shown: _Shown, interval: float, look: Callable[[], list[NodeState]], pressed: Callable[[float], str]
) -> None:
    """Shows what `look` gives, every `interval` seconds, until a key ends it."""
    from rich.live import Live  # 0.1 s that only those pay who see it

    from dsked.cli import cells, top_view

    console, history, first = cells.console(), top_view.History(), 0
    signs = cells.signs(console)
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            states, next_look = look(), time.monotonic() + interval
            history.take(states, time.monotonic())
            page = top_view.view(shown.title, states, history, signs, time.strftime("%H:%M:%S"))
            while True:
                window = top_view.Window(page, first)
                live.update(window, refresh=True)
                key = pressed(max(next_look - time.monotonic(), 0.0))
                if key in _ENDS:
                    return
                if key not in _MOVES:
                    break
                first = window.moved(_MOVES[key])


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Gives what waits so many seconds for a key: that as the terminal sends it, or nothing."""
    import termios
    import tty

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    tty.setcbreak(handle)

    def pressed(limit_s: float) -> str:
        ready, _, _ = poll.select([handle], [], [], limit_s)
        return os.read(handle, 16).decode(errors="replace") or "q" if ready else ""

    try:
        yield pressed
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)
