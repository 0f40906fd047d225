"""The tables of a run, for a terminal and as markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from benching.records import HUBS, INITIATOR, LOAD, RESPONDER, Counted, Document, Large, Quantiles, Row
from benching.targets import targets
from benching.topologies import CLIENTS, USUAL

#: Between these two lines of a page stand its tables.
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"


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
    yield Table(
        f"{title}: where it goes; CPU us and bytes per pair",
        _COST,
        [(*_load_of(row), *_cost(row)) for row in rows],
    )


_LOAD_OF = ("requests x keys", "bits")
_SPEED = (*_LOAD_OF, "pairs/s", "refused", "get key ms p50/p99", "by ID ms p50/p99", "CPU us", "floor us",
          "CPU/ floor")  # fmt: skip
_COST = (*_LOAD_OF, "hubs", "init.", "resp.", "load", "echo", "compute", "echo/s", "wire bytes", "segments",
         "PSRD")  # fmt: skip


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
        _us(row.floor.echo_us), _us(row.floor.compute_us), short(row.floor.echo_pairs_per_s),
        *_counted(row.counted),
    )  # fmt: skip


def _counted(one: Counted | None) -> tuple[str, ...]:
    return (_count(one.wire_bytes), f"{one.segments:.1f}", f"{one.psrd:.2f}") if one else ("", "", "")


def _large(found: Document) -> Table:
    columns = ("pools", "Mbit", "at once", "keys", "refused", "Mbit/s", "get key", "by ID", "CPU", "floor",
               "CPU/ floor")  # fmt: skip
    rows = [_large_row(one) for one in found.large]
    return Table("Large keys, end to end; p50 and CPU in ms", columns, rows)


def _large_row(one: Large) -> tuple[str, ...]:
    return (
        one.pools, f"{one.bits / 2**20:g}", str(one.concurrency), str(one.keys), str(one.refused),
        _count(one.mbit_per_s),
        f"{one.get_key_ms[0]:.1f}", f"{one.by_id_ms[0]:.1f}", f"{one.cpu_ms:.1f}",
        f"{one.floor.cpu_us / 1000:.1f}", f"{one.ratio:.1f}",
    )  # fmt: skip


def _alone(found: Document) -> Table:
    (row,), bare = _asked_alone(found), found.alone
    assert bare is not None
    get_key = row.get_key_ms[0]
    rows = [
        (f"get key, {row.shape.bits} bit", f"{get_key:.3f}", ""),
        (
            "a bare round trip with one process",
            f"{bare.round_trip_ms:.3f}",
            f"{get_key / bare.round_trip_ms:.1f}",
        ),
        (
            f"the same with {row.shape.hubs} at once",
            f"{bare.scatter_ms:.3f}",
            f"{get_key / bare.scatter_ms:.1f}",
        ),
    ]
    return Table("One request alone", ("what", "p50 ms", "get key is so many"), rows)


def _asked_alone(found: Document) -> list[Row]:
    """The first row of one request for one key on the usual topology, if there is one with its floor."""
    alone = found.alone and [
        row for row in found.rows if row.shape.keys == 1 and (row.shape.hubs, row.shape.k) == USUAL
    ]
    return alone[:1] if alone else []


def _memory(found: Document) -> Table:
    carol, curtis = CLIENTS
    rows = []
    for one in found.memory:
        cells = [f"{one.k} of {one.hubs}"]
        for when in (one.ready, one.end):
            hub = statistics.median(mib for node, mib in when.items() if node not in CLIENTS)
            cells += [f"{mib:.1f}" for mib in (hub, when[carol], when[curtis])]
        rows.append(cells)
    columns = ("topology", "a hub, ready", "initiator", "responder", "a hub, end", "initiator", "responder")
    return Table("Resident memory in MiB, when ready and at the end of these loads", columns, rows)


def _left_out(found: Document) -> Table:
    return Table("Left out", ("part, and why",), [(what,) for what in found.left_out])


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
    one = found.etsi
    assert one is not None
    rows: list[tuple[str, ...]] = [
        (half.what, _count(half.per_s), f"{half.p50_ms:.1f}", f"{half.p99_ms:.1f}", _us(half.cpu_us))
        for half in (one.get_key, one.by_id, one.bare)
    ]
    rows += [
        ("both together, a part of bare", f"{one.of_both:.2f}", "", "", ""),
        ("each, a part of bare", f"{one.of_process:.2f}", "", "", f"{one.of_cpu:.2f}"),
    ]
    title = f"ETSI GS QKD 014 over HTTP keep-alive, {one.concurrency} at once, one key each"
    return Table(title, ("requests", "a second", "p50 ms", "p99 ms", "CPU us"), rows)


def _durability(found: Document) -> Table:
    rows = [
        (one.shape.requests, _count(one.in_memory), _count(one.durable), f"{one.ratio:.1%}")
        for one in found.durability
    ]
    return Table("The cost of durability", ("requests x keys", "in memory/s", "durable/s", "part"), rows)


def _wrapping(found: Document) -> Table:
    rows = [
        (one.shape.requests, _count(one.plain), _count(one.wrapped), f"{one.ratio:.1%}")
        for one in found.wrapping
    ]
    return Table("The cost of message wrapping", ("requests x keys", "off/s", "on/s", "part"), rows)


def _crowds(found: Document) -> Table:
    columns = ("clients", "addresses", "pads", "KiB each", "idle %", "all at once s", "hub CPU s",
               "hub restarted s", "hub CPU s")  # fmt: skip
    rows = [
        (str(one.clients), "one" if one.together else "own", "yes" if one.pads else "no",
         f"{one.bytes_each / 1024:.1f}", f"{one.idle_cpu_percent:.2f}",
         f"{one.at_once.seconds:.2f}", f"{one.at_once.hub_cpu_s:.2f}",
         f"{one.restarted.seconds:.2f}", f"{one.restarted.hub_cpu_s:.2f}")
        for one in found.crowds
    ]  # fmt: skip
    return Table("Connected clients of one hub, until all are registered", columns, rows)


#: Tables that not every run has, and whether it has them.
_OTHERS: tuple[tuple[Callable[[Document], Table], Callable[[Document], object]], ...] = (
    (_alone, _asked_alone),
    (_large, lambda found: found.large),
    (_startup, lambda found: found.startup),
    (_sizes_of_nodes, lambda found: found.startup),
    (_etsi, lambda found: found.etsi),
    (_durability, lambda found: found.durability),
    (_wrapping, lambda found: found.wrapping),
    (_crowds, lambda found: found.crowds),
    (_memory, lambda found: found.memory),
    (_idle, lambda found: found.memory),
    (_left_out, lambda found: found.left_out),
)


def markdown(table: Table) -> str:
    """A table as GitHub and most others read it."""
    lines = [table.columns, ["---"] + ["---:"] * (len(table.columns) - 1), *table.rows]
    return "\n".join([f"### {table.title}", "", *("| " + " | ".join(cells) + " |" for cells in lines)])


def as_markdown(found: Document) -> str:
    """What was measured when and on what, and all tables."""
    return "\n\n".join([heading(found), *map(markdown, tables(found))])


def heading(found: Document) -> str:
    """When and where it was measured."""
    busy = f"load average {found.load:.1f} when it began"
    return f"Measured on {found.date} on {found.machine}, {busy}; {found.seconds:g} s for each load."


def put_into(page: str, figures: str) -> str:
    """A page with `figures` between its two marks. Raises ValueError where it does not have them."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not end:
        raise ValueError(f"the page has no lines {_BEGIN} and {_END}")
    return f"{before}{begin}\n\n{figures}\n\n{end}{after}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def short(value: float) -> str:
    """1500 as 1.5k."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


def _us(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _both(quantiles: Quantiles) -> str:
    return "{:.2f}/{:.2f}".format(*quantiles)
