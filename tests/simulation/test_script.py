"""make sim: as people run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import sim
from simulating import running
from simulating.results import Results
from simulating.running import Outcome

SCRIPT = Path(sim.__file__)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_run_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    state = tmp_path / "sim.json"
    first = run("--first", "40", "--seeds", "2", "--state", str(state), "--jobs", "2", "--json")
    assert first.returncode == 0, first.stdout + first.stderr
    more = run("--seeds", "3", "--state", str(state), "--jobs", "1", "--json")
    found, before = json.loads(more.stdout), json.loads(first.stdout)
    assert (more.returncode, found["done"], found["first"], found["passed"]) == (0, 3, 40, True)
    assert found["events"] > before["events"] > 1000
    assert found["seeds_per_minute"] > 0
    refused = run("--first", "1", "--state", str(state))
    assert refused.returncode == 2
    assert "begins with seed 40, not 1" in refused.stderr


def test_a_failing_seed_is_told_with_the_command_that_replays_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fails_at_5(seed: str) -> Outcome:
        return Outcome(seed, failure="a byte was used twice\n  the last events" if seed == "5" else "")

    monkeypatch.setattr(sim, "run_seed", fails_at_5)
    state = tmp_path / "sim.json"
    arguments = ["sim.py", "--seeds", "9", "--jobs", "1", "--state", str(state)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert sim.main() == 1
    said = capsys.readouterr().out
    assert "FAILED in seed 5: a byte was used twice\n  the last events" in said
    assert "sim.py --seed 5 --trace" in said
    assert Results.load(state).next_seed == 5, "it is the next one when the run goes on"
    monkeypatch.setattr(sim, "run_seed", lambda seed: Outcome(seed))
    assert sim.main() == 0


def test_a_seed_alone_shows_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert sim.run_one(3, trace=True, as_json=False) == 0
    said = capsys.readouterr().out
    assert "registered with hub" in said
    assert said.splitlines()[-1] == f"trace {running.run_seed('3').digest}"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--seeds", "0"], "at least one seed"),
        (["--trace"], "give --seed"),
        (["--seed", "3", "--first", "2"], "one seed alone"),
        (["--state", "/no/where/s"], "no directory"),
    ],
)
def test_what_is_called_wrongly_is_refused(arguments: list[str], why: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert why in done.stderr
