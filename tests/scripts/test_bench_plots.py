"""What the plots show; that they are drawn, where the library for it is installed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from benching.panels import Line, panels
from benching.records import Connecting, Crowd, Document
from benching.shape import Shape

from .test_bench_figures import FLOOR, document, row


def found() -> Document:
    """A run with something for every plot."""
    crowd = Crowd(1000, False, True, 4096.0, 0.1, Connecting(1.0, 0.8), Connecting(2.0, 0.9))
    return document(
        rows=[
            *(row(concurrency, pairs_per_s=100.0 * concurrency) for concurrency in (1, 8, 64)),
            *(row(8, number) for number in (32, 128)),
            *(row(shape=Shape(hubs, 2, 64, 1, 128)) for hubs in (3, 9)),
        ],
        crowds=[crowd, msgspec.structs.replace(crowd, clients=5000, bytes_each=8192.0)],
    )


def lines(plot: str, panel: int) -> dict[str, Line]:
    return {line.label: line for line in panels(found())[plot][panel].lines if line.label}


def test_every_plot_is_there() -> None:
    assert list(panels(found())) == ["concurrency", "batch", "hubs", "sizes", "clients"]


def test_rates_stand_against_requests_at_once() -> None:
    assert lines("concurrency", 0)["1 a request"].points == [(1, 100.0), (8, 800.0), (64, 6400.0)]


def test_costs_stand_against_keys_of_a_request() -> None:
    assert lines("batch", 1)["8 at once"].points == [(1, 30.0), (32, 30.0), (128, 30.0)]


def test_costs_stand_against_hubs() -> None:
    assert [x for x, _ in lines("hubs", 0)["64 x 1"].points] == [3, 5, 9]


def test_memory_stands_against_clients() -> None:
    assert lines("clients", 0)["with pads"].points == [(1000, 4.0), (5000, 8.0)]


def test_every_line_of_a_load_has_its_floor_beside_it() -> None:
    rate, cost = panels(found())["concurrency"]
    assert [line.floor for line in rate.lines] == [False, True] * 3
    assert rate.lines[1].points[0] == (1, 2 * 1e6 / FLOOR.cpu_us), "what both cores could do"
    assert cost.lines[1].points[0] == (1, FLOOR.cpu_us)


def test_a_plot_without_two_points_is_left_out() -> None:
    assert set(panels(document())) == {"concurrency", "sizes"}


def test_plots_are_drawn_the_same_way_each_time(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="scripts/setup.sh --bench installs it")
    from benching.plots import draw

    drawn = list(draw(found(), tmp_path))
    assert [path.name for path in drawn] == [f"{name}.svg" for name in panels(found())]
    assert all(ElementTree.parse(path).getroot().tag.endswith("svg") for path in drawn)
    before = drawn[0].read_bytes()
    next(iter(draw(found(), tmp_path)))
    assert drawn[0].read_bytes() == before
