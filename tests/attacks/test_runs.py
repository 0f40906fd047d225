"""Every attack of the registry with its short amount, and attacks that notice what is broken on purpose."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from scripts.attacking.attack import ATTACKS, load

from .scripts import attack

BROKEN = Path(__file__).with_name("broken")
#: Those of which a part waits too long for `make test`: their whole runs in `make test-full`.
LONG = {"slowloris"}
#: What part `make test` does of the others: a tenth, or less where that takes more than some seconds.
PARTS = dict.fromkeys(ATTACKS, 10) | {
    "replays": 100, "frames": 20, "tags": 40, "weather": 20, "subsets": 40, "flood": 30,
    "connections": 40, "ending": 25,
}  # fmt: skip
#: Nothing is timed: these end what hangs.
SHORT_LIMIT_S, FULL_LIMIT_S = 600.0, 3600.0


def assert_holds(name: str, amount: int, limit_s: float) -> None:
    seed = random.randrange(2**32)
    done = attack(name, "--amount", str(amount), "--seed", str(seed), limit_s=limit_s)
    assert done.status == 0, f"seed {seed}: {done.said}{json.dumps(done.found, indent=1)}"
    assert done.found["passed"]
    assert done.found["amount"] == amount


@pytest.mark.parametrize("name", [name for name in ATTACKS if name not in LONG])
def test_a_part_of_each_attack(name: str) -> None:
    assert_holds(name, load(name).full // PARTS[name], SHORT_LIMIT_S)


@pytest.mark.full
@pytest.mark.parametrize("name", ATTACKS)
def test_each_attack(name: str) -> None:
    assert_holds(name, load(name).full, FULL_LIMIT_S)


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "amount", "broken", "says"),
    [
        ("frames", 2000, "falls_over", "has logged: "),
        ("frames", 10_000, "keeps_everything", "has grown by "),
        ("tags", 30_000, "falls_over", "KeyError"),
        ("tags", 30_000, "believes_anything", "was accepted"),
        ("replays", 1000, "believes_anything", "a replay: "),
        ("weather", 60, "falls_over", "has logged: "),
    ],
)
def test_daemons_that_are_broken_are_found_out(name: str, amount: int, broken: str, says: str) -> None:
    paths = [str(BROKEN / broken), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = attack(
        name, "--amount", str(amount), "--seed", "1", limit_s=SHORT_LIMIT_S, environment=environment
    )
    assert done.status == 1, "nothing was noticed"
    assert says in done.failure
    kept = done.failure.rpartition("files are in ")[2].strip()
    if kept.startswith("/"):
        shutil.rmtree(kept)
