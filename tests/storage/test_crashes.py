"""A crash at every single call of the store in turn: nothing is used twice, and the node starts again."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.storage.lives import HUBS, Ledger, Life, check_restart, new_disk
from tests.storage.simulated_disk import Disk, Luck
from tests.storage.simulated_files import CHANGES, Call


class Watch:
    """Before every change of the disk: what if the machine stopped here, this way and that?"""

    def __init__(self, disk: Disk, ledger: Ledger, seed: int, outcomes: int) -> None:
        self.disk = disk
        self.ledger = ledger
        self.nr_crashes = 0
        self._dice = random.Random(seed)
        self._outcomes = outcomes

    def __call__(self, call: Call) -> None:
        if call.name in CHANGES:
            for _ in range(self._outcomes):
                self.crash(call)

    def crash(self, call: Call) -> None:
        self.nr_crashes += 1
        seed = self._dice.getrandbits(32)
        after = self.disk.crash(Luck.any(self._dice))
        try:
            check_restart(after, copy.deepcopy(self.ledger), seed)
        except BaseException as error:
            error.add_note(f"crash before call {call}, seed {seed}")
            raise


def scenario(life: Life) -> Iterator[Callable[[], None]]:
    """What a node does in its life, in steps."""
    hank, hilary = HUBS
    yield partial(life.deliver, hank, expect=True)
    yield partial(life.act, 40)
    yield partial(life.deliver, hilary, expect=True)
    yield partial(life.act, 60)
    yield partial(life.deliver, hank, expect=True)
    yield partial(life.act, 60)
    yield partial(life.deliver, hilary, replace=True, expect=True)
    yield partial(life.act, 60)


def live(seed: int, outcomes: int, lives: int = 3) -> tuple[int, int]:
    """(crashes looked at, bytes that left)."""
    dice = random.Random(seed)
    disk, ledger = new_disk(), Ledger()
    nr_crashes = nr_left = 0
    for _ in range(lives):
        watch = Watch(disk, ledger, dice.getrandbits(32), outcomes)
        life = Life(disk, ledger, dice.getrandbits(32), watch)
        for step in scenario(life):
            step()
            if dice.random() < 0.1:
                break
        nr_left += life.nr_left
        nr_crashes += watch.nr_crashes
        disk = disk.crash(Luck.any(dice)) if dice.random() < 0.5 else disk.clone()
    return nr_crashes, nr_left


@pytest.mark.parametrize("seed", range(2))
def test_a_crash_at_every_change(seed: int) -> None:
    nr_crashes, nr_left = live(seed, outcomes=1, lives=2)
    assert nr_crashes > 500 and nr_left > 10_000


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 130))
def test_a_crash_at_every_change_many_times(seed: int) -> None:
    live(seed, outcomes=5)
