"""The file of gate keys: made once, kept, never shown to others."""

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from dsked.config import gate_keys
from dsked.errors import ConfigurationError, StorageError

PAIRS = [("carol", "hank"), ("carol", "helen"), ("curtis", "hank")]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "gate-keys.json"


def test_missing_pairs_are_added_and_existing_keys_stay(file: Path) -> None:
    assert gate_keys.ensure(file, PAIRS[:2])
    first = gate_keys.load(file)
    assert not gate_keys.ensure(file, PAIRS[:2])
    assert gate_keys.ensure(file, PAIRS)
    second = gate_keys.load(file)
    assert list(second) == PAIRS
    assert {pair: second[pair] for pair in first} == first
    assert len(set(second.values())) == 3
    assert {len(key) for key in second.values()} == {32}


def test_the_file_is_the_documented_json(file: Path) -> None:
    gate_keys.ensure(file, PAIRS[:1])
    document = json.loads(file.read_text())
    assert document == {"version": 1, "pairs": {"carol/hank": gate_keys.load(file)["carol", "hank"].hex()}}


def test_only_its_owner_may_read_it(file: Path) -> None:
    before = os.umask(0)
    try:
        gate_keys.ensure(file, PAIRS)
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("mode", [0o620, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused_with_the_mending_command(file: Path, mode: int) -> None:
    gate_keys.ensure(file, PAIRS)
    file.chmod(mode)
    with pytest.raises(ConfigurationError, match=rf"\(mode {mode:04o}\); mend it with: chmod 600 {file}$"):
        gate_keys.load(file)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        gate_keys.ensure(file, PAIRS)


def test_a_missing_file_says_where_it_comes_from(file: Path) -> None:
    with pytest.raises(ConfigurationError, match="'dskectl start' makes it, or copy it"):
        gate_keys.load(file)


SECRET = "ab" * 32


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        f'{{"version": 1, "pairs": {{"carol/hank": "{SECRET}zz"}}}}',
        f'{{"version": 1, "pairs": {{"carol": "{SECRET}"}}}}',
        f'{{"version": 1, "pairs": {{"carol/hank/x": "{SECRET}"}}}}',
        f'{{"version": 1, "pairs": {{"carol/hank": "{SECRET[2:]}"}}}}',
        f'{{"version": 1, "pairs": ["{SECRET}"]}}',
        f'{{"version": 1, "pairs": {{"carol/hank": 7, "x": "{SECRET}"}}}}',
        f'{{"pairs": {{"carol/hank": "{SECRET}"}}}}',
        f'{{"version": 1, "pairs": {{"carol/hank": "{SECRET}"',
        "\udcff",
        "[" * 100_000,
    ],
)
def test_a_damaged_file_is_refused_without_showing_a_key(file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_bytes(text.encode(errors="surrogateescape"))
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match="damaged; restore it from a copy") as error:
        gate_keys.load(file)
    assert SECRET[2:] not in str(error.value)
    assert error.value.__cause__ is None
    assert error.value.__context__ is None or error.value.__suppress_context__


def test_a_later_version_is_refused(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('{"version": 2, "pairs": {}}')
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match="its version is not known; expected 1"):
        gate_keys.load(file)


def test_a_file_left_by_a_crash_does_not_stand_in_the_way(file: Path) -> None:
    gate_keys.ensure(file, PAIRS[:1])
    file.with_name("gate-keys.json.new").write_text("half a")
    assert gate_keys.ensure(file, PAIRS)
    assert list(file.parent.iterdir()) == [file]


def test_a_place_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StorageError, match="cannot be made"):
        gate_keys.ensure(tmp_path / "state" / "gate-keys.json", PAIRS)


def _ensure_own(file: Path, number: int) -> None:
    gate_keys.ensure(file, [("carol", f"hub{number}"), ("carol", "shared")])


def test_processes_that_add_pairs_at_the_same_time_lose_none(file: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_ensure_own, args=(file, number)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 8
    assert len(gate_keys.load(file)) == 9
