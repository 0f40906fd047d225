"""Whole worlds, storm and calm, from their seeds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from simulating.running import Outcome, run_seed

SCRIPT = Path(__file__).parents[2] / "scripts" / "sim.py"
#: What a run of seeds must have had in it, or it was no storm.
STORMS = (
    "keys delivered", "pieces under pads", "lies told", "misdeeds", "forged pieces", "resets", "half-open",
    "back-pressure", "dials refused", "intrusions", "fault: partition", "fault: freeze", "fault: crash",
    "fault: jump", "fault: drain",
    "crash in a disk call", "restores", "adoptions", "keys in the calm", "liars named",
    "stored keys handed out", "world: stored keys", "pieces wrapped",
)  # fmt: skip


def assert_held(outcomes: list[Outcome]) -> Counter[str]:
    for outcome in outcomes:
        assert not outcome.failure, f"scripts/sim.py --seed {outcome.seed} --trace\n{outcome.failure}"
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts.update(outcome.counts)
    return counts


@pytest.mark.parametrize("first", [1, pytest.param(11, marks=pytest.mark.full)])
def test_10_seeds(first: int) -> None:
    counts = assert_held([run_seed(str(seed)) for seed in range(first, first + 10)])
    assert counts["keys delivered"] > 200
    assert counts["pieces under pads"] > 2000


@pytest.mark.full
def test_300_seeds_and_all_that_can_happen() -> None:
    counts = assert_held([run_seed(str(seed)) for seed in range(1000, 1300)])
    assert [name for name in STORMS if not counts[name]] == []


def test_a_seed_is_the_same_in_every_process() -> None:
    """Whatever the order of sets: nothing in the engines may depend on it either."""
    digests = {run_seed("7").digest, run_seed("7").digest, *(_digest_in_a_process(seed) for seed in "13")}
    assert len(digests) == 1
    assert run_seed("8").digest not in digests


def _digest_in_a_process(hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, str(SCRIPT), "--seed", "7"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()[-1]
