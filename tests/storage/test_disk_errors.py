"""An error at every single call of the store in turn: nothing leaves that was not safely reserved, the error
says what is wrong, and all goes on when the disk is well again."""

from __future__ import annotations

import copy
import errno
import itertools
import random
import re
import traceback
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest
from simulating.disks.disk import Luck
from simulating.disks.files import CHANGES, FALLIBLE, Call, Fault, fails_at, full_from, no_fault

from dsked import storage
from dsked.errors import ConfigurationError, StorageError
from tests.storage.lives import HUBS, Ledger, Life, check_restart, new_disk

STORAGE = str(Path(storage.__file__).parent)
REASON = re.compile(r"^/state.*: cannot be \w+( \w+)?: (Input/output error|No space left on device)$")
KINDS = {
    "EIO": partial(fails_at, error=errno.EIO),
    "ENOSPC": partial(fails_at, error=errno.ENOSPC),
    "full": partial(full_from, copy_on_write=False),
    "full, copy on write": partial(full_from, copy_on_write=True),
}


SEED = (
    0  # the same life in all tests: up to the call that fails its calls are those of the life without faults
)


class Failing:
    """A fault that remembers what it hit."""

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        self.hit: list[Call] = []

    def __call__(self, call: Call) -> int | None:
        error = self._fault(call)
        if error:
            self.hit.append(call)
        return error


def errors_at(number: int, kind: str) -> list[Call]:
    """A life in which this call fails, and what follows. Gives the calls that failed."""
    disk, ledger, failing = new_disk(), Ledger(), Failing(KINDS[kind](number))
    try:
        life = Life(disk, ledger, SEED, failing)
    except StorageError as error:
        assert REASON.match(str(error))
        life = Life(disk, ledger, SEED)
    bad_life(life)
    life.fault = life.files.fault = no_fault
    failed_sync = any("sync" in call.name for call in failing.hit)
    good_life(life, failed_sync=failed_sync)
    try:
        check_restart(disk.crash(Luck(random.Random(number), 0.5)), copy.deepcopy(ledger), number)
    except (
        StorageError
    ) as error:  # a failed sync and then a crash: all may be gone, and nothing is used twice
        assert failed_sync and str(error).startswith("/state/"), "refused without need"
    life.close()
    check_restart(disk.clone(), ledger, number)
    return failing.hit


def bad_life(life: Life) -> None:
    hank, hilary = HUBS
    for step in (
        partial(life.deliver, hank), partial(life.act, 20), partial(life.deliver, hank),
        partial(life.deliver, hilary), partial(life.act, 20), partial(life.deliver, hilary, replace=True),
        partial(life.act, 20),
    ):  # fmt: skip
        life.attempt(step)
    for error in life.errors:
        assert not isinstance(error, ConfigurationError)


def good_life(life: Life, *, failed_sync: bool) -> None:
    """The disk is well: deliveries come in, and what has not failed for good gives pads."""
    for hub in HUBS:
        if not failed_sync:
            life.deliver(hub, replace=hub in life.store.pairs, expect=True)
    before = life.nr_left
    life.act(100)
    life.settle()
    assert failed_sync or life.nr_left > before
    assert life.files.nr_open < 40


def calls_by_site() -> dict[tuple[str, ...], list[int]]:
    """Numbers of the calls of a life without faults, by where in the store's code they come from."""
    found: dict[tuple[str, ...], list[int]] = {}

    def look(call: Call) -> None:
        ours = (
            f"{frame.f_code.co_name}:{line}"
            for frame, line in traceback.walk_stack(None)
            if frame.f_code.co_filename.startswith(STORAGE)
        )
        found.setdefault((call.name, *itertools.islice(ours, 2)), []).append(call.number)

    life = Life(new_disk(), Ledger(), SEED, look)
    bad_life(life)
    return found


def run_all(kind: str, numbers: Iterable[int]) -> set[str]:
    """Names of the calls that were hit."""
    hit: set[str] = set()
    for number in numbers:
        try:
            hit |= {call.name for call in errors_at(number, kind)}
        except BaseException as error:
            error.add_note(f"{kind} at call {number}")
            raise
    return hit


@pytest.mark.parametrize("kind", ["EIO", "full, copy on write"])
def test_an_error_at_every_place_in_the_code(kind: str) -> None:
    sites = calls_by_site()
    assert len(sites) > 60
    wanted = FALLIBLE if kind == "EIO" else CHANGES - {"remove", "remove_directory"}
    numbers = [found[len(found) // 2] for site, found in sites.items() if site[0] in wanted]
    assert run_all(kind, numbers) >= wanted


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
def test_an_error_at_every_call(kind: str) -> None:
    run_all(kind, itertools.chain.from_iterable(calls_by_site().values()))
