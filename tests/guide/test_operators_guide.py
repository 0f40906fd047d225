"""docs/operators-guide.md followed from its first line, on hosts of its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.guiding import hosts

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(hosts.why_not() is not None, reason=str(hosts.why_not())),
]


def test_it_ends_with_keys_at_both_sites_and_leaves_nothing() -> None:
    ran = subprocess.run(
        [sys.executable, "scripts/operators_guide.py"],
        cwd=hosts.PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout
    assert re.search(r"\d+ commands were typed; both sites hold the same \d+ keys", ran.stdout), ran.stdout
    assert len(set(re.findall(r"uid=(\d+)\(dsked\)", ran.stdout))) == 7  # each node's host has its own user
    assert "simulated" not in ran.stdout
    assert "/run/guide" not in Path("/proc/mounts").read_text()
    assert not Path("/run/guide").exists()
