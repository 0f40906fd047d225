"""Real daemons under torture: no byte twice, and keys flow again after every start."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from .scripts import Done, torture


def assert_held(done: Done, kills: int) -> None:
    assert done.status == 0, done.said + json.dumps(done.found, indent=1)
    assert done.found["passed"]
    assert done.found["kills"] >= kills
    assert done.found["key_pairs"] > 10 * kills
    assert done.found["wasted_per_pool_and_kill"] <= 24 * 1024


def test_20_kills_of_real_daemons_use_no_byte_twice(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    state = tmp_path / "log.json"
    done = torture("--kills", "20", "--seed", str(seed), "--state", str(state), limit_s=120)
    assert_held(done, 20)
    again = torture("--state", str(state), "--kills", "20", limit_s=20)
    assert (again.status, again.found) == (0, done.found), "all rounds are behind it already"


@pytest.mark.full
def test_200_kills_with_restores_clones_and_deliveries() -> None:
    done = torture("--kills", "200", limit_s=900)
    assert_held(done, 200)
    lost = {fault.partition(" ")[0] for fault in done.found["faults"] if "lost" in fault}
    assert lost == {"M1", "M2", "M3", "M4", "frame"}
    assert done.found["done"].keys() >= {"kill", "restore", "clone", "copy", "intrude", "bundles"}


@pytest.mark.full
def test_simulated_pools_use_no_byte_twice_either() -> None:
    done = torture("--kills", "30", "--psrd", "simulated", limit_s=300)
    assert (done.status, done.found["failures"]) == (0, {})
    assert done.found["wasted"] == 0
