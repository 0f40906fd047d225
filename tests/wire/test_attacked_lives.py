"""Random lives with an attacker on the path: nothing forged is taken, and he keeps nobody apart for good."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from dsked.errors import TagError
from dsked.limits import HANDSHAKE_PAD_BYTES
from dsked.psrd.pair import lies_where_no_frame_was
from dsked.psrd.pool import OwnerPool, ReceiverPool
from dsked.psrd.proofs import OwnProofs
from dsked.wire import handshake_client, handshake_hub

from .attacked_lives import AttackedWorld, Forgery, Stuck, live

NR_LIVES = 100


def lives(seeds: Iterable[int]) -> list[AttackedWorld]:
    return [live(seed) for seed in seeds]


def test_whatever_he_does_nothing_forged_is_taken_and_all_come_in_when_he_has_gone() -> None:
    worlds = lives(range(NR_LIVES))
    assert sum(world.nr_messages for world in worlds) > 20 * NR_LIVES
    assert sum(world.nr_forged for world in worlds) > NR_LIVES // 4
    assert sum(world.nr_fresh for world in worlds) > NR_LIVES // 20, "where the hash key lies in the pool"
    assert sum(world.nr_posed for world in worlds) > NR_LIVES // 10
    assert sum(world.exhausted for world in worlds) < NR_LIVES // 10


@pytest.mark.full
def test_2000_lives_more() -> None:
    lives(range(NR_LIVES, NR_LIVES + 2000))


# --- what the lives show ---


def _whatever_was_acknowledged(pool: ReceiverPool, position: int, durable_mark: int) -> bytes | None:
    if lies_where_no_frame_was(pool, position, durable_mark):
        return None
    if not pool.proved:
        raise TagError("none is known")
    return pool.proved


def _later_ones_are_forgotten(proofs: OwnProofs, exact_mark: int) -> bytes | None:
    """A late M1 tells a mark below a proof that has been verified since."""
    known = sum(position + HANDSHAKE_PAD_BYTES <= exact_mark for position, _ in proofs._made)
    if not known:
        return None
    proofs._made = [proofs._made[known - 1]]
    return proofs._made[0][1] or None


def _in_the_pool(pool: ReceiverPool, position: int, durable_mark: int) -> None:
    """A proof's hash key stands where the proof does."""


def _anywhere(pool: OwnerPool, position: int, durable_mark: int) -> bool:
    return True


def _in_both_machines(**changes: Any) -> list[tuple[Any, str, Any]]:
    return [(machine, *change) for machine in (handshake_client, handshake_hub) for change in changes.items()]


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        (_in_both_machines(peers_hash_key=_whatever_was_acknowledged), Forgery),
        ([(OwnProofs, "last_verified", _later_ones_are_forgotten)], Stuck),
        (_in_both_machines(peers_hash_key=_in_the_pool, lies_where_no_frame_was=_anywhere), Forgery),
    ],
    ids=["what was acknowledged since does not count", "a late M1", "the hash key lies in the pool"],
)
def test_the_lives_show_what_is_broken(
    changes: list[tuple[Any, str, Any]], seen: type[AssertionError], monkeypatch: pytest.MonkeyPatch
) -> None:
    for of, name, broken in changes:
        monkeypatch.setattr(of, name, broken)
    with pytest.raises(seen) as failed:
        lives(range(NR_LIVES))
    [again] = failed.value.__notes__
    assert again.startswith("again: python -m tests.wire.attacked_lives ")


def test_a_life_is_the_same_again() -> None:
    steps: list[list[str]] = []
    for _ in range(2):
        steps.append([])
        live(7, steps[-1].append)
    assert steps[0] == steps[1]
    command = [sys.executable, "-m", "tests.wire.attacked_lives", "7"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:-1] == steps[0]
