"""The runner of the attacks: pieces, their figures, what fails, and runs that go on later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from attacking.attack import Broken, Figures, Told, merged
from attacking.record import Piece, Record, Records

from scripts import attacks
from scripts.laboratory import LIMIT_S, wait_until
from tests.system.test_demo import processes_of

from .scripts import SCRIPT, attack


class Counted:
    """An attack of nothing; the seeds in `broken` do not hold."""

    name, what, unit = "counted", "nothing", "things"
    full, long, piece = 10, 100, 4

    def __init__(self) -> None:
        self.seeds: list[str] = []
        self.broken: dict[str, Exception] = {}

    def run(self, seed: str, amount: int, told: Told) -> Figures:
        self.seeds.append(seed)
        if seed in self.broken:
            raise self.broken[seed]
        told(amount)
        return {"things": amount, "largest_max": amount, "smallest_min": amount, "text": seed}


def run(counted: Counted, records: Records, state: Path | None = None, only: int | None = None) -> Record:
    attacks.run(counted, records, state, only)
    return records.attacks[counted.name]


def test_pieces_have_seeds_of_their_own_and_figures_in_common() -> None:
    counted, records = Counted(), Records("s", {"counted": Record(10)})
    record = run(counted, records)
    assert counted.seeds == ["s.0", "s.1", "s.2"]
    assert record.summary(counted)["figures"] == {
        "things": 10, "largest_max": 4, "smallest_min": 2, "text": "s.2"
    }  # fmt: skip
    assert record.passed


@pytest.mark.parametrize("error", [Broken("it fell"), KeyError("nobody has declared this")])
def test_what_does_not_hold_ends_the_run_and_is_tried_again_when_it_goes_on(
    tmp_path: Path, error: Exception
) -> None:
    counted, state = Counted(), tmp_path / "state.json"
    counted.broken["s.1"] = error
    record = run(counted, Records("s", {"counted": Record(10)}), state)
    assert not record.passed
    assert str(error) in record.summary(counted)["failures"][1]
    assert counted.seeds == ["s.0", "s.1"]

    counted.broken.clear()
    assert run(counted, Records.load(state), state).passed
    assert counted.seeds == ["s.0", "s.1", "s.1", "s.2"]
    assert run(counted, Records.load(state), state).passed
    assert len(counted.seeds) == 4, "all of it was behind us"


def test_a_run_can_be_made_longer_and_its_last_short_piece_is_done_again(tmp_path: Path) -> None:
    counted, state = Counted(), tmp_path / "state.json"
    run(counted, Records("s", {"counted": Record(6)}), state)
    longer = Records.load(state)
    longer.attacks["counted"].amount = 10
    assert run(counted, longer).done == 10
    assert counted.seeds == ["s.0", "s.1", "s.1", "s.2"]


def test_one_piece_can_be_run_again_alone() -> None:
    counted = Counted()
    record = run(counted, Records("s", {"counted": Record(10)}), only=2)
    assert counted.seeds == ["s.2"]
    assert [(piece.number, piece.amount) for piece in record.pieces] == [(2, 2)]


def test_figures_of_no_piece() -> None:
    assert merged([]) == {}
    assert not Record(1, [Piece(0, 1, failure="it fell")]).passed


@pytest.mark.parametrize("text", ["[]", '{"version": 0}', "no JSON"])
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    state = tmp_path / "state.json"
    state.write_text(text)
    done = attack("tags", "--amount", "1", "--state", str(state), limit_s=LIMIT_S)
    assert (done.status, done.said.count("\n")) == (2, 1)
    assert "is no state file" in done.said


def test_the_command_line(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    done = attack("tags", "--amount", "100", "--seed", "1", "--state", str(state), limit_s=LIMIT_S)
    assert (done.status, done.found["amount"], done.found["figures"]["accepted"]) == (0, 100, 0)
    assert json.loads(state.read_text())["seed"] == "1"
    other = attack("tags", "--amount", "100", "--seed", "2", "--state", str(state), limit_s=LIMIT_S)
    assert (other.status, other.found) == (2, {})
    assert "seed 1, not 2" in other.said
    nowhere = str(tmp_path / "nowhere" / "state.json")
    no_piece = ["--amount", "1", "--piece", "1"]
    for wrong in (["--amount", "0"], ["--state", nowhere], ["--piece", "-1"], no_piece):
        assert attack("tags", *wrong, limit_s=LIMIT_S).status == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_and_no_file(number: signal.Signals) -> None:
    with tempfile.TemporaryDirectory(prefix="dsked-") as path:
        environment = {**os.environ, "TMPDIR": path}
        command = [sys.executable, str(SCRIPT), "weather", "--amount", "1000"]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                wait_until(lambda: len(processes_of(path)) >= 5, "all five nodes run")
                process.send_signal(number)
                _, said = process.communicate(timeout=LIMIT_S)
            finally:
                process.kill()
        assert (process.returncode, said) == (130, "attacks: interrupted\n")
        assert processes_of(path) == []
        assert list(Path(path).iterdir()) == []
