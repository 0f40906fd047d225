"""The pools between clients and hubs as a table: bars, bytes that are left, what is wrong with each pair."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import RenderableType
from rich.text import Text

from dsked.cli.cells import Signs, number, table, text
from dsked.cli.errors import one_line
from dsked.cli.status_nodes import NodeState
from dsked.errors import DskedError

_BAR_CELLS = 10
_FEW_DAYS = 30
#: Rows that are shown at most: first those where something is wrong.
MOST_ROWS = 60
_MIB = 1024 * 1024


class _Pair(NamedTuple):
    node: str
    peer: Mapping[str, Any]

    @property
    def peer_name(self) -> str:
        return str(self.peer.get("hub_name") or self.peer.get("client_name"))

    def days_left(self) -> float:
        """Until the first of both pools is used up at the present rate; infinite where that is not known."""
        pools = (self.peer.get(pool, {}) for pool in ("local_pool", "peer_pool"))
        known = [days for pool in pools if (days := pool.get("days_left")) is not None]
        return min(known, default=math.inf)

    def problems(self) -> list[tuple[str, str]]:
        """Remarks with their styles, the worst first."""
        peer = self.peer
        aside, lies = peer.get("set_aside_for") or [], sum(peer.get("mismatches", {}).values())
        days = self.days_left()
        gone = "not registered" if peer.get("connected", True) else "not connected"
        remarks = [
            (peer.get("restored_state_seen"), "restored state", "bold red"),
            (peer.get("set_aside"), "set aside", "bold red"),
            (aside and not peer.get("set_aside"), f"set aside for {_some(aside)}", "bold red"),
            (lies, f"{lies:,} wrong shares", "bold red"),
            (not peer.get("registered"), peer.get("problem") or gone, "red"),
            (peer.get("registered"), peer.get("problem"), "yellow"),
            (peer.get("psrd_low"), "PSRD low", "bold yellow"),
            (days < _FEW_DAYS, f"PSRD for {days:,.0f} days", "yellow"),
            (peer.get("late"), "late", "yellow"),
            (peer.get("draining"), "takes no new shares", "yellow"),
        ]
        return [(str(remark), style) for holds, remark, style in remarks if holds and remark]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + ", ..." * (len(names) > 3)


def pools_table(states: Sequence[NodeState], signs: Signs) -> Iterator[RenderableType]:
    """The pools of these nodes, all hubs or all clients, with each of their peers."""
    pairs = list(_pairs(states))
    if not pairs:
        return
    layout = _Layout(
        of_hubs=states[0].role == "hub",
        several=len(states) > 1,
        days=any(pair.days_left() < math.inf for pair in pairs),
    )
    whose = "" if layout.several else f" of {states[0].role} {one_line(states[0].name)}"
    shown = table(f"Pools of pre-shared random data{whose}", *layout.columns(), right=("days left", "held"))
    nr_pairs = sum(map(_nr_peers, states))
    if len(pairs) > MOST_ROWS:
        pairs = sorted(pairs, key=lambda pair: not pair.problems())[:MOST_ROWS]
    before = ""
    for pair in pairs:
        if before and pair.node != before:
            shown.add_section()
        node = [text("" if pair.node == before else pair.node)] if layout.several else []
        shown.add_row(*node, *layout.row(pair, signs))
        before = pair.node
    yield shown
    if nr_pairs > len(pairs):
        yield Text(f"{nr_pairs - len(pairs):,} more: dskectl status --json tells of all", style="dim")


class _Layout(NamedTuple):
    """Which columns there are."""

    of_hubs: bool  # or of clients
    several: bool  # nodes, so that each row says whose it is
    days: bool  # some pools are known to last for so many

    def columns(self) -> Iterator[str]:
        node, peer = ("hub", "client") if self.of_hubs else ("client", "hub")
        if self.several:
            yield node
        yield from (peer, f"to the {peer}", f"from the {peer}")
        if self.days:
            yield "days left"
        if self.of_hubs:
            yield "held"
        yield ""

    def row(self, pair: _Pair, signs: Signs) -> Iterator[Text]:
        """All cells but that of the node."""
        yield text(pair.peer_name)
        yield _pool(pair.peer.get("local_pool", {}), signs)
        yield _pool(pair.peer.get("peer_pool", {}), signs)
        if self.days:
            yield _days(pair.days_left())
        if self.of_hubs:
            yield number(pair.peer.get("nr_pending_shares"))
        yield _remarks(pair.problems(), signs, wrapped=bool(pair.peer.get("wrapped")))


def _days(days: float) -> Text:
    return Text(f"{days:,.0f}" if days < math.inf else "", style="yellow" if days < _FEW_DAYS else "green")


def _pairs(states: Sequence[NodeState]) -> Iterator[_Pair]:
    for state in states:
        if not isinstance(state.answer, DskedError):
            own = state.answer["status"]
            for peer in own.get("peer_clients" if state.role == "hub" else "peer_hubs", []):
                yield _Pair(state.name, peer)


def _nr_peers(state: NodeState) -> int:
    own = {} if isinstance(state.answer, DskedError) else state.answer["status"]
    return int(own.get("nr_peer_clients") or len(own.get("peer_hubs", [])))


def _pool(pool: Mapping[str, Any], signs: Signs) -> Text:
    """A bar, and the bytes that are left."""
    left = int(pool.get("nr_unused_bytes", 0))
    if not left and not pool.get("position"):
        return Text("none", style="red")
    share = left / max(left + _used(pool), 1)
    cells = min(max(round(share * _BAR_CELLS), bool(left)), _BAR_CELLS)
    style = "green" if share >= 0.25 else "yellow" if left else "red"
    bar = Text(signs.full * cells, style=style).append(signs.empty * (_BAR_CELLS - cells), style="dim")
    return bar.append(f" {_size(left):>9}", style="default")


def _used(pool: Mapping[str, Any]) -> int:
    """Of what was ever delivered; of simulated PSRD, which is made anew all the time, of the blocks here."""
    if pool.get("window") is not None:
        return int(pool.get("position", 0))
    return sum(int(block.get("nr_used_bytes", 0)) for block in pool.get("blocks", []))


def _size(count: int) -> str:
    if count < 1_000_000:
        return f"{count:,} B"
    return f"{count / _MIB:,.1f} MiB" if count < 1024 * _MIB else f"{count / 1024 / _MIB:,.1f} GiB"


def _remarks(problems: list[tuple[str, str]], signs: Signs, *, wrapped: bool) -> Text:
    if not problems:
        return Text(f"{signs.well} wrapped" if wrapped else signs.well, style="green")
    remarks = Text(f"{signs.ill} ", style=problems[0][1])
    for place, (problem, style) in enumerate(problems):
        remarks.append_text(text(", " * bool(place) + problem, style))
    return remarks
