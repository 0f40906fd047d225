"""What the benchmark makes of what it measured: quantiles, PSRD, ratios, targets, tables."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from benching.psrd import Used, used_between
from benching.quantiles import quantiles_ms
from benching.records import (
    Alone,
    Connecting,
    Counted,
    Crowd,
    Document,
    Durability,
    Etsi,
    Floor,
    Large,
    Memory,
    Requests,
    Row,
    Startup,
    Wrapped,
)
from benching.shape import Shape
from benching.tables import Table, as_markdown, markdown, put_into, short, tables
from benching.targets import Target, targets
from benching.traffic import HEADER_BYTES, Traffic

HTTP = Requests("Get key", 1500.0, 20.0, 40.0, 300.0)
_READY = {"hub1": 30.0, "hub2": 31.0, "carol": 40.0, "curtis": 41.0}
_END = {"hub1": 35.0, "hub2": 36.0, "carol": 50.0, "curtis": 51.0}
FLOOR = Floor(echo_pairs_per_s=400_000, echo_us=3.0, compute_us=17.0)


def row(concurrency: int = 64, number: int = 1, bits: int = 128, **changes: Any) -> Row:
    """A row whose nodes use 30 us a pair, and the load generator 5 beside them."""
    usual = Row(
        shape=Shape(5, 3, concurrency, number, bits),
        pairs=30_000, refused=0, pairs_per_s=13_000.0, get_key_ms=(2.0, 4.0), by_id_ms=(2.5, 5.0),
        cpu_us={"hubs": 10.0, "initiator": 8.0, "responder": 12.0, "load": 5.0},
        counted=Counted(950.0, 0.3, 6.0), floor=FLOOR,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def document(**changes: Any) -> Document:
    """A run that found something of everything."""
    large = Large("media", 2**20, 4, 128, 0, 250.0, (10.0, 20.0), (11.0, 21.0), 40.0, FLOOR)
    found = Document(
        date="2026-01-01", machine="2 cores", cores=2, load=0.5, seconds=1.0,
        rows=[
            row(1, 1, get_key_ms=(0.2, 0.4)),
            row(),
            row(4, 128, pairs_per_s=40_000.0),
            row(4, 128, bits=256, counted=Counted(1000.0, 0.3, 4.0), pairs_per_s=36_000.0),
        ],
        sizes=[row(bits=128), row(bits=1024)],
        memory=[Memory(5, 3, _READY, _END, 0.2)],
        alone=Alone(0.06, 0.1),
        large=[large, msgspec.structs.replace(large, pools="simulated, refilled meanwhile", mbit_per_s=90.0)],
        startup=Startup(10, 1.2, 3.0, 0.4, 30.0, 40.0, 0.1, 0.09),
        etsi=Etsi(64, HTTP, HTTP, msgspec.structs.replace(HTTP, per_s=4000.0), 0.375, 0.75, 0.4),
        crowds=[Crowd(1000, False, True, 5000.0, 0.1, Connecting(1.0, 0.8), Connecting(2.0, 0.9))],
        left_out=["1 of 1: too slow"],
        durability=[Durability(Shape(5, 3, 8, 1, 128), 1000.0, 950.0)],
        wrapping=[Wrapped(Shape(5, 3, 8, 1, 128), 1000.0, 920.0)],
    )  # fmt: skip
    return msgspec.structs.replace(found, **changes)


# --- quantiles ---


def test_quantiles_are_those_of_the_values_in_milliseconds() -> None:
    assert quantiles_ms([second / 1000 for second in range(101)]) == pytest.approx((50.0, 99.0))


def test_one_value_is_all_its_quantiles() -> None:
    assert quantiles_ms([0.25]) == (250.0, 250.0)
    assert quantiles_ms([]) == (0.0, 0.0)


def test_no_quantile_is_beyond_the_longest() -> None:
    assert max(quantiles_ms([0.001, 0.009])) <= 9.0


# --- PSRD ---


def status(*pools: dict[str, int]) -> dict[str, Any]:
    """A client's status: unused bytes by block, for each pool of one hub after the other."""
    blocks = [
        {"blocks": [{"uuid": uuid, "nr_unused_bytes": unused} for uuid, unused in pool.items()]}
        for pool in pools
    ]
    both = zip(blocks[::2], blocks[1::2], strict=True)
    return {"peer_hubs": [{"local_pool": local, "peer_pool": peer} for local, peer in both]}


def test_used_up_blocks_and_parts_of_blocks_are_counted_and_what_was_delivered() -> None:
    before = status({"a": 100, "b": 1000}, {"c": 500})
    after = status({"b": 900, "d": 1000}, {"c": 500})
    assert used_between(before, after) == Used(used_bytes=200, delivered_bytes=1000)


def test_a_pool_that_was_used_up_cannot_be_told() -> None:
    assert used_between(status({"a": 100}, {"c": 5}), status({"d": 100}, {"c": 5})) is None


def test_a_row_whose_bytes_could_not_be_counted_leaves_them_out() -> None:
    found = document(rows=[row(1, 1, counted=None)])
    assert not [one for one in targets(found) if "PSRD" in one.what]
    assert [table.rows[0][-1] for table in tables(found) if "3 of 5: where" in table.title] == [""]


# --- traffic ---


def test_traffic_since_an_earlier_look_counts_the_headers_of_every_segment() -> None:
    since = Traffic(5000, 30).since(Traffic(1000, 10))
    assert since == Traffic(4000, 20)
    assert since.wire_bytes == 4000 + 20 * HEADER_BYTES


# --- ratios ---


def test_the_floor_is_the_bare_exchange_and_the_bare_compute() -> None:
    assert FLOOR.cpu_us == 20.0


def test_the_load_generator_is_none_of_the_nodes() -> None:
    assert row().nodes_us == 30.0
    assert row().ratio == 1.5


# --- targets ---


def measured(found: Document, what: str) -> Target:
    return next(one for one in targets(found) if what in one.what)


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("64 at once: CPU per pair", 1.5),
        ("64 at once: pairs/s", 13_000.0),
        ("batches of 128", 40_000.0),
        ("bare round trips", 0.2 / 0.06),
        ("PSRD per key byte and hub, 128 bit, one key", 6.0),
        ("PSRD per key byte and hub, 256 bit, 128 keys", 4.0),
        ("1 Mbit keys, pools media", 250.0),
        ("both clients", 0.75),
        ("one client", 0.375),
        ("10 nodes ready", 1.2),
        ("dskectl get-key", 100.0),
    ],
)
def test_a_target_is_judged_by_the_figure_it_is_about(what: str, value: float) -> None:
    one = measured(document(), what)
    assert one.measured == pytest.approx(value)
    assert one.verdict == "met"


def test_what_is_refilled_meanwhile_is_no_target() -> None:
    assert not [one for one in targets(document()) if "meanwhile" in one.what]


@pytest.mark.parametrize(
    ("relation", "value", "met"),
    [("at most", 2.004, True), ("at most", 2.006, False), ("under", 2.0, False), ("under", 1.99, True),
     ("over", 2.0, False), ("over", 2.01, True), ("at least", 2.0, True), ("at least", 1.99, False)],
)  # fmt: skip
def test_a_figure_is_compared_as_it_is_shown(relation: str, value: float, met: bool) -> None:
    assert Target("what", value, relation, 2.0, "{:.2f}").met is met


def test_a_slow_run_misses() -> None:
    found = document(rows=[row(pairs_per_s=2500.0, cpu_us={"hubs": 200.0, "load": 1.0})], large=[])
    assert {one.verdict for one in targets(found) if one.what.startswith("64")} == {"missed"}


def test_an_empty_run_has_no_targets() -> None:
    assert not targets(document(rows=[], sizes=[], large=[], startup=None, etsi=None))


# --- tables ---


def test_every_table_has_a_cell_in_every_column() -> None:
    for table in tables(document()):
        assert table.rows
        assert {len(cells) for cells in table.rows} == {len(table.columns)}


def test_all_parts_of_a_run_are_told() -> None:
    titles = " ".join(table.title for table in tables(document()))
    for part in (
        "Targets",
        "3 of 5",
        "sizes",
        "Large",
        "Start-up",
        "ETSI",
        "durability",
        "wrapping",
        "clients",
        "memory",
        "nobody",
    ):
        assert part in titles


def test_parts_that_a_run_does_not_have_are_left_out() -> None:
    found = document(
        sizes=[],
        large=[],
        startup=None,
        etsi=None,
        durability=[],
        wrapping=[],
        crowds=[],
        memory=[],
        left_out=[],
    )
    assert [table.title.partition(":")[0] for table in tables(found)] == [
        "Targets (ratios in one run)",
        "3 of 5",
        "3 of 5",
        "One request alone",
    ]


def test_markdown_aligns_figures_to_the_right() -> None:
    assert markdown(Table("Speed", ("load", "pairs/s"), [("64 x 1", "13,000")])).splitlines() == [
        "### Speed",
        "",
        "| load | pairs/s |",
        "| --- | ---: |",
        "| 64 x 1 | 13,000 |",
    ]


def test_large_numbers_are_shown_short() -> None:
    assert [short(value) for value in (0.5, 64, 999, 1500, 2_048_000)] == [
        "0.5",
        "64",
        "999",
        "1.5k",
        "2.05M",
    ]


def test_a_page_gets_new_tables_in_place_of_its_old() -> None:
    page = "# Page\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nmore\n"
    renewed = "# Page\n<!-- figures: begin -->\n\nnew\n\n<!-- figures: end -->\nmore\n"
    assert put_into(page, "new") == put_into(renewed, "new") == renewed


def test_a_page_without_a_place_for_tables_is_left_alone() -> None:
    with pytest.raises(ValueError, match="figures: begin"):
        put_into("# Page\n", "new")


def test_as_markdown_a_run_tells_when_and_where_it_was() -> None:
    told = as_markdown(document())
    assert told.startswith(
        "Measured on 2026-01-01 on 2 cores, load average 0.5 when it began; 1 s for each load.\n\n### Targets"
    )
    assert all(markdown(table) in told for table in tables(document()))


def test_a_run_survives_its_json() -> None:
    found = document()
    assert msgspec.json.decode(msgspec.json.encode(found), type=Document) == found
