"""The benchmark's pieces on real daemons, a moment each: every figure is there. None of them is judged."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pytest
from benching import compute, large, matrix
from benching.children import Child
from benching.compute import Turn, cpu_us_per_pair
from benching.echo import Echo, steps_of
from benching.frames import of_turn
from benching.matrix import Matrix, steps
from benching.processes import cpu_seconds
from benching.records import KINDS, Row
from benching.rows import measure_row
from benching.shape import Shape
from benching.stand import NothingServedError, Stand
from benching.startup import measure_startup
from benching.topologies import TOPOLOGIES, content, quick_shapes, shapes
from benching.traffic import HEADER_BYTES
from laboratory import LIMIT_S, Laboratory, wait_until

from dsked.limits import MAX_FRAME_BYTES, MAX_FRAME_PAD_BYTES, MAX_KEYS_PER_FRAME
from tests.system.test_demo import processes_of

from .test_bench_figures import document, row

SECONDS = 0.2
ALONE = Shape(3, 2, 1, 1, 128)
BATCHES = Shape(3, 2, 2, 16, 256)
BENCH = Path(__file__).resolve().parents[2] / "scripts" / "bench.py"


@pytest.fixture(scope="module")
def echo() -> Iterator[Echo]:
    with Echo() as started:
        yield started


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    with Laboratory(content(3, 2)) as lab, Stand(lab) as started:
        yield started


# --- frames ---


@pytest.mark.parametrize("load", [(1, 1, 128), (64, 1, 256), (16, 128, 128), (1, 1, 2**20), (1, 1, 2**24)])
def test_the_frames_of_the_floor_are_frames_that_may_be_sent(load: tuple[int, int, int]) -> None:
    shape = Shape(5, 3, *load)
    frames = of_turn(shape)
    assert max(frames.put, frames.put_ack, frames.get, frames.shares) <= MAX_FRAME_BYTES
    assert frames.secret <= MAX_FRAME_PAD_BYTES
    assert frames.number * frames.secret >= shape.keys * shape.key_bytes, "all shares are in them"
    assert frames.number * MAX_KEYS_PER_FRAME >= shape.keys


def test_coalesced_frames_cost_fewer_bytes_than_as_many_alone() -> None:
    (put, _), (_, shares) = steps_of(Shape(5, 3, 64, 1, 128))
    (put_alone, _), (_, shares_alone) = steps_of(Shape(5, 3, 1, 1, 128))
    assert put < 64 * put_alone
    assert shares < 64 * shares_alone


# --- floors ---


def test_both_processes_of_the_floor_exchange_the_frames(echo: Echo) -> None:
    rate, cpu_us = echo.measure(ALONE, SECONDS)
    assert rate > 0 and cpu_us > 0
    assert echo.round_trip_ms(ALONE, SECONDS) > 0
    assert echo.scatter_ms(ALONE, SECONDS) > 0


def test_the_floor_of_compute_costs_time() -> None:
    assert cpu_us_per_pair(BATCHES, 0.01) > 0


def test_the_floor_of_compute_checks_what_it_rebuilds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "rebuild_columns", lambda terms, ids, columns: [bytes(32)] * len(ids))
    with pytest.raises(RuntimeError, match="not what was dealt"):
        Turn(BATCHES).run()


# --- rows ---


@pytest.mark.parametrize("shape", [ALONE, BATCHES])
def test_a_row_has_all_its_figures(stand: Stand, echo: Echo, shape: Shape) -> None:
    rows = (measure_row(stand, echo, shape, SECONDS) for _ in range(10))
    row = next(row for row in rows if not row.refused and row.counted)  # a busy machine may have some refused
    assert row.pairs and row.pairs % shape.number == 0
    assert set(row.cpu_us) == set(KINDS) and all(us > 0 for us in row.cpu_us.values())
    assert 0 < row.get_key_ms[0] <= row.get_key_ms[1]
    assert 0 < row.by_id_ms[0] <= row.by_id_ms[1]
    assert row.floor.echo_us > 0 and row.floor.compute_us > 0 and row.ratio > 0
    assert row.counted is not None and row.counted.psrd >= 3.0


def test_the_frames_of_the_floor_are_as_large_as_those_on_the_wire(stand: Stand) -> None:
    frames = of_turn(ALONE)
    expected = ALONE.hubs * (frames.put + frames.put_ack + frames.get + frames.shares)

    def sent() -> Iterator[float]:
        """Payload bytes of a pair; more than the frames where a busy machine had some asked for again."""
        for _ in range(10):
            counted = stand.count(ALONE, SECONDS)
            if counted is not None:
                yield counted.wire_bytes - HEADER_BYTES * counted.segments

    assert any(payload == pytest.approx(expected, rel=0.05) for payload in sent())


def test_pads_of_a_key_alone_are_those_of_the_protocol(stand: Stand) -> None:
    """Four frames with 16 bytes for their tags; share and code (32 bytes), twice."""
    shape = Shape(3, 2, 1, 1, 256)
    samples = (stand.count(shape, SECONDS) for _ in range(10))
    expected = (4 * 16 + 2 * (32 + 32)) / 32
    assert any(one is not None and one.psrd == pytest.approx(expected, rel=0.02) for one in samples)


def test_every_node_has_memory_and_uses_next_to_nothing_when_idle(stand: Stand) -> None:
    assert {name for _, name in stand.lab.nodes()} == set(stand.resident_mib())
    assert all(mib > 1 for mib in stand.resident_mib().values())
    assert 0 <= stand.idle_percent(0.05) < 100


def test_large_keys_have_all_their_figures(echo: Echo) -> None:
    (found,) = large.filled(echo, SECONDS, 2 * 2**20, [(2**18, 2)], bursts=1)
    assert found.mbit_per_s > 0 and found.cpu_ms > 0 and found.ratio > 0
    assert found.keys == (2 * 2**20 // 3 // 2**15)


def test_the_example_topology_is_started_and_asked() -> None:
    found = measure_startup(1, asked=1)
    assert found.nodes == 10
    assert all(value > 0 for value in msgspec.structs.astuple(found))


def test_every_topology_gets_every_load() -> None:
    for which in TOPOLOGIES:
        loads = list(shapes(*which))
        assert {(load.hubs, load.k) for load in loads} == {which}
        assert len({(load.concurrency, load.number, load.bits) for load in loads}) == len(loads) == 4 * 3 * 2


def test_loads_of_more_keys_than_are_served_in_time_are_left_out(
    stand: Stand, echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Shape] = []

    def measured(stand: Stand, echo: Echo, shape: Shape, seconds: float) -> Row:
        tried.append(shape)
        return row(pairs_per_s=10_000.0)

    monkeypatch.setattr(matrix, "measure_row", measured)
    run = Matrix(0.02, Told())
    monkeypatch.setattr(run, "_stand", lambda hubs, k: nullcontext(stand))
    run._topology(echo, (3, 2), shapes(3, 2))
    assert {shape.keys for shape in tried} == {1, 8, 32, 64, 128, 256, 1024, 2048}
    assert all("keys at once, more than are served in 0.4 s" in said for said in run.document.left_out)
    assert len(run.document.left_out) == 2 * 3


class Told:
    """Takes progress."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, done: int) -> None:
        pass

    def tell(self, line: str) -> None:
        self.lines.append(line)


def test_what_a_machine_is_too_slow_for_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_slow(*what: object) -> None:
        raise NothingServedError("no request was served")

    for name in ("measure_row", "measure_startup", "measure_etsi"):
        monkeypatch.setattr(matrix, name, too_slow)
    monkeypatch.setattr(large, "filled", too_slow)
    told = Told()
    run = Matrix(0.02, told)
    run.quick()
    assert len(told.lines) == steps(quick=True)
    # Wrapping alone is really measured, and a busy machine may be too slow for that.
    left_out = [said for said in run.document.left_out if not said.startswith("message wrapping: ")]
    assert len(left_out) == len(list(quick_shapes())) + 3
    assert run.document.alone is not None and not run.document.rows


# --- children ---


def test_a_child_that_ends_is_not_waited_for() -> None:
    with (
        Child("load", "/nonexistent", "/nonexistent") as child,
        pytest.raises(RuntimeError, match="has ended"),
    ):
        child.ask(concurrency=1, number=1, bits=128, seconds=0.0)


def test_cpu_time_of_a_process_that_is_gone_is_an_error() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    with pytest.raises(ProcessLookupError):
        cpu_seconds(process.pid)


# --- the script ---


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(BENCH), *arguments], capture_output=True, text=True)


def test_an_earlier_run_is_shown_kept_and_put_into_a_page(tmp_path: Path) -> None:
    path, kept, page = tmp_path / "run.json", tmp_path / "figures" / "kept.json", tmp_path / "page.md"
    path.write_bytes(msgspec.json.encode(document()))
    page.write_text("<!-- figures: begin -->\n<!-- figures: end -->\n")
    done = bench("--from", str(path), "--json", str(kept), "--into", str(page))
    assert done.returncode == 0
    assert "Targets" in done.stdout and "64 x 1" in done.stdout
    assert "| 64 x 1 | 128 | 13,000 |" in page.read_text()
    assert json.loads(kept.read_bytes()) == json.loads(path.read_bytes())


@pytest.mark.parametrize(
    ("option", "name", "said"), [("--into", "none.md", "No such file"), ("--json", ".", "Is a directory")]
)
def test_what_cannot_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, option: str, name: str, said: str
) -> None:
    done = bench(option, str(tmp_path / name))
    assert done.returncode == 1
    assert done.stderr.startswith("bench: ") and said in done.stderr
    assert done.stderr.count("\n") == 1


def test_interrupted_it_leaves_no_process_and_no_file() -> None:
    with tempfile.TemporaryDirectory(prefix="dsked-") as directory:  # short: sockets are in it
        environment = {**os.environ, "TMPDIR": directory}
        command = [sys.executable, str(BENCH), "--quick"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                wait_until(lambda: any(b"load" in line for line in processes_of(directory)), "there is load")
                process.send_signal(signal.SIGTERM)
                _, said = process.communicate(timeout=LIMIT_S)
            finally:
                process.kill()
        assert process.returncode == 130
        assert said.endswith("bench: interrupted\n")
        assert "Traceback" not in said
        assert processes_of(directory) == []
        assert list(Path(directory).iterdir()) == []


def test_what_is_no_result_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("{}")
    done = bench("--from", str(path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"bench: {path} holds no result of a benchmark: ")
    assert done.stderr.count("\n") == 1
