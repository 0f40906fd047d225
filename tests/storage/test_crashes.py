"""A crash at every single call of the store in turn: nothing is used twice, and the node starts again."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from simulating.disks.disk import Disk, Luck
from simulating.disks.files import CHANGES, Call, SimulatedFiles

from dsked.errors import DskedError
from dsked.storage import node_store
from dsked.storage.block_file import HEADER_BYTES
from dsked.storage.committer import Committer
from dsked.storage.durable_stream import DurableStream
from dsked.storage.files import OpenFile
from dsked.storage.marks import Mark, MarkFile
from tests.storage.lives import HUBS, Ledger, Life, check_restart, new_disk


class Watch:
    """Before every change of the disk: what if the machine stopped here, this way and that?"""

    def __init__(self, disk: Disk, ledger: Ledger, seed: int, outcomes: int) -> None:
        self.disk = disk
        self.ledger = ledger
        self.nr_crashes = 0
        self._dice = random.Random(seed)
        self._outcomes = outcomes

    def __call__(self, call: Call) -> None:
        if call.name == "remove" and call.path.suffix == ".block":
            file = dict(self.disk.files()).get(str(call.path))
            left = file.durable[HEADER_BYTES:] if file else b""
            assert not any(left), "a file is removed, and its bytes are still on the disk"
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


def test_a_crash_at_every_change() -> None:
    nr_crashes, nr_left = live(0, outcomes=1, lives=2)
    assert nr_crashes > 500 and nr_left > 10_000


def _nothing(*_: object) -> None:
    pass


def _sync_only_marks(files: SimulatedFiles, file: OpenFile) -> None:
    if file.path.name == "marks":
        SimulatedFiles.sync(files, file)


def _told_before_it_is_durable(committer: Committer) -> None:
    asked = [
        (stream, stream.target) for stream in tuple(committer._asked) if stream.target > stream.committed
    ]
    for stream, target in asked:
        stream.committed = target
        stream.is_durable()
    committer.marks.write((stream.slot, Mark(stream.stream_id, target, 0)) for stream, target in asked)
    committer.marks.sync()


def _wiped_above_the_mark(committer: Committer, stream: DurableStream) -> None:
    before, stream.committed = stream.committed, stream.used
    try:
        _WIPE(committer, stream)
    finally:
        stream.committed = before


_WIPE = Committer._wipe

#: Faults of the store that a crash must bring to light: what is replaced, and by what.
MUTANTS: dict[str, tuple[object, str, object]] = {
    "marks are not synced": (MarkFile, "sync", _nothing),
    "a mark is told before it is durable": (Committer, "commit", _told_before_it_is_durable),
    "bytes are overwritten above the mark": (Committer, "_wipe", _wiped_above_the_mark),
    "no sync of files": (SimulatedFiles, "sync", _nothing),
    "no sync of directories": (SimulatedFiles, "sync_directory", _nothing),
    "UUIDs are not remembered": (node_store, "remember", _nothing),
    "zeros are not synced": (SimulatedFiles, "sync_data", _sync_only_marks),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_store_with_a_fault_does_not_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*MUTANTS[name])
    with pytest.raises((AssertionError, DskedError)):
        for seed in range(4):
            live(seed, outcomes=1, lives=2)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(100, 108))
def test_a_crash_at_every_change_many_times(seed: int) -> None:
    live(seed, outcomes=2)
