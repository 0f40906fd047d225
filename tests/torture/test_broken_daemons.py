"""The torture notices daemons that were broken on purpose: their code is patched as they start."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .scripts import torture

BROKEN = Path(__file__).with_name("broken")


@pytest.mark.parametrize("name", ["sends_before_reserving", "repeats_lost_proofs"])
def test_bytes_that_a_broken_daemon_uses_twice_are_found(name: str) -> None:
    paths = [str(BROKEN / name), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = torture(
        "--kills", "60", "--round-kills", "60", "--seed", "1", limit_s=1200, environment=environment
    )
    assert done.status == 1, "nothing was noticed"
    (failure,) = done.found["failures"].values()
    assert failure.startswith("bytes used twice in stream"), failure
    assert failure.count(", piece ") == 2, "both uses are told"
    kept = Path(failure.rpartition("files are in ")[2].strip())
    assert kept.is_dir()
    shutil.rmtree(kept)
