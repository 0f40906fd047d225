"""scripts/fuzz.py: inputs are fed again, progress is kept, wrong calls are refused."""

from __future__ import annotations

from pathlib import Path

import fuzz
import pytest
from fuzzing.record import SEEDS, Record, Result
from fuzzing.targets import TARGETS

from . import faulty


def test_an_input_is_fed_again(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert fuzz.replay("frame", b"\0") == 0
    monkeypatch.setitem(TARGETS, "undeclared", faulty.TARGETS["undeclared"])
    assert fuzz.replay("undeclared", b"\x90") == 1
    assert "undeclared IndexError" in capsys.readouterr().out


def test_a_run_goes_on_where_it_ended(tmp_path: Path) -> None:
    record = Record(7)
    record.of("frame").add(Result(runs=100, seconds=2.0, coverage=9))
    record.of("topology").add(Result(runs=100, seconds=1.0, failure="it fell over"))
    record.save(tmp_path / "state")
    again = Record.load(tmp_path / "state")
    assert again == record
    assert not again.passed(["topology"], 100) and again.passed(["frame"], 100)
    assert not again.passed(["frame"], 101)
    assert (again.of("frame").runs, again.of("frame").pieces) == (100, 1)
    assert again.of("topology").runs == 0  # what failed is done again


def test_every_piece_has_a_seed_of_its_own_and_none_is_random() -> None:
    for seed in (0, SEEDS - 1):
        seeds = [Record(seed).seed_of(piece) for piece in range(3)]
        assert len(set(seeds)) == 3
        assert all(0 < one < SEEDS for one in seeds)


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    for text in ("", "[]", '{"version": 2}', '{"version": 1, "seed": 1, "results": {"frame": {"odd": 1}}}'):
        (tmp_path / "state").write_text(text)
        with pytest.raises(ValueError, match="is no state file"):
            Record.load(tmp_path / "state")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["--runs", "0"],
        ["--seed", "-1"],
        ["--replay", "00"],
        ["frame", "--replay", "0x"],
        ["--state", "/missing/state"],
    ],
    ids=lambda arguments: " ".join(arguments),
)
def test_wrong_calls(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        fuzz.parse(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err
