"""A UUID that was adopted is remembered for ever."""

from __future__ import annotations

import random

import pytest
from simulating.disks.disk import Luck
from simulating.disks.files import Call, SimulatedFiles, fails_at, no_fault

from dsked.errors import StorageError
from dsked.storage.known_uuids import known_uuids, remember
from dsked.storage.state_dir import StateDirectory
from tests.storage.lives import PATH, new_disk
from tests.storage.nodes import names

UUIDS = [uuid for uuid, _ in zip(names("known"), range(100), strict=False)]


@pytest.fixture
def files() -> SimulatedFiles:
    return SimulatedFiles(new_disk())


@pytest.fixture
def state(files: SimulatedFiles) -> StateDirectory:
    state = StateDirectory(files, PATH, "client", "carol")
    files.make_directory(PATH)
    state.prepare()
    return state


def test_they_add_up(state: StateDirectory, files: SimulatedFiles) -> None:
    assert known_uuids(state) == set()
    for number in (1, 3, 50, 100, 100):
        remember(state, UUIDS[:number])
        assert known_uuids(state) == set(UUIDS[:number])
    remember(state, iter(UUIDS[:5]))
    assert known_uuids(state) == set(UUIDS)
    assert files.size(files.open(state.uuids)) == 32 * 100, "each stands there once"


def test_what_is_known_already_costs_no_write(state: StateDirectory, files: SimulatedFiles) -> None:
    remember(state, UUIDS)
    calls: list[str] = []

    def fault(call: Call) -> None:
        calls.append(call.name)

    files.fault = fault
    remember(state, UUIDS[:50])
    assert "write_at" not in calls and "rename" not in calls


@pytest.mark.parametrize("at", [0, 15, 16, 31, 32, 50 * 32, 99 * 32 + 31])
def test_damage_is_refused_since_a_forgotten_one_could_come_again(
    state: StateDirectory, files: SimulatedFiles, at: int
) -> None:
    remember(state, UUIDS)
    files.disk.file(state.uuids).seen[at] ^= 1
    with pytest.raises(StorageError, match=rf"/uuids: damaged at byte {at - at % 32}"):
        known_uuids(state)
    with pytest.raises(StorageError, match="damaged"):
        remember(state, UUIDS)


@pytest.mark.parametrize("cut", [1, 16, 31])
def test_a_cut_record_is_refused(state: StateDirectory, files: SimulatedFiles, cut: int) -> None:
    remember(state, UUIDS)
    del files.disk.file(state.uuids).seen[-cut:]
    with pytest.raises(StorageError, match="damaged at byte"):
        known_uuids(state)


def test_a_missing_file_is_refused(state: StateDirectory, files: SimulatedFiles) -> None:
    files.remove(state.uuids)
    with pytest.raises(StorageError, match="uuids: cannot be opened"):
        known_uuids(state)


def test_many_at_once_come_whole_or_not_at_all(state: StateDirectory, files: SimulatedFiles) -> None:
    remember(state, UUIDS[:30])
    found = set()

    def fault(call: Call) -> None:
        for seed in range(20):
            after = SimulatedFiles(files.disk.crash(Luck.any(random.Random(seed))))
            found.add(len(known_uuids(StateDirectory(after, PATH, "client", "carol"))))

    files.fault = fault
    remember(state, UUIDS)
    assert found == {30, 100}


@pytest.mark.parametrize("number", range(9))
def test_a_full_disk_forgets_nothing(state: StateDirectory, files: SimulatedFiles, number: int) -> None:
    remember(state, UUIDS[:30])
    files.fault = fails_at(files.nr_calls + number, 28)
    with pytest.raises(StorageError, match="No space left"):
        remember(state, UUIDS)
    files.fault = no_fault
    assert known_uuids(state) >= set(UUIDS[:30])
    remember(state, UUIDS)
    assert known_uuids(state) == set(UUIDS)
