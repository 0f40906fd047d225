"""Real daemons under torture: no byte twice, and keys flow again after every start."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.laboratory import LIMIT_S, wait_until
from tests.system.test_demo import processes_of

from .scripts import SCRIPT, Done, torture


def assert_held(done: Done, kills: int) -> None:
    assert done.status == 0, done.said + json.dumps(done.found, indent=1)
    assert done.found["passed"]
    assert done.found["kills"] >= kills
    assert done.found["key_pairs"] > 10 * kills
    assert done.found["wasted_per_pool_and_kill"] <= 24 * 1024


def test_8_kills_of_real_daemons_use_no_byte_twice(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    state = tmp_path / "log.json"
    done = torture("--kills", "8", "--seed", str(seed), "--state", str(state), limit_s=600)
    assert_held(done, 8)
    again = torture("--state", str(state), "--kills", "8", limit_s=120)
    assert (again.status, again.found) == (0, done.found), "all rounds are behind it already"


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory in which the path of a socket is not too long, as it is in pytest's own."""
    with tempfile.TemporaryDirectory(prefix="dsked-") as path:
        yield Path(path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_leaves_no_process_and_no_file(short_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, str(SCRIPT), "--kills", "50"]
    environment = {**os.environ, "TMPDIR": str(short_path)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: len(processes_of(str(short_path))) >= 5, "all five nodes run")
            process.send_signal(number)
            _, said = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
    assert (process.returncode, said) == (130, "torture: interrupted\n")
    assert processes_of(str(short_path)) == []
    assert list(short_path.iterdir()) == []


@pytest.mark.full
def test_200_kills_with_restores_clones_and_deliveries() -> None:
    done = torture("--kills", "200", limit_s=3600)
    assert_held(done, 200)
    lost = {fault.partition(" ")[0] for fault in done.found["faults"] if "lost" in fault}
    assert lost == {"M1", "M2", "M3", "M4", "frame"}
    assert done.found["done"].keys() >= {"kill", "restore", "clone", "copy", "intrude", "bundles"}


@pytest.mark.full
def test_simulated_pools_use_no_byte_twice_either() -> None:
    done = torture("--kills", "30", "--psrd", "simulated", limit_s=1800)
    assert (done.status, done.found["failures"]) == (0, {})
    assert done.found["wasted"] == 0
