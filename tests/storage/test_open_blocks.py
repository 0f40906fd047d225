"""Few open files, however many blocks."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from simulating.disks.disk import Disk
from simulating.disks.files import SimulatedFiles

from dsked.errors import StorageError
from dsked.limits import MAX_OPEN_BLOCK_FILES
from dsked.storage.open_blocks import OpenBlocks, block_path
from tests.storage.nodes import names
from tests.storage.test_simulated_disk import content, put

ROOT = Path("/")
UUIDS = [uuid for uuid, _ in zip(names("open"), range(5 * MAX_OPEN_BLOCK_FILES), strict=False)]


@pytest.fixture
def files() -> SimulatedFiles:
    files = SimulatedFiles(Disk())
    for uuid in UUIDS:
        put(files, block_path(ROOT, uuid), uuid)
    return files


def test_each_is_the_right_one_and_few_are_open(files: SimulatedFiles) -> None:
    blocks, dice = OpenBlocks(files, ROOT), random.Random(1)
    for _ in range(2000):
        uuid = dice.choice(UUIDS)
        assert files.read_at(blocks.get(uuid), 16, 0) == uuid
    assert files.most_open == MAX_OPEN_BLOCK_FILES
    blocks.close()
    assert files.nr_open == 0


def test_the_one_that_is_used_stays_open(files: SimulatedFiles) -> None:
    blocks = OpenBlocks(files, ROOT)
    first = blocks.get(UUIDS[0])
    for uuid in UUIDS:
        blocks.get(uuid)
        assert blocks.get(UUIDS[0]) is first


def test_what_is_forgotten_is_closed(files: SimulatedFiles) -> None:
    blocks = OpenBlocks(files, ROOT, write=True)
    for _ in range(2):
        blocks.get(UUIDS[0])
        blocks.forget(UUIDS[0])
        blocks.forget(UUIDS[0])  # no matter if it is closed already
        assert files.nr_open == 0


def test_a_missing_block_is_named(files: SimulatedFiles) -> None:
    with pytest.raises(StorageError, match=r"00000000-0000-0000-0000-000000000000\.block: cannot be opened"):
        OpenBlocks(files, ROOT).get(bytes(16))
    assert content(files, block_path(ROOT, UUIDS[0])) == UUIDS[0]
