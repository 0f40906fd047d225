"""The tables of a run, for a terminal and as markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from benching.records import HUBS, INITIATOR, LOAD, RESPONDER, Counted, Document, Large, Quantiles, Row
from benching.targets import targets


class Table(NamedTuple):
    """A title, the columns' heads, and rows of as many cells; the first is a label."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(found: Document) -> list[Table]:
    """All that a run has figures for."""
    made = [_targets(found), *_rows(found)]
    made += [make(found) for make, there in _OTHERS if there(found)]
    return made


def _targets(found: Document) -> Table:
    rows = [(one.what, one.shown(one.measured), f"{one.relation} {one.shown(one.limit)}", one.verdict)
            for one in targets(found)]  # fmt: skip
    return Table("Targets (ratios in one run)", ("what", "measured", "target", ""), rows)


def _rows(found: Document) -> Iterator[Table]:
    for (hubs, k), rows in groupby(found.rows, lambda row: (row.shape.hubs, row.shape.k)):
        yield from _two_tables(f"{k} of {hubs}", list(rows))
    if found.sizes:
        yield from _two_tables("sizes of keys", found.sizes)


def _two_tables(title: str, rows: list[Row]) -> Iterator[Table]:
    speed = f"{title}: rate, latency, CPU of all nodes per pair"
    yield Table(speed, _SPEED, [(*_load_of(row), *_speed(row)) for row in rows])
    yield Table(f"{title}: where it goes, per pair", _COST, [(*_load_of(row), *_cost(row)) for row in rows])


_LOAD_OF = ("requests x keys", "bits")
_SPEED = (*_LOAD_OF, "pairs/s", "refused", "get key ms p50/p99", "by ID ms p50/p99", "CPU us", "floor us",
          "CPU/ floor")  # fmt: skip
_COST = (*_LOAD_OF, "hubs us", "initiator us", "responder us", "load us", "echo us", "compute us",
         "echo pairs/s", "wire bytes", "segments", "PSRD")  # fmt: skip


def _load_of(row: Row) -> tuple[str, ...]:
    return row.shape.requests, str(row.shape.bits)


def _speed(row: Row) -> tuple[str, ...]:
    return (
        _count(row.pairs_per_s), _count(row.refused), _both(row.get_key_ms), _both(row.by_id_ms),
        _us(row.nodes_us), _us(row.floor.cpu_us), f"{row.ratio:.1f}",
    )  # fmt: skip


def _cost(row: Row) -> tuple[str, ...]:
    return (
        *(_us(row.cpu_us[kind]) for kind in (HUBS, INITIATOR, RESPONDER, LOAD)),
        _us(row.floor.echo_us), _us(row.floor.compute_us), _count(row.floor.echo_pairs_per_s),
        *_counted(row.counted),
    )  # fmt: skip


def _counted(one: Counted | None) -> tuple[str, ...]:
    return (_count(one.wire_bytes), f"{one.segments:.1f}", f"{one.psrd:.2f}") if one else ("", "", "")


def _large(found: Document) -> Table:
    columns = ("pools", "Mbit", "at once", "keys", "Mbit/s", "get key p50 ms", "by ID p50 ms", "CPU ms",
               "floor ms", "CPU/floor")  # fmt: skip
    return Table("Large keys, end to end", columns, [_large_row(one) for one in found.large])


def _large_row(one: Large) -> tuple[str, ...]:
    return (
        one.pools, f"{one.bits / 2**20:g}", str(one.concurrency), str(one.keys), _count(one.mbit_per_s),
        f"{one.get_key_ms[0]:.1f}", f"{one.by_id_ms[0]:.1f}", f"{one.cpu_ms:.1f}",
        f"{one.floor.cpu_us / 1000:.1f}", f"{one.ratio:.1f}",
    )  # fmt: skip


def _memory(found: Document) -> Table:
    rows = [
        (f"{one.k} of {one.hubs}", node, f"{one.ready[node]:.1f}", f"{one.end[node]:.1f}")
        for one in found.memory
        for node in one.ready
    ]
    return Table(
        "Resident memory under this load", ("topology", "node", "MiB when ready", "MiB at the end"), rows
    )


def _idle(found: Document) -> Table:
    rows = [(f"{one.k} of {one.hubs}", f"{one.idle_percent:.2f}") for one in found.memory]
    return Table("All nodes while nobody asks", ("topology", "% of a core"), rows)


def _startup(found: Document) -> Table:
    one = found.startup
    assert one is not None
    rows = [
        (f"{one.nodes} nodes ready: dskectl start", f"{one.ready_s:.2f}", f"{one.ready_cpu_s:.2f}"),
        ("all gone: dskectl stop", f"{one.stopped_s:.2f}", ""),
        ("dskectl get-key, a whole process", f"{one.get_key_s:.3f}", f"{one.get_key_cpu_s:.3f}"),
    ]
    return Table("Start-up of the example topology", ("what", "s", "CPU s"), rows)


def _sizes_of_nodes(found: Document) -> Table:
    one = found.startup
    assert one is not None
    rows = [("a hub", f"{one.hub_mib:.1f}"), ("a client", f"{one.client_mib:.1f}")]
    return Table("Resident memory in the example topology, once it is ready", ("node", "MiB"), rows)


def _etsi(found: Document) -> Table:
    rows = [
        (one.label, str(one.concurrency), _count(one.per_s), f"{one.p50_ms:.1f}", _count(one.bare_per_s),
         f"{one.ratio:.0%}")
        for one in found.etsi
    ]  # fmt: skip
    columns = ("ETSI GS QKD 014, keep-alive", "at once", "requests/s", "p50 ms", "bare/s", "part")
    return Table("ETSI requests, one key each", columns, rows)


def _durability(found: Document) -> Table:
    rows = [
        (one.shape.requests, _count(one.in_memory), _count(one.durable), f"{one.ratio:.1%}")
        for one in found.durability
    ]
    return Table("The cost of durability", ("requests x keys", "in memory/s", "durable/s", "part"), rows)


def _clients(found: Document) -> Table:
    rows = [(str(one.clients), _count(one.bytes_each), _us(one.cpu_us)) for one in found.clients]
    return Table("Clients of one hub", ("connected", "bytes each", "CPU us"), rows)


#: Tables that not every run has, and whether it has them.
_OTHERS: tuple[tuple[Callable[[Document], Table], Callable[[Document], object]], ...] = (
    (_large, lambda found: found.large),
    (_startup, lambda found: found.startup),
    (_sizes_of_nodes, lambda found: found.startup),
    (_etsi, lambda found: found.etsi),
    (_durability, lambda found: found.durability),
    (_clients, lambda found: found.clients),
    (_memory, lambda found: found.memory),
    (_idle, lambda found: found.memory),
)


def markdown(table: Table) -> str:
    """A table as GitHub and most others read it."""
    lines = [table.columns, ["---"] + ["---:"] * (len(table.columns) - 1), *table.rows]
    return "\n".join([f"### {table.title}", "", *("| " + " | ".join(cells) + " |" for cells in lines)])


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _us(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _both(quantiles: Quantiles) -> str:
    return "{:.2f}/{:.2f}".format(*quantiles)
